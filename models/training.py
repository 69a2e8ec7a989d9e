"""Which day a machine's detector learns from: the first that was collected whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from pipelines.days import day_of, midnight

Window = tuple[datetime, datetime]

DAY: Final = timedelta(days=1)

TRIED: Final = 7
"""Whole days tried for a machine that stood still on the first: a week has its working days."""


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
    servers = [
        list(one.select("from_time", "to_time").iter_rows())
        for _, one in coverage.group_by("server_uri", maintain_order=True)
    ]
    own = [set(_whole_days(windows, first_day)) for windows in servers]
    whole = sorted(set.intersection(*own) if own else [])
    if whole:
        return [TrainingSpan(midnight(day), midnight(day + DAY)) for day in whole[:TRIED]]
    return [_beginning([window for windows in servers for window in windows], first_day)]


def _whole_days(windows: Sequence[Window], first_day: date) -> list[date]:
    """Local days that lie inside one window."""
    return [
        day
        for start, end in windows
        for day in _days(max(day_of(start), first_day), day_of(end))
        if start <= midnight(day) and midnight(day + DAY) <= end
    ]


def _days(first: date, last: date) -> list[date]:
    return [first + n * DAY for n in range((last - first).days + 1)]


def _beginning(windows: Sequence[Window], first_day: date) -> TrainingSpan:
    """What the windows hold of the first day that has any of them."""
    home = midnight(first_day)
    known = [(max(start, home), end) for start, end in windows if end > home]
    start = min((start for start, _ in known), default=home)
    day_ends = midnight(day_of(start) + DAY)
    ends = [min(end, day_ends) for begin, end in known if begin < day_ends]
    return TrainingSpan(start, max(ends, default=day_ends))
