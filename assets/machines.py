"""Bronze to silver: last values, clocks, episodes, increments, process values."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from typing import Final

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import FACTORY_DAYS, HOME, NEIGHBOURS, SAME_FACTORY, SINGLE_RUN, factory_days
from assets.storage import BY_DAY, DAY_COLUMN, NEAREST
from assets.words import OWNERS, both
from connectors import factory_days as arithmetic
from connectors.factory_days import COUNTED, STATED, Bronze
from connectors.lake import Lake, Partition
from pipelines import carry, clock, counters, process, states

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
    yesterday = Partition(days[0] - timedelta(days=1), factory)
    before = arithmetic.earlier(Lake(HOME.lake), "last_values", yesterday)
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
    values, catalogue = timed(factory, raw_values, last_values, clock_offsets, tags, STATED)
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
    values, catalogue = timed(factory, raw_values, last_values, clock_offsets, tags, COUNTED)
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


def offsets_of(factory: str, days: Sequence[date]) -> pl.LazyFrame:
    """Clock offsets of single days, however long ago."""
    return arithmetic.offsets_of(Lake(HOME.lake), HOME.first_day, factory, days)


def timed(
    factory: str,
    raw_values: pl.LazyFrame,
    last_values: pl.LazyFrame,
    clock_offsets: pl.LazyFrame,
    tags: pl.LazyFrame,
    kinds: Sequence[str],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Raw values of some kinds of measure with corrected `time`, and their tags."""
    bronze = Bronze(raw_values, last_values, clock_offsets, tags)
    return arithmetic.timed(bronze, kinds, partial(offsets_of, factory))
