"""The life of events in the words of OPC UA Part 9, at an instant, from what people said of them.

A person's verdict acknowledges and confirms: who judges has seen. Acknowledged is not for ever: an
event that worsens, or stays active for RE_ALARM, asks again (docs/decisions/0029).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl

from models.feedback_schemas import ANOMALY_FEEDBACK, FEEDBACK, SAID
from models.schemas import ANOMALY_EVENTS

RE_ALARM: Final = timedelta(hours=8)
"""A shift: who comes next has not acknowledged."""

WORSE: Final = 1.5
"""A peak so many times the one that was acknowledged is news."""

RANK: Final = {"low": 0, "medium": 1, "high": 2}
ACKNOWLEDGING: Final = frozenset({"acknowledge", "confirm", "verdict"})
CONFIRMING: Final = frozenset({"confirm", "verdict"})
NOTHING_TO_DO: Final = frozenset({"false", "duplicate"})
"""An event judged so does not ask again because it lasts, only because it worsens."""

NEVER: Final = datetime.max.replace(tzinfo=UTC)
STORY: Final = pl.Schema({**ANOMALY_EVENTS, "aliases": pl.List(pl.String())})

Event = Mapping[str, Any]
Entry = Mapping[str, Any]


@dataclass(slots=True)
class Shelf:
    """A span in which a person wants to hear nothing; a timed one covers its machine and kind."""

    start: datetime
    end: datetime
    event_id: str
    kind: str | None
    is_timed: bool

    def covers(self, event_id: str, kind: str | None) -> bool:
        """True of its event, and of later ones of the same kind where it is timed."""
        return event_id == self.event_id or (self.is_timed and kind == self.kind)


def story(days: Iterable[tuple[datetime, pl.DataFrame]]) -> pl.DataFrame:
    """Each event once, as last reported (STORY), from the days' events, oldest day first.

    A day is how far its data went and its ANOMALY_EVENTS. An event that a later day tells with
    another start on the same machine is the same one: the ids it had are its `aliases`. One that
    was open when its day ended, and that the next day does not tell, was over by then.
    """
    told: dict[str, dict[str, Any]] = {}
    reach: dict[str, datetime] = {}
    for until, frame in days:
        today = [{**row, "aliases": []} for row in frame.iter_rows(named=True)]
        told = _carried(told, today, reach, until)
        names = {row["event_id"] for row in today}
        reach |= dict.fromkeys(names, until)
        for event in told.values():
            if event["end"] is None and event["event_id"] not in names:
                event["end"] = reach[event["event_id"]]
    rows = sorted(told.values(), key=lambda e: (e["start"], e["event_id"]))
    return pl.DataFrame([{name: row.get(name) for name in STORY} for row in rows], schema=STORY)


def place(events: pl.DataFrame, journal: pl.DataFrame) -> pl.DataFrame:
    """The journal (FEEDBACK) in its order, with `current_id`: the event (of STORY) it speaks of.

    By its id, else by an id that the event had, else the event of the same machine that overlaps
    most with the span that the speaker saw; null where there is none.
    """
    rows = events.select("event_id", "aliases", "work_unit_id", "start", "end").to_dicts()
    known = {old: row["event_id"] for row in rows for old in row["aliases"]}
    known |= {row["event_id"]: row["event_id"] for row in rows}
    ordered = journal.sort("time", "sequence")
    ids = [
        known.get(entry["event_id"]) or _overlapping(entry, rows)
        for entry in ordered.iter_rows(named=True)
    ]
    return ordered.with_columns(pl.Series("current_id", ids, pl.String))


def states(
    events: pl.DataFrame, placed: pl.DataFrame, at: datetime, until: datetime
) -> pl.DataFrame:
    """ANOMALY_FEEDBACK of the events (STORY) that had begun `at` an instant.

    `placed` is what `place` gives; entries after `at` are not known yet. `until` says how far the
    machines' data go: an event without an end is known to be active to there, and no further.
    """
    heard = placed.filter(pl.col("time") <= at).to_dicts()
    begun = events.filter(pl.col("start") <= at).to_dicts()
    ends = {e["event_id"]: e["end"] or NEVER for e in begun}
    shelves, said = defaultdict[str, list[Shelf]](list), defaultdict[str, list[Entry]](list)
    for entry in heard:
        _shelve(shelves[entry["work_unit_id"]], entry, ends)
        said[entry["current_id"]].append(entry)
    rows = [
        {
            **{name: event[name] for name in ANOMALY_FEEDBACK if name in event},
            **_words(
                event,
                said[event["event_id"]],
                shelves[event["work_unit_id"]],
                at,
                until,
            ),
        }
        for event in begun
    ]
    return pl.DataFrame(rows, schema=ANOMALY_FEEDBACK)


def _carried(
    told: Mapping[str, dict[str, Any]],
    today: Sequence[dict[str, Any]],
    reach: Mapping[str, datetime],
    until: datetime,
) -> dict[str, dict[str, Any]]:
    """What was told before, less what today tells again, and today's rows with the ids they had."""
    kept, moved = dict(told), []
    for row in today:
        if old := kept.pop(row["event_id"], None):
            row["aliases"] = list(old["aliases"])
            _keep_cause(row, old)
        else:
            moved.append(row)  # or new; one that kept its id stood beside those told with it
    machines = defaultdict(list)
    for old in kept.values():
        machines[old["work_unit_id"]].append(old)
    for row in moved:
        for old in machines[row["work_unit_id"]]:
            name = old["event_id"]
            if name not in kept or _lap(row, old, (until, reach[name])) <= timedelta(0):
                continue
            row["aliases"] += [*old["aliases"], name]
            _keep_cause(row, old)
            del kept[name]
    return kept | {row["event_id"]: row for row in today}


def _keep_cause(row: dict[str, Any], old: Event) -> None:
    """The cause that an event was once part of: a later day, on which others are over, has none."""
    if row.get("cause_id") is None:
        row |= {name: old.get(name) for name in ("cause_id", "cause_measure")}


def _lap(a: Event, b: Event, open_ends: tuple[datetime, datetime]) -> timedelta:
    """How long two spans overlap; negative where they lie apart."""
    ends = (a["end"] or open_ends[0], b["end"] or open_ends[1])
    return timedelta(seconds=(min(ends) - max(a["start"], b["start"])).total_seconds())


def _overlapping(entry: Entry, rows: Sequence[Event]) -> str | None:
    """The event of an entry's machine that overlaps most with the span as it was seen."""
    if entry["start"] is None:
        return None
    seen = {"start": entry["start"], "end": entry["end"] or max(entry["time"], entry["start"])}
    laps = [
        (_lap(seen, row, (NEVER, NEVER)), row["event_id"])
        for row in rows
        if row["work_unit_id"] == entry["work_unit_id"]
    ]
    best = max(laps, key=lambda one: one[0], default=None)
    return best[1] if best and best[0] > timedelta(0) else None


def _shelve(shelves: list[Shelf], entry: Entry, ends: Mapping[str, datetime]) -> None:
    """Let an entry close the shelves of what it speaks of, and open one where it shelves."""
    if entry["action"] not in ("shelve", "unshelve"):
        return
    said_of = entry["current_id"] or entry["event_id"]
    for shelf in shelves:
        if shelf.end > entry["time"] and shelf.covers(said_of, entry["kind"]):
            shelf.end = entry["time"]
    if entry["action"] == "shelve":
        is_timed = entry["shelving"] == "timed"
        end = entry["until"] if is_timed else ends.get(said_of, entry["time"])
        shelves.append(Shelf(entry["time"], end, said_of, entry["kind"], is_timed))


def _words(
    event: Event, said: Sequence[Entry], shelves: Sequence[Shelf], at: datetime, until: datetime
) -> dict[str, Any]:
    """Part 9 of one event (`models.feedback_schemas.WORDS`); `said` in order, none after `at`."""
    acks = [entry for entry in said if entry["action"] in ACKNOWLEDGING]
    again = _again(event, acks, min(at, until))
    acked, confirmed = _answered(acks, again)
    is_active = _is_active(event, at)
    own = [shelf for shelf in shelves if shelf.covers(event["event_id"], event["kind"])]
    shelf = _shelf(own, at)
    judged = next((entry for entry in reversed(said) if entry["action"] == "verdict"), None)
    is_suppressed = event["suppressed_by"] is not None
    waited = (acks[0]["time"] - event["start"]).total_seconds() / 60 if acks else None
    return {
        "active_state": "Active" if is_active else "Inactive",
        "acked_state": "Acknowledged" if acked else "Unacknowledged",
        "confirmed_state": "Confirmed" if confirmed else "Unconfirmed",
        "shelving_state": _shelving(shelf),
        "shelved_until": shelf.end if shelf and shelf.end != NEVER else None,
        "suppressed_state": "Suppressed" if is_suppressed else "Unsuppressed",
        "retain": not is_suppressed and (is_active or not acked or not confirmed),
        "verdict": judged["verdict"] if judged else None,
        "verdict_by": judged["by"] if judged else None,
        "ack_min": None if waited is None else max(0.0, waited),
        "asked": [] if is_suppressed else sorted(set(_asked(event, acks, again, own, at))),
        "said": [{field.name: entry[field.name] for field in SAID.fields} for entry in said],
    }


def _is_active(event: Event, at: datetime) -> bool:
    return event["end"] is None or bool(at < event["end"])


def _shelving(shelf: Shelf | None) -> str:
    if shelf is None:
        return "Unshelved"
    return "TimedShelved" if shelf.is_timed else "OneShotShelved"


def _shelf(own: Sequence[Shelf], at: datetime) -> Shelf | None:
    return next((shelf for shelf in reversed(own) if shelf.start <= at < shelf.end), None)


def _again(event: Event, acks: Sequence[Entry], known: datetime) -> list[datetime | None]:
    """For each acknowledgement, when the event asked again before the next one, if it did."""
    following = [*acks[1:], None] if acks else []
    return [
        _asks_again(event, ack, after, known) for ack, after in zip(acks, following, strict=True)
    ]


def _asks_again(event: Event, ack: Entry, after: Entry | None, known: datetime) -> datetime | None:
    """When it worsened is not known: then it asks from the acknowledgement on."""
    seen = after or event
    if _is_worse(ack, seen):
        return ack["time"]  # type: ignore[no-any-return]
    if ack["verdict"] in NOTHING_TO_DO:
        return None
    due: datetime = ack["time"] + RE_ALARM
    limit = min(known, after["time"]) if after else known
    return due if due <= limit and (event["end"] is None or due < event["end"]) else None


def _is_worse(ack: Entry, seen: Event) -> bool:
    """Priority above, or a peak half as high again as, what was acknowledged."""
    ranks = (RANK.get(seen["priority"] or ""), RANK.get(ack["priority"] or ""))
    peaks = (seen["peak_score"], ack["peak_score"])
    is_urgent = None not in ranks and ranks[0] > ranks[1]  # type: ignore[operator]
    return is_urgent or (None not in peaks and peaks[1] > 0 and peaks[0] >= WORSE * peaks[1])


def _answered(acks: Sequence[Entry], again: Sequence[datetime | None]) -> tuple[bool, bool]:
    """Acknowledged, confirmed: what asks again needs both anew."""
    acked = confirmed = False
    for ack, asked in zip(acks, again, strict=True):
        acked = asked is None
        confirmed = acked and (confirmed or ack["action"] in CONFIRMING)
    return acked, confirmed


def _asked(
    event: Event,
    acks: Sequence[Entry],
    again: Sequence[datetime | None],
    own: Sequence[Shelf],
    at: datetime,
) -> Iterator[datetime]:
    """When the event asked for a response while no shelf covered it."""
    ended = [
        shelf.end
        for shelf in own
        if shelf.start < shelf.end
        and event["start"] < shelf.end <= at
        and _is_active(event, shelf.end)
        and not _is_acked(acks, again, shelf.end)
    ]
    for time in [event["start"], *(one for one in again if one), *ended]:
        if _shelf(own, time) is None:
            yield time


def _is_acked(acks: Sequence[Entry], again: Sequence[datetime | None], at: datetime) -> bool:
    """Whether it was acknowledged at an earlier instant."""
    before = [when for ack, when in zip(acks, again, strict=True) if ack["time"] <= at]
    return bool(before) and (before[-1] is None or before[-1] > at)


def journal(records: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """FEEDBACK from records of the journal; what a record does not say is null."""
    rows = [{name: record.get(name) for name in FEEDBACK} for record in records]
    return pl.DataFrame(rows, schema=FEEDBACK)
