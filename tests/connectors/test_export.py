import os
from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import segments
from connectors.accounts import ledger_summary
from connectors.errors import HomeRefused, ParkPulseError
from connectors.export import ExportCounts, export_raw, once, site_days
from connectors.ledger import Ledger
from connectors.raw import EPOCH_TICKS, RAW_SCHEMA, ticks_of
from connectors.segments import SegmentWriter
from pipelines import schemas

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)


def row(**given_fields):
    return {
        "server_uri": "urn:a",
        "node_id": "nsu=urn:n;s=a",
        "source_ticks": ticks_of(NOON),
        "server_ticks": None,
        "received_time": NOON,
        "value_type": "Double",
        "is_array": False,
        "value_float": 1.0,
        "status_code": 0,
        "origin": "live",
    } | given_fields


def write(home, rows, site="F01", uri="urn:a"):
    w = SegmentWriter(home / "segments" / site, site_id=site, server_uri=uri)
    w.append(pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA))
    return w.seal()


def exported(home):
    counts = export_raw(home, home / "out" / "raw.parquet")
    frame = pl.read_parquet(home / "out" / "raw.parquet")
    assert frame.schema == schemas.RAW
    assert frame.height == counts.rows_out == counts.rows_in - counts.repeats
    return frame, counts


def test_a_value_received_twice_leaves_once_the_earliest(tmp_path):
    write(tmp_path, [row(received_time=NOON + timedelta(hours=1), origin="history")])
    write(tmp_path, [row(), row(value_float=2.0)])
    frame, counts = exported(tmp_path)
    assert sorted(zip(frame["value_float"], frame["origin"], strict=True)) == [
        (1.0, "live"),
        (2.0, "live"),
    ]
    assert (counts.rows_in, counts.repeats) == (3, 1)


def test_what_differs_in_anything_but_receipt_is_no_repeat(tmp_path):
    write(
        tmp_path,
        [
            row(),
            row(status_code=0x80000000),
            row(value_type="Float"),
            row(is_array=True, value_float=None, value_text="[1.0]"),
            row(value_float=None),
            row(value_float=0.0),
            row(value_float=-0.0),
            row(source_ticks=ticks_of(NOON) + 1),
            row(node_id="nsu=urn:n;s=b"),
            row(source_ticks=None, server_ticks=ticks_of(NOON) + 2),
        ],
    )
    frame, counts = exported(tmp_path)
    assert frame.height == 10
    assert counts.repeats == 0


def test_times_are_cut_and_kept_to_the_ends_of_the_calendar(tmp_path):
    write(
        tmp_path,
        [
            row(source_ticks=EPOCH_TICKS + 19, value_float=1.0),
            row(source_ticks=EPOCH_TICKS - 1, value_float=2.0),
            row(source_ticks=0, value_float=3.0),
            row(source_ticks=2_650_467_743_999_999_999, value_float=4.0),
            row(source_ticks=None, value_float=5.0),
        ],
    )
    frame, _ = exported(tmp_path)
    times = dict(zip(frame["value_float"], frame["source_time"], strict=True))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    us = timedelta(microseconds=1)
    first, last = datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
    assert times == {1.0: epoch + us, 2.0: epoch - us, 3.0: first, 4.0: last, 5.0: None}


def test_an_unreadable_segment_is_named_and_the_others_go_on(tmp_path):
    broken = write(tmp_path, [row()])
    write(tmp_path, [row(value_float=2.0)])
    write(tmp_path, [row(server_uri="urn:b")], site="F02", uri="urn:b")
    broken.write_bytes(broken.read_bytes()[:100])
    frame, counts = exported(tmp_path)
    assert frame.height == 2
    assert len(counts.unreadable) == 1
    assert broken.name in counts.unreadable[0]


def tail(home, values, site="F01", cut=0):
    """What a killed collector leaves: a synced tail, a batch for each value, held by nobody."""
    folder = home / "segments" / site
    w = SegmentWriter(folder, site_id=site, server_uri="urn:a")
    for value in values:
        w.append(pa.RecordBatch.from_pylist([row(value_float=value)], schema=RAW_SCHEMA))
        w.sync()
    (path,) = set(folder.glob("*.open"))
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) - cut] + b"\x01" * cut)
    return path


def contents(home):
    return {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}


def test_a_tail_that_a_crash_left_is_read_without_a_further_step(tmp_path):
    home = tmp_path / "home"
    write(home, [row(), row(value_float=2.0)])
    tail(home, [2.0, 3.0])
    tail(home, [4.0, 5.0], site="F09", cut=40)
    before = contents(home)
    for _ in range(2):
        counts = export_raw(home, tmp_path / "raw.parquet")
        assert sorted(pl.read_parquet(tmp_path / "raw.parquet")["value_float"]) == [1, 2, 3, 4]
        assert (counts.repeats, counts.unreadable, counts.being_written) == (1, [], [])
        assert len(list(site_days(home, ExportCounts()))) == 2
    assert contents(home) == before
    for _ in segments.recover_all(home / "segments"):
        pass
    export_raw(home, tmp_path / "again.parquet")
    frames = [pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("raw", "again")]
    assert frames[0].equals(frames[1])


def test_the_ledger_counts_a_tail_that_a_crash_left(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.claim("F01", "opc.tcp://a:1", "urn:a")
    tail(tmp_path, [1.0, 1.0, 2.0])
    (server,) = ledger_summary(tmp_path)["servers"]
    assert (server["received"]["live"], server["received"]["repeats_removed"]) == (3, 1)


def test_a_segment_without_a_sidecar_is_read(tmp_path):
    write(tmp_path, [row()]).with_suffix(".json").unlink()
    frame, counts = exported(tmp_path)
    assert (frame.height, counts.unreadable) == (1, [])


@pytest.mark.parametrize("size", [0, 100])
def test_a_damaged_segment_without_a_sidecar_is_named_before_and_after_recovery(tmp_path, size):
    path = write(tmp_path, [row()])
    path.with_suffix(".json").unlink()
    path.write_bytes(path.read_bytes()[:size])
    for _ in range(2):
        frame, counts = exported(tmp_path)
        assert frame.is_empty()
        assert [path.name in line for line in counts.unreadable] == [True]
        segments.recover(path.parent)


def test_a_tail_that_is_being_written_is_named_and_left_out(tmp_path):
    write(tmp_path, [row()])
    w = SegmentWriter(tmp_path / "segments" / "F01", site_id="F01", server_uri="urn:a")
    w.append(pa.RecordBatch.from_pylist([row(value_float=2.0)], schema=RAW_SCHEMA))
    w.sync()
    frame, counts = exported(tmp_path)
    assert frame["value_float"].to_list() == [1.0]
    (name,) = counts.being_written
    assert name.endswith(".arrow.open")
    assert ledger_summary(tmp_path)["being_written"] == [name]
    w.seal()
    frame, counts = exported(tmp_path)
    assert (sorted(frame["value_float"]), counts.being_written) == ([1.0, 2.0], [])


def test_a_tail_that_is_sealed_meanwhile_is_read_as_a_segment(tmp_path):
    path = tail(tmp_path, [1.0, 2.0])
    segments.recover(path.parent)
    assert segments.read(path).column("value_float").to_pylist() == [1.0, 2.0]


def test_a_repeated_export_goes_through_a_link_and_leaves_nothing_beside(tmp_path):
    write(tmp_path / "home", [row()])
    (tmp_path / "out").mkdir()
    link, real = tmp_path / "link.parquet", tmp_path / "out" / "raw.parquet"
    link.symlink_to(real)
    for _ in range(2):
        export_raw(tmp_path / "home", link)
        assert pl.read_parquet(real).height == 1
    assert link.is_symlink()
    assert [p.name for p in real.parent.iterdir()] == [real.name]


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    write(tmp_path / "home", [row()])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for out in (pipe, tmp_path):
        with pytest.raises(ParkPulseError, match="no regular file; name a Parquet file"):
            export_raw(tmp_path / "home", out)
    assert pipe.is_fifo()


def test_a_failed_export_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    write(tmp_path / "home", [row()])
    out = tmp_path / "out" / "raw.parquet"
    export_raw(tmp_path / "home", out)
    before = out.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        export_raw(tmp_path / "home", out)
    assert contents(out.parent) == {out: before}


def test_a_home_without_segments_is_refused(tmp_path):
    with pytest.raises(HomeRefused, match="no segments"):
        export_raw(tmp_path, tmp_path / "raw.parquet")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from([(None, 1), (0, 1), (1, 1), (None, None)]),
            st.sampled_from([0.0, -0.0, 2.0, float("nan"), None]),
            st.sampled_from([0, 7]),
            st.integers(0, 3),
        ),
        max_size=30,
    )
)
def test_once_equals_its_slow_twin(drawn):
    rows = [
        row(
            node_id=node,
            source_ticks=None if source is None else ticks_of(NOON) + source,
            server_ticks=None if server is None else ticks_of(NOON) + server,
            value_float=value,
            status_code=status,
            received_time=NOON + timedelta(seconds=second),
        )
        for node, (source, server), value, status, second in drawn
    ]
    counts = ExportCounts()
    frame = once(pa.Table.from_pylist(rows, schema=RAW_SCHEMA), counts)
    first = {}
    for r in sorted(rows, key=lambda r: r["received_time"]):
        first.setdefault(identity(r), r["received_time"])
    assert {identity(r): r["received_time"] for r in frame.to_dicts()} == first
    assert frame.height == len(first) == counts.rows_in - counts.repeats


def identity(r):
    """What makes a value one value; one without any time is known by its receipt."""
    given = [t for t in (r["source_ticks"], r["server_ticks"]) if t is not None]
    return (
        r["node_id"],
        given[0] if given else ticks_of(r["received_time"]),
        repr(r["value_float"]),
        r["status_code"],
    )


def test_ledger_summary_counts_by_node(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.claim("F01", "opc.tcp://a:1", "urn:a")
    write(tmp_path, [row(), row(origin="history"), row(value_float=3.0, origin="republished")])
    (server,) = ledger_summary(tmp_path)["servers"]
    expected = {"live": 1, "republished": 1, "history": 1, "repeats_removed": 1}
    assert server["per_node"] == {"nsu=urn:n;s=a": expected}
    assert server["received"] == expected
