import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import conformance, schemas

L1 = ["packml_state", "parts_total"]
L2 = [*L1, "parts_bad", "order_id", "ideal_cycle_s"]
L3 = [*L2, "stop_reason_code", "energy_kwh"]
NO_CYCLES = pl.DataFrame(schema=schemas.CYCLES)


def tags(**measures):
    rows = [
        {
            "park_id": "P01",
            "factory_id": unit[:3],
            "line_id": "L1",
            "work_unit_id": unit,
            "measure": m,
        }
        for unit, wanted in measures.items()
        for m in wanted
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("measures", "level"),
    [
        (["serial_number"], 0),
        (["item_state"], 0),
        (L1, 1),
        (L2[:-1], 1),
        (L2, 2),
        (L3[:-1], 2),
        (L3, 3),
    ],
)
def test_a_level_needs_all_of_the_levels_below(measures, level):
    assert conformance.levels(tags(F01M1=measures), NO_CYCLES)["level"].to_list() == [level]


def test_a_planned_run_time_may_come_from_the_cycles_file():
    cycles = pl.DataFrame({"factory_id": ["F01"], "work_unit_id": ["F01M1"]})
    assert conformance.levels(tags(F01M1=L2[:-1]), cycles)["level"].to_list() == [2]


def test_a_factory_is_where_its_least_machine_is():
    found = conformance.levels(tags(F01M1=L3, F01M2=L1, F02M1=L2), NO_CYCLES)
    assert conformance.by_factory(found).rows() == [("F01", 1), ("F02", 2)]
    assert conformance.by_line(found).rows() == [("F01", "L1", 1), ("F02", "L1", 2)]


def test_what_the_next_level_lacks_is_named():
    found = conformance.assessed(tags(F01=L1[:1], F02=L1, F03=L3), NO_CYCLES)
    assert found.select("level", "missing").rows() == [
        (0, ["parts_total"]),
        (1, ["parts_good|parts_bad", "order_id", "ideal_cycle_s"]),
        (3, []),
    ]


def test_a_machine_that_was_taken_away_has_no_level():
    gone = tags(F01=L1).with_columns(valid_to=pl.lit(0, schemas.TIME))
    standing = tags(F02=L1).with_columns(valid_to=pl.lit(None, schemas.TIME))
    assert conformance.levels(pl.concat([gone, standing]), NO_CYCLES)["factory_id"].to_list() == [
        "F02"
    ]


def todo(**measures):
    return conformance.todo(tags(**measures), NO_CYCLES)


def test_one_measure_that_lifts_a_machine_says_how_far():
    row = todo(F01=[m for m in L3 if m != "parts_bad"]).row(0, named=True)
    assert (row["subject"], row["level"], row["unlocks"]) == ("parts_good|parts_bad", 1, 3)
    assert "L1 升至 L3" in row["todo_zh"]
    assert "from L1 to L3" in row["todo_en"]


def test_of_several_missing_measures_none_lifts_alone():
    found = todo(F01=L2)
    assert found.select("subject", "unlocks").rows() == [
        ("stop_reason_code", None), ("energy_kwh", None),
    ]  # fmt: skip
    assert all("一并补齐后由 L2 升至 L3" in text for text in found["todo_zh"])


def test_what_brings_an_oee_comes_first_then_the_higher_lift():
    lifts = {
        "F01": L3[:-1],  # energy alone: L2 to L3
        "F02": [m for m in L2 if m != "parts_bad"],  # L1 to L2, and an OEE
        "F03": L1[:1],  # L0 to L1
        "F04": [m for m in L3 if m != "parts_bad"],  # L1 to L3
        "F05": L1,  # three are missing
    }
    assert todo(**lifts)["factory_id"].unique(maintain_order=True).to_list() == [
        "F04", "F02", "F03", "F01", "F05",
    ]  # fmt: skip


@settings(max_examples=30)
@given(st.sets(st.sampled_from(L3)))
def test_what_a_row_says_it_unlocks_is_the_level_with_that_measure(measures):
    before = conformance.levels(tags(F01=["model", *measures]), NO_CYCLES)["level"].item()
    for row in todo(F01=["model", *measures]).iter_rows(named=True):
        more = [*measures, row["subject"].split("|")[0]]
        after = conformance.levels(tags(F01=["model", *more]), NO_CYCLES)["level"].item()
        assert row["unlocks"] == (after if after > before else None)


def test_machines_are_counted_by_level():
    found = conformance.levels(tags(F01M1=L3, F01M2=L1, F02M1=L2), NO_CYCLES)
    assert conformance.at_levels(found).rows() == [("F01", 2, 0, 1, 0, 1), ("F02", 1, 0, 0, 1, 0)]
