"""Planned run time per item: which holds for a piece."""

from typing import Final

import polars as pl

from pipelines.equipment import UNIT, expand, units_of
from pipelines.schemas import TIME

ALWAYS: Final = pl.datetime(1970, 1, 1, time_zone="UTC").cast(TIME)


def per_unit(cycles: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Cycles by `unit_no` of `catalogue.numbered` units, product and valid_from.

    At any time the most specific of the rows valid by then holds: a less specific one that begins
    later changes nothing. What is no finite time above 0 is unknown.
    """
    usable = pl.col("pri_s").is_finite() & (pl.col("pri_s") > 0)
    rows = expand(cycles, units_of(units)).filter(usable)
    dated = rows.join(units, on=UNIT, nulls_equal=True).with_columns(
        valid_from=pl.col("valid_from").fill_null(ALWAYS)
    )
    key = ["unit_no", "product_id"]
    ordered = dated.sort(*key, "valid_from", -pl.col("specificity"), "pri_s")
    once = ordered.unique([*key, "valid_from"], keep="first", maintain_order=True)
    holds = pl.col("specificity") == pl.col("specificity").cum_max().over(key)
    return once.filter(holds).select(*key, "valid_from", "pri_s")


def with_pri(rows: pl.DataFrame, cycles: pl.DataFrame, time: str) -> pl.DataFrame:
    """Adds `pri_s` of the row's unit_no and product at `time`; null where none is known.

    Sorts by `time`. Before its first valid_from a product has the first PRI: it was made, so it
    took that time. A cycle of no product holds where the product has none of its own.
    """
    of_product = pl.col("product_id").is_not_null()
    ordered = rows.sort(time, maintain_order=True)
    priced = _asof(ordered, cycles.filter(of_product), time, ["unit_no", "product_id"])
    others = cycles.filter(~of_product)
    if others.is_empty():
        return priced
    any_product = others.select("unit_no", "valid_from", _any_s="pri_s")
    both = _asof(priced, any_product, time, ["unit_no"])
    return both.with_columns(pri_s=pl.coalesce("pri_s", "_any_s")).drop("_any_s")


def _asof(rows: pl.DataFrame, cycles: pl.DataFrame, time: str, key: list[str]) -> pl.DataFrame:
    first = pl.col("valid_from").min().over(key)
    since = pl.when(pl.col("valid_from") == first).then(ALWAYS).otherwise("valid_from")
    known = cycles.with_columns(valid_from=since).sort("valid_from")
    return rows.join_asof(
        known,
        left_on=time,
        right_on="valid_from",
        by=key,
        check_sortedness=False,
        coalesce=True,
    )
