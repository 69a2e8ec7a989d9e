"""What one cause explains: laws of the grouping, and the stories told of it."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from told import NOBODY, at, entry, event, frame, told

from models import budget, lifecycle
from models.common_cause import LEADING, MOST_NEEDED, WINDOW, causes, with_causes
from models.schemas import ANOMALY_EVENTS, CAUSES

AIR, VOLTAGE = "compressed_air_pressure", "supply_voltage"
MACHINES = {"F01-L1": 6, "F01-L2": 4, "F01-L3": 2}


def part(sensor=AIR, deviation=-4.0, share=0.5):
    return {"sensor": sensor, "kind": "level", "unit": "bar", "deviation": deviation,
            "share": share, "seen": 5.0, "expected": 6.0, "low": 5.8, "high": 6.2,
            "began": at(0)}  # fmt: skip


def struck(machine, minute, *parts, line="F01-L1", **more):
    return event(minute, minute + 60, machine=machine, line_id=line,
                 contributors=list(parts or [part()]), **more)  # fmt: skip


def groups(*events, machines=MACHINES):
    """The machines of each cause, by its id."""
    found = with_causes(frame(*events), machines).drop_nulls("cause_id")
    per = found.group_by("cause_id").agg(pl.col("work_unit_id").unique().sort())
    return dict(per.iter_rows())


def line_of(n):
    return f"F01-L{1 + n % 3}"


@st.composite
def days(draw):
    """Events of a factory's day, each of a machine of its own."""
    reasons = st.sampled_from([None, None, None, None, "break"])
    minutes = draw(st.lists(st.integers(0, 60), max_size=14))
    parts = st.lists(
        st.builds(part, st.sampled_from([AIR, VOLTAGE, "current_a", "rate"]),
                  st.sampled_from([-3.0, 3.0, None, 0.0])), max_size=5,
        unique_by=lambda c: c["sensor"],
    )  # fmt: skip
    return [
        struck(f"M{n:02d}", minute, line=line_of(n), suppressed_by=draw(reasons))
        | {"contributors": draw(parts)}
        for n, minute in enumerate(minutes)
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(days(), st.randoms(use_true_random=False))
def test_the_laws_of_a_cause(events, random):
    found = with_causes(frame(*events), MACHINES)
    assert found.schema == ANOMALY_EVENTS
    assert_frame_equal(
        found.drop("cause_id", "cause_measure"), frame(*events).drop("cause_id", "cause_measure")
    )
    shuffled = random.sample(events, len(events))
    assert_frame_equal(with_causes(frame(*shuffled), MACHINES).sort("event_id"), found)
    for own in found.drop_nulls("cause_id").partition_by("cause_id"):
        rows = own.to_dicts()
        assert own["start"].max() - own["start"].min() <= WINDOW
        assert len({row["work_unit_id"] for row in rows}) == len(rows) >= 2
        (measure,) = set(own["cause_measure"])
        sides = {
            c["deviation"] > 0
            for row in rows
            for c in row["contributors"][:LEADING]
            if c["sensor"] == measure
        }
        assert len(sides) == 1
        assert own["suppressed_by"].null_count() == len(rows)
        lines = own["line_id"].value_counts()
        if lines.height == 1:
            size = MACHINES[rows[0]["line_id"]]
            assert len(rows) >= min(MOST_NEEDED, max(2, size / 2))
        else:
            assert len(rows) >= MOST_NEEDED
            assert lines["count"].max() * 3 <= len(rows) * 2


@settings(max_examples=100, deadline=None)
@given(days(), st.integers(0, 60))
def test_what_begins_later_than_its_window_changes_nothing_of_a_cause(events, minute):
    whole = with_causes(frame(*events), MACHINES)
    early = with_causes(frame(*(e for e in events if e["start"] <= at(minute))), MACHINES)
    done = whole.filter(pl.col("start").min().over("cause_id") + WINDOW <= at(minute))
    done = done.drop_nulls("cause_id").select("event_id", "cause_id")
    known = early.join(done, on="event_id", how="semi").select("event_id", "cause_id")
    assert_frame_equal(done, known)


@pytest.mark.parametrize(
    ("size", "struck_machines", "is_one"),
    [(2, 2, True), (3, 2, True), (4, 2, True), (4, 1, False), (5, 2, False), (5, 3, True),
     (40, 3, True), (40, 2, False)],
)  # fmt: skip
def test_how_many_machines_of_a_line_are_a_cause(size, struck_machines, is_one):
    events = [struck(f"M{n}", n) for n in range(struck_machines)]
    assert bool(groups(*events, machines={"F01-L1": size})) == is_one
    assert groups(*events, machines={}) == (
        {} if struck_machines < MOST_NEEDED else groups(*events, machines={"F01-L1": 40})
    )


def test_a_cause_has_the_id_of_its_scope_its_measure_and_its_first_start():
    line = [struck(f"M{n}", n) for n in range(3)]
    (name,) = groups(*line)
    assert name == f"F01-L1-{AIR}-low-20261120T160000Z"
    other = [struck(f"N{n}", n + 3, line="F01-L2") for n in range(3)]
    (name,) = groups(*line, *other)
    assert name == f"F01-{AIR}-low-20261120T160000Z"
    found = groups(*line, *other[:1])
    assert found == {f"F01-L1-{AIR}-low-20261120T160000Z": ["M0", "M1", "M2"]}


@pytest.mark.parametrize(
    "parts",
    [
        [part(deviation=4.0)],
        [part(deviation=None)],
        [part("a"), part("b"), part("c"), part()],
        [part("current_a")],
    ],
    ids=["other side", "no side", "fourth signal", "other measure"],
)
def test_what_does_not_lead_to_the_same_side_is_not_joined(parts):
    assert groups(struck("M1", 0), struck("M2", 1), struck("M3", 2, *parts)) == {}
    assert groups(struck("M1", 0), struck("M2", 1), struck("M3", 2))


def test_the_edge_of_the_window():
    for minute, is_one in ((15, True), (16, False)):
        assert bool(groups(*(struck(f"M{n}", m) for n, m in enumerate([0, 5, minute])))) == is_one


def test_the_story_of_a_cause_and_old_files_without_one():
    events = with_causes(frame(struck("M3", 2), struck("M1", 0), struck("M2", 1)), MACHINES)
    (story,) = causes(events).to_dicts()
    assert story["machines"] == ["M1", "M2", "M3"]
    assert (story["measure"], story["side"], story["start"]) == (AIR, "low", at(0))
    assert story["first_event_id"] == "M1-20261120T160000Z"
    assert "compressor" in story["check_en"]
    assert "空压机" in story["check_zh"]
    assert causes(events).schema == CAUSES
    old = events.drop("cause_id", "cause_measure")
    assert_frame_equal(causes(old), pl.DataFrame(schema=CAUSES))
    volts = [struck(f"M{n}", n, part(VOLTAGE)) for n in range(3)]
    assert "transformer" in causes(with_causes(frame(*volts), MACHINES))["check_en"][0]


# --- one announcement per cause


def announced(events, journal=(), minute=10_000):
    joined = with_causes(frame(*events), MACHINES).to_dicts()
    story = told(*joined)
    placed = lifecycle.place(story, lifecycle.journal(journal))
    states = lifecycle.states(story, placed, at(minute), at(minute))
    return budget.announcements(states, story, NOBODY, {})


def test_a_cause_is_announced_once_and_takes_one_place():
    events = [struck(f"M{n}", n, priority="low") for n in range(6)]
    found = announced(events)
    assert found["event_id"].to_list() == [events[0]["event_id"]]
    alone = [struck(f"A{n}", 20, part(f"s{n}"), priority="low") for n in range(3)]
    assert announced([*events, *alone])["is_announced"].to_list() == [True, True, True, False]


def test_a_cause_that_asks_again_asks_once():
    events = [struck(f"M{n}", n) | {"end": at(900)} for n in range(3)]
    acks = [entry(n, 20 + n, one, "acknowledge") for n, one in enumerate(events)]
    found = announced(events, acks)
    assert found.select("time", "is_again").rows() == [(at(0), False), (at(500), True)]


def test_where_the_first_is_shelved_the_next_asks_for_the_cause():
    events = [struck(f"M{n}", n, priority="high") for n in range(3)]
    before = event(-60, -50, machine="M0")
    shelved = entry(1, -50, before, "shelve", shelving="timed", until=at(500), reason="known")
    found = announced([before, *events], [shelved])
    assert found["event_id"].to_list() == [before["event_id"], events[1]["event_id"]]


def test_an_event_keeps_its_cause_when_a_later_day_tells_it_alone():
    first = with_causes(frame(*(struck(f"M{n}", n) for n in range(3))), MACHINES)
    later = frame(struck("M1", 1) | {"state": "ongoing"})
    story = lifecycle.story([(at(1_440), first), (at(2_880), later)])
    assert story["cause_id"].n_unique() == 1
    moved = frame(struck("M1", 5))
    story = lifecycle.story([(at(1_440), first), (at(2_880), moved)])
    assert story.filter(work_unit_id="M1")["aliases"][0].to_list() == ["M1-20261120T160100Z"]
    assert story["cause_id"].n_unique() == 1
    assert story["cause_id"].null_count() == 0


def test_events_of_files_without_causes_still_make_a_story():
    old = frame(struck("M1", 0)).drop("cause_id", "cause_measure")
    new = frame(struck("M2", 30))
    story = lifecycle.story([(at(1_440), old), (at(1_440) + timedelta(days=1), new)])
    assert story["cause_id"].to_list() == [None, None]
