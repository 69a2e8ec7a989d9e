"""Size classes of enterprises, and the daily evidence that park gateways give."""

from typing import Final

import polars as pl

from pipelines.gateway_values import Frame, good_values, meaning_of, number

SIZE_BOUNDS: Final = {"large": (1000, 40_000), "medium": (300, 2_000), "small": (20, 300)}
"""NBS size classes of 2017, industry: lower bounds of staff and revenue (万元), both to be met."""

EVIDENCE: Final = ("daily_good_values", "operating_day")
"""What gateways say of a day: of a terminal, and of an enterprise."""


def size_class(staff: pl.Expr, revenue_wan: pl.Expr) -> pl.Expr:
    """NBS size class (2017, industry): the highest whose lower bounds are both met, else micro.

    With one of the two missing the class is micro if the other one alone decides, else null.
    """
    known = staff.is_not_null() & revenue_wan.is_not_null()
    is_micro = (staff < SIZE_BOUNDS["small"][0]).fill_null(False) | (
        revenue_wan < SIZE_BOUNDS["small"][1]
    ).fill_null(False)
    class_met = [
        pl.when(known & (staff >= staff_bound) & (revenue_wan >= revenue_bound)).then(pl.lit(name))
        for name, (staff_bound, revenue_bound) in SIZE_BOUNDS.items()
    ]
    return pl.coalesce(pl.when(is_micro).then(pl.lit("micro")), *class_met)


def evidence(values: Frame, tags: Frame) -> pl.DataFrame:
    """One row per entity and local day: `entity_id day good_values is_operating`.

    `values` is `schemas.RAW`, `tags` is `schemas.TAGS`; a value that is not Good is skipped.
    Of several values of one node on a day the newest counts; where two gateways speak of one
    entity, the larger. The day is that of the source time, so a back-filled value counts for the
    day it speaks of.
    """
    meaning = meaning_of(tags, "evidence")
    numbers = good_values(values, meaning).select("node", "day", number=number())
    newest = numbers.group_by("node", "day").agg(pl.col("number").last()).join(meaning, on="node")
    is_count, is_plan = (pl.col("measure") == name for name in EVIDENCE)
    return (
        newest.filter(is_count | is_plan)
        .with_columns(
            good_values=pl.when(is_count).then(pl.col("number").cast(pl.Int64, strict=False)),
            is_operating=pl.when(is_plan).then(pl.col("number") == 1),
        )
        .group_by("entity_id", "day")
        .agg(pl.col("good_values").max(), pl.col("is_operating").max())
        .sort("entity_id", "day")
        .collect(engine="in-memory")
    )
