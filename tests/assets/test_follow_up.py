"""What was made of figures is asked for once per change of them, in runs of days without a hole."""

import os
from datetime import date, timedelta

import polars as pl
import pytest

from connectors.lake import Lake, Partition

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(5)]
TODAY = DAYS[-1]
ROW = pl.DataFrame({"n": [0]})
AN_HOUR_NS = 3_600_000_000_000


@pytest.fixture
def lake(home, tmp_path):
    """Figures of F01 and what was made of them since, an hour later."""
    lake = Lake(tmp_path / "lake")
    for day in DAYS:
        put(lake, "oee_by_shift", Partition(day, "F01"), 0)
        put(lake, "state_episodes", Partition(day, "F01"), 0)
        put(lake, "oee_roll_up", Partition(day), 1)
    put(lake, "anomaly_report", Partition(DAYS[2], "F01"), 1)
    return lake


def put(lake, table, partition, hour):
    """A file that was written then."""
    lake.write(table, ROW, partition)
    at = 1_790_000_000_000_000_000 + round(hour * AN_HOUR_NS)
    os.utime(lake.path(table, partition), ns=(at, at))


def asked(lake, cursor=None):
    from assets import follow_up

    found, cursor = follow_up.requests(lake, cursor, TODAY)
    return [(one.job, one.first.day, one.last.day, one.first.factory) for one in found], cursor


def test_nothing_is_asked_for_while_nothing_changed(lake):
    none, cursor = asked(lake)
    assert none == []
    assert asked(lake, cursor)[0] == []


def test_each_change_is_asked_for_once_and_days_without_a_hole_together(lake):
    _, cursor = asked(lake)
    for n in (0, 1, 3):
        put(lake, "oee_by_shift", Partition(DAYS[n], "F01"), 0.5)
    found, after = asked(lake, cursor)
    assert found == [
        ("rolled_up", DAYS[0], DAYS[1], None), ("rolled_up", DAYS[3], DAYS[3], None),
    ]  # fmt: skip
    assert asked(lake, after)[0] == []
    put(lake, "oee_by_shift", Partition(DAYS[3], "F01"), 0.7)
    assert asked(lake, after)[0] == [("rolled_up", DAYS[3], DAYS[3], None)]


def test_what_changed_before_anybody_looked_is_asked_for(lake):
    put(lake, "oee_by_shift", Partition(DAYS[1], "F01"), 2)
    assert asked(lake)[0] == [("rolled_up", DAYS[1], DAYS[1], None)]


def test_a_report_follows_the_day_that_leads_into_it(lake):
    _, cursor = asked(lake)
    put(lake, "state_episodes", Partition(DAYS[1], "F01"), 0.5)
    assert asked(lake, cursor)[0] == [("anomalies", DAYS[2], DAYS[2], "F01")]


def test_today_and_what_was_never_made_are_the_nights_matter(lake):
    _, cursor = asked(lake)
    put(lake, "oee_by_shift", Partition(TODAY, "F01"), 0.5)
    put(lake, "oee_by_shift", Partition(DAYS[0] - timedelta(days=1), "F01"), 0)
    assert asked(lake, cursor)[0] == []


def test_requests_of_one_change_have_one_name_and_of_another_another(lake):
    from assets import follow_up

    def key(cursor):
        (one,), _ = follow_up.requests(lake, cursor, TODAY)
        return one.run_key

    _, cursor = asked(lake)
    put(lake, "oee_by_shift", Partition(DAYS[1], "F01"), 2)
    first = key(cursor)
    assert key(cursor) == first
    put(lake, "oee_by_shift", Partition(DAYS[1], "F01"), 3)
    assert key(cursor) != first
