"""From the factory floor to bronze: servers, segments and plans from outside, raw values inside."""

from datetime import date, datetime
from typing import Final

import dagster as dg
import polars as pl

from assets.partitions import (
    FACTORIES,
    FACTORY_DAYS,
    HOME,
    PARKS,
    SINGLE_RUN,
    partition_of,
)
from assets.storage import DAY_COLUMN
from assets.words import OWNERS, both
from connectors import fingerprints, received
from connectors.factory_days import received_values
from connectors.ledger import Ledger
from pipelines import ledger
from pipelines.days import local_day, midnight


def outside(
    key: str,
    partitions: dg.PartitionsDefinition[str],
    kind: str,
    words: str,
    deps: list[str] | None = None,
) -> dg.AssetSpec:
    """An external asset: Dagster shows it and never makes it."""
    return dg.AssetSpec(
        key,
        partitions_def=partitions,
        deps=deps or [],
        group_name="outside",
        kinds={kind},
        owners=OWNERS,
        description=words,
    )


OUTSIDE: Final = [
    outside(
        "opcua_servers",
        FACTORIES,
        "opcua",
        both(
            "工厂的 OPC UA 服务器（统一数据接口）。采集器订阅并回读历史，Dagster 不连接它们。",
            "The factories' OPC UA servers. The collector reads them; Dagster never dials.",
        ),
    ),
    outside(
        "segments",
        FACTORIES,
        "arrow",
        both(
            "采集器落盘并封存的数据段，带校验和；每个值先落盘、后向服务器确认。",
            "Sealed files of received rows with hashes: on disk before they are acknowledged.",
        ),
        ["opcua_servers"],
    ),
    outside(
        "event_segments",
        FACTORIES,
        "arrow",
        both(
            "采集器落盘并封存的报警与事件数据段；与数值一样先落盘、后确认。",
            "Sealed files of received alarms and events: on disk before they are acknowledged.",
        ),
        ["opcua_servers"],
    ),
    outside(
        "tags",
        FACTORIES,
        "opcua",
        both(
            "测点目录：由浏览服务器得到，节点→设备、测量项、单位。",
            "Tag catalogue: what each node means, found by browsing the servers.",
        ),
        ["opcua_servers"],
    ),
    outside(
        "plan",
        FACTORIES,
        "csv",
        both("班次日历：计划、休息、计划保养。", "Shift calendar: busy time, breaks, maintenance."),
    ),
    outside(
        "cycles",
        FACTORIES,
        "csv",
        both(
            "单件计划时间（按设备与产品）。", "Planned run time per item, by machine and product."
        ),
    ),
    outside(
        "reasons",
        FACTORIES,
        "csv",
        both("停机原因代码表。", "What the stop reason codes of a factory mean."),
    ),
    outside(
        "lines",
        FACTORIES,
        "csv",
        both(
            "串行产线的工位顺序（按生效日期）；不在表中的产线按设备时间加权汇总。",
            "The order of stations in sequential lines, from a day on; other lines are summed.",
        ),
    ),
    outside(
        "conventions",
        FACTORIES,
        "csv",
        both(
            "工厂约定（按生效的生产日）：口径、休息、返工、短停阈值；不在表中的设备用默认口径。",
            "Which profile a work unit has from a production day on; others have the default.",
        ),
    ),
    outside(
        "park_gateways",
        PARKS,
        "opcua",
        both("园区网关的 OPC UA 服务器。", "The park gateways' OPC UA servers."),
    ),
    outside(
        "park_segments",
        PARKS,
        "arrow",
        both("园区网关的数据段。", "Sealed segments of the park gateways."),
        ["park_gateways"],
    ),
    outside(
        "park_tags",
        PARKS,
        "opcua",
        both("园区网关的测点目录。", "Tag catalogue of the park gateways."),
        ["park_gateways"],
    ),
]


def box(context: dg.AssetExecutionContext) -> tuple[str, list[date]]:
    """The factory and the days, in order, of a run over factory-days."""
    partitions = sorted(partition_of(key) for key in context.partition_keys)
    factories = {p.factory for p in partitions}
    if len(factories) != 1:
        raise dg.Failure(f"one run serves one factory, not {sorted(map(str, factories))}")
    return str(factories.pop()), [p.day for p in partitions if p.day]


@dg.multi_asset(
    outs={
        "raw_values": dg.AssetOut(
            metadata={DAY_COLUMN: "partition_day"},
            group_name="bronze",
            kinds={"polars", "parquet"},
            owners=OWNERS,
            description=both(
                "原始值：按日期与工厂分区，一个值一行；重复值已去除并计数。",
                "Raw values as received, once each; repeats are removed and counted.",
            ),
        ),
        "quarantine": dg.AssetOut(
            metadata={DAY_COLUMN: "received_time"},
            group_name="bronze",
            kinds={"polars", "parquet"},
            owners=OWNERS,
            description=both(
                "隔离区：时间离谱的值，按收到之日存放并计数，不参与计算，也不丢弃。",
                "Values whose time cannot be, by the day of receipt: counted, kept, not computed.",
            ),
        ),
    },
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    deps=["segments"],
)
def raw_values(context: dg.AssetExecutionContext) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bronze: every received value of the factory-days once."""
    factory, days = box(context)
    fingerprints.begin(HOME, factory, days, context.run.run_id)
    found = received_values(HOME, factory, days)
    context.add_output_metadata(
        {
            "received": found.rows,
            "repeats_removed": found.kept - found.values.height,
            "segments": [s.path.name for s in found.segments],
            "segments_sha256": received.digest(found.segments),
        },
        output_name="raw_values",
    )
    return found.values, found.quarantined


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    metadata={DAY_COLUMN: "day"},
    group_name="bronze",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "采集台账：每个节点每天按何种途径收到多少、去重多少，以及多长时间有保证、多长时间缺失。",
        "The ledger by node and day: what came by which way, repeats removed, and for how long"
        " values are vouched for or missing.",
    ),
)
def ledger_by_day(context: dg.AssetExecutionContext, raw_values: pl.LazyFrame) -> pl.DataFrame:
    """What was received of every node, and the completeness that the figures downstream carry."""
    factory, days = box(context)
    happened = local_day(pl.coalesce("source_time", "server_time", "received_time"))
    day = happened.clip(lower_bound=HOME.first_day).alias("day")
    kept = raw_values.group_by("server_uri", "node_id", day).agg(rows=pl.len())
    counts = ledger.counts(received.counted(HOME, factory, days), kept.collect())
    with Ledger(HOME.root, read_only=True) as opened:
        coverage, gaps = opened.coverage(), opened.gaps()
    own = coverage.filter(pl.col("factory_id") == factory)
    missed = gaps.join(own.select("server_uri").unique(), on="server_uri", how="semi")
    until = own["to_time"].max() or midnight(days[0])
    assert isinstance(until, datetime)
    found = ledger.by_day(counts, own, missed, days, until)
    sums = found.filter(pl.col("node_id").is_not_null()).select(pl.sum(*ledger.COUNTS))
    least = found["completeness"].min()
    context.add_output_metadata({**sums.row(0, named=True), "least_completeness": least})
    return found
