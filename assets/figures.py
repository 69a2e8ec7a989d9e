"""Gold: OEE by work unit and shift, and its roll-ups from line to district."""

from typing import Any, Final

import dagster as dg
import polars as pl

from assets.partitions import (
    DAYS,
    FACTORY_DAYS,
    HOME,
    NEIGHBOURS,
    SAME_DAY,
    SAME_FACTORY,
    SINGLE_RUN,
    factory_days,
    site_names,
)
from assets.pictures import bars
from assets.storage import BY_DAY, NEAREST
from assets.words import OWNERS, both
from connectors.ledger import Ledger
from pipelines import counters, losses, oee

LEVELS: Final = {
    "line": ["park_id", "factory_id", "line_id"],
    "factory": ["park_id", "factory_id"],
    "park": ["park_id"],
    "district": [],
}
"""What a figure is rolled up to. A line here is the time-weighted sum of its machines."""


SILVER: Final = {
    "state_episodes": dg.AssetIn(partition_mapping=NEIGHBOURS),
    "count_increments": dg.AssetIn(partition_mapping=NEIGHBOURS),
    "last_values": dg.AssetIn(partition_mapping=factory_days(-2, -2), metadata={NEAREST: True}),
    "plan": dg.AssetIn(partition_mapping=SAME_FACTORY),
    "cycles": dg.AssetIn(partition_mapping=SAME_FACTORY),
    "tags": dg.AssetIn(partition_mapping=SAME_FACTORY),
}
"""What figures of a shift are made of; the ledger's account is read beside it."""


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=SILVER,
    metadata=BY_DAY,
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "每台设备每个班次的 OEE（ISO 22400-2），附其时间与数量、完整率与上下界。",
        "OEE per work unit and shift (ISO 22400-2): times, quantities, completeness, bounds.",
    ),
)
def oee_by_shift(
    state_episodes: pl.LazyFrame,
    count_increments: pl.LazyFrame,
    last_values: pl.LazyFrame,
    plan: pl.LazyFrame,
    cycles: pl.LazyFrame,
    tags: pl.LazyFrame,
) -> pl.DataFrame:
    """OEE per work unit and shift, with the times and quantities it was computed from."""
    coverage, gaps = _account()
    made = _counted(last_values, count_increments, tags)
    figures = oee.by_shift(state_episodes, made, plan, cycles, coverage, tags, gaps=gaps)
    return figures.with_columns(partition_day=pl.col("production_day"))


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=SILVER | {"reasons": dg.AssetIn(partition_mapping=SAME_FACTORY)},
    metadata=BY_DAY,
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "每台设备每个班次的损失：六大损失、等待与未知，连同完全有效时间，正好等于计划忙碌时间。",
        "Losses per work unit and shift: with productive time they sum to planned busy time.",
    ),
)
def losses_by_shift(
    context: dg.AssetExecutionContext,
    state_episodes: pl.LazyFrame,
    count_increments: pl.LazyFrame,
    last_values: pl.LazyFrame,
    plan: pl.LazyFrame,
    cycles: pl.LazyFrame,
    tags: pl.LazyFrame,
    reasons: pl.LazyFrame,
) -> pl.DataFrame:
    """Where planned busy time went, by loss, category, stop reason and product."""
    coverage, gaps = _account()
    made = _counted(last_values, count_increments, tags)
    lost = losses.by_shift(
        state_episodes, made, plan, cycles, coverage, tags, reasons=reasons, gaps=gaps
    )
    context.add_output_metadata({"losses": lost["loss"].n_unique()})
    return lost.with_columns(partition_day=pl.col("production_day"))


def _account() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Coverage and gaps, as the ledger has them."""
    with Ledger(HOME.root, read_only=True) as ledger:
        return ledger.coverage(), ledger.gaps()


def _counted(
    last_values: pl.LazyFrame, count_increments: pl.LazyFrame, tags: pl.LazyFrame
) -> pl.DataFrame:
    """The increments, behind what the days before them tell of the counters."""
    before = counters.standing(last_values.collect(), tags.collect())
    return pl.concat([before, count_increments.collect(engine="in-memory")])


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    ins={"oee_by_shift": dg.AssetIn(partition_mapping=SAME_DAY)},
    metadata=BY_DAY,
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "OEE 汇总：产线、工厂、园区、全区；时间与理想时间求和后再相除。",
        "OEE rolled up to line, factory, park and district: sums of times, then one division.",
    ),
)
def oee_roll_up(context: dg.AssetExecutionContext, oee_by_shift: pl.LazyFrame) -> pl.DataFrame:
    """OEE by level; a level's key columns that do not apply are null."""
    rows = oee_by_shift.collect(engine="in-memory")
    levels = [
        oee.roll_up(rows, ["production_day", *by]).with_columns(level=pl.lit(level))
        for level, by in LEVELS.items()
    ]
    rolled = pl.concat(levels, how="diagonal")
    context.add_output_metadata(_seen(rolled))
    return rolled.with_columns(partition_day=pl.col("production_day"))


def _seen(rolled: pl.DataFrame) -> dict[str, Any]:
    """Counts, completeness and a picture of the last whole day, down to parks and no further."""
    days = rolled["production_day"].unique().sort()
    if days.is_empty():
        return {}
    day = days[-2] if len(days) > 1 else days[-1]
    shown = rolled.filter(
        pl.col("production_day") == day, pl.col("level").is_in(["district", "park"])
    ).sort("park_id", nulls_last=False)
    names = site_names("park")
    rows = [
        (names.get(row["park_id"], "松江新城"), row["oee"], row["lower"], row["upper"])
        for row in shown.iter_rows(named=True)
    ]
    return {
        "oee_by_park": bars(f"OEE {day}", rows),
        "completeness": [
            f"{name}: {c:.1%}"
            for (name, *_), c in zip(rows, shown["completeness"].fill_null(0.0), strict=True)
        ],
    }
