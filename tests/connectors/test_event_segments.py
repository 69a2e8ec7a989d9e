"""Events keep the law of segments: what was synced survives, once."""

import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from connectors import event_segments, segments
from connectors.errors import SegmentUnreadable
from connectors.event_segments import EVENT_SCHEMA, EVENTS
from connectors.holdings import held_in
from connectors.raw import RAW_SCHEMA, ticks_of

URI = "urn:test:server"
NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)


def batch(first, count, **said):
    rows = [
        {
            "server_uri": URI, "event_id": f"{i:08x}", "time_ticks": ticks_of(NOON) + i,
            "received_time": NOON, "message": f"no. {i}", "severity": i % 1000, "active": True,
            "origin": "live",
        } | said
        for i in range(first, first + count)
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(rows, schema=EVENT_SCHEMA)


def writer(home, **options):
    folder = event_segments.folder_of(Path(home), "F01")
    return segments.SegmentWriter(folder, site_id="F01", server_uri=URI, kind=EVENTS, **options)


def ids(folder):
    read = [segments.read(car.path, EVENTS) for car in segments.sidecars(folder)]
    return [int(one, 16) for table in read for one in table.column("event_id").to_pylist()]


def test_what_is_sealed_is_read_back_with_its_days(tmp_path):
    w = writer(tmp_path)
    w.append(batch(0, 2))
    w.append(batch(2, 1, time_ticks=None, receive_ticks=ticks_of(NOON) - 864_000_000_000))
    w.append(batch(3, 1, time_ticks=None, origin="refreshed"))
    path = w.seal()
    assert segments.read(path, EVENTS).column("severity").to_pylist() == [0, 1, 2, 3]
    (car,) = segments.sidecars(w.folder)
    assert car.days == {"2026-11-20": 1, "2026-11-21": 3}
    assert (car.rows, car.origins, car.marks) == (4, {"live": 3, "refreshed": 1}, {})


def test_values_and_events_are_not_taken_for_each_other(tmp_path):
    w = writer(tmp_path)
    with pytest.raises(TypeError):
        w.append(pa.RecordBatch.from_pylist([], schema=RAW_SCHEMA))
    w.append(batch(0, 1))
    with pytest.raises(SegmentUnreadable, match="not those of a segment"):
        segments.read(w.seal())


def test_a_tail_is_read_without_being_sealed(tmp_path):
    w = writer(tmp_path)
    w.append(batch(0, 3))
    w.sync()
    assert held_in(w.folder, EVENTS).being_written
    w._open.close()
    (car,) = held_in(w.folder, EVENTS).segments
    assert (car.rows, car.server_uri) == (3, URI)


CRASHER = """
import sys
sys.path[:0] = [{tests!r}]
from test_event_segments import batch, writer
w = writer({home!r}, max_rows=300)
first = {first}
while True:
    w.append(batch(first, 20))
    first += 20
    w.sync()
    print(first, flush=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.soak)])
def test_every_synced_event_survives_sigkill_once(tmp_path, kills):
    folder, promised = event_segments.folder_of(tmp_path, "F01"), 0
    for kill in range(kills):
        code = CRASHER.format(tests=str(Path(__file__).parent), home=str(tmp_path), first=promised)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 0.05 + 0.07 * kill
        for line in process.stdout:
            promised = int(line)
            if time.monotonic() > deadline:
                process.send_signal(signal.SIGKILL)
                break
        promised = max([promised, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        segments.recover(folder, EVENTS)
        counted = Counter(ids(folder))
        assert set(range(promised)) <= set(counted)
        assert set(counted.values()) == {1}
        promised = max(counted) + 1
