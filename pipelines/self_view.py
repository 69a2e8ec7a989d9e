"""What one enterprise may see of itself and of its peers: the rows of its own page.

Its own figures as they are; of its peers only what is told to all of them. Its quarter is read off
the told figures, so that it says nothing beyond them; there is no rank.
"""

from typing import Final

import polars as pl

from pipelines.digital import self_scores
from pipelines.portrait_trends import DAYS_84
from pipelines.quartiles import ROW, figures, values
from pipelines.year_before import BY_FESTIVAL, BY_WEEKDAY

SELF_VIEW: Final = pl.Schema(
    {
        "figure": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "unit": pl.String(),
        "value": pl.Float64(),
        "quarter": pl.String(),
        "q1": pl.Float64(),
        "median": pl.Float64(),
        "q3": pl.Float64(),
        "enterprises": pl.Int64(),
        "basis": pl.String(),
        "peers_zh": pl.String(),
        "peers_en": pl.String(),
        "note_zh": pl.String(),
        "note_en": pl.String(),
    }
)
"""`quarter` from below: first, second, third, fourth; lower_half, upper_half where only the median
is told. `basis` as in QUARTILES. The last row, `self_score`, has the enterprise's own answer beside
the evidence in words."""

PEERS: Final = {
    "sector_size": ("同行业同规模企业 {} 家", "{} enterprises of your sector and size class"),
    "sector": ("同行业企业 {} 家", "{} enterprises of your sector"),
    "all": ("新城工业企业 {} 家", "{} industrial enterprises of the New City"),
}
TOO_FEW: Final = (
    "同行过少或可被推知，不予公布",
    "Too few peers, or they could be inferred: not told",
)

BASES: Final = {
    BY_WEEKDAY: ("与 364 日前相比", "against 364 days before"),
    BY_FESTIVAL: (
        "与上年春节前后同期相比",
        "against the year before, at the same distance from the Spring Festival",
    ),
    DAYS_84: ("与 84 日前相比", "against 84 days before"),
}
UNKNOWN: Final = ("本企业数据不足", "Not known of your enterprise")


def self_view(portraits: pl.DataFrame, quartiles: pl.DataFrame, uscc: str) -> pl.DataFrame:
    """SELF_VIEW of one enterprise, from PORTRAITS and QUARTILES; no rows if it is not in them."""
    own = portraits.filter(pl.col("uscc") == uscc)
    if own.is_empty():
        return SELF_VIEW.to_frame()
    places = own.select("sector", "size_class", "trend_basis").join(figures(), how="cross")
    known = values(own).select("figure", "value")
    rows = places.join(known, on="figure", how="left", maintain_order="left").join(
        quartiles, on=ROW, how="left", nulls_equal=True, maintain_order="left"
    )
    said = rows.with_columns(
        quarter=_quarter(),
        peers_zh=_peers(0),
        peers_en=_peers(1),
        note_zh=_note("note_zh", 0),
        note_en=_note("note_en", 1),
    ).rename({"zh": "name_zh", "en": "name_en"})
    return pl.concat([said.select(SELF_VIEW.names()), _self_score(own)])


def _quarter() -> pl.Expr:
    """By told figures only; who is at a bound is above it."""
    value = pl.col("value")
    is_low = value < pl.col("median")
    quarter = (
        pl.when(value < pl.col("q1")).then(pl.lit("first"))
        .when(is_low).then(pl.lit("second"))
        .when(value < pl.col("q3")).then(pl.lit("third"))
        .otherwise(pl.lit("fourth"))
    )  # fmt: skip
    half = pl.when(is_low).then(pl.lit("lower_half")).otherwise(pl.lit("upper_half"))
    has_quarters = pl.col("q1").is_not_null() & pl.col("q3").is_not_null()
    is_placed = value.is_not_null() & pl.col("median").is_not_null()
    return pl.when(is_placed & has_quarters).then(quarter).when(is_placed).then(half)


def _peers(language: int) -> pl.Expr:
    said = pl.lit(TOO_FEW[language])
    for basis, texts in PEERS.items():
        text = pl.format(texts[language], "enterprises")
        said = pl.when(pl.col("basis") == basis).then(text).otherwise(said)
    return said


def _note(column: str, language: int) -> pl.Expr:
    """What the figure is; what a trend compares with; that it is not known."""
    separator = ("；", "; ")[language]
    is_trend = pl.col("figure").str.ends_with("_trend")
    basis = pl.lit(None, pl.String)
    for name, texts in BASES.items():
        is_this = is_trend & (pl.col("trend_basis") == name)
        basis = pl.when(is_this).then(pl.lit(texts[language])).otherwise(basis)
    missing = pl.when(pl.col("value").is_null()).then(pl.lit(UNKNOWN[language]))
    return pl.concat_str(column, basis, missing, separator=separator, ignore_nulls=True)


def _self_score(own: pl.DataFrame) -> pl.DataFrame:
    beside = self_scores(own).select(
        figure=pl.lit("self_score"),
        name_zh=pl.lit("数字化水平自评"),
        name_en=pl.lit("Self-score of the digital level"),
        value="self_score",
        note_zh="zh",
        note_en="en",
    )
    return pl.concat([SELF_VIEW.to_frame(), beside], how="diagonal")
