"""Park gateways, and cloud adoption day by day: CA-1 to CA-7, funnels, liveness, changes."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg
import polars as pl

from assets import columns
from assets.adoption_ground import EVIDENCE, REGISTER, Replacing, grounds_of
from assets.partitions import (
    DAYS,
    HOME,
    PARKS,
    SINGLE_RUN,
    site_names,
)
from assets.pictures import bars
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors import received
from connectors.lake import Lake, Partition
from pipelines import bronze, raw
from pipelines.cloud import change, seen
from pipelines.cloud.day import Day, Ground, of_day
from pipelines.cloud.firm_evidence import firm_evidence
from pipelines.cloud.grounds import CODE
from pipelines.cloud.many_days import each_day
from pipelines.park_figures import ADOPTION
from pipelines.park_schemas import REGISTER as REGISTER_SCHEMAS

WARM_UP: Final = timedelta(days=90)
"""Evidence of use looks so far back: figures of earlier days would say too little."""

MOST_BEFORE: Final = timedelta(days=730)
"""Trends rest on two years at most."""

SINCE: Final = timedelta(days=28)
"""Changes are told against four weeks before."""


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


def _out(chinese: str, english: str, name: str = "") -> dg.AssetOut:
    return dg.AssetOut(
        group_name="gold",
        kinds={"polars"},
        owners=OWNERS,
        metadata={**BY_DAY, **columns.lineage(name)},
        description=both(chinese, english),
    )


MADE: Final = {
    "terminal_state": _out("每个终端近 64 日是否有数据。", "When each terminal was heard."),
    "adoption": _out(
        "上云上平台 CA-1 至 CA-7：园区与全区，分规模、行业、层级，附上下限。",
        "Cloud adoption CA-1 to CA-7 by park and district, size, sector and level, with bounds.",
        "adoption",
    ),
    "funnel": _out(
        "漏斗：登记、激活、在线、在用。",
        "Funnels: registered, activated, online, in use.",
        "funnel",
    ),
    "liveness": _out(
        "终端在线状态，分类型与网络。", "Status of terminals by kind and network.", "liveness"
    ),
    "discrepancies": _out(
        "申报与核实对照。", "What is declared beside what was seen.", "discrepancies"
    ),
    "adoption_contributions": _out(
        "各法人集团对每个指标的贡献，用于披露控制。",
        "What each legal group adds to each figure: the ground of disclosure control.",
    ),
    "adoption_panel": _out("谁被计入。", "Who is counted: the ground of matched panels."),
    "firm_evidence": _out(
        "每家企业的终端、申报与最近使用日：企业画像与预警的依据。",
        "Terminals, declaration and last use of each enterprise: what portraits rest on.",
    ),
    "adoption_ground": _out(
        "每日指标依据何种名录与证据算出：有变即重算。",
        "What each day's adoption was made from: it is made anew where that differs.",
    ),
    "adoption_restatements": _out(
        "上云指标更正记录：旧值、新值、原因与时间。",
        "Figures of adoption that were replaced: old and new, cause and time.",
    ),
    "adoption_changes": _out(
        "与四周前相比的变化：同一批单位、新进、退出各占多少。",
        "Change against four weeks before: by those in both, by entry, by exit.",
        "adoption_changes",
    ),
}


_FIRST, _LAST = "adoption_restatements", "adoption_ground"
IN_ORDER: Final = [_FIRST, *(name for name in MADE if name not in (_FIRST, _LAST)), _LAST]
"""What was said is told before it is replaced, and a day is whole once its ground stands."""


@dg.multi_asset(
    outs=MADE,
    ins={name: dg.AssetIn() for name in REGISTER},
    deps=["terminal_days"],
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    name="adoption_of_days",
)
def adoption_of_days(
    context: dg.AssetExecutionContext, **register: pl.LazyFrame
) -> Iterator[dg.Output[pl.DataFrame]]:
    """Cloud adoption on each reference date, on the evidence up to it.

    Who was heard is carried on from the day before where that is made; else it is read anew.
    """
    days = sorted(date.fromisoformat(key) for key in context.partition_keys)
    before, asked = days[0] - timedelta(days=1), {*days, *(on - SINCE for on in days)}
    tables = {name: frame.collect() for name, frame in register.items()}
    replacing = Replacing(
        HOME,
        grounds_of(HOME, tables, sorted({before, *asked})),
        datetime.now(UTC),
        context.run.run_id,
    )
    ground = Ground.of(tables, days[-1], days[0])
    panels = dict[date, pl.DataFrame]()
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in IN_ORDER}
    for on, heard, day in each_day(ground, _state(replacing, before), before, _heard_on, days[-1]):
        panels[on], since = day.panel(), on - SINCE
        then = panels[since] if since in panels else _panel_of(ground, replacing, since)
        changes = change.changes(then, panels[on], since, on)
        told = _tables(ground, on, heard.state(), day) | {
            "adoption_panel": panels[on].sort("metric_id", "basis", "unit_id"),
            "adoption_ground": replacing.ground(on),
            "adoption_restatements": replacing.told(on, day.adoption),
            "adoption_changes": changes,
        }
        for name, frame in told.items():
            parts[name].append(frame.with_columns(partition_day=pl.lit(on)))
    pictures = _pictures(parts["adoption"][-1].drop("partition_day"), days[-1])
    for name, frames in parts.items():
        shown = pictures if name == "adoption" else {}
        yield dg.Output(pl.concat(frames), name, metadata=shown)


def _state(replacing: Replacing, before: date) -> pl.DataFrame:
    """Who had been heard by a day: as carried, or anew where the evidence is another since."""
    carried = Lake(HOME.lake).read("terminal_state", Partition(before))
    if carried is not None and replacing.is_current(before, EVIDENCE, CODE):
        return carried
    return seen.heard(_heard_by(before), before)


def _heard_on(on: date) -> pl.DataFrame:
    """TERMINAL_DAYS of a day's own partition; in the first one stands what is older, too."""
    found = Lake(HOME.lake).read("terminal_days", Partition(on))
    none = REGISTER_SCHEMAS["terminal_days"].to_frame()
    return none if found is None else found.filter(pl.col("day") == on)


def _heard_by(on: date) -> pl.DataFrame:
    """All TERMINAL_DAYS up to a day."""
    lake = Lake(HOME.lake)
    last = max(on, HOME.first_day)
    parts = [p for p in lake.partitions("terminal_days") if p.day and p.day <= last]
    found = lake.scan("terminal_days", parts)
    none = REGISTER_SCHEMAS["terminal_days"].to_frame()
    return none if found is None else found.filter(pl.col("day") <= on).collect(engine="in-memory")


def _panel_of(ground: Ground, replacing: Replacing, on: date) -> pl.DataFrame:
    """Who was counted on an earlier day: as it was made then, if that holds, or as known now."""
    made = Lake(HOME.lake).read("adoption_panel", Partition(on))
    if made is not None and replacing.is_current(on):
        return made
    return of_day(ground, seen.heard(_heard_by(on), on), on).panel()


def _tables(ground: Ground, on: date, state: pl.DataFrame, day: Day) -> dict[str, pl.DataFrame]:
    return {
        "terminal_state": state.sort("terminal_id"),
        "adoption": day.adoption,
        "funnel": day.funnel,
        "liveness": day.liveness,
        "discrepancies": day.discrepancies,
        "adoption_contributions": day.contributions(on),
        "firm_evidence": firm_evidence(day, ground.uses, on),
    }


def _pictures(figures: pl.DataFrame, on: date) -> Mapping[str, dg.MarkdownMetadataValue]:
    """Shares of parks and the New City as bars."""
    names = site_names("park")
    shares = figures.filter(
        pl.col("denominator").is_not_null(), pl.col("dimension") == "all", pl.col("value") <= 1
    )
    return {
        f"{metric_id} {basis}": bars(
            f"{metric_id} {basis} {on}",
            [
                (names.get(row["park_id"], "松江新城"), row["value"], row["lower"], row["upper"])
                for row in part.sort("park_id", nulls_last=False).iter_rows(named=True)
            ],
        )
        for (metric_id, basis), part in sorted(shares.group_by("metric_id", "basis"))
    }


@dg.asset(
    ins={name: dg.AssetIn() for name in REGISTER},
    deps=["terminal_days"],
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "首日之前每天的上云上平台指标，按现在所知回算：趋势与预测的依据。",
        "Adoption of every day before the home's first, as known now: what trends rest on.",
    ),
)
def adoption_before(**register: pl.LazyFrame) -> pl.DataFrame:
    """ADOPTION (dimension all), from the first day with a whole window of use behind it."""
    last = HOME.first_day - timedelta(days=1)
    evidence = _heard_by(last)
    earliest = evidence["day"].min()
    if not isinstance(earliest, date):
        return ADOPTION.to_frame()
    first = min(max(earliest + WARM_UP, last - MOST_BEFORE), last)
    ground = Ground.of({name: frame.collect() for name, frame in register.items()}, last, first)
    by_day = evidence.partition_by("day", as_dict=True)
    told = each_day(
        ground,
        seen.heard(evidence, first),
        first,
        lambda on: by_day.get((on,), evidence.clear()),
        last,
    )
    whole = [day.adoption.filter(pl.col("dimension") == "all") for _, _, day in told]
    return pl.concat([ADOPTION.to_frame(), *whole])
