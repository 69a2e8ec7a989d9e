"""Planned run time per item: which holds for a piece."""

from typing import Final

import polars as pl

from pipelines.equipment import UNIT, expand, units_of
from pipelines.schemas import TIME

ALWAYS: Final = pl.datetime(1970, 1, 1, time_zone="UTC").cast(TIME)


def per_unit(cycles: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """Cycles per work unit, product and valid_from; of several the most specific, none below 0."""
    rows = expand(cycles, units_of(work_units)).filter(pl.col("pri_s") > 0)
    dated = rows.with_columns(valid_from=pl.col("valid_from").fill_null(ALWAYS))
    key = [*UNIT, "product_id"]
    best = pl.col("specificity") == pl.col("specificity").max().over(key)
    once = dated.filter(best).sort(*key, "valid_from", "pri_s")
    return once.unique([*key, "valid_from"], keep="first", maintain_order=True).select(
        *key, "valid_from", "pri_s"
    )


def with_pri(rows: pl.DataFrame, cycles: pl.DataFrame, time: str) -> pl.DataFrame:
    """Adds `pri_s` of the row's product at `time`; null where none is known. Sorts by `time`.

    Before its first valid_from a product has the first PRI: it was made, so it took that time.
    """
    key = ["factory_id", "work_unit_id", "product_id"]
    first = pl.col("valid_from").min().over(key)
    since = pl.when(pl.col("valid_from") == first).then(ALWAYS).otherwise("valid_from")
    known = cycles.select(*key, "pri_s", valid_from=since).sort("valid_from")
    return rows.sort(time, maintain_order=True).join_asof(
        known,
        left_on=time,
        right_on="valid_from",
        by=key,
        check_sortedness=False,
        coalesce=True,
    )
