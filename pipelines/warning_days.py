"""Days on which an enterprise can be held against itself: worked, collected, of no special course.

What happens for a known reason is no evidence: holidays and the weeks around Spring Festival, days
after a longer stop, a move to another site, our own collector's outage. A stop of up to two weeks
that nobody announced is none yet either. Everything here looks back only.
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

SPRING_FESTIVAL: Final = tuple(
    date.fromisoformat(day)
    for day in (
        "2015-02-19", "2016-02-08", "2017-01-28", "2018-02-16", "2019-02-05", "2020-01-25",
        "2021-02-12", "2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29", "2026-02-17",
        "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23", "2032-02-11",
        "2033-01-31", "2034-02-19", "2035-02-08", "2036-01-28", "2037-02-15", "2038-02-04",
        "2039-01-24", "2040-02-12",
    )
)  # fmt: skip
"""The first day of the lunar year."""

BEFORE_FESTIVAL: Final = timedelta(days=12)
AFTER_FESTIVAL: Final = timedelta(days=17)
"""People leave almost two weeks before, most are back two days after the fifteenth of the month."""

LONG_STOP_DAYS: Final = 4
TAKE_UP_DAYS: Final = 10
"""After a stop of so many days (common rest not counted) it takes up slowly, for so long."""

UNEXPLAINED_DAYS: Final = 14
"""A stop that lasts longer, though the calendar says work and nobody moved, is evidence: days that
we collected and the calendar says work, since it last ran."""

MOVING_DAYS: Final = 49
"""A move stops an enterprise for up to four weeks, and it takes up in three."""

USUAL_WEEKS: Final = 8
"""Weeks by which an enterprise without a calendar is known to work on a weekday, or not."""


def comparable_days(days: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """ENTERPRISE_DAYS that can be compared, sorted by `uscc` and `day`, with `weekday` (1 Monday).

    Args:
        days: ENTERPRISE_DAYS.
        sites: SITES; a site that begins later than the enterprise's first is a move.
    """
    ordered = days.sort("uscc", "day").with_columns(weekday=pl.col("day").dt.weekday())
    is_known = pl.col("is_collected") & pl.col("running_s").is_not_null()
    ran = pl.when(is_known).then(pl.col("running_s") > 0)
    marked = (
        ordered.with_columns(ran=ran)
        .join(_common_rest(days), on="day", how="left", maintain_order="left")
        .with_columns(is_scheduled=_scheduled())
    )
    return (
        _moves(marked, sites)
        .with_columns(
            idle=(~pl.col("ran") & pl.col("is_scheduled")).cum_sum().forward_fill().over("uscc"),
            stood=(~pl.col("ran") & ~pl.col("is_rest")).cum_sum().forward_fill().over("uscc"),
        )
        .with_columns(resumed_on=_resumed(), idle=_idle())
        .filter(is_known, "is_scheduled", ~_is_festival(), ~_is_special(), _is_told())
        .drop("ran", "is_scheduled", "is_rest", "moved_on", "idle", "stood", "resumed_on")
    )


def _common_rest(days: pl.DataFrame) -> pl.DataFrame:
    """Days on which most calendars rest: who has none is taken to rest too."""
    working = pl.col("is_operating").sum() * 2
    return days.group_by("day").agg(is_rest=working < pl.col("is_operating").count())


def _scheduled() -> pl.Expr:
    """The calendar's word; without one, weekdays on which it ran in half of the last weeks."""
    lately = pl.col("ran").cast(pl.Float64).forward_fill().rolling_mean(USUAL_WEEKS, min_samples=1)
    usual = lately.shift(1).over("uscc", "weekday") >= 0.5
    return pl.coalesce("is_operating", usual.fill_null(True) & ~pl.col("is_rest"))


def _moves(days: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """With `moved_on`: the last move that was known on the day."""
    begun = sites.group_by("uscc", "site_id").agg(moved_on=pl.col("valid_from").min())
    is_later = pl.col("moved_on") > pl.col("moved_on").min().over("uscc")
    moves = begun.filter(is_later).select("uscc", "moved_on").unique().sort("moved_on")
    return (
        days.sort("day")
        .join_asof(moves, left_on="day", right_on="moved_on", by="uscc", check_sortedness=False)
        .sort("uscc", "day")
    )


def _resumed() -> pl.Expr:
    """The last day on which it ran again after a long stop."""
    until = pl.when("ran").then("stood").forward_fill().shift(1)
    is_long = pl.col("ran") & (pl.col("stood") - until >= LONG_STOP_DAYS)
    return pl.when(is_long).then("day").forward_fill().over("uscc")


def _idle() -> pl.Expr:
    """How many days it has stood, since it last ran, though it was to work."""
    until = pl.when("ran").then("idle").forward_fill()
    return pl.col("idle") - until.over("uscc")


def _since(day: str) -> pl.Expr:
    return (pl.col("day") - pl.col(day)).dt.total_days()


def _is_special() -> pl.Expr:
    taking_up = _since("resumed_on") < TAKE_UP_DAYS
    moving = _since("moved_on") < MOVING_DAYS
    return taking_up.fill_null(False) | moving.fill_null(False)


def _is_told() -> pl.Expr:
    """Running, or standing for longer than a stop needs no reason."""
    still = (pl.col("idle") > UNEXPLAINED_DAYS).fill_null(False)
    return (pl.col("running_s") > 0) | still


def _is_festival() -> pl.Expr:
    return pl.any_horizontal(
        pl.col("day").is_between(day - BEFORE_FESTIVAL, day + AFTER_FESTIVAL)
        for day in SPRING_FESTIVAL
    )
