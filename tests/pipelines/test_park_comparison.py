"""What is unequal between our figures and the true ones, and nothing else, is told."""

from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import park_comparison
from pipelines.equipment import UNIT
from pipelines.park_figures import CONFORMANCE

DAYS = [date(2026, 11, 16), date(2026, 11, 17)]
ROWS = st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 2), max_size=4)


def frame(rows):
    schema = {"key": pl.String, "figure": pl.Int64}
    return pl.DataFrame(list(rows.items()), schema, orient="row")


@given(ROWS, ROWS)
@settings(max_examples=60)
def test_unequal_is_what_differs_or_stands_alone(ours, true):
    found = park_comparison.unequal(frame(ours), frame(true), ["key"], ["figure"])
    slow = {
        key
        for key in {*ours, *true}
        if (key in ours) != (key in true) or ours[key] != true[key]
    }  # fmt: skip
    assert found["key"].to_list() == sorted(slow)


def test_rows_without_figures_are_compared_by_being_there():
    found = park_comparison.unequal(frame({"a": 1}), frame({"a": 2, "b": 1}), ["key"], [])
    assert found["key"].to_list() == ["b"]


def machine(factory, unit, level, offset=0, resets=0):
    key = dict(zip(UNIT, (None, factory, "L1", unit), strict=True))
    return key | {"level": level, "clock_offset_s": offset, "unannounced_resets": resets}


TRUTH = pl.DataFrame(
    [machine("F01", "M1", 3), machine("F01", "M2", 2, resets=1), machine("F02", "M3", 3, 37)],
    schema_overrides={"park_id": pl.String, "level": pl.Int8},
)


def levels(*changed):
    rows = [
        {name: row[name] for name in (*UNIT, "level")} | {"day": day}
        for row in TRUTH.to_dicts()
        for day in DAYS
    ]
    for place, level in changed:
        rows[place]["level"] = level
    return pl.DataFrame(rows, schema_overrides={"park_id": pl.String, "level": pl.Int8})


def test_levels_are_told_by_machine_and_day():
    asked = pl.DataFrame({"factory_id": ["F01", "F02"]}).join(
        pl.DataFrame({"day": DAYS}), how="cross"
    )
    assert park_comparison.levels(levels(), TRUTH, asked).is_empty()
    (row,) = park_comparison.levels(levels((3, 1)), TRUTH, asked).rows(named=True)
    assert (row["work_unit_id"], row["day"]) == ("M2", DAYS[1])
    assert (row["level"], row["level_ours"]) == (2, 1)
    missing = levels().filter((pl.col("work_unit_id") != "M3") | (pl.col("day") != DAYS[0]))
    (row,) = park_comparison.levels(missing, TRUTH, asked).rows(named=True)
    assert (row["work_unit_id"], row["day"], row["level_ours"]) == ("M3", DAYS[0], None)
    unmade = park_comparison.levels(levels().clear(), TRUTH, asked)
    assert unmade.height == TRUTH.height * len(DAYS)


def found(*rows):
    told = [dict.fromkeys(CONFORMANCE) | row for row in rows]
    return pl.DataFrame(told, schema={**CONFORMANCE, "day": pl.Date})


def test_a_clock_is_off_on_every_day_or_on_none():
    days = levels().select("factory_id", "day").unique()
    off = [{"factory_id": "F02", "finding": "clock_offset", "day": day} for day in DAYS]
    assert park_comparison.clocks(found(*off), TRUTH, days).is_empty()
    unseen = park_comparison.clocks(found(off[0]), TRUTH, days)
    assert unseen.select("factory_id", "day").rows() == [("F02", DAYS[1])]
    wrong = found(*off, {"factory_id": "F01", "finding": "clock_unsteady", "day": DAYS[0]})
    assert park_comparison.clocks(wrong, TRUTH, days)["factory_id"].to_list() == ["F01"]


def test_a_count_that_fell_has_a_reset_behind_it():
    fell = [
        {"factory_id": "F01", "work_unit_id": unit, "finding": "count_fell", "day": DAYS[0]}
        for unit in ("M1", "M2")
    ]
    told = park_comparison.falls(found(*fell), TRUTH).sort("work_unit_id")
    assert told["unannounced_resets"].to_list() == [0, 1]
