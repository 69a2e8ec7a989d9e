"""Telling people of anomaly events as they are made: what the sensor `told_events` does.

A sensor of its own, and no step of a run: a robot that answers late delays no figure, a backfill
or a replay rings nobody, retries go on when nothing is made, and whatever made the events, they
are told once. It costs at most the sensor's interval.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from connectors.answers import Heard, heard, now
from connectors.home import Home
from connectors.lake import Lake
from connectors.notify.outbox import OUTBOX_FILE, SENT, Outbox
from connectors.notify.planning import with_words
from connectors.notify.sending import Summary
from connectors.notify.service import LATEST_DAYS, tell
from connectors.notify.settings import SETTINGS_FILE
from models import lifecycle
from pipelines.days import day_of

EVENTS: Final = "anomaly_events"
NOBODY: Final = f"nobody is told: the home has no {SETTINGS_FILE} (docs/guides/notifications.md)"


def told(home: Home) -> Summary | None:
    """Tell what is due and send what waits; None where the home has no notify.toml.

    NotifyError for settings or an outbox that cannot be used; a channel that is down is in the
    Summary.
    """
    if not (home.root / SETTINGS_FILE).exists():
        return None
    at = now(home)
    return tell(home, latest_events(home, at), at)


def latest_events(home: Home, at: datetime) -> pl.DataFrame:
    """Events of the latest judged days, with what people said of them up to an instant.

    By the journal itself: what the lake knows of it is as old as the last run.
    """
    parts = [one for one in Lake(home.lake).partitions(EVENTS) if one.day and one.factory]
    last = max((one.day for one in parts if one.day and one.day <= day_of(at)), default=None)
    if last is None:
        return pl.DataFrame()
    first = last - timedelta(days=LATEST_DAYS - 1)
    factories = sorted({p.factory for p in parts if p.factory and p.day and first <= p.day <= last})
    frames = [_with_words(heard(home, one, last, LATEST_DAYS), at) for one in factories]
    return pl.concat(frames)


def _with_words(known: Heard, at: datetime) -> pl.DataFrame:
    """A factory's events, each once as last told, with its words by now."""
    story = lifecycle.story((until, events) for _, until, events in known.days)
    placed = lifecycle.place(story, lifecycle.journal(known.records))
    words = lifecycle.states(story, placed, at, known.days[-1][1])
    is_over = pl.col("end").is_not_null()
    state = pl.when(is_over).then(pl.lit("cleared")).otherwise("state")
    return with_words(story.with_columns(state=state), words)


def lines(summary: Summary) -> Iterator[str]:
    """What a person who looks at the sensor wants to know, most telling first."""
    sent = [one for one in summary.gone if one.status == SENT]
    if sent:
        yield f"events told: {sum(one.events for one in sent)}, in messages: {len(sent)}"
    waiting = sum(one.events + one.messages for one in summary.waits)
    if waiting:
        until = f", the next until {summary.next:%Y-%m-%d %H:%M:%S}Z" if summary.next else ""
        yield f"waiting: {waiting}{until}"
    if summary.dead:
        yield f"dead letters: {summary.dead} (see `parkpulse notify dead`)"
    yield from dict.fromkeys([*summary.notes, *summary.troubles])


def references(home: Path, factory: str, event_ids: pl.Series) -> dict[str, str]:
    """How messages call a factory's events, by their ids; none before anybody was told of one."""
    if not (home / OUTBOX_FILE).exists():
        return {}
    with Outbox(home, as_copy=True) as outbox:
        return {one: outbox.reference(factory, one) for one in event_ids if outbox.has_key}
