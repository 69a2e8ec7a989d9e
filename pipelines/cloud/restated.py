"""Which figures of adoption were replaced, what they were, and why."""

from datetime import datetime
from typing import Final

import polars as pl

from pipelines.cloud.measures import COUNTS
from pipelines.park_figures import ADOPTION, ADOPTION_RESTATEMENTS

KEY: Final = ["reference_date", "park_id", "dimension", "class_id", "metric_id", "basis"]
_SIDES: Final = [f"{side}_{name}" for side in ("old", "new") for name in [*COUNTS, "value"]]


def restated(
    old: pl.DataFrame, new: pl.DataFrame, *, cause: str, at: datetime, run_id: str
) -> pl.DataFrame:
    """ADOPTION_RESTATEMENTS between two frames of ADOPTION of one day, in order of their key."""
    before, after = (_of_side(*one) for one in ((old, "old"), (new, "new")))
    paired = before.join(after, on=KEY, how="full", coalesce=True, nulls_equal=True)
    differs = pl.any_horizontal(
        pl.col(f"old_{name}").ne_missing(pl.col(f"new_{name}")) for name in COUNTS
    )
    change = (
        pl.when(pl.col("in_old").is_null()).then(pl.lit("appeared"))
        .when(pl.col("in_new").is_null()).then(pl.lit("vanished"))
        .when(differs).then(pl.lit("changed"))
    )  # fmt: skip
    return (
        paired.with_columns(
            change=change,
            cause=pl.lit(cause),
            restated_at=pl.lit(at).dt.cast_time_unit("us"),
            run_id=pl.lit(run_id),
        )
        .filter(pl.col("change").is_not_null())
        .match_to_schema(ADOPTION_RESTATEMENTS, extra_columns="ignore")
        .sort(KEY)
    )


def _of_side(figures: pl.DataFrame, side: str) -> pl.DataFrame:
    named = {f"{side}_{name}": pl.col(name) for name in [*COUNTS, "value"]}
    marked = pl.lit(value=True).alias(f"in_{side}")
    return figures.match_to_schema(ADOPTION).select(*KEY, marked, **named)


def untold(rows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Those of `rows` that are not the last thing `told` of their key.

    A run that died between telling and replacing tells nothing twice when it is repeated.
    """
    last = told.unique(KEY, keep="last", maintain_order=True)
    return rows.join(last, on=[*KEY, "change", *_SIDES], how="anti", nulls_equal=True)
