"""What a factory plans: shifts, breaks and planned maintenance as dated intervals."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from connectors.simulator.fleet import Factory

ZONE: Final = ZoneInfo("Asia/Shanghai")
MINUTE_MS: Final = 60_000
_PRECEDENCE: Final = ("planned_maintenance", "break", "busy")
"""Where planned intervals overlap, the first of these says what the time is."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift of a factory; `production_day` is the local date on which it starts."""

    production_day: date
    shift_id: str
    start_ms: int
    end_ms: int
    runs: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """A dated interval of the plan; an empty `line_id` means the whole factory.

    `kind`: busy, break, planned_maintenance or not_planned.
    """

    line_id: str
    shift: Shift
    start_ms: int
    end_ms: int
    kind: str


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a line's time in which the plan is one thing.

    `kind`: busy, break, planned_maintenance or off (`shift` is then None).
    """

    start_ms: int
    end_ms: int
    kind: str
    shift: Shift | None


def local_midnight_ms(day: date) -> int:
    """Epoch milliseconds of 00:00 Asia/Shanghai."""
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=ZONE))


def to_ms(time: datetime) -> int:
    """Epoch milliseconds of an aware datetime, cut."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def to_time(ms: int) -> datetime:
    """The UTC datetime of epoch milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def local_day(ms: int) -> date:
    """The Asia/Shanghai date of epoch milliseconds."""
    return to_time(ms).astimezone(ZONE).date()


@cache
def is_working_day(day: date) -> bool:
    """Whether `day` is worked in China: weekends, holidays and make-up days considered."""
    return bool(holidays.country_holidays("CN", years=day.year).is_working_day(day))


def plan(factory: Factory, start_ms: int, end_ms: int) -> list[Planned]:
    """Every planned interval of shifts that touch [start, end), whole shifts always."""
    rows: list[Planned] = []
    for shift in _shifts(factory, start_ms, end_ms):
        kind = "busy" if shift.runs else "not_planned"
        rows.append(Planned("", shift, shift.start_ms, shift.end_ms, kind))
        if shift.runs:
            rows += _breaks(factory, shift)
            rows += _maintenance(factory, shift)
    return rows


def line_slices(
    planned: Sequence[Planned], line_id: str, start_ms: int, end_ms: int
) -> list[Slice]:
    """The plan of one line as slices that cover [start, end) without a hole."""
    rows = [row for row in planned if row.line_id in ("", line_id) and row.kind != "not_planned"]
    edges = {start_ms, end_ms, *(row.start_ms for row in rows), *(row.end_ms for row in rows)}
    inside = sorted(edge for edge in edges if start_ms <= edge <= end_ms)
    return [_slice(rows, left, right) for left, right in itertools.pairwise(inside)]


def _slice(rows: list[Planned], start_ms: int, end_ms: int) -> Slice:
    here = {row.kind: row.shift for row in rows if row.start_ms <= start_ms < row.end_ms}
    for kind in _PRECEDENCE:
        if kind in here:
            return Slice(start_ms, end_ms, kind, here[kind])
    return Slice(start_ms, end_ms, "off", None)


def _shifts(factory: Factory, start_ms: int, end_ms: int) -> Iterator[Shift]:
    day = local_day(start_ms) - timedelta(days=1)
    while local_midnight_ms(day) < end_ms:
        runs = is_working_day(day) or not factory.working_days_only
        for shift_id, start, length in factory.pattern.shifts:
            begin = local_midnight_ms(day) + start * MINUTE_MS
            shift = Shift(day, shift_id, begin, begin + length * MINUTE_MS, runs)
            if shift.end_ms > start_ms and shift.start_ms < end_ms:
                yield shift
        day += timedelta(days=1)


def _breaks(factory: Factory, shift: Shift) -> Iterator[Planned]:
    for offset, length in factory.pattern.breaks:
        start = shift.start_ms + offset * MINUTE_MS
        yield Planned("", shift, start, start + length * MINUTE_MS, "break")


def _maintenance(factory: Factory, shift: Shift) -> Iterator[Planned]:
    """A weekly window per line, one line a day later than the last, cut to the shift."""
    weekday, clock, length = factory.maintenance
    for number, line_id in enumerate(factory.lines):
        for day in (shift.production_day, shift.production_day + timedelta(days=1)):
            if day.isoweekday() % 7 == (weekday + number) % 7:
                start = local_midnight_ms(day) + clock * MINUTE_MS
                left = max(start, shift.start_ms)
                right = min(start + length * MINUTE_MS, shift.end_ms)
                if left < right:
                    yield Planned(line_id, shift, left, right, "planned_maintenance")
