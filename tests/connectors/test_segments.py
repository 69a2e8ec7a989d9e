import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import segments
from connectors.errors import SegmentUnreadable
from connectors.raw import EPOCH_TICKS, RAW_SCHEMA, ticks_of

NOON = ticks_of(datetime(2026, 11, 21, 4, tzinfo=UTC))
URI = "urn:test:server"


def batch(first, count, nodes=("a", "b"), origin="live", start=NOON):
    rows = [
        {
            "server_uri": URI,
            "node_id": f"nsu=urn:n;s={nodes[i % len(nodes)]}",
            "source_ticks": start + i * 10_000_000,
            "server_ticks": start + i * 10_000_000,
            "received_time": datetime(2026, 11, 21, 4, tzinfo=UTC),
            "value_type": "Int64",
            "is_array": False,
            "value_int": i,
            "status_code": 0,
            "origin": origin,
        }
        for i in range(first, first + count)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA)


def writer(folder, **options):
    return segments.SegmentWriter(folder, site_id="F01", server_uri=URI, **options)


def numbers(folder):
    found = (
        segments.read(car.path).column("value_int").to_pylist() for car in segments.sidecars(folder)
    )
    return [number for part in found for number in part]


def test_what_is_sealed_is_read_back(tmp_path):
    w = writer(tmp_path)
    w.append(batch(0, 3))
    w.append(batch(3, 2, nodes=("c",), origin="history"))
    w.sync()
    w.append(batch(5, 2, nodes=("d", "a")))
    path = w.seal()
    table = segments.read(path)
    assert table.schema == RAW_SCHEMA
    expected = pa.Table.from_batches(
        [batch(0, 3), batch(3, 2, ("c",), "history"), batch(5, 2, ("d", "a"))]
    )
    assert table.to_pylist() == expected.to_pylist()


def test_sidecar_says_what_is_inside(tmp_path):
    w = writer(tmp_path)
    w.append(batch(0, 3, start=ticks_of(datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC))))
    w.seal()
    (content,) = [json.loads(p.read_text()) for p in tmp_path.glob("*.json")]
    assert content["rows"] == 3
    assert content["days"] == {"2026-11-21": 1, "2026-11-22": 2}
    assert content["origins"] == {"live": 3}
    start = ticks_of(datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC))
    assert content["marks"] == {
        "nsu=urn:n;s=a": start + 20_000_000,
        "nsu=urn:n;s=b": start + 10_000_000,
    }
    assert (content["site_id"], content["server_uri"], content["schema_version"]) == ("F01", URI, 1)


def test_day_falls_back_to_server_then_received_time(tmp_path):
    rows = batch(0, 2).to_pylist()
    rows[0] |= {"source_ticks": None, "server_ticks": ticks_of(datetime(2026, 1, 5, tzinfo=UTC))}
    rows[1] |= {"source_ticks": None, "server_ticks": None}
    w = writer(tmp_path)
    w.append(pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA))
    w.seal()
    assert segments.sidecars(tmp_path)[0].days == {"2026-01-05": 1, "2026-11-21": 1}
    assert segments.sidecars(tmp_path)[0].marks == {}


def test_times_beyond_every_calendar_do_not_stop_a_segment(tmp_path):
    rows = batch(0, 3).to_pylist()
    for row, ticks in zip(rows, (0, 2_650_467_743_999_999_999, EPOCH_TICKS), strict=True):
        row["source_ticks"] = ticks
    w = writer(tmp_path)
    w.append(pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA))
    assert segments.read(w.seal()).num_rows == 3


def test_seals_by_size_and_by_age(tmp_path):
    w = writer(tmp_path, max_rows=4)
    for first in range(0, 12, 2):
        w.append(batch(first, 2))
        w.sync()
    assert [car.rows for car in segments.sidecars(tmp_path)] == [4, 4, 4]
    aged = writer(tmp_path / "aged", max_age_s=0)
    aged.append(batch(0, 1))
    aged.sync()
    assert len(segments.sidecars(tmp_path / "aged")) == 1


def test_two_servers_share_a_folder(tmp_path):
    one = writer(tmp_path)
    two = segments.SegmentWriter(tmp_path, site_id="F01", server_uri="urn:test:SERVER")
    for w in (one, two):
        w.append(batch(0, 1))
        w.sync()
    assert one.seal() != two.seal()
    assert len(segments.sidecars(tmp_path)) == 2


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, 100_000), garbage=st.binary(max_size=40))
def test_any_torn_tail_gives_a_prefix_of_whole_batches(tmp_path_factory, cut, garbage):
    folder = tmp_path_factory.mktemp("torn")
    w = writer(folder)
    for first in range(0, 50, 10):
        w.append(batch(first, 10, nodes=[f"n{first + i}" for i in range(10)]))
        w.sync()
    (path,) = folder.glob("*" + segments.OPEN_SUFFIX)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: cut % (len(data) + 1)] + garbage)
    segments.recover(folder)
    found = numbers(folder)
    assert found == list(range(len(found)))
    assert len(found) % 10 == 0
    if cut % (len(data) + 1) == len(data):
        assert len(found) == 50
    assert not list(folder.glob("*.open"))


def test_recover_leaves_the_tail_of_a_running_writer_alone(tmp_path):
    w = writer(tmp_path)
    w.append(batch(0, 5))
    w.sync()
    assert segments.recover(tmp_path) == []
    w.seal()
    assert numbers(tmp_path) == list(range(5))


def test_recover_writes_a_missing_sidecar(tmp_path):
    w = writer(tmp_path)
    w.append(batch(0, 5))
    w.seal()
    before = segments.sidecars(tmp_path)[0]
    before.path.with_suffix(".json").unlink()
    tmp_path.rename(tmp_path.with_name("F01"))
    segments.recover(tmp_path.with_name("F01"))
    (after,) = segments.sidecars(tmp_path.with_name("F01"))
    assert (after.rows, after.sha256, after.marks) == (before.rows, before.sha256, before.marks)
    assert (after.site_id, after.server_uri) == ("F01", URI)


@pytest.mark.parametrize(
    "damage", [lambda d: d[:40], lambda d: d[:-300] + b"\x07" + d[-299:], lambda d: b""]
)
def test_a_damaged_segment_is_named(tmp_path, damage):
    w = writer(tmp_path)
    w.append(batch(0, 5))
    path = w.seal()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SegmentUnreadable, match=path.name):
        segments.read(path)


def test_a_failed_sync_keeps_the_rows(tmp_path, monkeypatch):
    w = writer(tmp_path)
    w.append(batch(0, 5))
    w.sync()
    real = os.pwrite

    def short_then_full(fd, data, offset):
        real(fd, bytes(data[:10]), offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", short_then_full)
    w.append(batch(5, 5))
    with pytest.raises(OSError, match="No space"):
        w.sync()
    w.append(batch(10, 5))
    with pytest.raises(OSError, match="No space"):
        w.sync()
    monkeypatch.setattr(os, "pwrite", real)
    w.sync()
    w.seal()
    assert numbers(tmp_path) == list(range(15))


def test_an_error_that_somebody_keeps_does_not_hold_the_rows(tmp_path, monkeypatch):
    w = writer(tmp_path)
    w.append(batch(0, 3))
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(5, "I/O error")))
    with pytest.raises(OSError, match="I/O error") as kept:
        w.sync()
    monkeypatch.undo()
    w.append(batch(3, 2))
    w.seal()
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]
    assert kept.value.__traceback__ is not None


def test_no_room_for_the_sidecar_is_made_good_later(tmp_path, monkeypatch):
    w = writer(tmp_path)
    w.append(batch(0, 5))

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("connectors.segments.writer.write_sidecar", full)
        with pytest.raises(OSError, match="No space"):
            w.seal()
    w.append(batch(5, 5))
    w.sync()
    w.seal()
    assert numbers(tmp_path) == list(range(10))


CRASHER = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from test_segments import batch, writer
w = writer(Path({folder!r}), max_rows=900)
first = {first}
while True:
    w.append(batch(first, 50, nodes=[f"n{{first // 50 % 97}}"]))
    first += 50
    w.sync()
    print(first, flush=True)
"""


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.soak)])
def test_every_synced_row_survives_sigkill_once(tmp_path, kills):
    folder = tmp_path / "F01"
    promised = 0
    for kill in range(kills):
        code = CRASHER.format(tests=str(Path(__file__).parent), folder=str(folder), first=promised)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 0.05 + 0.07 * kill
        for line in process.stdout:
            promised = int(line)
            if time.monotonic() > deadline and promised % 3 == kill % 3:
                process.send_signal(signal.SIGKILL)
                break
        promised = max([promised, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        segments.recover(folder)
        counted = Counter(numbers(folder))
        assert set(range(promised)) <= set(counted)
        assert set(counted.values()) == {1}
        promised = max(counted) + 1


BEYOND = (-(2**63), -1, 0, 2_650_467_743_999_999_999, 2**63 - 1)


def test_days_beyond_the_calendar_are_its_ends(tmp_path):
    rows = batch(0, len(BEYOND)).to_pylist()
    for row, ticks in zip(rows, BEYOND, strict=True):
        row["source_ticks"] = ticks
    w = writer(tmp_path)
    w.append(pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA))
    table = segments.read(w.seal())
    assert table.column("source_ticks").to_pylist() == list(BEYOND)
    (car,) = segments.sidecars(tmp_path)
    assert car.days == {"0001-01-01": 1, "1601-01-01": 2, "9999-12-31": 2}


@pytest.mark.parametrize("day", ["10000-01-01", "30828-09-14", "-27256-04-19", "0000-12-31"])
def test_an_older_sidecar_may_name_a_day_beyond_the_calendar(tmp_path, day):
    w = writer(tmp_path)
    w.append(batch(0, 3))
    path = w.seal().with_suffix(".json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"days": {"2026-11-21": 2, day: 1}}))
    days = segments.read_sidecar(path).days
    assert days == {"0001-01-01": 1, "2026-11-21": 2, "9999-12-31": 1}


@pytest.mark.parametrize("days", [{"soon": 1}, ["2026-11-21"], {"2026-11-21": "1"}, None])
def test_a_sidecar_without_days_is_named(tmp_path, days):
    w = writer(tmp_path)
    w.append(batch(0, 3))
    path = w.seal().with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"days": days}))
    with pytest.raises(SegmentUnreadable, match=path.name):
        segments.read_sidecar(path)
