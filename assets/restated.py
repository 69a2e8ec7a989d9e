"""What was restated, where anyone can see it, and the end of a run over factory-days."""

from typing import Final

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import FACTORY_DAYS, HOME, SINGLE_RUN, key_of
from assets.words import OWNERS, both
from connectors import fingerprints
from connectors.lake import Lake, Partition
from connectors.restating import told

FIGURES: Final = [
    "oee_by_shift", "losses_by_shift", "line_oee_by_shift", "reliability_by_shift", "semi_by_day",
]  # fmt: skip
"""Tables whose restatements are kept."""

ALL_OF_A_DAY: Final = [*FIGURES, "process_values", "ledger_by_day", "events"]
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
        rows = {table: told(lake, table, partition) for table in FIGURES}
        own = {
            table: found.filter(pl.col("run_id") == context.run.run_id)
            for table, found in rows.items()
        }
        context.add_asset_metadata(
            {
                "restated": sum(found.height for found in own.values()),
                "by_table": {table: found.height for table, found in own.items() if found.height},
                "causes": sorted(set(pl.concat(own.values())["cause"])),
                "restated_ever": sum(found.height for found in rows.values()),
            },
            partition_key=key_of(partition),
        )
    fingerprints.finish(HOME, factory, days, context.run.run_id)
