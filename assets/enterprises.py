"""Early warning and portraits of enterprises, up to the last closed local day."""

from datetime import date, timedelta
from typing import Final

import dagster as dg
import polars as pl

from assets.owners import owners_of
from assets.partitions import HOME, local_today, sharing_oee
from assets.tables import up_to
from assets.words import OWNERS, both
from connectors import warning_journal
from connectors.lake import Lake, Partition
from models.early_warning import early_warnings
from pipelines.cloud.firm_evidence import FIRM_EVIDENCE
from pipelines.portrait import DECLARED, LIVENESS_OF_FIRMS, OEE_OF_FIRMS, Known
from pipelines.portrait import portraits as portraits_of
from pipelines.portrait_oee import oee_of_firms
from pipelines.quartiles import quartiles as quartiles_of
from pipelines.quartiles import with_peers
from pipelines.versions import as_of
from pipelines.warning_cycle import graded, merged, states, still_open
from pipelines.warning_facts import is_for_people, peer_groups, platform_shares
from pipelines.warning_register import concentration, stale_declaration
from pipelines.warning_rules import by_rules
from pipelines.warning_told import as_told

OUTSIDE: Final = [
    dg.AssetSpec(
        "warning_journal",
        group_name="outside",
        kinds={"json"},
        owners=OWNERS,
        description=both(
            "人对预警的确认与关闭：只追加的日志（warnings/journal.jsonl）。",
            "What people said of warnings: acknowledged, closed. An append-only journal.",
        ),
    )
]


def closed_day() -> date:
    """The last local day that has ended."""
    return local_today() - timedelta(days=1)


def _out(chinese: str, english: str) -> dg.AssetOut:
    return dg.AssetOut(
        group_name="gold", kinds={"polars"}, owners=OWNERS, description=both(chinese, english)
    )


@dg.multi_asset(
    outs={
        "warnings": _out(
            "潜在风险预警：每家企业每段偏离一条，附证据。只看过去，截至上一个已结束的日子。",
            "Early warning: one per enterprise and stretch, with the evidence that spoke for it.",
        ),
        "warnings_by_rules": _out(
            "规则单独发现、模型未确认的迹象：只给企业自己看。",
            "What rules alone say and the model does not: for the enterprise's own page.",
        ),
    },
    deps=["firm_evidence"],
    name="early_warning",
)
def early_warning(
    enterprise_days: pl.LazyFrame,
    enterprises: pl.LazyFrame,
    sites: pl.LazyFrame,
    declarations: pl.LazyFrame,
    terminals: pl.LazyFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """WARNINGS of all days that are over; nothing of a later day is read."""
    on, known = closed_day(), enterprises.collect()
    days = enterprise_days.filter(pl.col("day") <= on).collect()
    seen, of_model = early_warnings(days, peer_groups(known, on), sites.collect())
    concentrated = concentration(platform_shares(terminals.collect(), on), on)
    parts, unknown = [of_model, by_rules(seen), concentrated], set()
    evidence = _evidence(on)
    if evidence is None:  # without it every declaration would look stale
        unknown.add("stale_declaration")
    else:
        parts.append(stale_declaration(declarations.collect(), evidence, on))
    found = graded(merged(pl.concat(parts)), as_of(known, on))
    told = as_told(found.filter(is_for_people()), _told_before(), on, unknown)
    return told, found.filter(~is_for_people())


@dg.asset(
    deps=["warning_journal"],
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "预警的生命周期：待处理、已确认、已解除、已关闭；归哪个园区、多少天。",
        "The life of each warning: raised, acknowledged, cleared, closed; whose, and for how long.",
    ),
)
def warning_states(warnings: pl.LazyFrame, sites: pl.LazyFrame) -> pl.DataFrame:
    """WARNING_STATES as known today."""
    said = warning_journal.entries(HOME)
    return states(warnings.collect(), said, sites.collect(), local_today())


@dg.multi_asset(
    outs={
        "portraits": _out(
            "企业画像：运行、趋势、能耗、OEE（经许可）、上云、数字化水平、预警。",
            "Portraits: running, trends, energy, OEE where permitted, cloud, digital level.",
        ),
        "quartiles": _out(
            "同行四分位：按行业与规模，人数不足或可推知的不给。",
            "Quartiles of peers by sector and size class, told where nobody can be inferred.",
        ),
    },
    deps=["firm_evidence", "oee_roll_up"],
    name="portraits_of_enterprises",
)
def portraits(
    enterprises: pl.LazyFrame,
    sites: pl.LazyFrame,
    machines: pl.LazyFrame,
    terminals: pl.LazyFrame,
    enterprise_days: pl.LazyFrame,
    warnings: pl.LazyFrame,
    warning_states: pl.LazyFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """PORTRAITS and QUARTILES of the last closed day."""
    on, firms = closed_day(), enterprises.collect()
    found = _evidence(on)
    evidence = FIRM_EVIDENCE.to_frame() if found is None else found
    known = Known(
        enterprises=firms,
        sites=sites.collect(),
        machines=machines.collect(),
        terminals=terminals.collect(),
        enterprise_days=enterprise_days.collect(),
        warnings=still_open(warnings.collect(), warning_states.collect()),
        liveness=evidence.select(LIVENESS_OF_FIRMS.names()),
        declared=evidence.select(DECLARED.names()),
        oee=_oee(on),
    )
    told = portraits_of(known, on)
    peers = quartiles_of(told, firms)
    return with_peers(told, peers), peers


def _evidence(on: date) -> pl.DataFrame | None:
    """FIRM_EVIDENCE of a day; none where adoption of it was not made."""
    return Lake(HOME.lake).read("firm_evidence", Partition(on))


def _told_before() -> pl.DataFrame | None:
    return Lake(HOME.lake).read("warnings", Partition())


def _oee(on: date) -> pl.DataFrame:
    """OEE_OF_FIRMS of the factories that permit it (`share_oee` in the fleet file)."""
    rolled = up_to(Lake(HOME.lake), "oee_roll_up", on)
    if rolled is None:
        return OEE_OF_FIRMS.to_frame()
    return oee_of_firms(rolled, owners_of(sharing_oee()), on)
