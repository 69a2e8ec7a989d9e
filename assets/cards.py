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
from pipelines.evidence_cards import cards, counted, criteria

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
    ins={name: dg.AssetIn() for name in REGISTER},
    deps=[
        "entered_facts",
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
