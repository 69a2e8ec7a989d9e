"""Gold: OEE and reliability by work unit and shift, and roll-ups from line to district."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import (
    DAYS,
    FACTORY_DAYS,
    FACTORY_IDS,
    HOME,
    NEIGHBOURS,
    SAME_DAY,
    SAME_FACTORY,
    SINGLE_RUN,
    factory_days,
    sector_of,
    site_names,
)
from assets.pictures import Bar, bars
from assets.storage import BY_DAY, NEAREST, RESTATED
from assets.tables import readable
from assets.words import INCOMPLETE, OWNERS, both
from connectors.factory_days import account, counted
from connectors.lake import Lake
from pipelines import levels, lines, losses, oee, reliability, semi
from pipelines.conventions import NO_CONVENTIONS, by_convention, with_least
from pipelines.pace import LINE
from pipelines.schemas import LINE_OEE_BY_SHIFT, SEMI_BY_DAY

IC: Final = "ic"
"""The sector whose tools get SEMI figures beside their OEE."""

line_figures: Final = lines.by_shift
"""Under a name that the input `lines` does not hide."""

SILVER: Final = {
    "state_episodes": dg.AssetIn(partition_mapping=NEIGHBOURS),
    "count_increments": dg.AssetIn(partition_mapping=NEIGHBOURS),
    "last_values": dg.AssetIn(partition_mapping=factory_days(-2, -2), metadata={NEAREST: True}),
    "plan": dg.AssetIn(partition_mapping=SAME_FACTORY),
    "cycles": dg.AssetIn(partition_mapping=SAME_FACTORY),
    "tags": dg.AssetIn(partition_mapping=SAME_FACTORY),
}
"""What figures of a shift are made of; the ledger's account is read beside it."""

BY_PROFILE: Final = SILVER | {"conventions": dg.AssetIn(partition_mapping=SAME_FACTORY)}
"""The same for figures that a factory's conventions say how to make."""


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=BY_PROFILE,
    metadata=BY_DAY | {RESTATED: True},
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
    conventions: pl.LazyFrame,
) -> pl.DataFrame:
    """OEE per work unit and shift, with the times and quantities it was computed from."""
    coverage, gaps = account(HOME)
    made = counted(last_values, count_increments, tags)
    by_shift = partial(oee.by_shift, state_episodes, made, plan, cycles, coverage, gaps=gaps)
    figures = by_convention(by_shift, tags, plan, conventions)
    return figures.with_columns(partition_day=pl.col("production_day"))


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=BY_PROFILE | {"reasons": dg.AssetIn(partition_mapping=SAME_FACTORY)},
    metadata=BY_DAY | {RESTATED: True},
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
    conventions: pl.LazyFrame,
    reasons: pl.LazyFrame,
) -> pl.DataFrame:
    """Where planned busy time went, by loss, category, stop reason and product."""
    coverage, gaps = account(HOME)
    made = counted(last_values, count_increments, tags)
    given = (state_episodes, made, plan, cycles, coverage)
    by_shift = partial(losses.by_shift, *given, reasons=reasons, gaps=gaps)
    lost = by_convention(by_shift, tags, plan, conventions)
    context.add_output_metadata({"losses": lost["loss"].n_unique()})
    return lost.with_columns(partition_day=pl.col("production_day"))


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=BY_PROFILE | {"lines": dg.AssetIn(partition_mapping=SAME_FACTORY)},
    metadata=BY_DAY | {RESTATED: True},
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "串行产线每个班次的 OEE：末道工序的合格品 × 瓶颈工序节拍 ÷ 瓶颈工序的计划工作时间。",
        "OEE of sequential lines by shift: good pieces of the last stage at the bottleneck's pace.",
    ),
)
def line_oee_by_shift(
    state_episodes: pl.LazyFrame,
    count_increments: pl.LazyFrame,
    last_values: pl.LazyFrame,
    plan: pl.LazyFrame,
    cycles: pl.LazyFrame,
    tags: pl.LazyFrame,
    conventions: pl.LazyFrame,
    lines: pl.LazyFrame,
) -> pl.DataFrame:
    """OEE of the lines whose order is known; a factory without one has no rows."""
    order, figures = lines.collect(), pl.DataFrame(schema=LINE_OEE_BY_SHIFT)
    if not order.is_empty():
        coverage, gaps = account(HOME)
        made = counted(last_values, count_increments, tags)
        given = (state_episodes, made, plan, cycles, coverage)
        by_shift = partial(line_figures, *given, lines=order, gaps=gaps)
        figures = by_convention(by_shift, tags, plan, conventions, LINE)
    return figures.with_columns(partition_day=pl.col("production_day"))


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins={name: BY_PROFILE[name] for name in ("state_episodes", "plan", "tags", "conventions")},
    metadata=BY_DAY | {RESTATED: True},
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "每台设备每个班次的故障次数、MTBF、MTTF、MTTR；未知时间既不算运行也不算停机，"
        "持续到次日之后的维修不计入 MTTR。",
        "Failures, MTBF, MTTF and MTTR per work unit and shift; unknown time is neither up nor"
        " down, and a repair that outlasts the next day is censored.",
    ),
)
def reliability_by_shift(
    context: dg.AssetExecutionContext,
    state_episodes: pl.LazyFrame,
    plan: pl.LazyFrame,
    tags: pl.LazyFrame,
    conventions: pl.LazyFrame,
) -> pl.DataFrame:
    """Reliability per work unit and shift, a failure in the shift that first saw it."""
    coverage, gaps = account(HOME)
    by_shift = partial(reliability.by_shift, state_episodes, plan, coverage, gaps=gaps)
    figures = by_convention(by_shift, tags, plan, conventions)
    context.add_output_metadata({"failures": int(figures["failures"].sum())})
    return figures.with_columns(partition_day=pl.col("production_day"))


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins=SILVER,
    metadata=BY_DAY | {RESTATED: True},
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "集成电路工厂每台设备每个生产日的 SEMI E10 状态与 E79 效率；其他行业的工厂没有记录。",
        "SEMI E10 states and E79 efficiencies per tool and production day of factories of the"
        " sector ic in the fleet file; others have no rows.",
    ),
)
def semi_by_day(
    context: dg.AssetExecutionContext,
    state_episodes: pl.LazyFrame,
    count_increments: pl.LazyFrame,
    last_values: pl.LazyFrame,
    plan: pl.LazyFrame,
    cycles: pl.LazyFrame,
    tags: pl.LazyFrame,
) -> pl.DataFrame:
    """SEMI figures of the tools of a factory of integrated circuits."""
    factory, days = box(context)
    figures = pl.DataFrame(schema=SEMI_BY_DAY)
    if sector_of(factory, HOME) == IC:
        made = counted(last_values, count_increments, tags)
        figures = semi_figures(state_episodes, made, plan, cycles, tags, days)
    return figures.with_columns(partition_day=pl.col("production_day"))


def semi_figures(
    state_episodes: pl.LazyFrame,
    count_increments: pl.DataFrame,
    plan: pl.LazyFrame,
    cycles: pl.LazyFrame,
    tags: pl.LazyFrame,
    days: Sequence[date],
) -> pl.DataFrame:
    """E79's pieces are counted over whole days in which only scheduled down time is cut."""
    coverage, gaps = account(HOME)
    asked = semi.calendar_days(days)
    whole = semi.operations(plan, tags, asked)
    made = oee.by_shift(state_episodes, count_increments, whole, cycles, coverage, tags, gaps=gaps)
    return semi.by_day(state_episodes, plan, coverage, tags, asked, made, gaps)


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    ins={
        "oee_by_shift": dg.AssetIn(partition_mapping=SAME_DAY),
        "line_oee_by_shift": dg.AssetIn(partition_mapping=SAME_DAY),
    },
    deps=["tags", "plan", "conventions"],
    metadata=BY_DAY,
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "OEE 汇总：产线、工厂、园区、全区；时间与理想时间求和后再相除，串行产线按瓶颈；"
        "每行注明汇总方式、设备数、缺少的设备数、完整率与是否可靠。",
        "OEE rolled up to line, factory, park and district: sums of times, then one division;"
        " sequential lines by their bottleneck. Every row states its scope.",
    ),
)
def oee_roll_up(
    context: dg.AssetExecutionContext,
    oee_by_shift: pl.LazyFrame,
    line_oee_by_shift: pl.LazyFrame,
) -> pl.DataFrame:
    """OEE by level; a level's key columns that do not apply are null."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    lake = Lake(HOME.lake)
    own = [readable(lake, "conventions", one) for one in FACTORY_IDS]
    conventions = pl.concat([NO_CONVENTIONS, *own])
    rolled = levels.by_day(
        with_least(oee_by_shift, conventions),
        with_least(line_oee_by_shift, conventions),
        expected(FACTORY_IDS, days),
    )
    context.add_output_metadata(_seen(rolled))
    return rolled.with_columns(partition_day=pl.col("production_day"))


def expected(factories: Sequence[str], days: Sequence[date]) -> pl.DataFrame:
    """Work units by production day that the catalogues and plans of all factories know."""
    lake = Lake(HOME.lake)
    asked = pl.DataFrame({"production_day": days}, {"production_day": pl.Date()})
    found = (
        levels.there(readable(lake, "tags", one), readable(lake, "plan", one), asked)
        for one in factories
    )
    return pl.concat([pl.DataFrame(schema=levels.EXPECTED), *found])


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
    rows = [_bar(names.get(row["park_id"], "松江新城"), row) for row in shown.to_dicts()]
    return {
        "oee_by_park": bars(f"OEE {day}", rows),
        "completeness": [
            f"{name}: {c:.1%}"
            for (name, *_), c in zip(rows, shown["completeness"].fill_null(0.0), strict=True)
        ],
    }


def _bar(name: str, row: dict[str, Any]) -> Bar:
    """A bar of the picture; a figure that is not reliable is named, and no number."""
    if not row["is_reliable"]:
        return f"{name} {INCOMPLETE}", None, None, None
    return name, row["oee"], row["lower"], row["upper"]
