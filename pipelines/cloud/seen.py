"""When each terminal was heard, as one bit a day: what a day's update carries on.

The state is `terminal_id seen_bits last_seen_on` of a day: bit k of `seen_bits` is the day k days
before it. A late value sets the bit of its own day, so a state never depends on when news came.
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

STATE: Final = pl.Schema(
    {"terminal_id": pl.String(), "seen_bits": pl.UInt64(), "last_seen_on": pl.Date()}
)

BITS: Final = 64
WINDOW_DAYS: Final = 30
WINDOW: Final = (1 << WINDOW_DAYS) - 1
"""The bits of *t*-29 to *t*."""


def bit(days_back: pl.Expr) -> pl.Expr:
    """The bit of a day; 0 for days before the first and for days to come."""
    is_kept = days_back.is_between(0, BITS - 1)
    power = pl.lit(2, pl.UInt64).pow(pl.when(is_kept).then(days_back).otherwise(0))
    return pl.when(is_kept).then(power).otherwise(pl.lit(0, pl.UInt64))


def heard(terminal_days: pl.DataFrame, on: date) -> pl.DataFrame:
    """STATE of a day from TERMINAL_DAYS alone; days after it are not read."""
    marks = _marks(terminal_days, on).group_by("terminal_id")
    return (
        marks.agg(pl.col("seen_bits").bitwise_or(), pl.col("last_seen_on").max())
        .cast(STATE)
        .collect(engine="in-memory")
    )


def _marks(terminal_days: pl.DataFrame, on: date) -> pl.LazyFrame:
    good = terminal_days.lazy().filter((pl.col("good_values") >= 1) & (pl.col("day") <= on))
    back = (pl.lit(on) - pl.col("day")).dt.total_days()
    return good.select("terminal_id", seen_bits=bit(back), last_seen_on="day")


def advanced(
    state: pl.DataFrame, state_on: date, terminal_days: pl.DataFrame, on: date
) -> pl.DataFrame:
    """STATE of `on` from that of an earlier day and the rows that came since, late ones too.

    ValueError where `on` lies before the state's day.
    """
    if on < state_on:
        raise ValueError(f"a state of {state_on} cannot become one of {on}: begin from an earlier")
    days = (on - state_on).days
    older = pl.col("seen_bits") % (1 << BITS - days) if 0 < days < BITS else pl.col("seen_bits")
    shifted = older * (1 << days) if days < BITS else pl.lit(0, pl.UInt64)
    known = state.lazy().with_columns(seen_bits=shifted.cast(pl.UInt64))
    return (
        pl.concat([known, _marks(terminal_days, on)])
        .group_by("terminal_id")
        .agg(pl.col("seen_bits").bitwise_or(), pl.col("last_seen_on").max())
        .collect(engine="in-memory")
    )


def window_from(on: date) -> date:
    """The first day of the window of 30 that ends on a day."""
    return on - timedelta(days=WINDOW_DAYS - 1)
