"""数字化水平 by evidence: the four dimensions of the SME scheme, as far as evidence can speak.

The scheme's official scoring was not read. The points (`digital_points.csv`) are ours, by evidence,
of equal weight; a point of which nothing is known is left out and lowers `digital_known` only.
"""

from functools import cache
from importlib.resources import files
from typing import Final

import polars as pl

from pipelines.digital_evidence import FULL

DIMENSIONS: Final = {
    "basis": ("数字化基础", "Digital basis"),
    "operation": ("数字化经营", "Digital operation"),
    "management": ("数字化管理", "Digital management"),
    "effect": ("数字化成效", "Digital effect"),
}
"""中小企业数字化水平评测指标（2024 年版）, 工信厅企业〔2024〕56 号."""

NO_RULE: Final = "none"
"""A point that the scheme speaks of and no evidence here can."""

DIFFERS_BY: Final = 20.0
LEAST_KNOWN: Final = 0.5

SELF_SCORE: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "evidence_score": pl.Float64(),
        "self_score": pl.Float64(),
        "digital_known": pl.Float64(),
        "finding": pl.String(),
        "zh": pl.String(),
        "en": pl.String(),
    }
)
"""The enterprise's own answer beside the evidence. `finding`: self_higher, self_lower, alike; null
where either is missing or too little is known."""


@cache
def points() -> pl.DataFrame:
    """The points as data: `dimension point_id zh en rule weight basis evidence_zh evidence_en`."""
    source = files("pipelines").joinpath("digital_points.csv").read_bytes()
    return pl.read_csv(source, schema_overrides={"weight": pl.Int64})


def scores(measures: pl.DataFrame) -> pl.DataFrame:
    """`uscc digital_basis … digital_effect` (0 to 100) and `digital_known`, of measures."""
    found = {f"digital_{name}": _score(name) for name in DIMENSIONS}
    known = pl.sum_horizontal(*[_known(*row) for row in _rules(points())])
    missing = pl.sum_horizontal(
        *[_missing(*row) for row in points().select("rule", "weight").rows()]
    )
    return measures.select("uscc", **found, digital_known=known / (known + missing))


def _rules(some: pl.DataFrame) -> list[tuple[str, int]]:
    return some.filter(pl.col("rule") != NO_RULE).select("rule", "weight").rows()


def _score(dimension: str) -> pl.Expr:
    """Weighted mean of the points that are known: whole numbers, divided last."""
    rules = _rules(points().filter(pl.col("dimension") == dimension))
    earned = pl.sum_horizontal(*[(pl.col(rule) * weight).fill_null(0) for rule, weight in rules])
    known = pl.sum_horizontal(*[_known(rule, weight) for rule, weight in rules])
    return pl.when(known > 0).then(earned * 100 / (known * FULL))


def _known(rule: str, weight: int) -> pl.Expr:
    return pl.col(rule).is_not_null().cast(pl.Int64) * weight


def _missing(rule: str, weight: int) -> pl.Expr:
    """The weight of what is not known, so that the whole is a sum of the row's own.

    By a constant Polars divides as times its inverse, or not, by the number of rows.
    """
    return pl.lit(weight) if rule == NO_RULE else pl.col(rule).is_null().cast(pl.Int64) * weight


def self_scores(portraits: pl.DataFrame) -> pl.DataFrame:
    """SELF_SCORE of PORTRAITS: the mean of the known dimensions beside the self-score, in words.

    Says a difference of over DIFFERS_BY points only where at least LEAST_KNOWN is known.
    """
    own, by_evidence = pl.col("self_score"), pl.col("evidence_score")
    gap = own - by_evidence
    is_told = (pl.col("digital_known") >= LEAST_KNOWN) & gap.is_not_null()
    finding = (
        pl.when(is_told & (gap > DIFFERS_BY)).then(pl.lit("self_higher"))
        .when(is_told & (gap < -DIFFERS_BY)).then(pl.lit("self_lower"))
        .when(is_told).then(pl.lit("alike"))
    )  # fmt: skip
    mean = pl.mean_horizontal(*[f"digital_{name}" for name in DIMENSIONS])
    return (
        portraits.with_columns(evidence_score=mean)
        .with_columns(finding=finding)
        .with_columns(zh=_words(0), en=_words(1))
        .select(SELF_SCORE.names())
    )


WORDS: Final = {
    "self_higher": (
        "自评 {} 分，按证据 {} 分（口径由本系统自定）：自评高出 20 分以上，请核对自评或补报数据。",
        "Self-score {}, by evidence {} (the points are ours): the self-score is over 20 points "
        "higher. Please check it, or report what is missing.",
    ),
    "self_lower": (
        "自评 {} 分，按证据 {} 分（口径由本系统自定）：自评低出 20 分以上，自评可能过时。",
        "Self-score {}, by evidence {} (the points are ours): the self-score is over 20 points "
        "lower; it may be out of date.",
    ),
    "alike": (
        "自评 {} 分，按证据 {} 分（口径由本系统自定）：相差不超过 20 分。",
        "Self-score {}, by evidence {} (the points are ours): within 20 points of each other.",
    ),
}  # fmt: skip


def _words(language: int) -> pl.Expr:
    numbers = [pl.col(name).round(1) for name in ("self_score", "evidence_score")]
    said = pl.lit(None, pl.String)
    for finding, texts in WORDS.items():
        text = pl.format(texts[language], *numbers)
        said = pl.when(pl.col("finding") == finding).then(text).otherwise(said)
    return said
