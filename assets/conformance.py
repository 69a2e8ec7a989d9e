"""How factories speak the unified interface, day by day, and which stages their data covers."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final, NamedTuple

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import (
    DAYS,
    FACTORY_DAYS,
    FACTORY_IDS,
    HOME,
    SAME_DAY,
    SAME_FACTORY,
    SINGLE_RUN,
)
from assets.storage import BY_DAY
from assets.tables import readable
from assets.words import OWNERS, both
from connectors.factory_days import account
from connectors.lake import Lake, Partition
from pipelines import chain_stage, conformance_findings
from pipelines.catalogue import during, on_day
from pipelines.conformance import assessed
from pipelines.conformance_data import observe
from pipelines.park_figures import CONFORMANCE
from pipelines.schemas import LEDGER_BY_DAY, RAW, TABLES


class Held(NamedTuple):
    """What a factory-day is held against, read once: catalogue, cycles, coverage and gaps."""

    tags: pl.DataFrame
    cycles: pl.DataFrame
    coverage: pl.DataFrame
    gaps: pl.DataFrame


def _out(chinese: str, english: str) -> dg.AssetOut:
    return dg.AssetOut(
        metadata=BY_DAY,
        group_name="gold",
        kinds={"polars"},
        owners=OWNERS,
        description=both(chinese, english),
    )


MADE: Final = {
    "conformance": _out(
        "统一数据接口逐台待办：缺什么、数据哪里不对、先改什么；只计工厂自身的问题。",
        "What stands between each machine and the unified interface, and what its data does"
        " wrong, the most useful first; our own gaps are nobody's fault.",
    ),
    "interface_levels": _out(
        "每台设备当日的统一数据接口等级（L0 至 L3）与到下一级所缺的测项。",
        "The level (L0 to L3) of each machine on each day, and what the next one asks for.",
    ),
    "conformance_of_factories": _out(
        "每个工厂每天：各等级设备数、无问题的值、应有数据而无数据的时间。",
        "Per factory and day: machines at each level, values without fault, time unheard.",
    ),
}


@dg.multi_asset(
    outs=MADE,
    ins={name: dg.AssetIn(partition_mapping=SAME_FACTORY) for name in ("tags", "cycles")},
    deps=["raw_values"],
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    name="conformance_of_days",
)
def conformance_of_days(
    context: dg.AssetExecutionContext, tags: pl.LazyFrame, cycles: pl.LazyFrame
) -> Iterator[dg.Output[pl.DataFrame]]:
    """Findings of each day's values, by the catalogue as it stood at the end of that day."""
    factory, days = box(context)
    held = Held(tags.collect(), cycles.collect(), *account(HOME))
    told = [_of_day(factory, day, held) for day in days]
    for place, name in enumerate(MADE):
        dated = zip(days, told, strict=True)
        rows = [found[place].with_columns(partition_day=pl.lit(day)) for day, found in dated]
        yield dg.Output(pl.concat(rows), name)


def _of_day(factory: str, day: date, held: Held) -> tuple[pl.DataFrame, ...]:
    """The tables of MADE of one factory-day."""
    found = Lake(HOME.lake).read("raw_values", Partition(day, factory))
    values = pl.DataFrame(schema=RAW) if found is None else found
    known = on_day(held.tags, day)
    reached = assessed(known, held.cycles)
    if reached.is_empty():
        return CONFORMANCE.to_frame(), reached, conformance_findings.FACTORY.to_frame()
    seen = observe(values, during(held.tags, day), day, held.coverage, held.gaps)
    table = conformance_findings.table(known, held.cycles, seen)
    return table, reached, conformance_findings.factories(seen, reached)


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    deps=[
        dg.AssetDep("ledger_by_day", partition_mapping=SAME_DAY),
        dg.AssetDep("tags", partition_mapping=dg.AllPartitionMapping()),
    ],
    metadata=BY_DAY,
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "研发、生产、经营、运维：每个工厂到当日为止已采集哪些环节的数据。",
        "R&D, production, business, operation: which stages a factory's data covers by each day.",
    ),
)
def chain_stages(context: dg.AssetExecutionContext) -> pl.DataFrame:
    """`chain_stage.BY_FACTORY` of every factory, from all that was kept up to each day."""
    days = sorted(date.fromisoformat(key) for key in context.partition_keys)
    lake = Lake(HOME.lake)
    tags = pl.concat([TABLES["tags"].to_frame(), *(readable(lake, "tags", f) for f in FACTORY_IDS)])
    ledger = ledger_until(days[-1])
    told = [
        chain_stage.by_factory(
            on_day(tags, day), chain_stage.kept(ledger.filter(pl.col("day") <= day))
        ).with_columns(partition_day=pl.lit(day))
        for day in days
    ]
    return pl.concat(told)


def ledger_until(last: date, factories: Sequence[str] = FACTORY_IDS) -> pl.DataFrame:
    """LEDGER_BY_DAY of all factories up to a day, with `factory_id`."""
    lake, empty = Lake(HOME.lake), LEDGER_BY_DAY.to_frame()
    parts = [p for p in lake.partitions("ledger_by_day") if p.day and p.day <= last]
    known = [
        found.with_columns(factory_id=pl.lit(factory))
        for factory in factories
        if (found := lake.scan("ledger_by_day", [p for p in parts if p.factory == factory]))
        is not None
    ]
    none = empty.with_columns(factory_id=pl.lit(None, pl.String))
    return pl.concat([none.lazy(), *known]).collect(engine="in-memory")
