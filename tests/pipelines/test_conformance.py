import polars as pl
import pytest

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
