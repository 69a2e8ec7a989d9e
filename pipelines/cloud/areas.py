"""From what enterprises add to the figures of parks and the New City, in all and by class."""

from datetime import date
from typing import Final

import polars as pl

from pipelines.park_figures import ADOPTION

COUNTS: Final = ["numerator", "denominator", "unknown"]
CELL: Final = ["park_id", "dimension", "class_id", "metric_id", "basis"]
COUNTED: Final = "CA-7"

METRICS: Final = [
    ("CA-1", "verified"), ("CA-1", "declared_or_verified"), ("CA-1", "declared"),
    ("CA-2", "measured"), ("CA-3", "verified"), ("CA-3", "declared_or_verified"),
    ("CA-3b", "verified"), ("CA-3b", "declared_or_verified"), ("CA-4", "pooled"),
    ("CA-4", "mean_of_firms"), ("CA-5", "verified"), ("CA-6", "measured"), ("CA-7", "measured"),
    ("CA-7", "points"),
]  # fmt: skip
"""Every metric and basis, in order of publication."""


def classified(measured: pl.DataFrame, firms: pl.DataFrame) -> pl.DataFrame:
    """`measures.MEASURED` with `legal_group size_class sector` of the enterprise."""
    known = firms.select("uscc", "legal_group", "size_class", "sector")
    return measured.join(known, on="uscc", how="left").with_columns(
        pl.col("legal_group").fill_null(pl.col("uscc")),
        pl.col("size_class", "sector").fill_null("unknown"),
    )


def in_areas(rows: pl.DataFrame) -> pl.DataFrame:
    """Every row once for the New City (`park_id` null) and once for each of its parks."""
    parks = (
        rows.filter(pl.col("parks") != "")
        .with_columns(park_id=pl.col("parks").str.split("+"))
        .explode("park_id", empty_as_null=False, keep_nulls=False)
    )
    city = rows.with_columns(park_id=pl.lit(None, pl.String()))
    return pl.concat([city, parks.select(city.columns)]).drop("parks")


def figures(classified: pl.DataFrame, park_ids: list[str], on: date) -> pl.DataFrame:
    """ADOPTION of a day; areas where nothing was counted stand with zeros."""
    cells = _cells(classified)
    sums = in_areas(cells).group_by(CELL).agg(pl.col(COUNTS).sum())
    every = _grid(sums, park_ids).join(sums, on=CELL, how="left", nulls_equal=True)
    is_count = pl.col("metric_id") == COUNTED
    whole = pl.when(is_count).then(1).otherwise(pl.col("denominator"))
    low = pl.when(whole > 0).then(pl.col("numerator") / whole)
    high = pl.when(whole > 0).then((pl.col("numerator") + pl.col("unknown")) / whole)
    return (
        every.with_columns(pl.col(COUNTS).fill_null(0))
        .with_columns(reference_date=pl.lit(on), value=low, lower=low, upper=high)
        .with_columns(denominator=pl.when(~is_count).then("denominator"))
        .select(ADOPTION.names())
        .cast(ADOPTION)
        .sort("metric_id", "basis", "dimension", "class_id", "park_id")
    )


def _cells(rows: pl.DataFrame) -> pl.DataFrame:
    """Sums per set of parks, by no class, by size class and by sector, and CA-1 by level."""
    whole = rows.filter(pl.col("level").is_null())
    finest = whole.group_by("metric_id", "basis", "parks", "size_class", "sector").agg(
        pl.col(COUNTS).sum()
    )
    levels = rows.filter(pl.col("level").is_not_null())
    none = pl.lit(None, pl.String())
    parts = [
        finest.with_columns(dimension=pl.lit("all"), class_id=none),
        finest.with_columns(dimension=pl.lit("size_class"), class_id="size_class"),
        finest.with_columns(dimension=pl.lit("sector"), class_id="sector"),
        levels.with_columns(dimension=pl.lit("level"), class_id="level"),
    ]
    names = ["parks", *CELL[1:], *COUNTS]
    together = pl.concat([part.select(names) for part in parts])
    return together.group_by("parks", *CELL[1:]).agg(pl.col(COUNTS).sum())


def _grid(sums: pl.DataFrame, park_ids: list[str]) -> pl.DataFrame:
    """Every park beside the New City, for every class that somebody is in."""
    none = pl.lit(None, pl.String())
    plain = pl.DataFrame(
        METRICS, schema={"metric_id": pl.String(), "basis": pl.String()}, orient="row"
    ).with_columns(dimension=pl.lit("all"), class_id=none)
    classes = pl.concat([plain, sums.select(plain.columns)]).unique()
    areas = pl.DataFrame({"park_id": [None, *park_ids]}, schema={"park_id": pl.String()})
    return areas.join(classes, how="cross").select(CELL)


def contributions(classified: pl.DataFrame, on: date) -> pl.DataFrame:
    """What each legal group adds: the ground of disclosure control.

    Columns `reference_date park_id metric_id basis legal_group numerator denominator unknown`, of
    all classes together.
    """
    key = ["park_id", "metric_id", "basis", "legal_group"]
    whole = classified.filter(pl.col("level").is_null())
    summed = in_areas(whole).group_by(key).agg(pl.col(COUNTS).sum())
    return (
        summed.with_columns(reference_date=pl.lit(on))
        .select("reference_date", *key, *COUNTS)
        .sort("metric_id", "basis", "park_id", "legal_group")
    )
