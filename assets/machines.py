"""Bronze to silver: last values, clock offsets, state episodes, count increments, process values."""

from typing import Final

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import FACTORY_DAYS, NEIGHBOURS, SAME_FACTORY, factory_days
from assets.storage import DAY_COLUMN, NEAREST
from assets.words import OWNERS, both
from pipelines import carry, clock, counters, process, states

SINGLE_RUN: Final = dg.BackfillPolicy.single_run()
BY_DAY: Final = {DAY_COLUMN: "partition_day"}

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
    return carry.last_values(earlier("last_values", factory, days[0]), raw_values, tags, days)


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    metadata=BY_DAY,
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
    return clock.skew_by_day(raw_values)
