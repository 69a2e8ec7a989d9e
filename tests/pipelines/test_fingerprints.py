"""What can matter for a day changes its fingerprint, and what cannot does not."""

import itertools
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.days import midnight
from pipelines.fingerprints import HELD, boxes, content, inputs, planned, vouched
from pipelines.schemas import COVERAGE, PLAN

FIRST = date(2026, 11, 1)
SINCE = FIRST - timedelta(days=9)
DAYS = [FIRST + timedelta(days=n) for n in range(30)]
ALL = {"late_values": "s", "plan": "p"}


def plan(days, hours=8):
    rows = [
        {"factory_id": "F01", "production_day": day, "shift_id": "E", "kind": "busy",
         "start": midnight(day), "end": midnight(day) + timedelta(hours=hours)}
        for day in days
    ]  # fmt: skip
    return pl.DataFrame(rows, PLAN)


def coverage(*spans):
    rows = [
        {"server_uri": "u", "factory_id": "F01", "from_time": midnight(DAYS[0]) + a,
         "to_time": midnight(DAYS[0]) + b}
        for a, b in spans
    ]  # fmt: skip
    return pl.DataFrame(rows, COVERAGE)


def differing(one, other):
    return {day for day in DAYS if one[day] != other[day]}


@given(st.sets(st.sampled_from(DAYS), min_size=1, max_size=3))
def test_a_changed_plan_touches_its_neighbourhood_only(changed):
    before = planned(plan(DAYS), DAYS, SINCE)
    after = planned(
        pl.concat([plan(set(DAYS) - changed), plan(sorted(changed), hours=7)]).reverse(),
        DAYS,
        SINCE,
    )
    near = {day + timedelta(days=n) for day in changed for n in (-1, 0, 1)}
    assert differing(before, after) == near & set(DAYS)


def test_a_plan_of_next_month_leaves_last_week():
    later = [day + timedelta(days=40) for day in DAYS]
    assert planned(plan(DAYS), DAYS, SINCE) == planned(plan([*DAYS, *later]), DAYS, SINCE)


def test_coverage_that_grows_touches_the_days_it_reaches():
    day, hour = timedelta(days=1), timedelta(hours=1)
    before = vouched(coverage((0 * day, 10 * day + hour)), DAYS, SINCE)
    after = vouched(coverage((0 * day, 10 * day + 5 * hour)), DAYS, SINCE)
    assert differing(before, after) == set(DAYS[9:12])
    whole = vouched(coverage((0 * day, 100 * day)), DAYS, SINCE)
    assert whole == vouched(coverage((0 * day, 200 * day)), DAYS, SINCE)


def test_the_first_day_of_a_home_also_holds_what_is_older():
    older = [FIRST - timedelta(days=n) for n in (5, 6)]
    before, after = (planned(plan(days), DAYS, FIRST) for days in (DAYS, [*older, *DAYS]))
    assert differing(before, after) == {FIRST}
    day = timedelta(days=1)
    before, after = (vouched(coverage((a * day, 9 * day)), DAYS, FIRST) for a in (-7, -8))
    assert differing(before, after) == {FIRST}


def test_an_open_gap_lies_in_every_later_day():
    open_one = coverage((timedelta(days=10), timedelta(days=11))).with_columns(
        to_time=pl.lit(None, COVERAGE["to_time"])
    )
    assert differing(vouched(open_one, DAYS, SINCE), vouched(coverage(), DAYS, SINCE)) == set(
        DAYS[9:]
    )


@given(st.permutations(range(5)))
def test_the_order_of_rows_is_no_content(order):
    rows = pl.DataFrame({"a": [1, 2, None, 4, 5], "b": ["x", None, "z", "", "x"]})
    assert content(rows[order]) == content(rows)


def test_a_value_a_null_and_a_column_are_content():
    rows = pl.DataFrame({"a": ["1", "2"], "b": ["2", "1"]})
    others = [
        pl.DataFrame({"a": ["1", "2"], "b": ["1", "2"]}),
        pl.DataFrame({"a": ["1", None], "b": ["2", "1"]}),
        pl.DataFrame({"a": ["1", ""], "b": ["2", "1"]}),
        rows.rename({"b": "c"}),
        rows.head(1),
    ]
    assert len({content(one) for one in (rows, *others)}) == 6


HELD_BY = {
    "raw_values": ({-1, 1}, "late_values"),
    "clock_offsets": ({-1, 1}, "clock"),
    "state_episodes": ({-1, 1}, "neighbours"),
    "count_increments": ({-1, 1}, "neighbours"),
    "last_values": ({1, 2}, "carried_values"),
}
"""Which days away a table's change reaches, and as which component."""


@pytest.mark.parametrize("table", HELD)
def test_what_a_day_holds_reaches_the_days_made_from_it(table):
    holds = {day: dict.fromkeys(HELD, "h") for day in DAYS}
    changed = DAYS[10]
    after = holds | {changed: holds[changed] | {table: "other"}}
    away, component = HELD_BY[table]
    for day in DAYS:
        old, new = (inputs(day, ALL, each, ()) for each in (holds, after))
        differ = {name for name in old if old[name] != new[name]}
        assert differ == ({component} if (day - changed).days in away else set())


def test_what_is_carried_is_the_newest_there_is():
    holds = {DAYS[0]: {"last_values": "a"}}
    before = inputs(DAYS[9], ALL, holds, ())
    after = inputs(DAYS[9], ALL, {DAYS[0]: {"last_values": "b"}}, ())
    assert before["carried_values"] != after["carried_values"]


def test_a_carried_row_is_corrected_by_the_clock_of_its_own_day():
    holds = {DAYS[0]: {"clock_offsets": "a"}}
    other = {DAYS[0]: {"clock_offsets": "b"}}
    one, two = (inputs(DAYS[9], ALL, each, [DAYS[0]])["clock"] for each in (holds, other))
    assert one != two


@given(st.sets(st.sampled_from(DAYS)))
def test_boxes_hold_each_day_once_and_nothing_between(days):
    found = boxes(days)
    inside = [a + timedelta(days=n) for a, b in found for n in range((b - a).days + 1)]
    assert inside == sorted(days)
    assert all(b - a > timedelta(days=1) for (_, a), (b, _) in itertools.pairwise(found))
