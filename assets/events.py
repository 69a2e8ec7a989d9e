"""Alarms and events into bronze."""

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import FACTORY_DAYS, HOME, SINGLE_RUN
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors import events as collected
from connectors import received
from pipelines import events as arithmetic


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    deps=["event_segments"],
    group_name="bronze",
    kinds={"polars", "parquet"},
    owners=OWNERS,
    metadata=BY_DAY,
    description=both(
        "报警与事件：按日期与工厂分区，一条通知一行；重复的已去除并计数。",
        "Alarms and events as received, once each; repeats are removed and counted.",
    ),
)
def events(context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Bronze: every received alarm and event of the factory-days once."""
    factory, days = box(context)
    rows, segments = collected.rows(HOME, factory, days)
    once = arithmetic.compact(rows)
    context.add_output_metadata(
        {
            "received": rows.height,
            "repeats_removed": rows.height - once.height,
            "segments": [one.path.name for one in segments],
            "segments_sha256": received.digest(segments),
        }
    )
    return once.with_columns(partition_day=arithmetic.partition_day())
