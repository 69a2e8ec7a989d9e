"""What may be called connected, and what a reader believes of a collector."""

import asyncio
import fcntl
import io
import json
import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import link_status, status, status_board
from connectors.console import duration, status_view
from connectors.errors import HomeRefused
from connectors.ledger import Ledger
from connectors.link_status import SILENT_KEEP_ALIVES, STATES, Facts, LinkStatus, published_state
from connectors.status import fill_rate, read_status, status_json
from connectors.status_board import StatusBoard

URL = "opc.tcp://127.0.0.1:4840"

seconds = st.none() | st.just(float("nan")) | st.floats(min_value=-1e3)
facts = st.builds(
    Facts,
    session_active=st.booleans(), was_connected=st.booleans(), silent_s=seconds,
    keep_alive_s=st.floats(0.1, 60), backfilling=st.booleans(), gaps=st.integers(0, 3),
    quarantined=st.integers(0, 3), disk_full=st.booleans(), lag_s=seconds,
    refused=st.sampled_from(["", "BadSecurityChecksFailed"]), stopped=st.booleans(),
    why=st.sampled_from(["", "connection refused"]),
)  # fmt: skip


@given(facts)
def test_connected_means_heard_within_two_keep_alives_and_nothing_owed(fact):
    state, why = published_state(fact)
    assert state in STATES
    assert state != "unknown"
    if state in ("degraded", "refused"):
        assert why
    if state == "connected":
        assert fact.silent_s <= SILENT_KEEP_ALIVES * fact.keep_alive_s
        assert fact.session_active
        assert not any((fact.stopped, fact.refused, fact.disk_full, fact.backfilling))
        assert fact.gaps == fact.quarantined == 0
        assert why == ""


WELL = Facts(session_active=True, was_connected=True, silent_s=1.0)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (WELL, ("connected", "")),
        (Facts(), ("connecting", "")),
        (Facts(was_connected=True, why="cut"), ("reconnecting", "cut")),
        (Facts(refused="untrusted"), ("refused", "untrusted")),
        (Facts(session_active=True, backfilling=True), ("backfilling", "")),
        (
            Facts(session_active=True, silent_s=12.0),
            ("degraded", "silent for 12 s; it promised a word every 5 s"),
        ),
        (
            Facts(session_active=True, silent_s=0.0, gaps=1, quarantined=2),
            ("degraded", "1 gap being filled from history; 2 nodes refused, tried again slowly"),
        ),
        (
            Facts(session_active=True, silent_s=0.0, lag_s=9.0),
            ("degraded", "rows wait 9 s for the disk"),
        ),
    ],
)  # fmt: skip
def test_the_gravest_truth_is_told(fact, expected):
    assert published_state(fact) == expected


def link(**given_fields):
    now = datetime.now(UTC)
    return LinkStatus(
        **{"site_id": "F01", "url": URL, "state": "connected", "since": now, "last_heard": now,
           "keep_alive_s": 5.0, "server_uri": "urn:a", "nodes": 3, "security": "None",
           "values": {"live": 5, "history": 7}} | given_fields
    )  # fmt: skip


@contextmanager
def collecting(home):
    """Hold the home as a collector does."""
    home.mkdir(exist_ok=True)
    descriptor = os.open(home / status.LOCK_FILE, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield StatusBoard(home)
    finally:
        os.close(descriptor)


def rewritten(home, **changes):
    path = home / link_status.STATUS_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_was_noted_is_read(tmp_path):
    said = link(notes=("queue of 1",), quarantined=0, publishing_interval_ms=500.0, lag_s=0.1)
    with collecting(tmp_path) as board:
        board.note(said)
        found = read_status(tmp_path)
    (one,) = found.links
    shown = {k: v for k, v in link_status.link_json(one).items() if k != "values_per_s"}
    assert shown == {k: v for k, v in link_status.link_json(said).items() if k != "values_per_s"}
    assert (found.is_running, found.why, found.pid, found.is_well) == (True, "", os.getpid(), True)
    assert found.disk_total_bytes >= found.disk_free_bytes > 0
    assert json.loads(json.dumps(status_json(found)))["links"][0]["state"] == "connected"


def test_a_collector_that_is_gone_is_connected_to_nothing(tmp_path):
    with collecting(tmp_path) as board:
        board.note(link())
        board.note(link(url=URL + "1", state="stopped", why="told to"))
        board.flush()
    found = read_status(tmp_path)
    assert [one.state for one in found.links] == ["stopped", "stopped"]
    assert [one.why for one in found.links] == [
        "the collector ended without a word; it was connected", "told to",
    ]  # fmt: skip
    assert (found.is_running, found.is_well) == (False, False)
    assert found.why == "no collector is running"


def test_a_collector_that_is_stuck_is_not_believed(tmp_path):
    with collecting(tmp_path) as board:
        board.note(link())
        old = datetime.now(UTC) - timedelta(seconds=30)
        rewritten(tmp_path, written=old.isoformat())
        found = read_status(tmp_path)
    (one,) = found.links
    assert one.state == "unknown"
    assert f"(pid {os.getpid()}) has told nothing for 30 s" in one.why
    assert not found.is_well


def test_a_link_that_fell_silent_since_it_was_written_is_not_connected(tmp_path):
    with collecting(tmp_path) as board:
        board.note(link(last_heard=datetime.now(UTC) - timedelta(seconds=11)))
        board.note(link(url=URL + "1", last_heard=None))
        board.flush()
        states = [one.state for one in read_status(tmp_path).links]
    assert states == ["degraded", "degraded"]


def test_since_stays_while_the_state_does_and_values_have_a_rate(tmp_path, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(status_board.time, "monotonic", lambda: next(clock) / 2)
    board = StatusBoard(tmp_path)
    first = datetime(2026, 11, 21, tzinfo=UTC)
    for second in range(10):
        board.note(link(since=first + timedelta(seconds=second), values={"live": 100 * second}))
    (one,) = board._links.values()
    assert one.since == first
    assert one.values_per_s > 0
    board.note(link(since=first, state="reconnecting", values={"live": 0}))
    (one,) = board._links.values()
    assert (one.state, one.values_per_s) == ("reconnecting", None)


def test_a_note_a_millisecond_is_a_writing_a_second(tmp_path):
    board = StatusBoard(tmp_path)
    board.note(link())
    before = (tmp_path / link_status.STATUS_FILE).stat().st_ino
    start = time.monotonic()
    for _ in range(50):
        board.note(link(state="degraded"))
    if time.monotonic() - start < status_board.WRITE_EVERY_S:
        assert (tmp_path / link_status.STATUS_FILE).stat().st_ino == before
    board.flush()
    assert json.loads((tmp_path / link_status.STATUS_FILE).read_text())["links"][0]["state"] == (
        "degraded"
    )


async def test_the_pulse_beats_without_notes_and_ends_with_a_word(tmp_path, monkeypatch):
    monkeypatch.setattr(status_board, "WRITE_EVERY_S", 0.01)
    board = StatusBoard(tmp_path)
    beating = asyncio.create_task(board.beat_forever())
    async with asyncio.timeout(10):
        while not (tmp_path / link_status.STATUS_FILE).exists():
            await asyncio.sleep(0.01)
    monkeypatch.setattr(status_board, "WRITE_EVERY_S", 1000.0)
    board.note(link(state="stopped"))
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    content = json.loads((tmp_path / link_status.STATUS_FILE).read_text())
    assert content["links"][0]["state"] == "stopped"


def test_a_disk_that_takes_nothing_stops_nobody_and_is_told_once(tmp_path, caplog):
    board = StatusBoard(tmp_path / "gone")
    board.flush()
    board.flush()
    (said,) = caplog.messages
    assert "cannot be written" in said
    (tmp_path / "gone").mkdir()
    board.flush()
    assert [p.name for p in (tmp_path / "gone").iterdir()] == [link_status.STATUS_FILE]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b'{"format": 2}', b"\xff",
        b'{"format": 1, "pid": 1, "started": "x", "written": "x", "links": []}',
        b'{"format": 1, "pid": 1, "started": "2026-11-21T00:00:00Z", "written": '
        b'"2026-11-21T00:00:00Z", "links": [{"state": "fine"}]}',
    ],
)  # fmt: skip
def test_what_is_no_status_is_named(tmp_path, content):
    (tmp_path / link_status.STATUS_FILE).write_bytes(content)
    with pytest.raises(HomeRefused, match=r"status\.json"):
        read_status(tmp_path)


def test_a_home_where_nothing_was_collected_is_refused(tmp_path):
    with pytest.raises(HomeRefused, match="collect first"):
        read_status(tmp_path)


def test_without_a_status_the_ledger_is_asked(tmp_path):
    with Ledger(tmp_path) as ledger:
        uri = ledger.claim("F01", URL, "urn:a")
        ledger.open_gap(uri, None, datetime(2026, 11, 21, tzinfo=UTC), "link lost")
        ledger.set_refused(uri, {"n": "BadNotSupported"}, datetime(2026, 11, 21, tzinfo=UTC))
    (one,) = read_status(tmp_path).links
    assert (one.state, one.open_gaps, one.quarantined) == ("stopped", 1, 1)
    with collecting(tmp_path):
        (one,) = read_status(tmp_path).links
    assert (one.state, one.why) == ("unknown", "a collector is running and has told nothing yet")


def test_the_disk_lasts_as_long_as_the_last_hour_says(tmp_path):
    with collecting(tmp_path) as board:
        board.note(link())
        assert fill_rate(tmp_path) is None
        folder = tmp_path / "segments" / "F01"
        folder.mkdir(parents=True)
        for name, age_s, size in (("a", 100, 3_000), ("b", 50, 1_000), ("old", 7_200, 9_000_000)):
            (folder / name).write_bytes(bytes(size))
            then = time.time() - age_s
            os.utime(folder / name, (then, then))
        found = read_status(tmp_path)
    assert found.fill_bytes_per_s == pytest.approx(40, rel=0.1)
    assert found.lasts_s == pytest.approx(found.disk_free_bytes / found.fill_bytes_per_s)


def test_the_view_tells_state_reason_and_disk(tmp_path):
    from rich.console import Console

    with collecting(tmp_path) as board:
        board.note(link(state="degraded", why="2 nodes refused", nodes=5_000, quarantined=2))
        console = Console(width=120, record=True, file=io.StringIO())
        console.print(status_view(read_status(tmp_path)))
    text = console.export_text()
    (row,) = (line for line in text.splitlines() if line.startswith("  F01 "))
    assert row.split()[2:] == ["degraded", "0", "s", "5,000", "2", "–", "12", "–", "now"]
    assert f"degraded: {URL}: 2 nodes refused" in text
    assert f"collector: running (pid {os.getpid()})" in text
    assert "disk: " in text
    assert max(map(len, text.splitlines())) <= 120


@given(st.floats(0, 1e10))
def test_a_duration_has_one_or_two_units(seconds):
    assert len(duration(seconds).split()) in (2, 4)


def test_the_command_tells_what_the_file_says(tmp_path, monkeypatch, capsys):
    import parkpulse

    monkeypatch.setenv("PARKPULSE_HOME", str(tmp_path))  # the command sets it: put back at the end

    with collecting(tmp_path) as board:
        board.note(link())
        for arguments, code, word in (
            ([], 0, "connected"),
            (["--json"], 0, '"ok": true'),
            (["--prometheus"], 0, "parkpulse_link_up{"),
        ):
            at = ["status", *arguments, "--home", str(tmp_path)]
            monkeypatch.setattr("sys.argv", ["parkpulse", *at])
            with pytest.raises(SystemExit) as ended:
                parkpulse.main()
            assert ended.value.code == code
            assert word in capsys.readouterr().out
