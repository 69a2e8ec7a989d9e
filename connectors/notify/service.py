"""`tell`: what assets and the command line call after a day's events were made."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl
import polars.selectors as cs

from connectors.errors import NotifyError
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.notify.outbox import OUTBOX_FILE, Outbox
from connectors.notify.planning import (
    COLUMNS,
    NOBODY,
    Event,
    events_of,
    is_heard,
    judge,
    least_rank,
    when,
    with_words,
)
from connectors.notify.sending import Clock, Post, Summary, deliver, utc_now
from connectors.notify.settings import SETTINGS_FILE, Settings, read_settings
from pipelines.days import day_of

LATEST_DAYS: Final = 2
"""An event of yesterday may still last, or have ended since."""


def tell(
    home: Home,
    events: pl.DataFrame,
    now: datetime,
    *,
    settings: Path | None = None,
    clock: Clock = utc_now,
    post: Post | None = None,
    environ: Mapping[str, str] = os.environ,
    is_rehearsal: bool = False,
) -> Summary:
    """Tell of anomaly events (`planning.events_of`) and send all that is due.

    `now` is the home's time (shelving goes by it); messages go by `clock`. Never raises for a
    channel that is down: that is in the Summary. Without a notify.toml nobody is told; NotifyError
    for one that cannot be used. A rehearsal changes nothing; give it a `post` that sends nothing.
    """
    path = settings or home.root / SETTINGS_FILE
    if settings is None and not path.exists():
        return Summary()
    chosen = read_settings(path)
    summary = Summary()
    try:
        with Outbox(home.root, as_copy=is_rehearsal) as outbox:
            summary.owed = owe(outbox, chosen, events_of(events, now), clock())
            return deliver(outbox, chosen, summary, clock=clock, post=post, environ=environ)
    except sqlite3.Error as error:
        culprit, remedy = home.root / OUTBOX_FILE, "make room on the disk, and tell again"
        raise NotifyError(culprit, f"it cannot be written ({error})", remedy) from error


def owe(outbox: Outbox, settings: Settings, events: Sequence[Event], at: datetime) -> int:
    """Put what is owed into the outbox, once per channel; gives how many."""
    with outbox.transaction():
        return sum(_owe_by(outbox, channel, settings, events, at) for channel in settings.channels)


def _owe_by(
    outbox: Outbox, channel: str, settings: Settings, events: Sequence[Event], at: datetime
) -> int:
    owed, before = 0, outbox.known(channel, events)
    routes = [route for route in settings.routes if route.channel == channel]
    for event in events:
        heard = [route for route in routes if is_heard(route, event)]
        own, *earlier = (before.get((event.factory, one)) for one in event.names)
        known = own or next(filter(None, earlier), None)
        least = min(map(least_rank, heard), default=NOBODY)
        is_owed, learned = judge(event, known, least)
        for name in (event.event_id, *event.members):
            if learned is not None and learned != before.get((event.factory, name)):
                outbox.learn(channel, replace(event, event_id=name), learned)
        if is_owed:  # by the first route that tells of events like it
            route = next(one for one in heard if least_rank(one) <= event.rank)
            band, due = when(route, event.rank, at)
            outbox.owe(channel, event, (route.name, route.language), band, due)
            owed += 1
    return owed


def events_of_days(home: Home, day: date | None, now: datetime) -> pl.DataFrame:
    """The anomaly events of a local day, else of the latest days that the lake has, up to `now`."""
    lake = Lake(home.lake)
    known = [
        part
        for part in lake.partitions("anomaly_events")
        if part.day and (part.day == day if day else part.day <= day_of(now))
    ]
    latest = sorted({part.day for part in known if part.day})[-LATEST_DAYS:]
    frames = [_of_day(lake, part) for part in known if part.day in latest]
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def _of_day(lake: Lake, part: Partition) -> pl.DataFrame:
    """The events of a factory's day, with what people said of them where that is known."""
    events, words = lake.read("anomaly_events", part), lake.read("anomaly_feedback", part)
    if events is None:
        return pl.DataFrame()
    said = events if words is None else with_words(events, words)
    return said.select(cs.by_name(COLUMNS, require_all=False))
