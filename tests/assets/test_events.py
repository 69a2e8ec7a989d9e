"""Events of the lake: cut by day, once each, asked for when a new segment brings them."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from connectors import segments
from connectors.event_segments import EVENTS, folder_of
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.raw import ticks_of
from pipelines import schemas
from tests.connectors.test_event_segments import URI, batch


def seal(home, time, **said):
    folder = folder_of(home.root, "F01")
    w = segments.SegmentWriter(folder, site_id="F01", server_uri=URI, kind=EVENTS)
    w.append(batch(0, 2, time_ticks=ticks_of(time), received_time=time, **said))
    return w.seal()


@pytest.fixture
def own(home, tmp_path, monkeypatch):
    """A home of our own, of the same days; the shared one only names the code location."""
    from assets import events, touched

    made = Home(tmp_path / "own").create(first_day=home.first_day)
    monkeypatch.setattr(events, "HOME", made)
    monkeypatch.setattr(touched, "FACTORY_IDS", ["F01"])
    return made


def noon(home, days):
    return datetime.combine(home.first_day, datetime.min.time(), UTC) + timedelta(
        days=days, hours=4
    )


def test_events_are_cut_by_day_once_each(own):
    from assets.events import events
    from assets.storage import LakeIOManager

    for days in (0, 0, 1):
        seal(own, noon(own, days))
    io = LakeIOManager(root=str(own.lake), first_day=own.first_day.isoformat())
    for days in (0, 1):
        key = f"{own.first_day + timedelta(days=days)}|F01"
        done = dg.materialize([events], partition_key=key, resources={"io_manager": io})
        (made,) = done.asset_materializations_for_node("events")
        assert done.success
    assert made.metadata["repeats_removed"].value == 0
    for days in (0, 1):
        day = own.first_day + timedelta(days=days)
        found = Lake(own.lake).scan("events", [Partition(day, "F01")]).collect()
        assert found.schema == schemas.EVENTS
        assert found.select(pl.len()).item() == 2


def test_a_new_segment_of_events_asks_for_its_days_once(own):
    from assets.touched import boxes

    today = own.first_day + timedelta(days=1)
    seal(own, noon(own, 1))
    found, cursor = boxes(own, None, today)
    assert found == [(Partition(own.first_day, "F01"), Partition(today, "F01"))]
    assert boxes(own, cursor, today) == ([], cursor)
    seal(own, noon(own, 0))
    again, _ = boxes(own, cursor, today)
    assert again == [(Partition(own.first_day, "F01"), Partition(own.first_day, "F01"))]
