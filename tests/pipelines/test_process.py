"""Wide process tables and what they leave out."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import process
from tests.pipelines import plant
from tests.pipelines.plant import BAD, UNCERTAIN, Said

TAGS = plant.tags(
    ["pressure", "current", "power_kw", "energy_kwh", "item_state"], units=("M1", "M2")
)


def everything(said, tags=TAGS):
    values = plant.timed(plant.raw(said))
    return process.process_values(values, tags), process.exceptions(values, tags)


def wide(said, tags=TAGS):
    tables, left_out = everything(said, tags)
    return tables["press"], left_out


def test_one_row_per_step_one_column_per_measure():
    said = [Said(10 * n, "pressure", float(n)) for n in range(4)]
    said += [Said(10 * n + 3, "current", 10.0 + n) for n in range(4)]
    table, left_out = wide(said)
    assert table.columns[4:] == ["time", "current", "power_kw", "pressure"]
    assert table["time"].to_list() == [plant.at(10 * n) for n in range(4)]
    assert table["pressure"].to_list() == [0, 1, 2, 3]
    assert table["current"].to_list() == [10, 11, 12, 13]
    assert table["power_kw"].null_count() == 4
    assert left_out.is_empty()


def test_odd_periods_and_jitter_keep_one_value_a_step():
    said = [Said(90 * n + 41 + 0.3 * (n % 3), "pressure", float(n)) for n in range(200)]
    table, left_out = wide(said)
    assert table["pressure"].to_list() == [float(n) for n in range(200)]
    assert left_out.is_empty()
    assert set(table["time"].diff().drop_nulls().dt.total_seconds()) == {90}


def test_phase_at_the_step_edge_does_not_double_or_skip():
    said = [Said(10 * n + 5 + (0.2 if n % 2 else -0.2), "pressure", float(n)) for n in range(60)]
    table, left_out = wide(said)
    assert table["pressure"].to_list() == [float(n) for n in range(60)]
    assert left_out.is_empty()


def test_what_is_not_good_is_an_exception():
    said = [Said(10 * n, "pressure", float(n)) for n in range(6)]
    said[2] = Said(20, "pressure", None, BAD)
    said[3] = Said(30, "pressure", 3.0, UNCERTAIN)
    said[4] = Said(40, "pressure", float("nan"))
    said.append(Said(51, "pressure", 5.5))
    table, left_out = wide(said)
    assert table["pressure"].to_list() == [0, 1, 5]
    assert left_out.select("time", "reason", "status_code").rows() == [
        (plant.at(20), "not_good", BAD),
        (plant.at(30), "not_good", UNCERTAIN),
        (plant.at(40), "not_a_number", 0),
        (plant.at(51), "extra", 0),
    ]


def test_a_machine_type_that_said_nothing_has_an_empty_table():
    table, left_out = wide([])
    assert table.height == left_out.height == 0
    assert table.columns[4:] == ["time", "current", "power_kw", "pressure"]
    assert table.schema["pressure"] == pl.Float64


def foreign(tags=TAGS):
    return tags.with_columns(machine_type=pl.lit(None, pl.String))


def test_a_machine_of_no_known_type_is_an_exception():
    said = [Said(10 * n, "pressure", float(n)) for n in range(5)]
    said.append(Said(50, "pressure", 5.0, BAD))
    tables, left_out = everything(said, foreign())
    assert tables == {}
    assert left_out["reason"].to_list() == ["no_machine_type"] * 5 + ["not_good"]
    assert left_out["value"].to_list() == [0, 1, 2, 3, 4, 5]


def doubled(tags=TAGS):
    """Two nodes of one measure: M1's current is its pressure once more."""
    return tags.with_columns(
        measure=pl.col("measure").replace("current", "pressure"),
    )


def test_a_second_node_of_a_measure_is_an_exception():
    said = [Said(10 * n, "pressure", float(n)) for n in range(5)]
    said += [Said(10 * n, "current", 100.0 + n) for n in range(5)]
    table, left_out = wide(said, doubled())
    kept, others = table["pressure"].to_list(), left_out["value"].to_list()
    assert sorted(kept + others) == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]
    assert left_out["reason"].unique().to_list() == ["extra"]
    backwards = wide(list(reversed(said)), doubled().reverse())
    assert backwards[0].equals(table)
    assert backwards[1].equals(left_out)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.builds(
    Said, st.integers(0, 200), st.sampled_from(["pressure", "current"]), st.floats(-5, 5),
    st.sampled_from([0, BAD]), st.sampled_from(["M1", "M2"])), max_size=40,
    unique_by=lambda s: (s.second, s.measure, s.unit)),
    st.sampled_from([TAGS, foreign(), doubled(), pl.concat([TAGS[:5], foreign()[5:]])]),
)  # fmt: skip
def test_every_value_is_in_the_table_or_an_exception(said, tags):
    tables, left_out = everything(said, tags)
    names = ("pressure", "current")
    placed = sum(table[n].count() for table in tables.values() for n in names if n in table.columns)
    assert placed + left_out.height == len(said)
