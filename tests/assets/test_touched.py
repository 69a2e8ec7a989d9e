"""New segments are found in whatever order servers seal them, and keys are told apart."""

from datetime import UTC, date, datetime
from itertools import permutations

import pyarrow as pa
import pytest

from connectors.home import Home
from connectors.lake import Partition
from connectors.raw import RAW_SCHEMA, ticks_of
from connectors.segments import SegmentWriter

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
DAY, TODAY = date(2026, 11, 21), date(2026, 11, 22)


def writer(home, uri):
    made = SegmentWriter(home.segments / "F01", site_id="F01", server_uri=uri)
    row = {
        "server_uri": uri, "node_id": "nsu=urn:n;s=a", "value_type": "Int32", "value_int": 1,
        "source_ticks": ticks_of(NOON), "received_time": NOON, "is_array": False,
        "status_code": 0, "origin": "live",
    }  # fmt: skip
    made.append(pa.RecordBatch.from_pylist([row], schema=RAW_SCHEMA))
    made.sync()
    return made


@pytest.fixture
def own(home, tmp_path, monkeypatch):
    """A home with the one factory F01; the shared one only names the code location."""
    from assets import touched

    monkeypatch.setattr(touched, "FACTORY_IDS", ["F01"])
    made = Home(tmp_path / "home")
    made.create(first_day=DAY)
    return made


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_segments_of_several_servers_are_each_asked_for_once(own, order):
    from assets.touched import boxes, run_key

    opened = [writer(own, f"urn:{name}") for name in "abc"]
    cursor, keys, asked = None, [], TODAY
    for n in order:
        opened[n].seal()
        found, cursor = boxes(own, cursor, TODAY)
        assert found == [(Partition(DAY, "F01"), Partition(asked, "F01"))]
        keys.append(run_key(cursor, found[0]))
        assert boxes(own, cursor, TODAY) == ([], cursor)
        asked = DAY  # nothing new bears on today, which was asked for at first
    assert len(set(keys)) == 3


def test_a_factory_under_way_waits_and_is_not_forgotten(own):
    from assets.touched import boxes

    writer(own, "urn:a").seal()
    found, cursor = boxes(own, None, TODAY, {"F01"})
    assert (found, cursor) == ([], "{}")
    (box,), cursor = boxes(own, cursor, TODAY)
    assert box == (Partition(DAY, "F01"), Partition(TODAY, "F01"))
    assert boxes(own, cursor, TODAY, {"F01"}) == ([], cursor)


def test_the_cursor_of_an_older_release_is_read_as_nothing_asked(own):
    from assets.touched import boxes

    writer(own, "urn:a").seal()
    assert len(boxes(own, '{"F01/urn-a": "00000001-urn-a.arrow"}', TODAY)[0]) == 1


@pytest.mark.parametrize("site", ["F01", "3101", "3101F", "2026-11-2", "2026-11-21x"])
def test_a_site_may_begin_with_a_number(home, site):
    from assets.partitions import key_of, partition_of

    for partition in (Partition(None, site), Partition(DAY, site), Partition(DAY)):
        assert partition_of(key_of(partition)) == partition
