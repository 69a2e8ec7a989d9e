"""Calendars by hand, and the laws that hold for any: whose time it is, and what of it is busy."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import oee, shifts
from pipelines.catalogue import numbered
from pipelines.days import midnight
from pipelines.schemas import PLAN
from tests.pipelines import plant
from tests.pipelines.plant import Said

H = 3600
MONDAY = plant.DAY
UNITS = plant.tags(["item_state"], units=("M1",))
RUNNING = [Said(-10 * H, m, v) for m, v in (("item_state", 3), ("operation_mode", 3),
                                            ("product_id", "A"))]  # fmt: skip


def at(day: int, hour: float):
    return midnight(MONDAY + timedelta(days=day)) + timedelta(hours=hour)


def row(day, shift, start, end, kind="busy", **scope):
    """A row of hours from local midnight of the day'th day."""
    return {
        "park_id": "P01", "factory_id": "F01", "production_day": MONDAY + timedelta(days=day),
        "shift_id": shift, "start": at(day, start), "end": at(day, end), "kind": kind, **scope,
    }  # fmt: skip


def calendar(*rows) -> pl.DataFrame:
    return pl.DataFrame(list(rows), PLAN)


def hours(found):
    """(day, shift, start, end) in hours from the midnight of that day."""
    rows = found.select("production_day", "shift_id", "start", "end").rows()
    days = [(day - MONDAY).days for day, *_ in rows]
    return [
        (n, shift, *((time - at(n, 0)).total_seconds() / H for time in span))
        for n, (_, shift, *span) in zip(days, rows, strict=True)
    ]


def busy(*rows, units=UNITS):
    return hours(shifts.busy_intervals(calendar(*rows), units))


def lasted(found) -> dict:
    """Busy hours by (day, shift)."""
    out: dict = {}
    for day, shift, start, end in found:
        out[day, shift] = out.get((day, shift), 0) + end - start
    return out


def three_shifts(day, crews="ABC"):
    """Early, late and night of a day, each with a break of half an hour."""
    for crew, start in zip(crews, (6, 14, 22), strict=True):
        yield row(day, crew, start, start + 8)
        yield row(day, crew, start + 4, start + 4.5, "break")


def test_three_shifts_with_weekly_rotation():
    """The crews move on by one shift each Monday: no second is twice, none is missing."""
    crews = ["ABC", "CAB", "BCA"]
    rows = [r for day in range(21) for r in three_shifts(day, crews[day // 7])]
    found = busy(*rows)
    assert set(lasted(found).values()) == {7.5}
    assert sum(lasted(found).values()) == 21 * 3 * 7.5
    starts = {crew: [s for d, c, s, _ in found if c == crew and s in (6, 14, 22)] for crew in "ABC"}
    assert starts["A"] == [6] * 7 + [14] * 7 + [22] * 7
    own = shifts.calendar_of(calendar(*rows), numbered(UNITS)).own
    assert (own["start"].to_list()[1:], own["end"][-1]) == (own["end"].to_list()[:-1], at(21, 6))


def test_a_night_shift_over_midnight_is_of_the_day_on_which_it_starts():
    """Over the end of the month, of the year and of the summer time that others have."""
    for first in (date(2026, 3, 31), date(2025, 12, 31), date(2026, 3, 28)):
        day = (first - MONDAY).days
        assert busy(row(day, "N", 22, 30)) == [(day, "N", 22, 30)]


def test_a_break_over_an_edge_is_cut_out_of_both_shifts():
    found = busy(row(0, "A", 6, 14), row(0, "B", 14, 22), row(0, "A", 13.75, 14.25, "break"))
    assert found == [(0, "A", 6, 13.75), (0, "B", 14.25, 22)]


def test_planned_maintenance_over_two_shifts_and_midnight():
    service = row(0, "B", 20, 32, "planned_maintenance")
    rows = [row(0, "B", 14, 22), row(0, "N", 22, 30), row(1, "A", 6, 14), service]
    assert busy(*rows) == [(0, "B", 14, 20), (1, "A", 8, 14)]
    windows = hours(shifts.calendar_of(calendar(*rows), numbered(UNITS)).windows)
    assert (0, "N", 22, 30) in windows


def test_a_holiday_a_make_up_saturday_and_the_sunday_after():
    """The whole factory rests on Friday and works on Saturday, one line does as it likes."""
    rows = [
        row(4, "A", 8, 16, "not_planned"),
        row(5, "A", 8, 16),
        row(6, "A", 8, 16, "not_planned"),
    ]
    assert busy(*rows) == [(5, "A", 8, 16)]
    own = [row(4, "A", 8, 12, line_id="L1"), row(5, "A", 8, 16, "not_planned", line_id="L1")]
    assert busy(*rows, *own) == [(4, "A", 8, 12)]
    assert [
        day for day, *_ in hours(shifts.calendar_of(calendar(*rows), numbered(UNITS)).windows)
    ] == [4, 5, 6]


def test_a_shift_that_is_both_planned_and_not_does_not_run():
    assert busy(row(0, "A", 8, 16), row(0, "A", 8, 16, "not_planned")) == []


def test_a_partial_shift_is_busy_in_its_part():
    half = row(0, "A", 8, 16, "not_planned"), row(0, "A", 8, 16)
    assert busy(row(0, "A", 8, 12)) == [(0, "A", 8, 12)]
    assert busy(row(0, "A", 8, 16), row(0, "A", 12, 16, "not_planned")) == [(0, "A", 8, 12)]
    assert busy(row(0, "A", 8, 10), row(0, "A", 14, 16)) == [(0, "A", 8, 10), (0, "A", 14, 16)]
    assert busy(*half) == []


def test_a_change_of_calendar_with_effect_from_a_date():
    """Three shifts until Sunday night, two of 12 h from Monday at 4 h: the new one begins."""
    old = [r for day in (5, 6) for r in three_shifts(day)]
    new = [r for day in (7, 8) for r in (row(day, "D", 4, 16), row(day, "E", 16, 28))]
    found = busy(*old, *new)
    assert [r for r in found if r[0] == 6][-1] == (6, "C", 26.5, 28)
    assert [r for r in found if r[0] >= 7] == [(7, "D", 4, 16), (7, "E", 16, 28),
                                               (8, "D", 4, 16), (8, "E", 16, 28)]  # fmt: skip


def test_a_shift_of_24_hours_and_one_of_48():
    rows = [row(day, "X", 0, 24) for day in range(3)]
    assert busy(*rows) == [(0, "X", 0, 24), (1, "X", 0, 24), (2, "X", 0, 24)]
    assert busy(row(0, "X", 0, 48)) == [(0, "X", 0, 48)]


def test_a_shift_without_busy_time_is_there_and_has_no_ratio():
    rows = [row(0, "A", 6, 14), row(0, "A", 6, 14, "break"), row(0, "B", 14, 22)]
    assert busy(*rows) == [(0, "B", 14, 22)]
    found = figures(calendar(*rows))
    assert found.select("shift_id", "pbt_s", "oee", "outside_plan").rows()[0] == (
        "A",
        0,
        None,
        True,
    )


def test_two_factories_keep_two_calendars():
    other = UNITS.with_columns(factory_id=pl.lit("F02"))
    both = pl.concat([UNITS, other])
    plan = calendar(row(0, "A", 6, 14), row(0, "A", 8, 20, factory_id="F02"),
                    row(0, "A", 12, 13, "break", factory_id="F02"))  # fmt: skip
    found = shifts.busy_intervals(plan, both)
    mine = {name: lasted(hours(part)) for (name,), part in found.group_by("factory_id")}
    assert mine == {"F01": {(0, "A"): 8}, "F02": {(0, "A"): 11}}


def test_a_row_twice_counts_once():
    rows = [row(0, "A", 6, 14), row(0, "A", 9, 10, "break")]
    assert busy(*rows, *rows) == busy(*rows) == [(0, "A", 6, 9), (0, "A", 10, 14)]


@pytest.mark.parametrize("kind", ["busy", "break", "planned_maintenance", "not_planned"])
@pytest.mark.parametrize("end", [5, 6])
def test_a_row_that_ends_before_it_starts_means_nothing(kind, end):
    assert busy(row(0, "A", 6, 14), row(0, "A", 6, end, kind)) == [(0, "A", 6, 14)]


def test_shifts_that_overlap_by_a_handover():
    """Quarter of an hour of both crews is the later one's; the day has 24 h all the same."""
    rows = [
        row(0, "A", 6, 14.25),
        row(0, "B", 14, 22.25),
        row(0, "N", 22, 30.25),
        row(1, "A", 6, 14),
    ]
    assert busy(*rows) == [(0, "A", 6, 14), (0, "B", 14, 22), (0, "N", 22, 30), (1, "A", 6, 14)]


def figures(plan, said=RUNNING, span=(-10 * H, 24 * 9 * H), tags=None):
    tags = plant.tags(["item_state", "operation_mode", "product_id"]) if tags is None else tags
    return plant.figures(
        plant.raw(said), tags, plan, plant.cycles(A=60.0), plant.coverage(span)
    )  # fmt: skip


def test_a_week_of_a_rotation_in_figures():
    """A piece a minute over a week with night shifts and breaks: every one is somewhere, once."""
    rows = [r for day in range(7) for r in three_shifts(day)]
    counts = [Said(6 * H - 60, m, 0) for m in ("parts_total", "parts_good")]
    counts += [Said(6 * H + 60 * n, m, n + 1) for n in range(7 * 24 * 60)
               for m in ("parts_total", "parts_good")]  # fmt: skip
    found = figures(calendar(*rows), RUNNING + counts, tags=plant.tags())
    assert found["pq"].to_list() == [450] * 21
    assert found["pq_outside_plan"].to_list() == [30] * 21
    assert found["pq"].sum() + found["pq_outside_plan"].sum() == 7 * 24 * 60
    assert set(found["oee"]) == {1.0}
    day = oee.roll_up(found, "production_day")
    assert day["pbt_s"].to_list() == [22.5 * H] * 7


KINDS = ["busy", "busy", "busy", "break", "planned_maintenance", "not_planned"]
ROWS = st.lists(
    st.builds(
        lambda day, shift, start, length, kind, scope: row(
            day, shift, start / 4, (start + length) / 4, kind, **scope
        ),
        st.integers(0, 2), st.sampled_from("ABN"), st.integers(0, 120), st.integers(1, 60),
        st.sampled_from(KINDS),
        st.sampled_from([{}, {}, {"line_id": "L1"}, {"line_id": "L2"},
                         {"line_id": "L1", "work_unit_id": "M1"}, {"factory_id": "F02"}]),
    ),
    max_size=10,
)  # fmt: skip
EVERYONE = pl.concat(
    [plant.tags(["item_state"], units=("M1", "M2")), UNITS.with_columns(factory_id=pl.lit("F02"))]
)


def all_of(rows):
    plan = calendar(*rows)
    return shifts.calendar_of(plan, numbered(EVERYONE))


def same(left, right):
    return all(a.equals(b) for a, b in zip(all_of(left), all_of(right), strict=True))


@settings(deadline=None, max_examples=30)
@given(ROWS)
def test_the_time_of_shifts_is_disjoint_and_busy_time_lies_in_it(rows):
    windows, own, busy_time = all_of(rows)
    for part in (own, busy_time):
        after = pl.col("start").shift(-1).over("unit_no")
        assert part.filter(after < pl.col("end")).is_empty()
        assert part.filter(pl.col("start") >= pl.col("end")).is_empty()
    key = shifts.KEY
    inside = busy_time.join(own, on=key, suffix="_own").filter(
        pl.col("start") >= pl.col("start_own"), pl.col("end") <= pl.col("end_own")
    )
    assert inside.height == busy_time.height
    pbt = busy_time.group_by(key).agg(pbt=(pl.col("end") - pl.col("start")).sum())
    beside = pbt.join(windows, on=key)
    assert beside.height == pbt.height
    assert beside.filter(pl.col("pbt") > pl.col("end") - pl.col("start")).is_empty()


@settings(deadline=None, max_examples=30)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_repeats_and_empty_rows_change_nothing(rows, random):
    muddled = random.sample(rows, len(rows)) + random.sample(rows, len(rows) // 2)
    nothing = [r | {"end": r["start"] - timedelta(hours=random.randrange(3))} for r in rows[:3]]
    assert same(rows, muddled + nothing)


@settings(deadline=None, max_examples=30)
@given(ROWS, st.floats(0, 1))
def test_a_row_split_in_two_changes_nothing(rows, share):
    halves = []
    for r in rows:
        middle = r["start"] + timedelta(
            minutes=round((r["end"] - r["start"]) / timedelta(minutes=1) * share)
        )
        halves += [r | {"end": middle}, r | {"start": middle}]
    assert same(rows, halves)


@settings(deadline=None, max_examples=30)
@given(ROWS)
def test_breaks_are_a_union(rows):
    """Cutting once more what is cut already changes nothing, and cutting never adds."""
    cuts = [r for r in rows if r["kind"] in shifts.CUTS]
    assert same(rows, rows + [r | {"shift_id": "other"} for r in cuts])
    _, _, found = all_of(rows)
    _, _, without = all_of([r for r in rows if r not in cuts])
    spans = [(part["end"] - part["start"]).sum() for part in (found, without)]
    assert spans[0] <= spans[1]


@settings(deadline=None, max_examples=15)
@given(ROWS, st.integers(1, 400))
def test_a_calendar_is_the_same_a_day_or_a_year_later(rows, days):
    """No second knows in which week or month it is."""
    later = timedelta(days=days)
    moved = [
        r | {"start": r["start"] + later, "end": r["end"] + later,
             "production_day": r["production_day"] + later}
        for r in rows
    ]  # fmt: skip
    _, own, found = all_of(rows)
    _, moved_own, moved_found = all_of(moved)
    for here, there in ((own, moved_own), (found, moved_found)):
        back = there.with_columns(pl.col("start", "end") - later)
        assert back.select("start", "end", "unit_no", "shift_id").equals(
            here.select("start", "end", "unit_no", "shift_id")
        )
