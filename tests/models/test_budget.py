"""Which events are announced, and which wait: a budget that time cannot unsay."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told import KEY, NOBODY, at, entry, event, told

from models import budget, lifecycle
from models.budget import PER_HOUR
from pipelines.schemas import PLAN

PRIORITIES = st.sampled_from(["high", "medium", "low"])


def shifts(*spans):
    rows = [{**dict.fromkeys(PLAN), **KEY, "line_id": None, "shift_id": name, "kind": "busy",
             "start": at(start), "end": at(end)} for name, start, end in spans]  # fmt: skip
    return pl.DataFrame(rows, schema=PLAN)


def asks(events, engineers=None, plan=NOBODY, journal=(), minute=10_000):
    story = told(*events)
    placed = lifecycle.place(story, lifecycle.journal(journal))
    states = lifecycle.states(story, placed, at(minute), at(minute))
    return budget.announcements(states, story, plan, engineers or {})


@st.composite
def floods(draw):
    minutes = draw(st.lists(st.integers(0, 200), max_size=40))
    return [
        event(minute, minute + 5, machine=f"M{n:02d}", priority=draw(PRIORITIES),
              lost_min=draw(st.one_of(st.none(), st.floats(0, 60))))
        for n, minute in enumerate(minutes)
    ]  # fmt: skip


def greedy(found):
    """The budget as a person would keep it with a pencil: a list per engineer and shift."""
    for row in found.iter_rows(named=True):
        before = [
            r for r in found.iter_rows(named=True)
            if (r["engineer"], r["shift_id"]) == (row["engineer"], row["shift_id"])
            and budget.urgency(r) < budget.urgency(row)
            and r["is_announced"] and row["time"] - r["time"] < timedelta(hours=1)
        ]  # fmt: skip
        yield len(before) < {"high": 6, "medium": 5, "low": 3}[row["priority"]]


@settings(max_examples=30, deadline=None)
@given(floods(), st.integers(0, 200))
def test_nothing_is_dropped_and_nothing_later_unsays_an_announcement(events, minute):
    found = asks(events)
    assert sorted(found["event_id"]) == sorted(e["event_id"] for e in events)
    assert found["is_announced"].to_list() == list(greedy(found))
    early = asks([e for e in events if e["start"] <= at(minute)])
    assert early.equals(found.filter(pl.col("time") <= at(minute)))
    assert asks(events[::-1]).equals(found)
    waiting = budget.digest(found)
    assert waiting.height + int(found["is_announced"].sum()) == len(events)
    ranks = [list(PER_HOUR).index(p) for p in waiting["priority"]]
    assert ranks == sorted(ranks)


@settings(max_examples=30, deadline=None)
@given(floods())
def test_no_hour_has_more_than_six_announcements(events):
    times = asks(events).filter("is_announced")["time"].to_list()
    for time in times:
        assert sum(time - timedelta(hours=1) < t <= time for t in times) <= 6


def test_the_gravest_of_those_that_come_at_once_go_first():
    events = [
        event(0, 5, machine=f"M{n}", priority=priority, lost_min=lost)
        for n, (priority, lost) in enumerate(
            [("low", 90.0), ("medium", 1.0), ("high", 2.0), ("high", 9.0), ("medium", None)]
        )
    ]
    found = asks(events)
    assert found["work_unit_id"].to_list() == ["M3", "M2", "M1", "M4", "M0"]
    assert found["is_announced"].to_list() == [True, True, True, True, False]


def test_a_graver_event_finds_a_place_after_a_rush_of_low_ones():
    low = [event(n, n + 1, machine=f"M{n}", priority="low") for n in range(8)]
    found = asks([*low, event(20, 30, machine="M9", priority="high")])
    assert found["is_announced"].to_list() == [True] * 3 + [False] * 5 + [True]


def test_each_person_of_each_line_has_a_budget_in_each_shift():
    one = [event(n, n + 1, machine=f"A{n}", priority="low") for n in range(4)]
    two = [event(n, n + 1, machine=f"B{n}", priority="low", line_id="F01-L2") for n in range(4)]
    late = [event(20 + n, 21 + n, machine=f"C{n}", priority="low") for n in range(3)]
    plan = shifts(("E", -60, 20), ("L", 20, 80))
    found = asks([*one, *two, *late], {"F01": ["Li"], "F01-L2": ["Wang", "Zhao"]}, plan)
    counts = found.group_by("engineer", "shift_id").agg(
        pl.len(), pl.col("is_announced").sum().alias("announced")
    )
    assert sorted(counts.rows()) == [
        ("Li", "E", 4, 3), ("Li", "L", 3, 3), ("Wang", "E", 4, 3), ("Zhao", "E", 4, 3),
    ]  # fmt: skip
    assert set(asks(one)["engineer"]) == {"F01"}
    assert set(asks(one, plan=shifts(("E", 0, 2)))["shift_id"]) == {"E", None}


@pytest.mark.parametrize("why", ["suppressed", "shelved"])
def test_what_is_suppressed_or_shelved_takes_no_place(why):
    quiet = event(
        0, 50, priority="high", suppressed_by="not_planned" if why == "suppressed" else None
    )
    first = event(-60, -50, priority="high")
    said = [entry(1, -50, first, "shelve", shelving="timed", until=at(55), reason="known")]
    found = asks([first, quiet], journal=said if why == "shelved" else ())
    assert found["event_id"].to_list() == [first["event_id"]]


def test_what_asks_again_is_announced_again():
    e = event(0, 900, priority="high")
    found = asks([e], journal=[entry(1, 10, e, "acknowledge")])
    assert found.select("time", "is_again", "is_announced").rows() == [
        (at(0), False, True), (at(490), True, True),
    ]  # fmt: skip
