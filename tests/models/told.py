"""Events and entries of a journal, as small as a test needs them."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from models import lifecycle
from models.lifecycle import STORY
from models.schemas import ANOMALY_EVENTS
from pipelines.schemas import PLAN

START = datetime(2026, 11, 20, 16, tzinfo=UTC)
KEY = {"park_id": "P01", "factory_id": "F01", "line_id": "F01-L1"}
NOBODY = pl.DataFrame(schema=PLAN)
"""A plan without shifts."""


def at(minutes):
    return START + timedelta(minutes=minutes)


def event(start, end=None, machine="M1", **more):
    """An event from one minute to another; open without an end."""
    row = dict.fromkeys(ANOMALY_EVENTS) | KEY
    row |= {
        "work_unit_id": machine, "event_id": f"{machine}-{at(start):%Y%m%dT%H%M%SZ}",
        "kind": "signal", "start": at(start), "end": None if end is None else at(end),
        "state": "new", "priority": "medium", "peak_score": 2.0, "signals": ["v"],
        "contributors": [], "lost_min": 5.0,
    }  # fmt: skip
    return row | more


def frame(*events):
    """ANOMALY_EVENTS of a day."""
    return pl.DataFrame(list(events), schema=ANOMALY_EVENTS)


def told(*events):
    """The same as STORY, each event by its own id."""
    return pl.DataFrame([{"aliases": [], **e} for e in events], schema=STORY)


def entry(sequence, minute, event, action, **more):
    """What was said of an event at a minute, with the event as it is."""
    seen = ("event_id", "factory_id", "work_unit_id", "kind", "start", "end")
    return {
        "sequence": sequence, "time": at(minute), "by": "li", "action": action,
        **{name: event[name] for name in (*seen, "priority", "peak_score")}, **more,
    }  # fmt: skip


def states(events, entries, minute, until=None):
    """`models.lifecycle.states` by event id."""
    story = told(*events)
    placed = lifecycle.place(story, lifecycle.journal(entries))
    found = lifecycle.states(story, placed, at(minute), at(minute if until is None else until))
    return {row["event_id"]: row for row in found.to_dicts()}


@st.composite
def histories(draw):
    """Events of one machine, what was said of them in order, and the minute they are looked at."""
    spans = draw(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 1_500), st.booleans()),
                          min_size=1, max_size=4, unique_by=lambda s: s[0]))  # fmt: skip
    events = [
        event(
            start, None if is_open else start + length,
            kind=draw(st.sampled_from(["signal", "speed_loss"])),
            priority=draw(st.sampled_from(["low", "medium", "high"])),
            peak_score=draw(st.sampled_from([1.0, 1.4, 2.0, 3.0])),
            suppressed_by=draw(st.sampled_from([None, None, None, "not_planned"])),
        )
        for start, length, is_open in spans
    ]  # fmt: skip
    entries = [
        _said(draw, n, draw(st.sampled_from(events))) for n in range(draw(st.integers(0, 8)))
    ]
    minute = draw(st.integers(0, 2_400))
    return events, entries, minute, draw(st.integers(0, minute))


def _said(draw, sequence, event):
    minute = int((event["start"] - START).total_seconds() / 60) + draw(
        st.one_of(st.integers(0, 60), st.integers(0, 1_500))
    )
    action = draw(st.sampled_from(["acknowledge", "confirm", "shelve", "unshelve", "verdict"]))
    seen = {"priority": draw(st.sampled_from(["low", event["priority"], event["priority"]])),
            "peak_score": draw(st.sampled_from([1.0, event["peak_score"]]))}  # fmt: skip
    more = {}
    if action == "verdict":
        more = {"verdict": draw(st.sampled_from(["true", "false", "handled", "duplicate"]))}
    if action == "shelve":
        length = draw(st.one_of(st.none(), st.integers(1, 600)))
        more = {"shelving": "timed" if length else "one_shot", "reason": "known",
                "until": at(minute + length) if length else None}  # fmt: skip
    return entry(sequence, minute, event, action, **seen, **more) | {
        "verdict": more.get("verdict"), "until": more.get("until"),
    }  # fmt: skip
