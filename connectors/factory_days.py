"""From raw values to figures, over files of the lake: what Dagster's assets and programs share."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from functools import partial
from typing import Final, NamedTuple

import polars as pl

from connectors import fingerprints, received
from connectors.home import Home
from connectors.lake import Lake, Partition, Written, cut
from connectors.ledger import Ledger
from connectors.restating import replace_figures
from connectors.segments import Sidecar
from pipelines import bronze, carry, clock, counters, losses, oee, raw, states
from pipelines.conventions import by_convention
from pipelines.days import local_day
from pipelines.fingerprints import DAY, near_days
from pipelines.restatement import UNRECORDED, cause_of
from pipelines.schemas import RAW, TABLES

UNREAD: Final = ["value_raw", "is_array", "value_type", "origin"]
"""Columns of raw values that no silver table reads."""

STATED: Final = ("state", "context")
COUNTED: Final = ("counter", "context")
"""Kinds of measure that episodes and increments are made from."""

OffsetsOf = Callable[[Sequence[date]], pl.LazyFrame]


class Bronze(NamedTuple):
    """What silver of a box of days is made from: raw values and clocks with the neighbours'."""

    raw_values: pl.LazyFrame
    last_values: pl.LazyFrame
    clock_offsets: pl.LazyFrame
    tags: pl.LazyFrame


class Received(NamedTuple):
    """What segments bring of a box of days, each value once, with its `partition_day`."""

    values: pl.DataFrame
    quarantined: pl.DataFrame
    rows: int
    kept: int
    segments: list[Sidecar]


def received_values(home: Home, factory: str, days: Sequence[date]) -> Received:
    """Bronze of the days, from the segments that bear on them."""
    rows, found = received.rows(home, factory, days)
    kept, quarantined = bronze.quarantine(raw.from_segments(rows))
    values = bronze.compact(kept)
    happened = pl.coalesce("source_time", "server_time", "received_time")
    dated = values.with_columns(partition_day=local_day(happened))
    return Received(dated, quarantined, rows.height, kept.height, found)


def receive(home: Home, factory: str, days: Sequence[date]) -> list[Written]:
    """Raw values of a box of days from segments into the lake; what is impossible is left out.

    Without Dagster, as `recompute`, which follows it.
    """
    values = received_values(home, factory, days).values
    parts = [Partition(day, factory) for day in days]
    own = _clipped(values["partition_day"], home)
    return _written(Lake(home.lake), "raw_values", values.drop("partition_day"), own, parts)


def earlier(lake: Lake, table: str, partition: Partition) -> pl.LazyFrame:
    """The newest partition of a table on or before a day; empty where there is none."""
    nearest = lake.nearest(table, partition)
    found = lake.scan(table, [nearest]) if nearest else None
    return found if found is not None else pl.LazyFrame(schema=TABLES[table])


def offsets_of(lake: Lake, first_day: date, factory: str, days: Sequence[date]) -> pl.LazyFrame:
    """Clock offsets of single days, however long ago; the home's first day holds all before it."""
    parts = sorted({Partition(max(day, first_day), factory) for day in days})
    found = lake.scan("clock_offsets", parts)
    offsets = clock.skew_by_day(pl.DataFrame(schema=RAW)).lazy() if found is None else found
    return offsets.filter(pl.col("day").is_in(days))


def timed(
    sources: Bronze, kinds: Sequence[str], offsets: OffsetsOf
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Raw values of some kinds of measure, behind what was carried, with corrected `time`; tags.

    Only the rows and columns that silver reads leave the disk. A carried row is corrected by the
    offset of its own day (from `offsets`), as it was when that day was computed.
    """
    wanted = pl.col("measure_kind").is_in(kinds)
    catalogue = sources.tags.filter(wanted).collect(engine="in-memory")
    nodes = catalogue.lazy().select("server_uri", "node_id").unique()
    carried, own = (
        frame.drop(UNREAD)
        .join(nodes, on=["server_uri", "node_id"], how="semi")
        .collect(engine="in-memory")
        for frame in (sources.last_values, sources.raw_values)
    )
    near = sources.clock_offsets.collect(engine="in-memory")
    asked = [day for day in clock.days_of(carried) if day not in set(near["day"])]
    known = pl.concat([near, offsets(asked).collect(engine="in-memory")])
    return clock.correct(pl.concat([carried, own]), known), catalogue


def counted(
    last_values: pl.LazyFrame, count_increments: pl.LazyFrame, tags: pl.LazyFrame
) -> pl.DataFrame:
    """The increments, behind what the days before them tell of the counters."""
    before = counters.standing(last_values.collect(), tags.collect())
    return pl.concat([before, count_increments.collect(engine="in-memory")])


def account(home: Home) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Coverage and gaps, as the ledger has them."""
    with Ledger(home.root, read_only=True) as ledger:
        return ledger.coverage(), ledger.gaps()


def causes(home: Home, factory: str, days: Sequence[date], run_id: str) -> dict[date, str]:
    """Per day what differs between what its figures were made from and what a run stands on."""
    now = fingerprints.standing(home, factory, days, run_id)
    lake = Lake(home.lake)
    made = {day: fingerprints.of_day(lake, Partition(day, factory)) for day in now}
    told = {
        day: cause_of(before.made_from if before else None, now[day].made_from)
        for day, before in made.items()
    }
    return dict.fromkeys(days, UNRECORDED) | told


def recompute(
    home: Home, factory: str, days: Sequence[date], *, run_id: str, at: datetime
) -> list[Written]:
    """Silver and gold of a box of days from its raw values in the lake, and its fingerprints.

    What the Dagster job makes of OEE and losses, without Dagster: for programs and measurements.
    The caller has begun the run (`fingerprints.begin`) before it wrote raw values.
    """
    lake, parts = Lake(home.lake), [Partition(day, factory) for day in days]
    near = [Partition(days[0] - DAY, factory), *parts, Partition(days[-1] + DAY, factory)]
    tags = _table(lake, "tags", [Partition(factory=factory)])
    written = _bronze(lake, parts, tags, home)
    carried = earlier(lake, "last_values", Partition(days[0] - 2 * DAY, factory))
    offsets = lake.scan("clock_offsets", near)
    assert offsets is not None
    sources = Bronze(_table(lake, "raw_values", near), carried, offsets, tags)
    written += _silver(home, sources, parts)
    coverage, gaps = account(home)
    plan, cycles, reasons, conventions = (
        _table(lake, name, [Partition(factory=factory)])
        for name in ("plan", "cycles", "reasons", "conventions")
    )
    plan = plan.filter(near_days(days[0], days[-1], home.first_day))
    episodes = _table(lake, "state_episodes", near).collect(engine="in-memory")
    made = counted(carried, _table(lake, "count_increments", near), tags)
    given = (episodes, made, plan, cycles, coverage)
    figures, lost = (
        by_convention(make, tags, plan, conventions)
        for make in (
            partial(oee.by_shift, *given, gaps=gaps),
            partial(losses.by_shift, *given, reasons=reasons, gaps=gaps),
        )
    )
    why = causes(home, factory, days, run_id)
    for table, rows in (("oee_by_shift", figures), ("losses_by_shift", lost)):
        for part, own in cut(rows, _clipped(rows["production_day"], home), parts).items():
            cause = why[part.day or days[0]]
            one, _ = replace_figures(
                lake, own, part, cause=cause, at=at, run_id=run_id, table=table
            )
            written.append(one)
    fingerprints.finish(home, factory, days, run_id)
    return written


def _bronze(
    lake: Lake, parts: Sequence[Partition], tags: pl.LazyFrame, home: Home
) -> list[Written]:
    """Last values and clock offsets of the days, from their own raw values."""
    days = [part.day for part in parts if part.day]
    raw_values = _table(lake, "raw_values", parts)
    before = earlier(lake, "last_values", Partition(days[0] - DAY, parts[0].factory))
    last = carry.last_values(before, raw_values, tags, days)
    times = raw_values.select("server_uri", "source_time", "server_time")
    offsets = clock.skew_by_day(times.collect(engine="in-memory"))
    return [
        *_written(lake, "last_values", last.drop("partition_day"), last["partition_day"], parts),
        *_written(lake, "clock_offsets", offsets, _clipped(offsets["day"], home), parts),
    ]


def _silver(home: Home, sources: Bronze, parts: Sequence[Partition]) -> list[Written]:
    """State episodes and count increments of the days."""
    lake, factory = Lake(home.lake), str(parts[0].factory)
    cycles = _table(lake, "cycles", [Partition(factory=factory)]).collect()

    def offsets(days: Sequence[date]) -> pl.LazyFrame:
        return offsets_of(lake, home.first_day, factory, days)

    days = [part.day for part in parts if part.day]
    with ThreadPoolExecutor(2) as pool:
        stated = pool.submit(lambda: states.episodes(*timed(sources, STATED, offsets)))
        made = pool.submit(lambda: counters.increments(*timed(sources, COUNTED, offsets), cycles))
    episodes, pieces = carry.touching(stated.result(), days), made.result()
    own = episodes["partition_day"]
    at = _clipped(pieces.select(local_day(pl.col("to_time"))).to_series(), home)
    return [
        *_written(lake, "state_episodes", episodes.drop("partition_day"), own, parts),
        *_written(lake, "count_increments", pieces, at, parts),
    ]


def _clipped(days: pl.Series, home: Home) -> pl.Series:
    return days.clip(lower_bound=home.first_day)


def _written(
    lake: Lake, table: str, rows: pl.DataFrame, days: pl.Series, parts: Sequence[Partition]
) -> list[Written]:
    return [lake.write(table, own, part) for part, own in cut(rows, days, parts).items()]


def _table(lake: Lake, name: str, parts: Sequence[Partition]) -> pl.LazyFrame:
    found = lake.scan(name, parts)
    return found if found is not None else pl.LazyFrame(schema=TABLES[name])
