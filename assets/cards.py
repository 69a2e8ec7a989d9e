"""Evidence cards of smart factories and benchmark parks, day by day, and how many count."""

from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from assets.card_facts import facts, known
from assets.partitions import DAYS, HOME, SAME_DAY, SINGLE_RUN
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors.lake import Lake, Partition
from pipelines.card_facts_parks import of_portraits
from pipelines.evidence_cards import FACTS, cards, counted, criteria

REGISTER: Final = [
    "enterprises", "sites", "machines", "terminals", "projects", "enterprise_days",
]  # fmt: skip
"""Tables of the register that cards look at."""

OUTSIDE: Final = [
    dg.AssetSpec(
        "entered_facts",
        group_name="outside",
        kinds={"excel", "csv"},
        owners=OWNERS,
        description=both(
            "主管部门名单、认定与自评：由 `parkpulse card enter` 登记，登记后不可更改。",
            "Lists of the authority, certificates and self-assessments, by `parkpulse card enter`;"
            " what is in stays.",
        ),
    )
]


@dg.asset(
    ins={name: dg.AssetIn() for name in ("enterprises", "sites")},
    deps=["portraits"],
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "各园区有画像的企业数，按画像之日保存：此后重算某日的证据卡，结果不变。",
        "Enterprises of each park that have a portrait, kept by the day these were drawn: a card of"
        " that day made again later says the same.",
    ),
)
def portrait_facts(enterprises: pl.LazyFrame, sites: pl.LazyFrame) -> pl.DataFrame:
    """`evidence_cards.FACTS` of the days on which portraits were drawn, the last anew."""
    lake = Lake(HOME.lake)
    drawn, before = (lake.read(name, Partition()) for name in ("portraits", "portrait_facts"))
    told = FACTS.to_frame() if before is None else before
    if drawn is None or drawn.is_empty():
        return told
    new = of_portraits(enterprises.collect(), sites.collect(), drawn)
    return pl.concat([told.join(new, on="as_of", how="anti"), new]).sort("as_of", "subject_id")


@dg.asset(
    ins={name: dg.AssetIn() for name in REGISTER},
    deps=[
        "entered_facts",
        "portrait_facts",
        "missing_links",
        "service_catalogue",
        "chain_stages",
        dg.AssetDep("oee_by_shift", partition_mapping=SAME_DAY),
        dg.AssetDep("ledger_by_day", partition_mapping=SAME_DAY),
        dg.AssetDep("anomaly_events", partition_mapping=SAME_DAY),
        dg.AssetDep("park_values", partition_mapping=dg.AllPartitionMapping()),
    ],
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    metadata=BY_DAY,
    group_name="gold",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "智能工厂与标杆园区的证据卡：每条标准、依据、证据、日期；是否认定以主管部门名单为准。",
        "Evidence cards of smart factories and benchmark parks: criterion, basis, evidence, date;"
        " recognition rests with the authority's list.",
    ),
)
def evidence_cards(context: dg.AssetExecutionContext, **register: pl.LazyFrame) -> pl.DataFrame:
    """CARDS of every factory and park of the fleet, as of each day."""
    days = sorted(date.fromisoformat(key) for key in context.partition_keys)
    ground = known({name: frame.collect() for name, frame in register.items()}, days)
    told = [
        cards(criteria(), facts(ground, day)).with_columns(partition_day=pl.lit(day))
        for day in days
    ]
    context.add_output_metadata(
        {row["subject_kind"]: dict(row) for row in counted(told[-1]).to_dicts()}
    )
    return pl.concat(told)


def counted_on(day: date) -> pl.DataFrame:
    """`evidence_cards.COUNTED` of a day's cards; dg.Failure where none were made."""
    made = Lake(HOME.lake).read("evidence_cards", Partition(day))
    if made is None:
        raise dg.Failure(f"{day}: there are no evidence cards; run the job park_days first")
    return counted(made)
