"""Evidence cards of smart factories and benchmark parks: criterion, evidence, state, date.

The official assessment texts are not public or not known to us, and every card says so; what stands
is the plan's own words, with what measures them. Whether a factory is recognised is the authority's
word, an entered list, and a criterion of its own.
"""

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

import polars as pl

from pipelines.park_figures import CARDS

FACTS: Final = pl.Schema(
    {
        "subject_kind": pl.String(),
        "subject_id": pl.String(),
        "fact_id": pl.String(),
        "value": pl.Float64(),
        "as_of": pl.Date(),
        "evidence_zh": pl.String(),
        "evidence_en": pl.String(),
    }
)
"""What is known of a subject. `value` null: known to be unknown. A subject of which nothing is
known has one row without a `fact_id`. Of several rows of one fact the newest holds."""

ENTERED: Final = pl.Schema(
    {
        "subject_kind": pl.String(),
        "subject_id": pl.String(),
        "fact_id": pl.String(),
        "value": pl.Float64(),
        "as_of": pl.Date(),
        "document": pl.String(),
    }
)
"""Facts that no data of ours tells, as somebody entered them with the document that says so: the
authority's list (`recognised`, 1 from the day of recognition on), certificates, self-assessments.
"""

COUNTED: Final = pl.Schema(
    {
        "subject_kind": pl.String(),
        "met": pl.Int64(),
        "not_met": pl.Int64(),
        "unknown": pl.Int64(),
    }
)

SMART_FACTORY, BENCHMARK_PARK = "smart_factory", "benchmark_park"
KINDS: Final = [SMART_FACTORY, BENCHMARK_PARK]
MET, NOT_MET, UNKNOWN = "met", "not_met", "unknown"
SUBJECT: Final = ["subject_kind", "subject_id"]

UNOFFICIAL: Final = (
    "官方评定标准未公开或未获得，此为规划原文要求的证据",
    "the official criteria are not public or not known to us; this is evidence of the plan's words",
)
"""What every card says wherever it is shown."""
_BY: Final = {
    "plan": ("", ""),
    "ours": ("，阈值为本系统提议", ", the threshold is our proposal"),
    "list": ("，以主管部门名单为准", ", as the authority's list says"),
}


@cache
def criteria() -> pl.DataFrame:
    """`criteria.csv`: what is asked of each kind of subject, the plan's words and the threshold."""
    path = files("pipelines").joinpath("criteria.csv")
    with path.open("rb") as file:
        return pl.read_csv(file, schema_overrides={"threshold": pl.Float64})


def cards(criteria: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """`park_figures.CARDS` of every subject of `facts` (`FACTS`), in the order of the criteria.

    A value is compared as it is, unrounded. Without a value, or with NaN, the state is unknown.
    """
    subjects = facts.select(SUBJECT).unique()
    newest = (
        facts.filter(pl.col("fact_id").is_not_null())
        .sort("as_of", nulls_last=False, maintain_order=True)
        .unique([*SUBJECT, "fact_id"], keep="last", maintain_order=True)
    )
    asked = criteria.with_row_index("place").join(subjects, on="subject_kind")
    seen = asked.join(newest, on=[*SUBJECT, "fact_id"], how="left")
    zh, en = ("尚无证据", "nothing is known yet")
    return (
        seen.with_columns(
            state=_state(), basis_zh=_basis("规划原文“{}”{}", 0),
            basis_en=_basis("the plan's “{}”{}", 1),
            evidence_zh=pl.coalesce("evidence_zh", pl.lit(zh)),
            evidence_en=pl.coalesce("evidence_en", pl.lit(en)),
        )
        .sort(*SUBJECT, "place")
        .rename({"zh": "criterion_zh", "en": "criterion_en"})
        .match_to_schema(CARDS, extra_columns="ignore")
    )  # fmt: skip


def counted(cards: pl.DataFrame) -> pl.DataFrame:
    """`COUNTED`: subjects of each kind by state, every kind a row.

    A subject is met when all its mandatory criteria are, not_met when any of them is not.
    """
    states = by_subject(cards)
    sums = states.group_by("subject_kind").agg(
        (pl.col("state") == state).sum().cast(pl.Int64).alias(state)
        for state in (MET, NOT_MET, UNKNOWN)
    )
    every = pl.DataFrame({"subject_kind": KINDS})
    return (
        every.join(sums, on="subject_kind", how="left", maintain_order="left")
        .with_columns(pl.exclude("subject_kind").fill_null(0))
        .match_to_schema(COUNTED)
    )


def by_subject(cards: pl.DataFrame) -> pl.DataFrame:
    """`subject_kind subject_id state` and how many of its mandatory criteria are in which state."""
    must = cards.filter("is_mandatory")
    has = {state: (pl.col("state") == state).sum().cast(pl.Int64) for state in COUNTED.names()[1:]}
    state = (
        pl.when(pl.col(NOT_MET) > 0).then(pl.lit(NOT_MET))
        .when(pl.col(UNKNOWN) > 0).then(pl.lit(UNKNOWN)).otherwise(pl.lit(MET))
    )  # fmt: skip
    return (
        must.group_by(SUBJECT)
        .agg(**has)
        .select(*SUBJECT, MET, NOT_MET, UNKNOWN)
        .with_columns(state=state)
        .sort(SUBJECT)
    )


def entered(rows: pl.DataFrame, on: date) -> pl.DataFrame:
    """`FACTS` from `ENTERED` rows as of a day. Who is not on a list stays unknown, not refused."""
    words = "as_of", pl.col("document").fill_null("—")
    return rows.filter(pl.col("as_of") <= on).select(
        *SUBJECT, "fact_id", "value", "as_of",
        evidence_zh=pl.format("登记日期 {}，依据：{}", *words),
        evidence_en=pl.format("entered as of {}, by: {}", *words),
    ).match_to_schema(FACTS)  # fmt: skip


def _state() -> pl.Expr:
    value, threshold = pl.col("value"), pl.col("threshold")
    holds = {
        "gt": value > threshold,
        "ge": value >= threshold,
        "le": value <= threshold,
        "eq": value == threshold,
    }
    compared = [pl.when(pl.col("comparator") == name).then(one) for name, one in holds.items()]
    is_known = value.is_not_null() & value.is_not_nan()
    verdict = pl.when(pl.coalesce(compared)).then(pl.lit(MET)).otherwise(pl.lit(NOT_MET))
    return pl.when(is_known).then(verdict).otherwise(pl.lit(UNKNOWN))


def _basis(words: str, language: int) -> pl.Expr:
    by = {name: told[language] for name, told in _BY.items()}
    return pl.format(words, "quote", pl.col("threshold_by").replace_strict(by))
