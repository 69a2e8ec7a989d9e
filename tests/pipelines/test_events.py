from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import events
from pipelines.raw import EPOCH_TICKS
from pipelines.schemas import ALARMS, EVENTS, ONCE_EACH

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)


def ticks(time):
    return (
        EPOCH_TICKS
        + int((time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 10
    )


def frame(*rows):
    """Rows as segments hold them."""
    base = {name: None for name in EVENTS if name not in ("time", "receive_time", "active_time")}
    said = [
        base | {"server_uri": "urn:s", "received_time": NOON, "origin": "live"} | r for r in rows
    ]
    schema = {name: EVENTS[name] for name in base}
    return events.from_segments(pl.DataFrame(said, schema=schema, orient="row"))


def at(seconds):
    return {"time_ticks": ticks(NOON + timedelta(seconds=seconds))}


def alarm(second, active, **more):
    return at(second) | {"condition_id": "c", "active": active, "severity": 500} | more


small = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from([None, "aa", "bb"]),
        "time_ticks": st.sampled_from([None, ticks(NOON), ticks(NOON) + 1]),
        "active": st.sampled_from([None, True, False]),
        "branch_id": st.sampled_from([None, "i=1"]),
        "message": st.sampled_from([None, "", "m"]),
        "origin": st.sampled_from(["live", "republished", "refreshed"]),
        "receive_ticks": st.sampled_from([None, 1, 2]),
        "received_time": st.sampled_from([NOON, NOON + timedelta(seconds=1)]),
    }
)


@given(st.lists(small, max_size=12), st.randoms())
def test_each_event_is_kept_once_in_any_order(rows, random):
    once = events.compact(frame(*rows))
    shuffled = [*rows, *rows]
    random.shuffle(shuffled)
    assert events.compact(frame(*shuffled)).equals(once)
    key = [name for name in EVENTS if name not in ONCE_EACH]
    told = {tuple(row) for row in frame(*rows).select(key).iter_rows()}
    assert sorted(map(str, once.select(key).rows())) == sorted(map(str, told))
    first = {}
    for row in frame(*rows).iter_rows(named=True):
        name = tuple(row[k] for k in key)
        first[name] = min(first.get(name, row["received_time"]), row["received_time"])
    kept = {tuple(r[k] for k in key): r["received_time"] for r in once.iter_rows(named=True)}
    assert kept == first


def test_a_refresh_repeats_and_a_change_does_not():
    told = at(0) | {"event_id": "aa", "active": True, "acked": False}
    again = told | {"origin": "refreshed", "receive_ticks": 5}
    changed = told | {"acked": True}
    branch = told | {"branch_id": "i=7"}
    once = events.compact(frame(told, again, changed, branch))
    assert once.height == 3
    assert once.filter(~pl.col("acked") & pl.col("branch_id").is_null())["origin"].to_list() == [
        "live"
    ]


@pytest.mark.parametrize(
    ("row", "day"),
    [
        ({"time_ticks": ticks(NOON - timedelta(days=3))}, date(2026, 11, 18)),
        ({"receive_ticks": ticks(NOON - timedelta(days=1))}, date(2026, 11, 20)),
        ({}, date(2026, 11, 21)),
        ({"time_ticks": 0}, date(2026, 11, 21)),
        ({"time_ticks": 2**62}, date(2026, 11, 21)),
        ({"time_ticks": ticks(NOON + timedelta(hours=15))}, date(2026, 11, 22)),
    ],
)
def test_an_event_belongs_to_the_day_of_its_time_where_that_can_be(row, day):
    assert frame(row).select(events.partition_day()).item() == day


def stories(*rows):
    found = events.alarms(events.compact(frame(*rows)))
    assert found.schema == ALARMS
    return [
        tuple(
            None if row[name] is None else (row[name] - NOON).total_seconds()
            for name in ("start", "end", "acked_time", "confirmed_time")
        )
        for row in found.iter_rows(named=True)
    ]


def test_an_alarm_has_a_beginning_an_end_and_an_acknowledgement():
    rows = [
        alarm(0, False),
        alarm(10, True, acked=False, message="hot"),
        alarm(20, True, acked=True, user="li"),
        alarm(25, True, acked=True, origin="refreshed"),
        alarm(30, False, acked=True, confirmed=True),
        alarm(40, True, acked=False, severity=900),
    ]
    assert stories(*rows) == [(10, 30, 20, 30), (40, None, None, None)]
    told = events.alarms(events.compact(frame(*rows)))
    assert told["message"].to_list() == ["hot", None]
    assert told["severity"].to_list() == [500, 900]
    assert told["user"].to_list() == ["li", None]


def test_acknowledged_after_it_went_is_its_own_acknowledgement():
    assert stories(alarm(0, True), alarm(5, False), alarm(9, False, acked=True)) == [
        (0, 5, 9, None)
    ]


def test_the_servers_transition_time_wins_over_the_events():
    early = ticks(NOON - timedelta(seconds=60))
    assert stories(alarm(0, True, active_ticks=early)) == [(-60, None, None, None)]


def test_branches_plain_events_and_other_conditions_tell_no_story_of_this_one():
    rows = [
        alarm(0, True),
        alarm(1, False, branch_id="i=3"),
        at(2) | {"message": "plain"},
        alarm(3, False, condition_id="d"),
        alarm(4, False, server_uri="urn:other"),
    ]
    assert stories(*rows) == [(0, None, None, None)]


def test_a_disabled_alarm_is_not_active():
    rows = [
        alarm(0, True, enabled=True),
        alarm(7, None, enabled=False),
        alarm(9, True, enabled=True),
    ]
    assert stories(*rows) == [(0, 7, None, None), (9, None, None, None)]


def test_nothing_tells_nothing():
    assert stories() == []
