"""Scrap and rework belong where their piece was made, however late it was judged."""

from typing import Final

import polars as pl

from pipelines.axis import ordered
from pipelines.lanes import KINDS, LANES, Counts

TOTAL: Final = KINDS.index("total")


def moved(late: pl.DataFrame, counts: Counts) -> pl.DataFrame:
    """`late` rows of scrap and rework at the step before them of their work unit's total counter.

    They take its `at` (in their own lane) and its product. What is told while the total is not read
    stays where it is: its piece was made there. Sorted by `at`.
    """
    rows, number = counts.rows, pl.col("lane").cast(pl.Int64)
    aside = (TOTAL - number % LANES) * counts.whole.span_us
    placed = late.with_columns(of_total=pl.col("at") + aside)
    step = _step_before(placed["of_total"], rows)
    of_step = rows.select("lane", step_at="at", made="product_id")[step].rename({"lane": "of"})
    own = pl.col("of") == number // LANES * LANES + TOTAL
    beside = placed.hstack(of_step).with_columns(
        at=pl.when(own).then(pl.col("step_at") - aside).otherwise("at"),
        product_id=pl.when(own).then("made").otherwise("product_id"),
    )
    return ordered(beside.select(late.columns))


def _step_before(at: pl.Series, rows: pl.DataFrame) -> pl.Series:
    """For each place on the axis the row of the last step until then, be it of another lane.

    Null from where a counter is not read until it is again.
    """
    word = rows["at"].search_sorted(at, side="right").cast(pl.Int64) - 1
    word = word.set(word < 0, None)
    amount = rows["amount"].gather(word)
    if (amount == 0).any():
        is_step = pl.when(pl.col("amount") > 0)
        steps = rows.select(is_step.then(pl.int_range(pl.len())).forward_fill()).to_series()
        word = steps.gather(word)
    return word.set(amount.is_null(), None).cast(pl.UInt32)
