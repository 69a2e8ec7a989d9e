"""Days on which we ourselves were not there: they are owed by nobody."""

from datetime import date

import polars as pl

from pipelines.days import day_start
from pipelines.park_schemas import COLLECTOR_DOWN


def down_days(
    coverage: pl.DataFrame, parks: pl.DataFrame, first_day: date, last_day: date
) -> pl.DataFrame:
    """COLLECTOR_DOWN of gateways: local days that no single window of `schemas.COVERAGE` spans.

    `parks` has `server_uri park_id`; a park of several gateways is down when one of them is.
    """
    day = pl.date_range(first_day, last_day, "1d", eager=True).alias("day")
    grid = parks.join(pl.DataFrame(day), how="cross").with_columns(
        start=day_start(pl.col("day")), end=day_start(pl.col("day").dt.offset_by("1d"))
    )
    is_inside = (pl.col("from_time") <= pl.col("start")) & (pl.col("to_time") >= pl.col("end"))
    whole = grid.join(coverage, on="server_uri").filter(is_inside)
    lost = grid.join(whole, on=["server_uri", "day"], how="anti")
    return lost.select(COLLECTOR_DOWN.names()).unique().sort("park_id", "day")
