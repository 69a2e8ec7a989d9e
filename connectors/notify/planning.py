"""What is owed to whom, and when: pure, without a clock, a file or a network of its own.

An event is told once by a channel, and again only when it worsens (its priority rises) or
re-alarms (it is active again after it was over, or after its acknowledgement or shelf has lapsed).
Acknowledged or shelved, it is silent until it worsens. Events of one cause are told as one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl

from connectors.errors import NotifyError
from connectors.notify.settings import PRIORITIES, Route
from pipelines.days import day_of, midnight

RANK: Final = {name: place for place, name in enumerate(PRIORITIES, 1)}
"""Low is 1."""
NOBODY: Final = max(RANK.values()) + 1
"""A rank that no event has."""

STATES: Final = ("new", "ongoing", "cleared")
URGENT, DIGEST, DAILY = "urgent", "digest", "daily"
_NEEDED: Final = ("event_id", "factory_id", "priority", "state", "start")
_OPTIONAL: Final = (
    "partition_day", "aliases", "acknowledged", "shelved_until", "suppressed_by", "cause_id",
)  # fmt: skip
COLUMNS: Final = (*_NEEDED, *_OPTIONAL)


@dataclass(frozen=True, slots=True)
class Event:
    """What the plan needs of an anomaly event; `rank` is its priority's, `aliases` ids it had.

    One that stands for a cause has the ids of the others, of which nothing is told, as `members`.
    """

    factory: str
    event_id: str
    day: date
    rank: int
    is_active: bool = True
    is_silent: bool = False
    aliases: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every id under which a channel may know it, its own first, then the newest."""
        return (self.event_id, *reversed(self.aliases), *self.members)


@dataclass(frozen=True, slots=True)
class Known:
    """What a channel knows of an event: the highest rank since it began, and how it stood last."""

    rank: int
    is_active: bool
    is_told: bool
    is_silent: bool


@dataclass(frozen=True, slots=True)
class Item:
    """An event to be told by a channel; `reference` is what a message says of it."""

    id: int
    route: str
    language: str
    band: str
    due: datetime
    rank: int
    factory: str
    day: date
    reference: str


@dataclass(frozen=True, slots=True)
class Draft:
    """The items of one message, the most urgent first."""

    items: tuple[Item, ...]

    @property
    def is_urgent(self) -> bool:
        """Whether any of it is to be told at once."""
        return any(item.band == URGENT for item in self.items)


def events_of(frame: pl.DataFrame, now: datetime) -> list[Event]:
    """Each event of a table of anomaly events once, as its newest row says.

    Columns `event_id factory_id priority state start`, and where they are `partition_day`,
    `aliases` (ids it had before), `acknowledged` (true, or by whom or when), `shelved_until`,
    `suppressed_by`: what is suppressed (planned maintenance, no shift) is left out, for nobody is
    to respond. Events of one `cause_id` are one: the first of them, as urgent as the most urgent,
    silent when that first one is.
    """
    if frame.is_empty():
        return []
    if absent := [name for name in _NEEDED if name not in frame.columns]:
        raise NotifyError("events to tell", f"no column {absent[0]}", "give anomaly_events")
    names = [name for name in COLUMNS if name in frame.columns]
    newest: dict[tuple[str, str], tuple[date, Event, datetime]] = {}
    causes: dict[tuple[str, str], str] = {}
    rows = frame.select(names)
    if "partition_day" in names:
        rows = rows.sort("partition_day", maintain_order=True)
    for row in rows.iter_rows(named=True):
        if row.get("suppressed_by") is None:
            event = _event(row, now)
            of_day = row.get("partition_day") or event.day
            key = event.factory, event.event_id
            if key not in newest or newest[key][0] <= of_day:
                newest[key] = of_day, event, row["start"]
                causes |= {key: row["cause_id"]} if row.get("cause_id") else {}
    renamed = {(one.factory, alias) for _, one, _ in newest.values() for alias in one.aliases}
    told: dict[tuple[str, str], list[tuple[datetime, Event]]] = {}
    for key, (_, event, start) in newest.items():
        if key not in renamed:
            told.setdefault((key[0], causes.get(key, key[1])), []).append((start, event))
    return [_as_one(own) for own in told.values()]


def _as_one(own: Sequence[tuple[datetime, Event]]) -> Event:
    """The event that stands for all of a cause."""
    first, *others = (event for _, event in sorted(own, key=lambda one: (one[0], one[1].event_id)))
    if not others:
        return first
    return replace(
        first,
        rank=max(first.rank, *(one.rank for one in others)),
        is_active=first.is_active or any(one.is_active for one in others),
        is_silent=first.is_silent,
        aliases=(*(old for one in others for old in one.aliases), *first.aliases),
        members=tuple(one.event_id for one in others),
    )


def with_words(events: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Events with what people said of them, from `anomaly_feedback` (OPC UA Part 9) of their day.

    A one-shot shelf has no end that is known: its event is taken as acknowledged.
    """
    is_shelved = pl.col("shelving_state") != "Unshelved"
    said = words.select(
        "factory_id", "event_id", "aliases", "shelved_until",
        acknowledged=(pl.col("acked_state") == "Acknowledged")
        | (is_shelved & pl.col("shelved_until").is_null()),
    )  # fmt: skip
    return events.drop(set(said.columns[2:]), strict=False).join(
        said, on=["factory_id", "event_id"], how="left", maintain_order="left"
    )


def _event(row: dict[str, Any], now: datetime) -> Event:
    rank = RANK.get(row["priority"])
    if rank is None or row["state"] not in STATES or not row["event_id"] or not row["factory_id"]:
        culprit = f"event {row['event_id']}"
        why = f"priority {row['priority']!r}, state {row['state']!r}, factory {row['factory_id']!r}"
        raise NotifyError(culprit, why, f"use {', '.join(PRIORITIES)} and {', '.join(STATES)}")
    acknowledged, shelved = row.get("acknowledged"), row.get("shelved_until")
    return Event(
        factory=row["factory_id"],
        event_id=row["event_id"],
        day=row.get("partition_day") or day_of(row["start"]),
        rank=rank,
        is_active=row["state"] != "cleared",
        is_silent=acknowledged not in (None, False) or (shelved is not None and shelved > now),
        aliases=tuple(row.get("aliases") or ()),
    )


def is_heard(route: Route, event: Event) -> bool:
    """Whether a route is for the event's factory."""
    return not route.factories or event.factory in route.factories


def least_rank(route: Route) -> int:
    """The least rank that a route tells of."""
    return RANK[route.least_priority]


def judge(event: Event, known: Known | None, least: int) -> tuple[bool, Known | None]:
    """Whether an event is owed, and what its channel knows from then on; `least` rank is told."""
    if event.rank < least:
        return False, known and replace(known, is_active=known.is_active and event.is_active)
    heard = not event.is_silent
    if known is None:
        return heard, Known(event.rank, event.is_active, heard, event.is_silent)
    again = event.is_active and (known.is_silent or not known.is_active)
    owed = event.rank > known.rank or (heard and (again or not known.is_told))
    rank = event.rank if again and heard else max(event.rank, known.rank)
    return owed, Known(rank, event.is_active, known.is_told or owed, event.is_silent)


def when(route: Route, rank: int, at: datetime) -> tuple[str, datetime]:
    """The band of an event and when it is due: high at once, medium by digest, low with the day."""
    today = midnight(day_of(at))
    if rank == RANK["high"] and route.is_urgent_at_once:
        return URGENT, at
    if rank >= RANK["medium"]:
        step = timedelta(minutes=route.digest_min)
        edge = today + -((today - at) // step) * step
        return DIGEST, min(edge, midnight(day_of(at) + timedelta(days=1)))
    daily = timedelta(hours=route.daily_at.hour, minutes=route.daily_at.minute)
    ready = today + daily
    return DAILY, ready if ready >= at else midnight(day_of(at) + timedelta(days=1)) + daily


def next_draft(waiting: Iterable[Item], free: int, now: datetime) -> Draft | None:
    """The next message of a channel that may send `free` more now; None where nothing is due.

    Urgent events go one by one while more slots are free than routes have something to say: the
    last slot of each is for the digest of all that is left, which urgent ones then lead. Such a
    digest takes along what waits for the next one of its route.
    """
    routes: dict[str, list[Item]] = {}
    for item in sorted(waiting, key=lambda one: (-one.rank, one.due, one.id)):
        routes.setdefault(item.route, []).append(item)
    due = {name: _due(items, now) for name, items in routes.items() if _due(items, now)}
    if free <= 0 or not due:
        return None
    name = min(due, key=lambda one: (due[one][0].band != URGENT, due[one][0].due, one))
    items, first = due[name], due[name][0]
    if first.band == URGENT and (len(items) == 1 or free > len(due)):
        return Draft((first,))
    along = items if first.band != URGENT else [
        one for one in routes[name] if one.band != DAILY or one.due <= now
    ]  # fmt: skip
    return Draft(tuple(along))


def _due(items: Sequence[Item], now: datetime) -> list[Item]:
    due = [item for item in items if item.due <= now]
    return sorted(due, key=lambda one: one.band != URGENT)
