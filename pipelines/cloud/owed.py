"""Which days a device owed us: its owner's days of work, less those of our own outage.

Marks are one byte per calendar and day, calendars one after the other: the days a device was silent
are then a difference of two sums, whatever the day.
"""

from datetime import date, timedelta
from typing import Final, NamedTuple

import polars as pl

from pipelines.cloud.seen import WINDOW_DAYS

NOBODY: Final = ""
"""The owner of a device that no enterprise owns: every day is a day of work."""

EVERYWHERE: Final = ""
"""The parks of a device that is in none; several parks are joined by a plus."""

HISTORY_DAYS: Final = 64
"""Marks reach so far back before the first day that is counted: a window, and longer silence."""

MOST_HISTORY_DAYS: Final = 400
"""And no further, whatever is told of older days: they could only lengthen a long silence."""


class Calendars(NamedTuple):
    """Owed days of every owner under every set of days that we were down on."""

    first_day: date
    days: int
    owners: int
    """How many there are, NOBODY among them."""
    variants: dict[frozenset[date], int]
    park_down: dict[str, frozenset[date]]
    marks: pl.Series
    sums: pl.Series

    def numbered(self, devices: pl.DataFrame) -> pl.Series:
        """The calendar of each device, from its `uscc` (an Enum of the owners) and `parks`."""
        sets = devices["parks"].unique()
        starts = [self.variants[_down_of(one, self.park_down)] * self.owners for one in sets]
        begin = pl.DataFrame({"parks": sets, "begin": pl.Series(starts, dtype=pl.Int64)})
        placed = devices.select("uscc", "parks").join(begin, on="parks", maintain_order="left")
        return placed["begin"] + placed["uscc"].to_physical()


def calendars(
    operating_days: pl.DataFrame,
    collector_down: pl.DataFrame,
    owners: pl.Series,
    first_day: date,
    last_day: date,
) -> Calendars:
    """Calendars of `owners` (USCCs, NOBODY among them) in any parks, for counting these days."""
    worked = operating_days.filter(pl.col("is_operating") & (pl.col("day") <= last_day))
    earliest = worked["day"].min()
    first = first_day - timedelta(days=HISTORY_DAYS - 1)
    first = min(first, earliest) if isinstance(earliest, date) else first
    first = max(first, first_day - timedelta(days=MOST_HISTORY_DAYS))
    days = (last_day - first).days + 1
    numbered = owners.to_frame("uscc").with_row_index("owner").cast({"owner": pl.Int64})
    down = _down(collector_down, last_day)
    variants = {outage: place for place, outage in enumerate(_outages(down))}
    base = _base(worked, numbered, first, days)
    marks = pl.concat([_without(base, outage, first, days) for outage in variants])
    sums = pl.concat([pl.Series([0], dtype=pl.Int64), marks.cast(pl.Int64).cum_sum()])
    return Calendars(first, days, owners.len(), variants, down, marks, sums)


def _down(collector_down: pl.DataFrame, last_day: date) -> dict[str, frozenset[date]]:
    rows = collector_down.filter(pl.col("day") <= last_day).rows()
    parks = {park or EVERYWHERE for park, _ in rows}
    return {
        one: frozenset(day for park, day in rows if (park or EVERYWHERE) == one) for one in parks
    }


def _outages(down: dict[str, frozenset[date]]) -> list[frozenset[date]]:
    """Every set of days on which all the parks of some device can have been down."""
    found = {_down_of(EVERYWHERE, down)}
    for park in sorted(down):
        own = _down_of(park, down)
        found |= {own} | {own & other for other in found}
    return sorted(found, key=sorted)


def _down_of(parks: str, down: dict[str, frozenset[date]]) -> frozenset[date]:
    """Days on which none of a device's parks was collected."""
    none: frozenset[date] = frozenset()
    everywhere = down.get(EVERYWHERE, none)
    if parks == EVERYWHERE:
        return everywhere
    return everywhere | frozenset.intersection(*[down.get(p, none) for p in parks.split("+")])


def _base(worked: pl.DataFrame, numbered: pl.DataFrame, first: date, days: int) -> pl.Series:
    places = (
        worked.filter(pl.col("day") >= first)
        .join(numbered, on="uscc")
        .select(pl.col("owner") * days + (pl.col("day") - first).dt.total_days())
        .to_series()
    )
    marks = pl.zeros(numbered.height * days, pl.UInt8, eager=True)
    marks = marks.scatter(places.unique(), 1)
    nobody = numbered.filter(pl.col("uscc") == NOBODY)["owner"][0]
    return marks.scatter(pl.int_range(nobody * days, (nobody + 1) * days, eager=True), 1)


def _without(base: pl.Series, outage: frozenset[date], first: date, days: int) -> pl.Series:
    backs = [place for day in outage if 0 <= (place := (day - first).days) < days]
    if not backs:
        return base
    rows = pl.select(place=pl.int_range(0, base.len() // days, dtype=pl.Int64) * days).to_series()
    lost = pl.concat([rows + back for back in backs])
    return base.clone().scatter(lost, 0)


def owed_bits(known: Calendars, on: date) -> pl.Series:
    """The owed days of every calendar in the window up to `on`, bit k being k days before it."""
    last = (on - known.first_day).days
    count = known.marks.len() // known.days
    starts = pl.int_range(0, count, dtype=pl.Int64, eager=True) * known.days
    bits = pl.zeros(count, pl.UInt64, eager=True)
    for back in range(min(WINDOW_DAYS, last + 1)):
        bits = bits + known.marks.gather(starts + (last - back)).cast(pl.UInt64) * (1 << back)
    return bits


def silent_days(
    known: Calendars, calendar: pl.Series, last_seen_on: pl.Series, on: date
) -> pl.Series:
    """Owed days after `last_seen_on` up to `on`; null where it is null."""
    seen = (last_seen_on - known.first_day).dt.total_days().clip(-1)
    start = calendar * known.days
    upto = known.sums.gather(start + (on - known.first_day).days + 1)
    return upto - known.sums.gather(start + seen + 1)
