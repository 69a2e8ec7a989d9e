import itertools
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.simulator.calendars import (
    ZONE,
    is_working_day,
    line_slices,
    local_midnight_ms,
    plan,
    to_time,
)
from connectors.simulator.fleet import fleet

DAY_MS = 86_400_000
DAYS = st.dates(date(2025, 1, 1), date(2027, 12, 31))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(fleet()), DAYS, st.integers(0, DAY_MS))
def test_slices_cover_the_time_and_say_what_the_plan_says(factory, day, offset_ms):
    start = local_midnight_ms(day) + offset_ms
    rows = plan(factory, start, start + 2 * DAY_MS)
    for line in factory.lines:
        slices = line_slices(rows, line, start, start + 2 * DAY_MS)
        assert slices[0].start_ms == start
        assert slices[-1].end_ms == start + 2 * DAY_MS
        assert all(a.end_ms == b.start_ms for a, b in itertools.pairwise(slices))
        for piece in slices:
            middle = (piece.start_ms + piece.end_ms) // 2
            kinds = {
                r.kind for r in rows if r.line_id in ("", line) and r.start_ms <= middle < r.end_ms
            } - {"not_planned"}
            order = ["planned_maintenance", "break", "busy"]
            assert piece.kind == next((k for k in order if k in kinds), "off")


def test_holidays_and_make_up_days():
    assert not is_working_day(date(2027, 2, 6))  # Spring Festival
    assert not is_working_day(date(2026, 10, 1))  # National Day, a Thursday
    assert is_working_day(date(2025, 1, 26))  # a Sunday, worked for the Spring Festival
    assert is_working_day(date(2026, 11, 18))


def test_nights_cross_midnight_and_belong_to_the_day_they_start_on():
    f01 = fleet()[0]
    start = local_midnight_ms(date(2026, 11, 18))
    night = next(r.shift for r in plan(f01, start, start + 1) if r.shift.shift_id == "N")
    assert night.production_day == date(2026, 11, 17)
    assert to_time(night.end_ms).astimezone(ZONE).date() == date(2026, 11, 18)


def test_every_line_is_maintained_once_a_week():
    start = local_midnight_ms(date(2026, 11, 16))
    for factory in fleet():
        rows = plan(factory, start, start + 7 * DAY_MS)
        kept = [r.line_id for r in rows if r.kind == "planned_maintenance"]
        if not factory.working_days_only:
            assert set(kept) == set(factory.lines)


def test_working_day_factories_rest_on_holidays():
    f10 = fleet()[9]
    start = local_midnight_ms(date(2027, 2, 6))
    rows = [
        r for r in plan(f10, start, start + DAY_MS) if r.shift.production_day == date(2027, 2, 6)
    ]
    assert {r.kind for r in rows} == {"not_planned"}
    assert timedelta(milliseconds=sum(r.end_ms - r.start_ms for r in rows)) == timedelta(days=1)
