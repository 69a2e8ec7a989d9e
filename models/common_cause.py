"""Events of several machines that one cause explains: a shared supply, seen by all it feeds.

An event is in at most one cause. Taken in order of their start, each event that is in none yet is
tried as the first of one, for each of its leading measures and each scope. With it go the events,
in no cause yet, that begin at most WINDOW after it, have the same measure among their LEADING
signals, off to the same side, and nothing that suppresses them. They are one cause when they are of

- a line: at least MOST_NEEDED of its machines, or half of them where that is fewer, never under 2;
- the factory: at least MOST_NEEDED machines of several lines, at most MOST_OF_ONE_LINE of them of
  one: a single machine elsewhere does not make a line's cause the factory's.

Of several, the cause with most machines holds, then a line's, then the measure that leads most.
What begins later than a WINDOW after its first start changes nothing of a cause.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from models.advice import shared_check
from models.schemas import CAUSES

WINDOW: Final = timedelta(minutes=15)
LEADING: Final = 3
MOST_NEEDED: Final = 3
MOST_OF_ONE_LINE: Final = 2 / 3
LOW: Final = "low"
HIGH: Final = "high"

Event = Mapping[str, Any]
Measure = tuple[str, str]
"""A measure and the side to which it is off."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Events that may be one cause of a scope (the id of a line or a factory), first one first."""

    scope: str
    is_line: bool
    measure: Measure
    events: tuple[Event, ...]
    share: float

    @property
    def machines(self) -> int:
        return len(_machines(self.events))

    @property
    def id(self) -> str:
        measure, side = self.measure
        return f"{self.scope}-{measure}-{side}-{self.events[0]['start']:%Y%m%dT%H%M%SZ}"


def with_causes(events: pl.DataFrame, machines: Mapping[str, int]) -> pl.DataFrame:
    """One factory's ANOMALY_EVENTS of a day with `cause_id` and `cause_measure`; rows as they were.

    `machines` counts those of each line; of a line that it lacks MOST_NEEDED are asked for.
    """
    found = {
        event["event_id"]: (group.id, group.measure[0])
        for group in _groups(events, machines)
        for event in group.events
    }
    named = [found.get(name, (None, None)) for name in events["event_id"]]
    return events.with_columns(
        pl.Series("cause_id", [one[0] for one in named], pl.String),
        pl.Series("cause_measure", [one[1] for one in named], pl.String),
    )


def causes(events: pl.DataFrame) -> pl.DataFrame:
    """CAUSES of events that carry a `cause_id`: the story of each, in order of their start."""
    if "cause_id" not in events.columns:
        return pl.DataFrame(schema=CAUSES)
    members: dict[str, list[Event]] = {}
    for event in sorted(events.iter_rows(named=True), key=_place):
        if event["cause_id"] is not None:
            members.setdefault(event["cause_id"], []).append(event)
    rows = [_story(cause, own) for cause, own in members.items()]
    return pl.DataFrame(rows, schema=CAUSES)


def leading(event: Event) -> dict[Measure, float]:
    """The LEADING signals of an event that are off to a side, with the share of each."""
    first = (event["contributors"] or [])[:LEADING]
    return {
        (c["sensor"], _side(c["deviation"])): c["share"] or 0.0 for c in first if c["deviation"]
    }


def _groups(events: pl.DataFrame, machines: Mapping[str, int]) -> Iterator[_Group]:
    wanted = [one for one in events.iter_rows(named=True) if one["suppressed_by"] is None]
    waiting = sorted(wanted, key=_place)
    while waiting:
        first, *rest = waiting
        near = [one for one in rest if one["start"] - first["start"] <= WINDOW]
        group = max(_of(first, near, machines), key=_rank, default=None)
        taken = {first["event_id"]}
        if group is not None:
            yield group
            taken |= {one["event_id"] for one in group.events}
        waiting = [one for one in rest if one["event_id"] not in taken]


def _of(first: Event, near: Sequence[Event], machines: Mapping[str, int]) -> Iterator[_Group]:
    """The causes that an event may be the first of."""
    for measure in leading(first):
        own = (first, *(one for one in near if measure in leading(one)))
        for scope, is_line in ((first["line_id"], True), (first["factory_id"], False)):
            members = tuple(one for one in own if not is_line or one["line_id"] == scope)
            share = sum(leading(one)[measure] for one in members)
            group = _Group(scope, is_line, measure, members, share)
            if scope is not None and _is_cause(group, machines):
                yield group


def _is_cause(group: _Group, machines: Mapping[str, int]) -> bool:
    if group.is_line:
        half = -(-machines.get(group.scope, 2 * MOST_NEEDED) // 2)
        return group.machines >= min(MOST_NEEDED, max(2, half))
    of = {one["work_unit_id"]: one["line_id"] or one["work_unit_id"] for one in group.events}
    most = max(Counter(of.values()).values())
    return group.machines >= MOST_NEEDED and most <= MOST_OF_ONE_LINE * group.machines


def _rank(group: _Group) -> tuple[int, bool, float, Measure]:
    return group.machines, group.is_line, group.share, group.measure


def _story(cause: str, own: Sequence[Event]) -> dict[str, Any]:
    measure = own[0]["cause_measure"]
    part: Event = next((c for c in own[0]["contributors"] if c["sensor"] == measure), {})
    zh, en = shared_check(measure, part.get("unit"))
    return {
        "cause_id": cause,
        "measure": measure,
        "side": _side(part.get("deviation") or 0.0),
        "start": own[0]["start"],
        "first_event_id": own[0]["event_id"],
        "machines": sorted(_machines(own)),
        "check_zh": zh,
        "check_en": en,
    }


def _machines(events: Sequence[Event]) -> set[str]:
    return {one["work_unit_id"] for one in events}


def _side(deviation: float) -> str:
    return LOW if deviation < 0 else HIGH


def _place(event: Event) -> tuple[datetime, str]:
    return event["start"], event["event_id"]
