"""Errors and bound coverage of machine-shifts beside the true ones, for people to read.

`beside` is what `pipelines.comparison.oee` gives beside its tally.
"""

from typing import Any, Final

import polars as pl

COVERS: Final = ["missing", "fully", "with gaps", "partly"]
"""A shift that was asked for and that we lack; one that the truth calls fully covered; one that it
does not; one that the collected window cuts, of which nobody asks more than bounds that hold."""

ROUNDING: Final = 1e-9
"""An OEE of whole microseconds over a shift cannot differ by less than 1e-11 and mean it."""
ROUNDING_S: Final = 1e-6

KEY: Final = ["factory_id", "work_unit_id", "production_day", "shift_id"]
COLUMNS: Final = [
    *KEY, "covers", "oee", "oee_true",
    "abs_error", "loss_error_s", "lower", "upper", "inside_bounds",
]  # fmt: skip


def tally() -> list[pl.Expr]:
    """The figures of `comparison.oee` over rows of `beside`; null where nothing is compared."""
    asked, closed = pl.col("asked"), pl.col("closed")
    ours, whole, cut = asked & closed, pl.col("whole"), closed & ~asked
    return [
        asked.sum().alias("machine_shifts"),
        pl.col("missing").sum(),
        (asked & pl.col("fully_covered")).sum().alias("fully_covered"),
        pl.col("abs_error").filter(whole).max().alias("max_abs_error"),
        (ours & pl.col("inside_bounds")).sum().alias("inside_bounds"),
        pl.col("bound_width").filter(ours).median().alias("median_bound_width"),
        pl.col("bound_width").filter(ours).max().alias("max_bound_width"),
        pl.col("completeness_error").filter(ours).max().alias("max_completeness_error"),
        pl.col("loss_error_s").filter(whole).max().alias("max_loss_error_s"),
        cut.sum().alias("partly_collected"),
        (cut & pl.col("inside_bounds")).sum().alias("partly_inside_bounds"),
    ]


def with_losses(beside: pl.DataFrame, losses: pl.DataFrame) -> pl.DataFrame:
    """`beside` where `loss_error_s` is the largest of a shift's elements and of its losses.

    `losses` is what `comparison.losses` gives beside its tally.
    """
    key = [name for name in losses.columns if name in beside.columns]
    most = losses.group_by(key).agg(_lost=pl.col("abs_error_s").max())
    return (
        beside.join(most, on=key, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(loss_error_s=pl.max_horizontal("loss_error_s", "_lost"))
        .drop("_lost")
    )


def by_factory(beside: pl.DataFrame) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The tally of each factory in which a shift was collected, and that of all."""
    seen = beside.filter(_covers().is_not_null())
    rows = seen.group_by("factory_id").agg(tally()).sort("factory_id")
    return rows.to_dicts(), seen.select(tally()).row(0, named=True)


def ranked(beside: pl.DataFrame) -> pl.DataFrame:
    """COLUMNS of every machine-shift that was collected at least partly, the worst first.

    First what is missing, then what lies outside its bounds, then fully covered shifts that are
    wrong, then those with gaps, right ones, and those that the window cuts; in each by error, then
    by the width of the bounds. `loss_error_s` is of fully covered ones, none of missing ones.
    """
    seen = beside.with_columns(covers=_covers()).filter(pl.col("covers").is_not_null())
    lacks, whole = pl.col("covers") == "missing", pl.col("covers") == "fully"
    kept = seen.with_columns(
        abs_error=pl.when(~lacks).then("abs_error"),
        loss_error_s=pl.when(whole).then("loss_error_s"),
    )
    concern = (
        pl.when(lacks).then(0)
        .when(~pl.col("inside_bounds")).then(1)
        .when(whole & _is_wrong()).then(2)
        .when(pl.col("covers") == "with gaps").then(3)
        .when(whole).then(4)
        .otherwise(5)
    )  # fmt: skip
    errors = [pl.when(_is_wrong()).then(name) for name in ("abs_error", "loss_error_s")]
    order = [concern, *errors, pl.col("bound_width"), *KEY]
    down = [False, True, True, True, *([False] * len(KEY))]
    return kept.sort(order, descending=down, nulls_last=True).select(COLUMNS)


def _is_wrong() -> pl.Expr:
    return (pl.col("abs_error") > ROUNDING) | (pl.col("loss_error_s") > ROUNDING_S)


def _covers() -> pl.Expr:
    """Which of COVERS a row is; null where nobody asks for it."""
    return (
        pl.when("missing").then(pl.lit("missing"))
        .when("whole").then(pl.lit("fully"))
        .when("asked").then(pl.lit("with gaps"))
        .when("closed").then(pl.lit("partly"))
    )  # fmt: skip
