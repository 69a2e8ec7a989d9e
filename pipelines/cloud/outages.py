"""Days on which we ourselves were not there: they are owed by nobody."""

from datetime import date

import polars as pl

from pipelines.days import day_start, local_day
from pipelines.park_schemas import COLLECTOR_DOWN


def down_days(coverage: pl.DataFrame, last_day: date) -> pl.DataFrame:
    """COLLECTOR_DOWN of parks: local days that no single window of a gateway's coverage spans.

    `coverage` is `schemas.COVERAGE` of gateways, `factory_id` naming the park; a park of several
    gateways is down when one of them is. Days before a gateway's first whole day are not judged.
    """
    first = local_day(pl.col("from_time").min()).dt.offset_by("1d")
    begun = coverage.group_by("server_uri", park_id="factory_id").agg(first=first)
    days = pl.date_ranges("first", pl.lit(last_day), "1d").alias("day")
    grid = begun.filter(pl.col("first") <= last_day).with_columns(days).explode("day")
    timed = grid.with_columns(
        start=day_start(pl.col("day")), end=day_start(pl.col("day").dt.offset_by("1d"))
    )
    is_inside = (pl.col("from_time") <= pl.col("start")) & (pl.col("to_time") >= pl.col("end"))
    whole = timed.join(coverage, on="server_uri").filter(is_inside)
    lost = timed.join(whole, on=["server_uri", "day"], how="anti")
    return lost.select(COLLECTOR_DOWN.names()).unique().sort("park_id", "day")
