"""Busy intervals: breaks, planned maintenance, whole-line rows, shifts over midnight."""

from datetime import date
from itertools import pairwise

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import shifts
from pipelines.catalogue import numbered
from pipelines.days import local_day
from tests.pipelines import plant, slow_oee

UNITS = plant.tags(["item_state"], units=("M1", "M2"))
H = 3600


def busy(*rows, units=UNITS):
    found = shifts.busy_intervals(plant.plan(*rows), units)
    return found.filter(pl.col("work_unit_id") == "M1").select("shift_id", "start", "end").rows()


def test_breaks_and_maintenance_are_cut_out_once():
    found = busy(
        ("A", 0, 8 * H, "busy"), ("A", H, 2 * H, "break"),
        ("A", 1.5 * H, 3 * H, "planned_maintenance"),
        ("A", 7 * H, 9 * H, "break"), ("A", 5 * H, 5 * H, "break"),
    )  # fmt: skip
    assert found == [("A", plant.at(0), plant.at(H)), ("A", plant.at(3 * H), plant.at(7 * H))]


def test_a_row_of_a_line_or_factory_means_each_work_unit():
    found = shifts.busy_intervals(plant.plan(("A", 0, H, "busy")), UNITS)
    assert found["work_unit_id"].to_list() == ["M1", "M2"]
    only = plant.plan(("A", 0, H, "busy")).with_columns(work_unit_id=pl.lit("M2"))
    assert shifts.busy_intervals(only, UNITS)["work_unit_id"].to_list() == ["M2"]
    other = plant.plan(("A", 0, H, "busy")).with_columns(line_id=pl.lit("L9"))
    assert shifts.busy_intervals(other, UNITS).is_empty()


def test_the_most_specific_row_says_how_long_a_shift_is():
    every = plant.plan(("A", 0, 8 * H, "busy"), ("B", 8 * H, 16 * H, "not_planned"))
    mine = plant.plan(("A", 0, 6 * H, "busy"), ("B", 8 * H, 10 * H, "busy"))
    both = pl.concat([every, mine.with_columns(work_unit_id=pl.lit("M1"))])
    found = shifts.busy_intervals(both, UNITS).select("work_unit_id", "shift_id", "end").rows()
    assert found == [
        ("M1", "A", plant.at(6 * H)), ("M1", "B", plant.at(10 * H)), ("M2", "A", plant.at(8 * H)),
    ]  # fmt: skip


def test_a_shift_that_does_not_run_is_a_window_without_busy_time():
    plan = plant.plan(("A", 0, 8 * H, "not_planned"))
    assert shifts.calendar_of(plan, numbered(UNITS)).windows.height == 2
    assert shifts.busy_intervals(plan, UNITS).is_empty()


def test_a_night_shift_stays_with_the_day_it_starts():
    found = shifts.calendar_of(plant.plan(("N", 22 * H, 30 * H, "busy")), numbered(UNITS)).windows
    assert set(found["production_day"]) == {date(2026, 3, 2)}
    assert set(found.select(local_day(pl.col("end"))).to_series()) == {date(2026, 3, 3)}
    assert (found["end"] - found["start"]).dt.total_hours().to_list() == [8, 8]


def hours(found):
    return [(shift, *((t - plant.at(0)).total_seconds() / H for t in (a, b)))
            for shift, a, b in found]  # fmt: skip


def test_busy_rows_of_a_shift_count_once_where_they_overlap():
    """Summed, the 10 h from the first start to the last end would be 12 h."""
    assert hours(busy(("A", 0, 8 * H, "busy"), ("A", 6 * H, 10 * H, "busy"))) == [("A", 0, 10)]


def test_an_overlap_of_two_shifts_is_of_the_later_one():
    a, b = ("A", 0, 5 * H, "busy"), ("B", 4 * H, 8 * H, "busy")
    assert hours(busy(a, b)) == hours(busy(b, a)) == [("A", 0, 4), ("B", 4, 8)]
    inside = ("A", 0, 8 * H, "busy"), ("B", H, 2 * H, "busy"), ("B", 1.5 * H, 2 * H, "break")
    assert hours(busy(*inside)) == [("A", 0, 1), ("B", 1, 1.5), ("A", 2, 8)]
    found = shifts.calendar_of(plant.plan(*inside), numbered(UNITS[:1])).own.select(
        "shift_id", "start", "end"
    )
    assert hours(found.rows()) == [("A", 0, 1), ("B", 1, 2), ("A", 2, 8)]


ROW = st.tuples(st.sampled_from("ABC"), st.integers(0, 60), st.integers(1, 30), st.sampled_from(
    ["busy", "busy", "not_planned", "break"]))  # fmt: skip


@settings(deadline=None)
@given(st.lists(ROW, max_size=8), st.randoms(use_true_random=False))
def test_every_second_is_of_one_shift(drawn, random):
    rows = [(shift, start, start + length, kind) for shift, start, length, kind in drawn]
    found = busy(*rows)
    assert busy(*random.sample(rows, len(rows))) == found
    own = (
        shifts.calendar_of(plant.plan(*rows), numbered(UNITS[:1]))
        .own.select("shift_id", "start", "end")
        .rows()
    )
    for second in range(91):
        holders = [s for s, a, b in own if a <= plant.at(second) < b]
        working = [s for s, a, b in found if a <= plant.at(second) < b]
        assert holders == ([slow_oee.owner(rows, second)] if slow_oee.owner(rows, second) else [])
        assert working == [s for s in holders if slow_oee.is_busy(rows, s, second)]


SPAN = st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from(
    ["break", "planned_maintenance"]))  # fmt: skip


@settings(deadline=None)
@given(st.lists(SPAN, max_size=8))
def test_busy_seconds_equal_a_loop(spans):
    cuts = [("A", min(a, b), max(a, b), kind) for a, b, kind in spans]
    rows = [("A", 10, 30, "busy"), ("B", 30, 50, "busy"), *cuts]
    found = busy(*rows)
    seconds = {
        (shift, second)
        for shift, a, b in (("A", 10, 30), ("B", 30, 50))
        for second in range(a, b)
        if not any(left <= second < right for _, left, right, _ in cuts)
    }
    assert {
        (shift, s)
        for shift, start, end in found
        for s in range(10, 50)
        if start <= plant.at(s) < end
    } == seconds
    assert all(end <= start for (_, _, end), (_, start, _) in pairwise(found))
