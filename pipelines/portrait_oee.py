"""OEE of the enterprises whose factory is collected here, and that permit it in their portrait."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.indices import roll_up
from pipelines.portrait import OEE_OF_FIRMS

DAYS: Final = 28
"""Production days that a portrait's OEE is of, at most."""


def oee_of_firms(rolled: pl.DataFrame, owners: pl.DataFrame, on: date) -> pl.DataFrame:
    """OEE_OF_FIRMS of the last DAYS up to `on`; OEE null where too little of their time is known.

    `rolled`: roll-ups by day (`levels.by_day`); `owners`: `factory_id uscc` of those that permit.
    Of an enterprise with several factories the times are summed.
    """
    in_reach = pl.col("production_day").is_between(on - timedelta(days=DAYS - 1), on)
    rows = rolled.filter(pl.col("level") == "factory", in_reach)
    named = rows.join(owners.drop_nulls("uscc"), on="factory_id")
    if named.is_empty():
        return OEE_OF_FIRMS.to_frame()
    told = pl.when("is_reliable").then("oee").alias("oee")
    return roll_up(named, "uscc").select("uscc", told, "completeness").cast(OEE_OF_FIRMS)
