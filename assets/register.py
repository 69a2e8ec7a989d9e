"""The park register: what gateways and imported files say, as versions, facts and conflicts."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import dagster as dg
import polars as pl

from assets.partitions import DAYS, HOME, PARK_IDS, SINGLE_RUN, local_today
from assets.storage import DAY_COLUMN
from assets.words import OWNERS, both
from connectors import register_store
from connectors.ledger import Ledger
from pipelines.cloud.outages import down_days
from pipelines.gateway_register import said_by_gateways
from pipelines.register_history import history
from pipelines.register_whole import of_gateways, whole

OUTSIDE: Final = [
    dg.AssetSpec(
        "register_files",
        group_name="outside",
        kinds={"excel", "csv"},
        owners=OWNERS,
        description=both(
            "主管部门与平台的登记文件，由 `parkpulse register import` 校验导入，导入后不可更改。",
            "Files of the register, checked by `parkpulse register import`; what is in stays.",
        ),
    )
]

ALL: Final = dg.AllPartitionMapping()
"""A terminal may stand in any park."""

WORDS: Final = {
    "enterprises": both("企业名录，每次变更一行。", "Enterprises, a row per version."),
    "sites": both("企业所在地与园区，每次变更一行。", "Where enterprises are, a row per version."),
    "machines": both("生产设备台账。", "Production devices."),
    "terminals": both("感知终端名录，每次变更一行。", "Listings of terminals, a row per version."),
    "tenants": both("平台账号。", "Accounts on platforms."),
    "declarations": both("企业申报（E1）。", "What enterprises declare (E1)."),
    "provider_use": both("服务商使用记录（E2）。", "Use that providers recorded (E2)."),
    "operating_days": both("企业应开工日。", "Days on which enterprises were scheduled to work."),
    "collector_down": both("本系统停采日。", "Days of our own outage."),
    "enterprise_days": both("企业每日运行。", "How enterprises ran, day by day."),
    "projects": both("项目全周期。", "Projects by phase."),
    "services": both("云服务目录。", "The catalogue of cloud services."),
    "energy_days": both("数据中心每日用能。", "Energy of data centres by day."),
    "claims": both(
        "平台自称的带动数：只展示，不进入任何指标。",
        "What platforms claim of themselves: shown beside, read by no figure.",
    ),
}
"""Tables of the register that are assets; `terminal_days` is one of its own, by day."""


DOUBTFUL: Final = {
    "register_conflicts": both(
        "不同来源说法不一之处：以谁为准、未采纳的是什么。由人重新导入来裁定。",
        "Where sources differ: what stands, what does not. A person decides by importing.",
    ),
    "register_dangling": both(
        "指向不存在登记的引用。", "What is named and no row of the register is."
    ),
    "register_doubts": both(
        "网关数据中读不懂的字段。", "Fields of gateways that could not be read."
    ),
}
"""What a person should look at."""


def _out(name: str, words: str) -> dg.AssetOut:
    return dg.AssetOut(
        group_name="silver", kinds={"polars"}, owners=OWNERS, description=words, key=name
    )


@dg.multi_asset(
    outs={name: _out(name, words) for name, words in {**WORDS, **DOUBTFUL}.items()},
    deps=["register_files"],
    name="register",
)
def register(
    park_values: pl.LazyFrame, park_tags: pl.LazyFrame
) -> Iterator[dg.Output[pl.DataFrame]]:
    """Everything that is known of enterprises and terminals, and where sources differ."""
    said = said_by_gateways(park_values, park_tags)
    from_gateways = {**said.tables, "collector_down": outages()}
    known = whole(
        {name: register_store.rows(HOME, name) for name in WORDS},
        {name: of_gateways(rows) for name, rows in from_gateways.items() if name in WORDS},
    )
    for name in WORDS:
        yield dg.Output(known.tables[name], name)
    yield dg.Output(known.conflicts, "register_conflicts")
    yield dg.Output(known.dangling, "register_dangling")
    yield dg.Output(said.doubts, "register_doubts")


@dg.asset(
    ins={name: dg.AssetIn(partition_mapping=ALL) for name in ("park_values", "park_tags")},
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    deps=["register_files"],
    metadata={DAY_COLUMN: "day"},
    group_name="silver",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "每日证据（E3）：每个终端当天的有效值数；首个分区含更早的历史。",
        "Daily evidence (E3): good values of each terminal; the first partition has what is older.",
    ),
)
def terminal_days(park_values: pl.LazyFrame, park_tags: pl.LazyFrame) -> pl.DataFrame:
    """One row per terminal and local day of the source time."""
    said = said_by_gateways(park_values, park_tags).tables["terminal_days"]
    imported = register_store.rows(HOME, "terminal_days").select(of_gateways(said).columns)
    return history("terminal_days", pl.concat([of_gateways(said), imported]))[0]


def outages() -> pl.DataFrame:
    """COLLECTOR_DOWN of parks whose gateway was not collected whole, as the ledger has it."""
    with Ledger(HOME.root, read_only=True) as ledger:
        coverage = ledger.coverage().filter(pl.col("factory_id").is_in(PARK_IDS))
    return down_days(coverage, local_today() - timedelta(days=1))
