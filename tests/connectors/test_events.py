"""Collected events read back: one file, the story of alarms, and the command line."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from connectors import event_segments, events
from connectors.errors import HomeRefused
from connectors.home import Home
from connectors.ledger import Ledger
from pipelines import schemas
from tests.connectors.test_event_segments import URI, batch, writer
from tests.test_command_line import command

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    """Two segments that share an event, and a third in a crashed collector's tail."""
    made = Home(tmp_path / "home").create(first_day=date(2026, 11, 20))
    story = {"condition_id": "c", "condition_name": "hot", "source_name": "press"}
    for first, more in ((0, {"active": True}), (0, {"active": True, "origin": "refreshed"})):
        w = writer(made.root)
        w.append(batch(first, 1, **story, **more))
        w.seal()
    w = writer(made.root)
    w.append(batch(1, 1, **story, active=False, acked=True, user="li"))
    w.sync()
    w._open.close()
    with Ledger(made.root) as ledger:
        ledger.claim("F01", "opc.tcp://127.0.0.1:1", URI)
        ledger.add_gaps(URI, [
            (event_segments.SERVER_NODE, NOON, NOON + timedelta(seconds=1), "lost"),
            ("i=1", NOON, NOON + timedelta(seconds=1), "a node of values"),
        ])  # fmt: skip
    return made


def test_every_event_is_exported_once(home, tmp_path):
    counts = events.export_events(home.root, tmp_path / "events.parquet")
    assert (counts.received, counts.repeats, counts.unreadable) == (3, 1, [])
    found = pl.read_parquet(tmp_path / "events.parquet")
    assert found.schema == schemas.EVENTS
    assert found["event_id"].to_list() == ["00000000", "00000001"]
    assert found["origin"].to_list() == ["live", "live"]
    assert found["time"].to_list() == [NOON, NOON]


def test_rows_are_asked_for_by_day(home):
    found, read = events.rows(home, "F01", [date(2026, 11, 21)])
    assert (found.height, len(read)) == (2, 2)
    assert events.rows(home, "F01", [date(2026, 11, 20)])[0].is_empty()
    assert events.rows(home, "F99", [date(2026, 11, 21)])[0].schema == schemas.EVENTS


def test_a_damaged_segment_is_named_and_the_others_are_read(home, tmp_path):
    path = sorted(event_segments.folder_of(home.root, "F01").glob("*.arrow"))[0]
    path.write_bytes(path.read_bytes()[:200])
    frame, counts = events.everything(home.root)
    assert frame.height == 2
    assert path.name in counts.unreadable[0]
    done = command("export", "--events", "--out", tmp_path / "e.parquet", "--home", home.root)
    assert (done.returncode, path.name in done.stderr) == (1, True)


def test_the_command_tells_alarms_and_what_went_unheard(home):
    done = command("events", "--json", "--home", home.root)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    (alarm,) = told["alarms"]
    assert (alarm["condition_name"], alarm["user"]) == ("hot", "li")
    assert alarm["start"] == alarm["end"] == alarm["acked_time"] == NOON.isoformat()
    assert [gap["reason"] for gap in told["unheard"]] == ["lost"]
    assert (told["received"], told["repeats_removed"]) == (3, 1)
    shown = command("events", "--home", home.root)
    assert "press" in shown.stdout
    assert "unheard: urn:test:server" in shown.stdout


def test_what_to_export_must_be_said_once(home, tmp_path):
    for flags in ([], ["--raw", "--events"]):
        done = command("export", *flags, "--out", tmp_path / "o", "--home", home.root)
        assert done.returncode == 2
        assert "--raw or --events" in done.stderr
    assert "--events" in command("export", "--help").stdout


def test_a_home_that_never_collected_is_refused(tmp_path):
    with pytest.raises(HomeRefused, match="no segments"):
        events.summary(tmp_path)
