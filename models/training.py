"""Which days a machine's detector learns from, and when it is time to learn again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

import polars as pl

from pipelines.days import day_of, midnight

Covered: TypeAlias = tuple[datetime, datetime]

DAY: Final = timedelta(days=1)

TRIED: Final = 7
"""Whole days tried for a machine that stood still on the first: a week has its working days."""


AT_DAYS: Final = (3, 4, 5, 7)
"""Whole days after which a machine learns again: each of the first days tells much of how far a
signal wanders by itself; then a whole week with its working days and its weekend."""

EVERY_DAYS: Final = 7
MOST_DAYS: Final = 14
"""From a week on it learns every week, from two weeks at most: older days tell of an older machine,
and what is read and fitted at night stays bounded."""

MOST_LOOKED_AT: Final = 28
"""Whole days that one run looks at: a home with a long past trains no model for last year."""

HELD_OUT_SHARE: Final = 7
MOST_HELD_OUT: Final = 2
"""One working day in so many is held out, at least one and at most MOST_HELD_OUT."""


class Window(NamedTuple):
    """Working days of a machine: those to learn from, and the newest ones, held out to judge by."""

    train: list[date]
    held_out: list[date]


@dataclass(frozen=True, slots=True)
class TrainingSpan:
    """What of one local day can be learned from."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.end - self.start) / DAY

    @property
    def notes(self) -> list[str]:
        """What a reader of the model must know of a day that is not whole."""
        if self.days >= 1:
            return []
        hours = self.days * 24
        return [
            f"learned from {hours:.1f} h of {day_of(self.start)}: no day is collected whole yet"
        ]


def training_spans(coverage: pl.DataFrame, first_day: date) -> list[TrainingSpan]:
    """The first local days, at most TRIED, that the coverage of every server holds whole.

    `coverage` has `server_uri from_time to_time` of a machine's servers. Where no day is whole it
    is what was collected of the first one; a day where nothing is vouched for.
    """
    if whole := whole_days(coverage, first_day):
        return [TrainingSpan(midnight(day), midnight(day + DAY)) for day in whole[:TRIED]]
    return [_beginning(list(coverage.select("from_time", "to_time").iter_rows()), first_day)]


def whole_days(coverage: pl.DataFrame, first_day: date) -> list[date]:
    """The local days, in order, that the coverage of every server holds whole."""
    servers = [
        list(one.select("from_time", "to_time").iter_rows())
        for _, one in coverage.group_by("server_uri", maintain_order=True)
    ]
    own = [set(_whole_days(windows, first_day)) for windows in servers]
    return sorted(set.intersection(*own) if own else [])


def is_scheduled(whole: int) -> bool:
    """True where a machine learns again at the end of its `whole`-th whole day.

    >>> [n for n in range(1, 30) if is_scheduled(n)]
    [3, 4, 5, 7, 14, 21, 28]
    """
    later = whole > AT_DAYS[-1] and (whole - AT_DAYS[-1]) % EVERY_DAYS == 0
    return whole in AT_DAYS or later


def window(working: Sequence[date], left_out: Collection[date] = ()) -> Window:
    """Of the last MOST_DAYS working days, what to learn from and what to hold out.

    Days that may teach nothing (`left_out`: a confirmed anomaly, maintenance only) are in neither.

    >>> days = [date(2026, 11, n) for n in range(1, 8)]
    >>> [[day.day for day in part] for part in window(days, {date(2026, 11, 6)})]
    [[1, 2, 3, 4, 5], [7]]
    """
    good = [day for day in sorted(working)[-MOST_DAYS:] if day not in left_out]
    held = min(max(len(good) // HELD_OUT_SHARE, 1), MOST_HELD_OUT)
    return Window(good[:-held], good[-held:])


def _whole_days(windows: Sequence[Covered], first_day: date) -> list[date]:
    """Local days that lie inside one window."""
    return [
        day
        for start, end in windows
        for day in _days(max(day_of(start), first_day), day_of(end))
        if start <= midnight(day) and midnight(day + DAY) <= end
    ]


def _days(first: date, last: date) -> list[date]:
    return [first + n * DAY for n in range((last - first).days + 1)]


def _beginning(windows: Sequence[Covered], first_day: date) -> TrainingSpan:
    """What the windows hold of the first day that has any of them."""
    home = midnight(first_day)
    known = [(max(start, home), end) for start, end in windows if end > home]
    start = min((start for start, _ in known), default=home)
    day_ends = midnight(day_of(start) + DAY)
    ends = [min(end, day_ends) for begin, end in known if begin < day_ends]
    return TrainingSpan(start, max(ends, default=day_ends))
