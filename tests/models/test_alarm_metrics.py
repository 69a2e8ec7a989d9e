"""EEMUA 191's figures, each held against a count second by second, and precision from verdicts."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from told import NOBODY, at, entry, event, frame, told

from models import alarm_metrics, budget, lifecycle
from models.alarm_metrics import Period
from models.feedback import JudgedDay, review

DAY = Period("day", at(0), at(24 * 60))
TIMES = st.lists(st.integers(0, 3_000), max_size=60).map(sorted)


def second(n):
    return at(0) + timedelta(seconds=n)


def figures(events, journal=(), period=DAY, engineers=None):
    story = told(*events)
    placed = lifecycle.place(story, lifecycle.journal(journal))
    states = lifecycle.states(story, placed, period.end, period.end)
    asked = budget.announcements(states, story, NOBODY, engineers or {})
    return alarm_metrics.metrics(asked, states, "F01", engineers or {}, [period]), states


@settings(max_examples=40, deadline=None)
@given(TIMES, st.integers(1, 900))
def test_the_busiest_span_is_that_of_every_span_that_begins_at_an_alarm(times, length):
    span = timedelta(seconds=length)
    fast = alarm_metrics.most_within([second(t) for t in times], span)
    assert fast == max((sum(a <= t < a + length for t in times) for a in times), default=0)


@settings(max_examples=40, deadline=None)
@given(TIMES)
def test_time_in_flood_is_that_of_every_second_that_looks_back_ten_minutes(times):
    period = Period("day", second(300), second(3_200))
    fast = alarm_metrics.flood_time([second(t) for t in times], period)
    slow = sum(sum(s - 600 < t <= s for t in times) >= 10 for s in range(300, 3_200))
    assert fast == timedelta(seconds=slow)


def test_a_day_of_an_engineer():
    events = [
        event(0, 1, machine="M1", priority="high"),
        event(25, 26, machine="M1"),
        event(55, 56, machine="M1"),
        *(event(120 + n, 121 + n, machine=f"N{n}", priority="low") for n in range(7)),
    ]
    said = [entry(1, 10, events[0], "acknowledge"), entry(2, 45, events[1], "confirm")]
    table, _ = figures(events, said)
    (row,) = table.to_dicts()
    assert row == {
        "factory_id": "F01", "engineer": "F01", "period": "day", "from": at(0), "to": at(1440),
        "hours": 24.0, "alarms": 10, "announced": 6, "over_budget": 4,
        "alarms_per_hour": pytest.approx(10 / 24), "peak_hour": 7, "peak_10_min": 7,
        "flood_share": 0.0, "high_share": 0.1, "medium_share": 0.2, "low_share": 0.7,
        "stale": 0, "chattering": 1, "top_10_share": 1.0, "acknowledged": 2, "ack_min": 15.0,
    }  # fmt: skip


def test_stale_is_active_for_more_than_a_day():
    events = [event(-1_441, 1), event(-1_500, 0, machine="M2"), event(10, machine="M3"),
              event(-2_000, 10, machine="M4", suppressed_by="not_planned")]  # fmt: skip
    table, _ = figures(events)
    assert table["stale"].to_list() == [1]
    later = Period("day", at(1_440), at(2_880))
    assert figures(events, period=later)[0]["stale"].to_list() == [1]  # M3 by now


def test_a_quiet_engineer_has_a_row_too():
    table, states = figures([], engineers={"F01": ["Li"]})
    (row,) = table.to_dicts()
    assert (row["engineer"], row["alarms"], row["high_share"], row["ack_min"]) == (
        "Li", 0, None, None,
    )  # fmt: skip
    (sums,) = alarm_metrics.precision(states, "F01").to_dicts()
    assert (sums["judged"], sums["precision"], sums["low"], sums["high"]) == (0, None, 0.0, 1.0)


def test_shares_of_ten_contributors_among_more():
    events = [event(10 * n, 10 * n + 1, machine=f"M{n % 12:02d}") for n in range(36)]
    table, _ = figures(events)
    assert table["top_10_share"].to_list() == [pytest.approx(30 / 36)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_scipys(pair):
    hits, trials = pair
    low, high = alarm_metrics.wilson(hits, trials)
    if trials:
        known = binomtest(hits, trials).proportion_ci(0.95, method="wilson")
        assert (low, high) == (pytest.approx(known.low, abs=1e-12), pytest.approx(known.high))
    assert 0 <= low <= (hits / trials if trials else 0) <= high <= 1


def test_precision_is_of_what_was_judged_and_duplicates_are_not():
    verdicts = ["true", "handled", "false", "duplicate", None, "true"]
    events = [event(10 * n, 10 * n + 5, machine="M1" if n < 5 else "M2") for n in range(6)]
    events.append(event(900, 910, suppressed_by="not_planned"))
    said = [entry(n, 700, e, "verdict", verdict=v)
            for n, (e, v) in enumerate(zip(events, verdicts, strict=False)) if v]  # fmt: skip
    _, states = figures(events, said)
    table = alarm_metrics.precision(states, "F01")
    assert table.select(
        "work_unit_id", "kind", "true", "handled", "false", "duplicate", "judged", "unjudged",
        "precision",
    ).rows() == [
        (None, None, 2, 1, 1, 1, 4, 1, 0.75),
        ("M1", "signal", 1, 1, 1, 1, 3, 1, pytest.approx(2 / 3)),
        ("M2", "signal", 1, 0, 0, 0, 1, 0, 1.0),
    ]  # fmt: skip


def test_a_review_tells_of_its_last_day_with_the_days_before_it():
    first, second_day = event(600, 700), event(1_500, 1_560)
    day = at(0).date() + timedelta(days=1)  # 16:00 UTC is the local midnight
    days = [
        JudgedDay(day, at(1_440), frame(first)),
        JudgedDay(day + timedelta(days=1), at(2_880), frame(second_day)),
    ]
    said = [
        entry(1, 4_000, first, "verdict", verdict="true"),
        entry(2, 4_001, event(800, 810), "acknowledge"),
        entry(3, 4_001, event(-900, -800), "acknowledge"),
    ]
    found = review(days, lifecycle.journal(said), factory="F01", plan=NOBODY, engineers={})
    assert found.told["event_id"].to_list() == [second_day["event_id"]]
    assert found.past["verdict"].to_list() == ["true", None]
    assert found.metrics.select("period", "hours", "alarms").rows() == [
        ("day", 24.0, 1), ("30_days", 48.0, 2),
    ]  # fmt: skip
    assert found.nowhere["sequence"].to_list() == [2]
    assert found.precision.row(0, named=True)["judged"] == 1
    before = review(
        days, lifecycle.journal(said), factory="F01", plan=NOBODY, engineers={}, at=at(3_000)
    )
    assert before.past["verdict"].to_list() == [None, None]
    assert isinstance(before.states, pl.DataFrame)
