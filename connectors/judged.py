"""Judged days of a home: what the lake holds of anomaly events, and who answers for them."""

import difflib
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from connectors.feedback import FeedbackError
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.ledger import LEDGER_FILE, Ledger
from pipelines.days import day_of, midnight

EVENTS: Final = "anomaly_events"
ENGINEERS: Final = "engineers.toml"
EVENT_ID: Final = re.compile(r".+-(\d{8}T\d{6}Z)")
LATER: Final = timedelta(days=2)
"""An event is told on the day it begins, and by the same id on at most the two after it."""

NEAR_DAYS: Final = 14
"""How far back other ids are looked for where one is not known."""

Day = tuple[date, datetime, pl.DataFrame]


def judged_days(home: Home, factory: str, last: date, days: int) -> list[Day]:
    """Judged days of a factory up to `last`, oldest first: the day, its reach, its events."""
    lake, reach = Lake(home.lake), known_until(home, factory)
    first = last - timedelta(days=days - 1)
    wanted = (first + timedelta(days=n) for n in range(days))
    frames = ((day, lake.read(EVENTS, Partition(day, factory))) for day in wanted)
    return [
        (day, min(midnight(day + timedelta(days=1)), reach), frame)
        for day, frame in frames
        if frame is not None
    ]


def judged_factories(home: Home, day: date) -> list[str]:
    """Factories that were judged on a day."""
    parts = (home.lake / EVENTS / f"day={day.isoformat()}").glob("factory=*/part.parquet")
    return sorted(path.parent.name.removeprefix("factory=") for path in parts)


def last_judged_day(home: Home, factory: str | None = None) -> date | None:
    """The newest day of which the lake has events."""
    found = Lake(home.lake).partitions(EVENTS)
    days = [one.day for one in found if one.day and factory in (None, one.factory)]
    return max(days, default=None)


def known_until(home: Home, factory: str) -> datetime:
    """How far a factory's data go, by its ledger; for ever where there is none."""
    never = datetime.max.replace(tzinfo=UTC)
    if not (home.root / LEDGER_FILE).is_file():
        return never
    with Ledger(home.root, read_only=True) as ledger:
        coverage = ledger.coverage().filter(pl.col("factory_id") == factory)
    last = coverage["to_time"].max()
    return last if isinstance(last, datetime) else never


def find_event(home: Home, event_id: str) -> dict[str, Any]:
    """The event as last told; FeedbackError with the nearest ids where nobody told of it."""
    told = [
        row
        for frame in _frames(home, _days_of(event_id))
        for row in frame.filter(pl.col("event_id") == event_id).iter_rows(named=True)
    ]
    if told:
        return told[-1]
    near = difflib.get_close_matches(event_id, _recent_ids(home), n=3, cutoff=0.0)
    remedy = f"nearest: {', '.join(near)}" if near else "`parkpulse alarms` lists those there are"
    raise FeedbackError(event_id, "no event has this id", remedy)


def engineers(home: Home) -> dict[str, list[str]]:
    """Who answers for a factory or a line, from `engineers.toml`; nobody is named without it.

    A table `[engineers]` of factory or line ids, each with a name or a list of names.
    """
    path = home.root / ENGINEERS
    remedy = 'write it like [engineers], then F01 = "Li Wei" or F01-L1 = ["Li Wei", "Wang Fang"]'
    try:
        content = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise FeedbackError(path, "is not UTF-8", remedy) from error
    try:
        table = tomllib.loads(content).get("engineers")
    except tomllib.TOMLDecodeError as error:
        raise FeedbackError(path, f"is not TOML ({error})", remedy) from error
    if not isinstance(table, dict):
        raise FeedbackError(path, "has no table [engineers]", remedy)
    named = {place: [who] if isinstance(who, str) else who for place, who in table.items()}
    for place, who in named.items():
        if not isinstance(who, list) or not who or not all(isinstance(w, str) and w for w in who):
            raise FeedbackError(path, f"{place} is not a name or a list of names", remedy)
    return {place: list(dict.fromkeys(who)) for place, who in named.items()}


def _days_of(event_id: str) -> list[date]:
    """The local days that may tell of an event; none where the id is not like ours."""
    found = EVENT_ID.fullmatch(event_id)
    try:
        start = datetime.strptime(found[1], "%Y%m%dT%H%M%S%z") if found else None
    except ValueError:
        return []
    return [] if start is None else _span(day_of(start), day_of(start + LATER))


def _span(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _frames(home: Home, days: list[date]) -> Iterator[pl.DataFrame]:
    lake = Lake(home.lake)
    for day in days:
        for factory in judged_factories(home, day):
            frame = lake.read(EVENTS, Partition(day, factory))
            if frame is not None:
                yield frame


def _recent_ids(home: Home) -> list[str]:
    last = last_judged_day(home)
    if last is None:
        return []
    days = _span(last - timedelta(days=NEAR_DAYS), last)
    ids = (frame["event_id"].to_list() for frame in _frames(home, days))
    return sorted({one for some in ids for one in some})
