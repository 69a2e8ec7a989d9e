"""What a person says of an event at the command line, held against the home, then written down."""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from connectors.feedback import FeedbackError, Journal
from connectors.home import Home
from connectors.judged import Day, engineers, find_event, judged_days
from connectors.lake import Lake, Partition
from pipelines.schemas import PLAN

SEEN: Final = ("event_id", "factory_id", "work_unit_id", "kind", "start", "end", "priority",
               "peak_score")  # fmt: skip
LONGEST_SHELF: Final = timedelta(days=30)
"""What nobody wants to hear for longer is to be suppressed by design, not shelved."""

LONGEST_NOTE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Heard:
    """What `models.feedback.review` needs of a factory's day, from the home."""

    days: list[Day]
    records: list[dict[str, Any]]
    set_aside: list[int]
    plan: pl.DataFrame
    engineers: dict[str, list[str]]


def heard(home: Home, factory: str, day: date, days: int) -> Heard:
    """Judged days of a factory up to a day, and what was said of its events."""
    words = Journal(home.root).read()
    plan = Lake(home.lake).read("plan", Partition(factory=factory))
    return Heard(
        judged_days(home, factory, day, days),
        [one for one in words.entries if one.get("factory_id") in (None, factory)],
        words.set_aside,
        pl.DataFrame(schema=PLAN) if plan is None else plan,
        engineers(home),
    )


def now(home: Home) -> datetime:
    """The home's clock: a replay pretends another time."""
    return datetime.now(UTC) + timedelta(seconds=home.now_offset_s)


def answer(
    home: Home, event_id: str, by: str | None, actions: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Write actions (`action` and what belongs to it) on an event down; gives the event as seen.

    FeedbackError where no event has the id, or nobody is known to speak.
    """
    event = find_event(home, event_id)
    said = {"time": now(home), "by": speaker(by), **{name: event[name] for name in SEEN}}
    refuse_lengthy(actions)
    Journal(home.root).append([said | dict(action) for action in actions])
    return event


def verdict(home: Home, event_id: str, said: str, of: str | None) -> dict[str, Any]:
    """The action of a verdict; a duplicate is one of another event that exists."""
    if (said == "duplicate") != (of is not None):
        why = "of which event?" if of is None else f"{said} is not of another event"
        raise FeedbackError(f"verdict {said}", why, "--of EVENT goes with duplicate, and only so")
    if of is not None and find_event(home, of)["event_id"] == event_id:
        raise FeedbackError(event_id, "is no duplicate of itself", "name the other with --of")
    return {"action": "verdict", "verdict": said, "of": of}


def shelf(
    home: Home,
    event_id: str,
    reason: str,
    *,
    length: timedelta | None,
    until: datetime | None,
    once: bool,
) -> dict[str, Any]:
    """The action of shelving: for a length, until a time, or once, until the event is over."""
    if (length is not None) + (until is not None) + once != 1:
        raise FeedbackError(f"shelve {event_id}", "for how long?", "one of --for, --until, --once")
    if not reason.strip():
        raise FeedbackError(f"shelve {event_id}", "the reason is empty", "give it with --reason")
    at = now(home)
    if once:
        if (end := find_event(home, event_id)["end"]) is not None and end <= at:
            raise FeedbackError(
                event_id, "is over, so that nothing is left to shelve once",
                "shelve its machine and kind with --for or --until",
            )  # fmt: skip
        return {"time": at, "action": "shelve", "shelving": "one_shot", "reason": reason}
    ends = until if until is not None else at + (length or timedelta(0))
    if not at < ends <= at + LONGEST_SHELF:
        raise FeedbackError(
            f"shelve until {ends:%Y-%m-%d %H:%M}Z", "is past or over 30 days away",
            "choose a time within 30 days from now",
        )  # fmt: skip
    timed = {"shelving": "timed", "until": ends}
    return {"time": at, "action": "shelve", "reason": reason, **timed}


def speaker(by: str | None) -> str:
    """Who says it: as given, else the user of this machine."""
    try:
        who = (by if by is not None else getpass.getuser()).strip()
    except (OSError, KeyError):
        who = ""
    if not who:
        raise FeedbackError("--by", "nobody is named", "say who speaks: --by NAME")
    return who


def refuse_lengthy(actions: Sequence[Mapping[str, Any]]) -> None:
    """FeedbackError where a note or a reason is longer than a page of the report can show."""
    for action in actions:
        for name in ("note", "reason"):
            if len(action.get(name) or "") > LONGEST_NOTE:
                raise FeedbackError(
                    f"--{name}", f"over {LONGEST_NOTE:,} characters", "say it shorter"
                )
