"""Rows as segments hold them, typed as `schemas.RAW`."""

from typing import Final

import polars as pl

from pipelines.schemas import RAW, TIME

EPOCH_TICKS: Final = 116_444_736_000_000_000
"""1970-01-01 in OPC UA ticks (100 ns since 1601-01-01)."""

FIRST_US: Final = -11_644_473_600_000_000
LAST_US: Final = 253_402_300_799_999_999
"""1601-01-01 and 9999-12-31T23:59:59.999999, the ends of OPC UA time (Part 6, 5.2.2.5), in
microseconds since 1970: what lies beyond is set to them, as the specification says."""


def time_of(ticks: pl.Expr) -> pl.Expr:
    """UTC time of OPC UA ticks, cut to the microsecond; null stays null, no tick overflows."""
    return (ticks // 10 - EPOCH_TICKS // 10).clip(FIRST_US, LAST_US).cast(TIME)


def event_ticks() -> pl.Expr:
    """When a value happened: the source's ticks, the server's where the source gave none."""
    return pl.coalesce("source_ticks", "server_ticks")


def received_ticks() -> pl.Expr:
    """When a value reached us, as ticks: the only time of a value that came without any."""
    return pl.col("received_time").cast(pl.Int64) * 10 + EPOCH_TICKS


def from_segments(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of segments (any string encoding, no times) as `schemas.RAW`, in their order."""
    timed = frame.with_columns(
        source_time=time_of(pl.col("source_ticks").cast(pl.Int64)),
        server_time=time_of(pl.col("server_ticks").cast(pl.Int64)),
    )
    return timed.select(pl.col(name).cast(dtype) for name, dtype in RAW.items())
