"""WARNINGS made of spells, and how grave they are."""

import polars as pl

from pipelines.park_schemas import WARNINGS

__all__ = ["severity", "table"]


def table(
    found: pl.DataFrame,
    rule: str,
    *,
    figure: str,
    unit: str,
    confidence: pl.Expr,
    key: pl.Expr | None = None,
) -> pl.DataFrame:
    """WARNINGS of spells with `value expected lost evidence`; graded by what is lost alone.

    An id is of rule, enterprise and `key`, the day on which it was raised where none is given.
    """
    day = pl.col("raised_on").dt.strftime("%Y%m%d")
    return found.select(
        warning_id=pl.format("{}-{}-{}", pl.lit(rule), "uscc", day if key is None else key),
        uscc="uscc",
        rule=pl.lit(rule),
        severity=severity(pl.col("lost"), pl.lit(None, pl.Int64)),
        confidence=confidence,
        begun_on="begun_on",
        raised_on="raised_on",
        seen_on="seen_on",
        cleared_on="cleared_on",
        figure=pl.lit(figure),
        value="value",
        expected="expected",
        unit=pl.lit(unit),
        evidence="evidence",
    ).cast(WARNINGS)


def severity(lost: pl.Expr, staff: pl.Expr) -> pl.Expr:
    """low, medium or high by the share lost and, where staff is known, by how many it concerns."""
    concerned = (lost * staff).fill_null(0.0)
    return (
        pl.when((lost >= 0.3) | (concerned >= 60)).then(pl.lit("high"))
        .when((lost >= 0.15) | (concerned >= 20)).then(pl.lit("medium"))
        .otherwise(pl.lit("low"))
    )  # fmt: skip
