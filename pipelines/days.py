"""Local days: the calendar dates that name partitions. All times are UTC, these excepted."""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

ZONE: Final = "Asia/Shanghai"
"""The factories' zone. China keeps no summer time, but times are stored in UTC all the same."""


def local_day(time: pl.Expr) -> pl.Expr:
    """The factory's calendar date of a UTC time: the name of its partition."""
    return time.dt.convert_time_zone(ZONE).dt.date()


def day_start(day: pl.Expr) -> pl.Expr:
    """The UTC time (µs) at which a local day begins."""
    local = day.cast(pl.Datetime("us")).dt.replace_time_zone(ZONE)
    return local.dt.convert_time_zone("UTC")


def day_of(time: datetime) -> date:
    """`local_day` of one aware datetime."""
    return time.astimezone(ZoneInfo(ZONE)).date()


def midnight(day: date) -> datetime:
    """`day_start` of one date."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
