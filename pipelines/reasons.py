"""Stop reason codes: what they mean on a machine at a time."""

from typing import Final

import polars as pl

from pipelines.cycles import ALWAYS
from pipelines.equipment import UNIT, expand, units_of
from pipelines.schemas import REASONS

NO_REASONS: Final = pl.DataFrame(schema=REASONS)


def with_category(
    rows: pl.DataFrame, reasons: pl.DataFrame, units: pl.DataFrame, time: str
) -> pl.DataFrame:
    """Adds `stated`, the category of a row's `stop_reason_code` on its unit_no at `time`.

    The most specific meaning valid by then holds; before the first of a code, the first. Null for
    a code that nobody has explained. Sorts by `time`.
    """
    key = ["unit_no", "stop_reason_code"]
    dated = expand(reasons, units_of(units)).join(units, on=UNIT, nulls_equal=True)
    ordered = dated.sort(*key, "valid_from", -pl.col("specificity"), "category", nulls_last=False)
    once = ordered.unique([*key, "valid_from"], keep="first", maintain_order=True)
    holds = pl.col("specificity") == pl.col("specificity").cum_max().over(key)
    is_first = pl.int_range(pl.len()).over(key) == 0
    known = once.filter(holds).select(
        *key, stated="category", since=pl.when(is_first).then(ALWAYS).otherwise("valid_from")
    )
    return rows.sort(time, maintain_order=True).join_asof(
        known.sort("since"), left_on=time, right_on="since", by=key,
        check_sortedness=False, coalesce=False,
    ).drop("since")  # fmt: skip
