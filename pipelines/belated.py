"""Scrap and rework belong where their piece was made, however late it was judged."""

from typing import Final

import polars as pl

from pipelines.axis import Axis, ordered
from pipelines.readings import KINDS, LANES, lane

TOTAL: Final = KINDS.index("total")


def moved(late: pl.DataFrame, rows: pl.DataFrame, whole: Axis) -> pl.DataFrame:
    """`late` rows of scrap and rework at the step before them of their work unit's total counter.

    They take its `at` (in their own lane) and its product. What is told while the total is not read
    stays where it is: its piece was made there. Sorted by `at`.
    """
    number = pl.col("lane").cast(pl.Int64)
    aside = (TOTAL - number % LANES) * whole.span_us
    placed = ordered(late.with_columns(of_total=pl.col("at") + aside), "of_total")
    found = placed.join_asof(
        _steps(rows), left_on="of_total", right_on="total_at", check_sortedness=False
    )
    step = found["step"]
    beside = found.with_columns(
        step_at=rows["at"].gather(step), made=rows["product_id"].gather(step)
    )
    own = pl.col("step_at") >= number // LANES * LANES * whole.span_us
    return ordered(
        beside.with_columns(
            at=pl.when(own).then(pl.col("step_at") - aside).otherwise("at"),
            product_id=pl.when(own).then("made").otherwise("product_id"),
        ).select(late.columns)
    )


def _steps(rows: pl.DataFrame) -> pl.DataFrame:
    """At every word of a total counter (`total_at`) the row of the last `step` before.

    Null from where the counter is not read until it is again. It may be of the lane before.
    """
    words = (
        rows.select("lane", "amount", total_at="at").with_row_index("step").filter(lane("total"))
    )
    is_step = pl.col("amount") > 0
    if words.select(is_step.all()).item():
        return words.select("total_at", "step")
    step = pl.when(is_step).then("step").forward_fill()
    return words.select("total_at", step=pl.when(pl.col("amount").is_not_null()).then(step))
