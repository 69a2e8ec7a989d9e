"""Source clocks that are off, and taking a steady offset away."""

from typing import Final

import polars as pl

from pipelines.shifts import local_day

TOLERATED_US: Final = 2_000_000
"""An offset below two seconds is sampling and transport, not a wrong clock."""

STEADY_US: Final = 1_000_000
"""A wrong clock is corrected only while its offset stays within one second."""


def skew(frame: pl.DataFrame) -> pl.DataFrame:
    """Per server: `offset_us` (median of source minus server time), `spread_us`, `stable`, `rows`.

    The spread is the smaller of the 5th to 95th percentile and the range of the hourly medians:
    the first forgives rare late values, the second many of them; a drift shows in both.
    """
    offset = pl.col("source_time") - pl.col("server_time")
    both = frame.select(
        "server_uri",
        hour=pl.col("server_time").dt.truncate("1h"),
        us=offset.dt.total_microseconds(),
    ).drop_nulls()
    hourly = both.group_by("server_uri", "hour").agg(_quantile(0.5)).group_by("server_uri")
    ranges = hourly.agg(hours_us=pl.max("us") - pl.min("us"))
    spread = pl.min_horizontal(pl.col("p95") - pl.col("p05"), "hours_us")
    return (
        both.group_by("server_uri")
        .agg(offset_us=_quantile(0.5), p05=_quantile(0.05), p95=_quantile(0.95), rows=pl.len())
        .join(ranges, on="server_uri")
        .with_columns(spread_us=spread)
        .with_columns(stable=pl.col("spread_us") <= STEADY_US)
        .select("server_uri", "offset_us", "spread_us", "stable", "rows")
        .sort("server_uri")
    )


def correct(frame: pl.DataFrame, skew: pl.DataFrame) -> pl.DataFrame:
    """Adds `time` (source time less a stable offset above 2 s; server time where the source gave
    none) and `clock_unstable` (the offset is above 2 s and not stable). Rows keep their order.

    Takes `skew`, or `skew_by_day`: then a row is corrected by its own local day.
    """
    off = pl.col("offset_us").abs() > TOLERATED_US
    key = ["server_uri", "day"] if "day" in skew.columns else ["server_uri"]
    known = skew.select(
        *key,
        taken_us=pl.when(off & pl.col("stable")).then("offset_us").otherwise(0),
        clock_unstable=off & ~pl.col("stable"),
    )
    source = pl.col("source_time") - pl.duration(microseconds=pl.col("taken_us").fill_null(0))
    return (
        frame.with_columns(day=local_day(pl.col("source_time")))
        .join(known, on=key, how="left", maintain_order="left")
        .with_columns(
            time=pl.coalesce(source, "server_time"),
            clock_unstable=pl.col("clock_unstable").fill_null(value=False),
        )
        .drop("taken_us", "day")
    )


def skew_by_day(frame: pl.DataFrame) -> pl.DataFrame:
    """`skew` of each local day of source time on its own, with `day`: what a partition holds
    depends on its own rows, not on how many days were computed with it.
    """
    days = frame.with_columns(day=local_day(pl.col("source_time"))).drop_nulls("day")
    parts = [
        skew(rows).with_columns(day=pl.lit(day))
        for (day,), rows in days.partition_by("day", as_dict=True).items()
    ]
    empty = skew(frame.clear()).with_columns(day=pl.lit(None, pl.Date))
    return pl.concat([empty, *parts]).sort("day", "server_uri")


def _quantile(at: float) -> pl.Expr:
    return pl.col("us").quantile(at, "lower").cast(pl.Int64)
