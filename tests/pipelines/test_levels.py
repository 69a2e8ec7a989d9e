"""Roll-ups from machines to the district: sums, scope, and what is missing said."""

from datetime import date, timedelta

import polars as pl
import pytest

from pipelines import levels, oee
from pipelines.equipment import UNIT
from pipelines.schemas import LINE_OEE_BY_SHIFT, OEE_BY_SHIFT, PLAN, TAGS
from tests.pipelines import plant
from tests.pipelines.test_lines import both, ran

DAY = date(2026, 3, 2)
SEQUENTIAL = {"M1": 1, "M2": 2}
PRI = {"M1": {"A": 60}, "M2": {"A": 30}, "M3": {"A": 30}}
NO_LINE = pl.DataFrame(schema=LINE_OEE_BY_SHIFT)
NOBODY = pl.DataFrame(schema=levels.EXPECTED)


def machine(unit, *, shift="A", unknown=0.0, good=30, factory="F01", park="P01", counted=True):
    """A row of OEE_BY_SHIFT of an hour, at 60 s a piece."""
    apt = 3600.0 - unknown
    return {
        "park_id": park, "factory_id": factory, "line_id": "L1", "work_unit_id": unit,
        "production_day": DAY, "shift_id": shift, "is_open": False, "pbt_s": 3600.0,
        "apt_s": apt, "aust_s": 0.0, "adet_s": 0.0, "adot_s": 0.0, "unknown_s": unknown,
        "pq": good if counted else None, "gq": good if counted else None, "sq": 0, "rq": 0,
        "ideal_total_s": 60.0 * good if counted else None,
        "ideal_good_s": 60.0 * good if counted else None,
        "lower": good / 60, "upper": min(good / 60 + unknown / 3600, 1.0),
        "profile_id": "opc40001-1",
    }  # fmt: skip


def rolled(*rows, lines=NO_LINE, expected=NOBODY):
    found = levels.by_day(pl.DataFrame(rows, OEE_BY_SHIFT), lines, expected)
    return {(r["level"], r["factory_id"], r["line_id"]): r for r in found.to_dicts()}


def expect(*units, factory="F01"):
    rows = [("P01", factory, "L1", unit, DAY) for unit in units]
    return pl.DataFrame(rows, levels.EXPECTED, orient="row")


def test_without_sequential_lines_it_is_the_roll_up_to_the_bit():
    rows = [machine("M1"), machine("M2", good=17, unknown=900.0), machine("M2", shift="B")]
    frame = pl.DataFrame(rows, OEE_BY_SHIFT)
    found = levels.by_day(frame, NO_LINE, NOBODY)
    for level, by in levels.LEVELS.items():
        one = oee.roll_up(frame, ["production_day", *by])
        assert found.filter(level=level).select(one.columns).equals(one)
        assert found.filter(level=level)["aggregation"].to_list() == ["time_weighted"]


def test_every_row_states_its_scope():
    found = rolled(machine("M1"), machine("M1", shift="B"), machine("M2"),
                   expected=expect("M1", "M2", "M3", "M4"))  # fmt: skip
    for level in ("line", "factory", "park", "district"):
        row = next(r for key, r in found.items() if key[0] == level)
        assert (row["work_units"], row["work_units_missing"], row["shifts"]) == (2, 2, 3)
        assert (row["completeness"], row["is_reliable"], row["is_open"]) == (1, True, False)


@pytest.mark.parametrize(
    ("unknown", "counted", "reliable"),
    [(360.0, True, True), (361.0, True, False), (0.0, False, False)],
)
def test_a_roll_up_is_reliable_where_enough_is_known(unknown, counted, reliable):
    """An unreliable machine-shift stays in the sums, with its bounds."""
    row = rolled(machine("M1", unknown=unknown, counted=counted))["district", None, None]
    assert row["is_reliable"] == reliable
    assert (row["pbt_s"], row["work_units"]) == (3600, 1)
    assert row["upper"] == pytest.approx(min(0.5 + unknown / 3600, 1))


def test_teep_is_over_24_hours_of_every_work_unit_once_a_day():
    found = rolled(machine("M1"), machine("M1", shift="B"), machine("M2"))
    line = found["line", "F01", "L1"]
    assert line["teep"] == 3 * 30 * 60 / (2 * 86_400)
    assert line["calendar_s"] == 2 * 86_400
    assert line["teep"] == pytest.approx(line["oee"] * line["loading"], rel=1e-15)


def test_a_sequential_line_is_its_own_figure_and_the_factory_stays_a_sum():
    said = [*ran("M1", 60), *ran("M2", 60)]
    whole, stations = both(said, SEQUENTIAL, PRI)
    beside = stations.with_columns(line_id=pl.lit("L2"))
    found = levels.by_day(pl.concat([stations, beside]), whole, NOBODY)
    rows = {(r["level"], r["line_id"]): r for r in found.to_dicts()}
    line, other = rows["line", "L1"], rows["line", "L2"]
    assert (line["aggregation"], line["oee"], line["bottleneck"]) == ("line_bottleneck", 1.0, "M1")
    assert (other["aggregation"], other["oee"]) == ("time_weighted", 0.75)
    assert (line["work_units"], line["work_units_missing"], line["shifts"]) == (2, 0, 1)
    assert line["teep"] == 3600 / 86_400
    assert rows["factory", None]["oee"] == rows["district", None]["oee"] == 0.75
    assert found.select("level", "production_day", *UNIT[:3]).is_unique().all()


def test_a_day_of_a_line_weighs_completeness_by_planned_time():
    said = [*ran("M1", 60), *ran("M2", 60)]
    whole, stations = both(said, SEQUENTIAL, PRI)
    second = whole.with_columns(
        shift_id=pl.lit("B"), completeness=pl.lit(0.4), pbt_s=pl.lit(1200.0), lacks=pl.lit(None)
    )
    found = levels.by_day(stations, pl.concat([whole, second]), NOBODY).filter(level="line")
    row = found.row(0, named=True)
    assert row["completeness"] == (3600 + 0.4 * 1200) / 4800
    assert (row["shifts"], row["is_reliable"]) == (2, False)


def test_who_should_be_there():
    """The catalogue's while a tag holds, and whom the plan names; unplanned ones are not asked."""
    days = pl.DataFrame({"production_day": [DAY, DAY + timedelta(days=1)]})
    tags = plant.tags(["item_state"], units=("M1", "M2"))
    ended = pl.col("work_unit_id") == "M2"
    tags = tags.with_columns(valid_to=pl.when(ended).then(plant.at(86_400)))
    named = plant.plan(("A", 0, 3600, "busy"), ("B", 0, 3600, "not_planned")).with_columns(
        work_unit_id=pl.Series(["M9", "M8"]), line_id=pl.lit("L1")
    )
    found = levels.there(tags, named, days).select("park_id", "work_unit_id", "production_day")
    assert found.rows() == [
        ("P01", "M1", DAY), ("P01", "M1", DAY + timedelta(days=1)), ("P01", "M2", DAY),
        ("P01", "M9", DAY),
    ]  # fmt: skip
    nothing = levels.there(pl.DataFrame(schema=TAGS), pl.DataFrame(schema=PLAN), days)
    assert nothing.schema == levels.EXPECTED
    assert nothing.is_empty()
