"""Park gateways: register, terminals, evidence, and cloud adoption measured from them."""

from datetime import date

import dagster as dg
import polars as pl

from assets.partitions import DAYS, HOME, PARKS, SINGLE_RUN, site_names
from assets.pictures import bars
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors import received
from connectors.lake import Lake, Partition
from pipelines import adoption as arithmetic
from pipelines import bronze, raw


@dg.asset(
    partitions_def=PARKS,
    deps=["park_segments"],
    group_name="bronze",
    kinds={"polars", "parquet"},
    owners=OWNERS,
    description=both(
        "园区网关的原始值：企业名录、终端名录、每日证据。按园区分区，因为证据跨越 120 天。",
        "Raw values of a park gateway: register, terminals, daily evidence over 120 days.",
    ),
)
def park_values(context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Bronze of one park gateway: every received value once."""
    rows, segments = received.everything(HOME, context.partition_key)
    kept, quarantined = bronze.quarantine(raw.from_segments(rows))
    Lake(HOME.lake).write("quarantine", quarantined, Partition(factory=context.partition_key))
    values = bronze.compact(kept)
    context.add_output_metadata(
        {
            "received": rows.height,
            "repeats_removed": kept.height - values.height,
            "quarantined": quarantined.height,
            "segments_sha256": received.digest(segments),
        }
    )
    return values


@dg.asset(
    group_name="silver",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "企业名录：每家企业一行，规模按国家统计局 2017 办法划分。",
        "The enterprise register, one row each, with its size class (NBS 2017).",
    ),
)
def enterprises(park_values: pl.LazyFrame, park_tags: pl.LazyFrame) -> pl.DataFrame:
    """One row per enterprise."""
    return arithmetic.register(park_values, park_tags)


@dg.asset(
    group_name="silver",
    kinds={"polars"},
    owners=OWNERS,
    description=both("终端名录：每个终端一行。", "The terminal register, one row each."),
)
def terminals(park_values: pl.LazyFrame, park_tags: pl.LazyFrame) -> pl.DataFrame:
    """One row per terminal listing."""
    return arithmetic.terminals(park_values, park_tags)


@dg.asset(
    group_name="silver",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "每日证据：终端当天的有效值数、企业当天是否生产。",
        "Daily evidence: good values of a terminal, whether an enterprise operated.",
    ),
)
def terminal_evidence(park_values: pl.LazyFrame, park_tags: pl.LazyFrame) -> pl.DataFrame:
    """One row per entity and local day."""
    return arithmetic.evidence(park_values, park_tags)


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    metadata=BY_DAY,
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "上云上平台：中小企业比例（CA-1）、设备上云率（CA-2）、感知终端（CA-7），园区与全区。",
        "Cloud adoption by park and district: CA-1, CA-2, CA-7, on the evidence up to the day.",
    ),
)
def adoption(
    context: dg.AssetExecutionContext,
    enterprises: pl.LazyFrame,
    terminals: pl.LazyFrame,
    terminal_evidence: pl.LazyFrame,
) -> pl.DataFrame:
    """Cloud adoption on each reference date."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    register, listed, evidence = (
        frame.collect() for frame in (enterprises, terminals, terminal_evidence)
    )
    figures = [arithmetic.figures(register, listed, evidence, day) for day in days]
    names = {**site_names("park"), "": "松江新城"}
    shares = figures[-1].filter(pl.col("denominator").is_not_null())
    context.add_output_metadata(
        {
            f"{metric_id} {basis}": bars(
                f"{metric_id} {basis} {days[-1]}",
                [
                    (
                        names.get(row["park_id"], "松江新城"),
                        row["value"],
                        row["lower"],
                        row["upper"],
                    )
                    for row in part.sort("park_id", nulls_last=False).iter_rows(named=True)
                ],
            )
            for (metric_id, basis), part in sorted(shares.group_by("metric_id", "basis"))
        }
    )
    return pl.concat(figures).with_columns(partition_day=pl.col("reference_date"))
