"""What was restated, where anyone can see it, and the end of a run over factory-days."""

from typing import Final

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import FACTORY_DAYS, HOME, SINGLE_RUN, key_of
from assets.words import OWNERS, both
from connectors import fingerprints
from connectors.lake import Lake, Partition
from pipelines.schemas import RESTATEMENTS

ALL_OF_A_DAY: Final = [
    "oee_by_shift", "losses_by_shift", "process_values", "ledger_by_day", "events",
]  # fmt: skip
"""When these are made, a factory-day is made from what its fingerprint says."""


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    deps=ALL_OF_A_DAY,
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "更正记录：每个被替换的指标的旧值、新值、原因与时间；首次计算不算更正。",
        "Restatements: old value, new value, cause and time of every figure that was replaced.",
    ),
)
def restatements(context: dg.AssetExecutionContext) -> None:
    """Counts, per factory-day, what this run restated, and records what the day was made from.

    The rows themselves were written with the figures, before those were replaced.
    """
    factory, days = box(context)
    lake = Lake(HOME.lake)
    for day in days:
        partition = Partition(day, factory)
        told = lake.read("restatements", partition)
        rows = pl.DataFrame(schema=RESTATEMENTS) if told is None else told
        own = rows.filter(pl.col("run_id") == context.run.run_id)
        context.add_asset_metadata(
            {
                "restated": own.height,
                "causes": sorted(set(own["cause"])),
                "restated_ever": rows.height,
            },
            partition_key=key_of(partition),
        )
    fingerprints.finish(HOME, factory, days, context.run.run_id)
