"""Alarms and events: every notification once, the day it belongs to, the story of each alarm."""

from typing import Final

import polars as pl

from pipelines.bronze import AHEAD, EARLIEST
from pipelines.days import local_day
from pipelines.raw import received_ticks, time_of
from pipelines.schemas import ALARMS, EVENTS, ONCE_EACH

KEY: Final = [name for name in EVENTS if name not in ONCE_EACH]
ORDER: Final = ["server_uri", "time_ticks"]
_TIMES: Final = {
    "time": "time_ticks",
    "receive_time": "receive_ticks",
    "active_time": "active_ticks",
}
_ALARM: Final = ["server_uri", "condition_id"]


def from_segments(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of event segments (any string encoding, no times) as `schemas.EVENTS`."""
    times = {name: time_of(pl.col(ticks).cast(pl.Int64)) for name, ticks in _TIMES.items()}
    timed = frame.with_columns(**times)
    return timed.select(pl.col(name).cast(dtype) for name, dtype in EVENTS.items())


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Each event once, the earliest received kept, by server and time.

    The same rows in any order give the same frame.
    """
    first = frame.sort("received_time", "origin", "receive_ticks", nulls_last=True)
    ordered = first.unique(KEY, keep="first", maintain_order=True).with_columns(
        happened=pl.coalesce("time_ticks", "receive_ticks", received_ticks())
    )
    rest = [name for name in EVENTS if name not in ORDER]
    return ordered.sort("server_uri", "happened", *rest, nulls_last=True).drop("happened")


def partition_day() -> pl.Expr:
    """The local day of an event: of its time, or of its receipt where that time cannot be."""
    time = pl.coalesce("time", "receive_time")
    possible = (time >= EARLIEST) & (time <= pl.col("received_time") + AHEAD)
    return local_day(pl.when(possible).then(time).otherwise("received_time"))


def alarms(events: pl.DataFrame) -> pl.DataFrame:
    """The story of every alarm (`schemas.ALARMS`), by start; branches of the past are left out.

    An alarm that was disabled is no longer active; what is told again by a refresh is no new one.
    """
    told = events.filter(
        pl.col("condition_id").is_not_null()
        & pl.col("branch_id").is_null()
        & (pl.col("active").is_not_null() | ~pl.col("enabled"))
    ).with_columns(
        on=pl.col("active").fill_null(value=False) & pl.col("enabled").fill_null(value=True)
    )
    states = told.sort(*_ALARM, "time", "received_time", maintain_order=True)
    before = pl.col("on").shift(1).over(_ALARM).fill_null(value=False)
    numbered = states.with_columns(number=(pl.col("on") & ~before).cum_sum().over(_ALARM))
    story = numbered.filter(pl.col("number") > 0).group_by(*_ALARM, "number", maintain_order=True)
    rows = story.agg(
        pl.col("condition_name", "source_name", "message").first(),
        pl.col("severity").max(),
        start=_when().first(),
        end=_when().filter(~pl.col("on")).first(),
        acked_time=_first_time("acked"),
        confirmed_time=_first_time("confirmed"),
        user=pl.col("user").filter(pl.col("acked")).drop_nulls().first(),
    )
    return rows.select(ALARMS.names()).sort("start", *_ALARM, maintain_order=True)


def _when() -> pl.Expr:
    """When the alarm changed, which may be before the event that tells of it."""
    return pl.coalesce("active_time", "time")


def _first_time(state: str) -> pl.Expr:
    return pl.col("time").filter(pl.col(state)).first()
