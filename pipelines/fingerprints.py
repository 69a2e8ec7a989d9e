"""What a factory-day is made from, as one hash per component: it is stale where one differs.

A build system's idea: the tables of a day are a function of their inputs. `holds` are hashes of
what a day's own files hold, by table; the inputs that are other days' files are told by those.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final, TypeAlias

import polars as pl

from pipelines.days import day_start, local_day
from pipelines.equipment import UNIT

Hashes: TypeAlias = Mapping[str, str]

DAY: Final = timedelta(days=1)
HELD: Final = ["raw_values", "last_values", "clock_offsets", "state_episodes", "count_increments"]
"""Tables of a day that other days are made from."""

CHARACTERS: Final = 32
"""128 bits of SHA-256: enough to tell inputs apart, half to read."""
_CELL, _ROW, _NULL = "\x1f", "\x1e", "\x00"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a day was made from, what its files hold, and whose clocks corrected carried rows."""

    made_from: Hashes
    holds: Hashes
    clock_days: Sequence[date] = ()


def digest(parts: Iterable[str]) -> str:
    """One hash over texts, in order."""
    return hashlib.sha256(_ROW.join(parts).encode()).hexdigest()[:CHARACTERS]


def content(frame: pl.DataFrame) -> str:
    """The hash of a table's rows in any order, with its columns."""
    return digest([_CELL.join(frame.columns), *sorted(texts(frame).to_list())])


def texts(frame: pl.DataFrame) -> pl.Series:
    """Each row of a table as one text: equal where all its cells are."""
    cells = [pl.col(name).cast(pl.String).fill_null(_NULL) for name in frame.columns]
    return frame.select(pl.concat_str(cells, separator=_CELL)).to_series()


def planned(plan: pl.DataFrame, days: Sequence[date], since: date) -> dict[date, str]:
    """Per day the hash of the plan in its neighbourhood: shifts of the day before to the day after.

    A stop is followed over the edges of shifts, and a shift may take time from the one before. The
    first day of the home, `since`, also holds what is older.
    """
    return _grouped(_near(plan, *_reach(), days, since), plan.columns, days)


def near_days(first: date, last: date, since: date) -> pl.Expr:
    """Rows of a plan that the figures of the days `first` to `last` can depend on (`planned`)."""
    begin, end = _reach()
    return (begin <= last + DAY) & (end.clip(lower_bound=since) >= first - DAY)


def _reach() -> tuple[pl.Expr, pl.Expr]:
    """The first and the last local day of a row of a plan."""
    begin, end = (local_day(pl.col(name)) for name in ("start", "end"))
    return pl.min_horizontal("production_day", begin), pl.max_horizontal("production_day", end)


def vouched(spans: pl.DataFrame, days: Sequence[date], since: date) -> dict[date, str]:
    """Per day the hash of spans (coverage, gaps), cut to the day and its two neighbours.

    What the ledger comes to know of later days then changes nothing; an open end is the cut. The
    first day of the home, `since`, also holds what is older.
    """
    begin, end = (day_start(pl.col("_day").dt.offset_by(by)) for by in ("-1d", "2d"))
    begin = pl.when(pl.col("_day") > since).then(begin)
    first, last = (local_day(pl.col(name)) for name in ("from_time", "to_time"))
    cut = _near(spans, first, last.fill_null(max(days, default=None)), days, since).with_columns(
        from_time=pl.max_horizontal("from_time", begin), to_time=pl.min_horizontal("to_time", end)
    )
    return _grouped(cut.filter(pl.col("from_time") < pl.col("to_time")), spans.columns, days)


def agreed(conventions: pl.DataFrame, days: Sequence[date], since: date) -> dict[date, str]:
    """Per day the hash of which profile holds where, in a table of `schemas.CONVENTIONS`.

    The same said again later is no change. The first day of the home, `since`, also holds what is
    older.
    """
    starts = conventions["valid_from"].sort()

    @cache
    def held(begun: int, *, is_first: bool) -> str:
        rows = conventions.sort("valid_from").head(begun)
        newest = rows.unique(UNIT, keep="last", maintain_order=True).drop("valid_from")
        return content(rows if is_first else newest)

    begun = starts.search_sorted(pl.Series(days, dtype=pl.Date()), side="right")
    return {day: held(n, is_first=day <= since) for day, n in zip(days, begun, strict=True)}


def _near(
    rows: pl.DataFrame, first: pl.Expr, last: pl.Expr, days: Sequence[date], since: date
) -> pl.DataFrame:
    """Each row once per day (`_day`) from the day before its `first` to the day after its `last`.

    Only days from the least to the greatest of `days`; what ends before `since` is on that day.
    """
    if not days:
        return rows.clear().with_columns(_day=pl.lit(None, pl.Date))
    least, most = min(days), max(days)
    after = last.dt.offset_by("1d").clip(lower_bound=since)
    wide = rows.with_columns(_first=first.dt.offset_by("-1d"), _last=after)
    inside = wide.filter(pl.col("_first") <= most, pl.col("_last") >= least)
    clipped = (pl.col("_first").clip(least, most), pl.col("_last").clip(least, most))
    return inside.with_columns(_day=pl.date_ranges(*clipped)).explode("_day")


def _grouped(rows: pl.DataFrame, columns: list[str], days: Sequence[date]) -> dict[date, str]:
    """Per day the hash of its rows (`_day`) in any order."""
    told = rows.select("_day", texts(rows.select(columns)).alias("text"))
    found = dict(told.group_by("_day").agg(pl.col("text").sort()).iter_rows())
    return {day: digest(found.get(day, ())) for day in days}


def inputs(
    day: date, outside: Hashes, holds: Mapping[date, Hashes], clock_days: Iterable[date]
) -> dict[str, str]:
    """The components of a day: what comes from `outside`, and what other days' files hold.

    Silver reads raw values and clocks of the neighbours, and what was carried two days before; gold
    silver of the neighbours. `clock_days` are those of the carried rows.
    """
    near = (day - DAY, day + DAY)

    def held(table: str, days: Iterable[date]) -> list[str]:
        return [holds.get(one, {}).get(table, "") for one in days]

    carried = [_nearest("last_values", day - DAY * back, holds) for back in (1, 2)]
    offsets = held("clock_offsets", (*near, *clock_days))
    silver = held("state_episodes", near) + held("count_increments", near)
    return {
        **outside,
        "late_values": digest([outside.get("late_values", ""), *held("raw_values", near)]),
        "carried_values": digest(carried),
        "clock": digest(offsets),
        "neighbours": digest(silver),
    }


def _nearest(table: str, day: date, holds: Mapping[date, Hashes]) -> str:
    """What the newest partition on or before a day holds."""
    first = min(holds, default=day + DAY)
    while day >= first:
        if table in holds.get(day, {}):
            return holds[day][table]
        day -= DAY
    return ""


def boxes(days: Iterable[date]) -> list[tuple[date, date]]:
    """Runs of days without a hole, as first and last."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and found[-1][1] == day - DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
