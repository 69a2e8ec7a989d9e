"""Bronze to silver: last values, clocks, episodes, increments, process values."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import FACTORY_DAYS, HOME, NEIGHBOURS, SAME_FACTORY, SINGLE_RUN, factory_days
from assets.storage import BY_DAY, DAY_COLUMN, NEAREST
from assets.words import OWNERS, both
from connectors.lake import Lake, Partition
from pipelines import carry, clock, counters, process, states
from pipelines.schemas import RAW, TABLES

UNREAD: Final = ["value_raw", "is_array", "value_type", "origin"]
"""Columns of raw values that no silver table reads."""

SILVER_INS: Final = {
    "raw_values": dg.AssetIn(partition_mapping=NEIGHBOURS),
    "clock_offsets": dg.AssetIn(partition_mapping=NEIGHBOURS),
    "last_values": dg.AssetIn(partition_mapping=factory_days(-2, -2), metadata={NEAREST: True}),
    "tags": dg.AssetIn(partition_mapping=SAME_FACTORY),
}
"""Silver of a day: its raw values and its neighbours', the last values before them, the tags."""


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins={"tags": dg.AssetIn(partition_mapping=SAME_FACTORY)},
    metadata=BY_DAY,
    group_name="bronze",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "每天结束时各状态、上下文与计数节点的最新值，供后一天承接。",
        "The newest value of each state, context and counter node at the end of each day.",
    ),
)
def last_values(
    context: dg.AssetExecutionContext, raw_values: pl.LazyFrame, tags: pl.LazyFrame
) -> pl.DataFrame:
    """What a node said last, carried from day to day."""
    factory, days = box(context)
    before = earlier("last_values", Partition(days[0] - timedelta(days=1), factory))
    return carry.last_values(before, raw_values, tags, days)


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    metadata={DAY_COLUMN: "day"},
    group_name="bronze",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "各服务器源时钟相对服务器时钟的中位偏差；稳定才校正。",
        "Median offset of each server's source clock; corrected downstream where it is stable.",
    ),
)
def clock_offsets(raw_values: pl.LazyFrame) -> pl.DataFrame:
    """Source clock offsets by server and day."""
    times = raw_values.select("server_uri", "source_time", "server_time")
    return clock.skew_by_day(times.collect(engine="in-memory"))


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=SILVER_INS,
    metadata=BY_DAY,
    group_name="silver",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "状态时段：设备何时处于何种状态与模式、做什么订单与产品；跨零点不断开。",
        "State episodes: state and mode, order and product, from when to when; across midnight.",
    ),
)
def state_episodes(
    context: dg.AssetExecutionContext,
    raw_values: pl.LazyFrame,
    last_values: pl.LazyFrame,
    clock_offsets: pl.LazyFrame,
    tags: pl.LazyFrame,
) -> pl.DataFrame:
    """Every episode that touches a day of the box, in that day's partition."""
    factory, days = box(context)
    kinds = ("state", "context")
    values, catalogue = timed(factory, raw_values, last_values, clock_offsets, tags, kinds)
    return carry.touching(states.episodes(values, catalogue), days)


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=SILVER_INS | {"cycles": dg.AssetIn(partition_mapping=SAME_FACTORY)},
    metadata={DAY_COLUMN: "to_time"},
    group_name="silver",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "计数增量：两次读数之间的件数；复位、溢出、缺口都有名目。",
        "Count increments: pieces between two readings; resets, rollovers and gaps by name.",
    ),
)
def count_increments(
    context: dg.AssetExecutionContext,
    raw_values: pl.LazyFrame,
    last_values: pl.LazyFrame,
    clock_offsets: pl.LazyFrame,
    tags: pl.LazyFrame,
    cycles: pl.LazyFrame,
) -> pl.DataFrame:
    """Pieces by machine, kind and instant."""
    factory, _ = box(context)
    kinds = ("counter", "context")
    values, catalogue = timed(factory, raw_values, last_values, clock_offsets, tags, kinds)
    return counters.increments(values, catalogue, cycles.collect(engine="in-memory"))


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=SILVER_INS,
    metadata={DAY_COLUMN: "time"},
    group_name="silver",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "过程值：每种设备类型一张宽表，每个测量项一列。",
        "Process values: one wide table per machine type, a column per measure.",
    ),
)
def process_values(
    context: dg.AssetExecutionContext,
    raw_values: pl.LazyFrame,
    last_values: pl.LazyFrame,
    clock_offsets: pl.LazyFrame,
    tags: pl.LazyFrame,
) -> dict[str, pl.DataFrame]:
    """Good process values by machine type."""
    factory, _ = box(context)
    kinds = ("process", "energy")
    values, catalogue = timed(factory, raw_values, last_values, clock_offsets, tags, kinds)
    return process.process_values(values, catalogue)


def earlier(table: str, partition: Partition) -> pl.DataFrame:
    """The newest partition of a table on or before a day; empty where there is none."""
    lake = Lake(HOME.lake)
    nearest = lake.nearest(table, partition)
    found = lake.scan(table, [nearest]) if nearest else None
    return found.collect() if found is not None else pl.DataFrame(schema=TABLES[table])


def offsets_of(factory: str, days: Sequence[date]) -> pl.LazyFrame:
    """Clock offsets of single days, however long ago; the home's first day holds all before it."""
    parts = sorted({Partition(max(day, HOME.first_day), factory) for day in days})
    found = Lake(HOME.lake).scan("clock_offsets", parts)
    offsets = clock.skew_by_day(pl.DataFrame(schema=RAW)).lazy() if found is None else found
    return offsets.filter(pl.col("day").is_in(days))


def timed(
    factory: str,
    raw_values: pl.LazyFrame,
    last_values: pl.LazyFrame,
    clock_offsets: pl.LazyFrame,
    tags: pl.LazyFrame,
    kinds: Sequence[str],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Raw values of some kinds of measure, behind what was carried, with corrected `time`; tags.

    Only the rows and columns that silver reads leave the disk. A carried row is corrected by the
    offset of its own day, as it was when that day was computed.
    """
    catalogue = tags.filter(pl.col("measure_kind").is_in(kinds)).collect(engine="in-memory")
    nodes = catalogue.lazy().select("server_uri", "node_id").unique()
    carried, own = (
        frame.drop(UNREAD)
        .join(nodes, on=["server_uri", "node_id"], how="semi")
        .collect(engine="in-memory")
        for frame in (last_values, raw_values)
    )
    near = clock_offsets.collect(engine="in-memory")
    asked = [day for day in clock.days_of(carried) if day not in set(near["day"])]
    offsets = pl.concat([near, offsets_of(factory, asked).collect(engine="in-memory")])
    return clock.correct(pl.concat([carried, own]), offsets), catalogue
