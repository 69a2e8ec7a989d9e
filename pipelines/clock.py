"""Source clocks that are off, and taking a steady offset away."""

from datetime import date
from typing import Final

import polars as pl

from pipelines.days import local_day

TOLERATED_US: Final = 2_000_000
"""An offset below two seconds is sampling and transport, not a wrong clock."""

STEADY_US: Final = 1_000_000
"""A wrong clock is corrected only while its offset stays within one second."""


STEP_US: Final = 100_000
"""Offsets are known to a tenth of a second: sampling and transport (5 to 60 ms) lie within the
difference of the two clocks. In whole steps every day of one offset gets the same correction."""


def skew(frame: pl.DataFrame) -> pl.DataFrame:
    """Per server: `offset_us` (median of source minus server time), `spread_us`, `stable`, `rows`.

    `offset_us` is in whole STEP_US. The spread is the smaller of the 5th to 95th percentile and
    the range of the hourly medians: the first forgives rare late values, the second many of them.
    Where hours of the source lie within minutes of the server, a history was written into it at
    once: its times say nothing of a clock, and the offset is 0.
    """
    offset = pl.col("source_time") - pl.col("server_time")
    both = frame.select(
        "server_uri",
        hour=pl.col("server_time").dt.truncate("1h"),
        us=offset.dt.total_microseconds(),
        server=pl.col("server_time").dt.epoch("us"),
        source=pl.col("source_time").dt.epoch("us"),
    ).drop_nulls()
    hourly = both.group_by("server_uri", "hour").agg(_quantile(0.5)).group_by("server_uri")
    ranges = hourly.agg(hours_us=pl.max("us") - pl.min("us"))
    spread = pl.min_horizontal(pl.col("p95") - pl.col("p05"), "hours_us")
    return (
        both.group_by("server_uri")
        .agg(
            offset_us=pl.when(_is_told_by_clocks())
            .then((_quantile(0.5) + STEP_US // 2) // STEP_US * STEP_US)
            .otherwise(pl.lit(0, pl.Int64)),
            p05=_quantile(0.05),
            p95=_quantile(0.95),
            rows=pl.len(),
        )
        .join(ranges, on="server_uri")
        .with_columns(spread_us=spread)
        .with_columns(stable=pl.col("spread_us") <= STEADY_US)
        .select("server_uri", "offset_us", "spread_us", "stable", "rows")
        .sort("server_uri")
    )


def correct(frame: pl.DataFrame, skew: pl.DataFrame) -> pl.DataFrame:
    """Adds `time` and `clock_unstable`; rows keep their order.

    `time` is the source's less a stable offset above 2 s, or the server's where the source gave
    none. `clock_unstable`: the server's offset is above 2 s and not stable.
    """
    known = judged(skew)
    source = pl.col("source_time") - pl.duration(microseconds=pl.col("taken_us").fill_null(0))
    return (
        frame.with_columns(day=local_day(pl.col("source_time")))
        .join(known, on=_key(skew), how="left", maintain_order="left")
        .with_columns(
            time=pl.coalesce(source, "server_time"),
            clock_unstable=pl.col("clock_unstable").fill_null(value=False),
        )
        .drop("taken_us", "day")
    )


def skew_by_day(frame: pl.DataFrame) -> pl.DataFrame:
    """`skew` of each local day of source time on its own, with `day`.

    What a partition holds then depends on its own rows, not on the days computed with it.
    """
    times = frame.select("server_uri", "source_time", "server_time")
    days = times.with_columns(day=local_day(pl.col("source_time"))).drop_nulls("day")
    parts = [
        skew(rows).with_columns(day=pl.lit(day))
        for (day,), rows in days.partition_by("day", as_dict=True).items()
    ]
    empty = skew(times.clear()).with_columns(day=pl.lit(None, pl.Date))
    return pl.concat([empty, *parts]).sort("day", "server_uri")


def days_of(frame: pl.DataFrame) -> list[date]:
    """The local days of source time in `frame`: those whose own skew `correct` needs."""
    return (
        frame.select(day=local_day(pl.col("source_time")))
        .to_series()
        .drop_nulls()
        .unique()
        .sort()
        .to_list()
    )


def _key(skew: pl.DataFrame) -> list[str]:
    return ["server_uri", "day"] if "day" in skew.columns else ["server_uri"]


def judged(skew: pl.DataFrame) -> pl.DataFrame:
    """What `correct` takes of a skew, by server (and day): `taken_us` and `clock_unstable`."""
    off = pl.col("offset_us").abs() > TOLERATED_US
    return skew.select(
        *_key(skew),
        taken_us=pl.when(off & pl.col("stable")).then("offset_us").otherwise(0),
        clock_unstable=off & ~pl.col("stable"),
    )


def _is_told_by_clocks() -> pl.Expr:
    """Whether the server's time went on with the source's; no clock drifts by half."""
    server, source = pl.col("server"), pl.col("source")
    return (server.max() - server.min()) * 2 >= source.max() - source.min()


def _quantile(at: float) -> pl.Expr:
    return pl.col("us").quantile(at, "lower").cast(pl.Int64)
