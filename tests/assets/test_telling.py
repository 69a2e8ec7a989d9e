"""The sensor that tells people: through its evaluation, a Dagster instance and real servers."""

import re
import shutil
from datetime import timedelta

import dagster as dg
import pytest
from told import event, frame

from benchmarks.notify.fakes import answer
from benchmarks.notify.flood import world
from connectors import answers
from connectors.lake import Lake, Partition
from connectors.notify.outbox import OUTBOX_FILE, Outbox
from connectors.notify.sending import utc_now
from pipelines.days import day_of

DING = '[[route]]\nchannel = "dingtalk"\nleast_priority = "low"\nlanguage = "en"\n'
DAY = timedelta(days=1)


@pytest.fixture
def ding(home, tmp_path, monkeypatch):
    """A home whose events are told by DingTalk, on the machine's clock; the sensor serves it."""
    from assets import definitions

    with world(tmp_path / "told", utc_now, DING) as found:
        for name, value in found.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(definitions, "HOME", found.home)
        yield found


def happened(home, *events):
    """Write what was judged today."""
    day = day_of(utc_now())
    Lake(home.lake).write("anomaly_events", frame(*events), Partition(day, "F01"))
    return [one["event_id"] for one in events]


def fresh(machine, **more):
    start = utc_now() - timedelta(minutes=3)
    name = f"{machine}-{start:%Y%m%dT%H%M%SZ}"
    return event(0, machine=machine) | {
        "start": start.replace(microsecond=0), "event_id": name, "priority": "high", **more,
    }  # fmt: skip


def tick():
    from assets.definitions import defs, told_events

    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance=instance, repository_def=defs.get_repository_def()
        )
        found = told_events.evaluate_tick(context)
    assert found.run_requests == []
    return found.skip_message


def accepted(found):
    return [one.text for one in found.robots["dingtalk"].accepted]


def test_the_sensor_is_there_and_off_until_somebody_starts_it(home):
    from assets.definitions import defs, told_events

    assert told_events in defs.sensors
    assert told_events.default_status == dg.DefaultSensorStatus.STOPPED
    assert told_events.minimum_interval_seconds == 60


def test_without_settings_it_says_so_and_skips(ding):
    happened(ding.home, fresh("M1"))
    (ding.home.root / "notify.toml").unlink()
    assert "no notify.toml" in tick()
    assert not (ding.home.root / OUTBOX_FILE).exists()


def test_what_is_made_is_told_once(ding):
    assert tick() == "nothing to tell"
    (name,) = happened(ding.home, fresh("M1"))
    assert tick() == "events told: 1, in messages: 1"
    assert tick() == "nothing to tell"
    (message,) = accepted(ding)
    with Outbox(ding.home.root, as_copy=True) as outbox:
        assert outbox.reference("F01", name) in message
        assert name not in message


def test_what_was_acknowledged_a_minute_ago_is_not_told(ding):
    seen, shelved, other = happened(ding.home, fresh("M1"), fresh("M2"), fresh("M3"))
    answers.answer(ding.home, seen, "li", [{"action": "acknowledge"}])
    action = answers.shelf(ding.home, shelved, "known", length=timedelta(hours=1), until=None,
                           once=False)  # fmt: skip
    answers.answer(ding.home, shelved, "li", [action])
    assert tick() == "events told: 1, in messages: 1"
    with Outbox(ding.home.root, as_copy=True) as outbox:
        assert outbox.reference("F01", other) in accepted(ding)[0]


def test_machines_of_one_cause_are_one_message(ding):
    happened(ding.home, *(fresh(f"M{n}", cause_id="F01-L1-air") for n in range(3)))
    assert tick() == "events told: 1, in messages: 1"
    assert len(accepted(ding)) == 1


def test_an_event_of_yesterday_that_is_over_today_rings_nobody_again(ding):
    today, one = day_of(utc_now()), fresh("M1")
    one |= {"start": one["start"] - timedelta(days=1)}
    Lake(ding.home.lake).write("anomaly_events", frame(one), Partition(today - DAY, "F01"))
    tick()
    Lake(ding.home.lake).write("anomaly_events", frame(), Partition(today, "F01"))
    assert tick() == "nothing to tell"
    assert len(accepted(ding)) == 1


def test_a_channel_that_is_down_is_said_and_tried_again(ding, capfd):
    happened(ding.home, fresh("M1"))
    robot = ding.robots["dingtalk"]
    robot.troubles = [lambda _, handler: answer(handler, 502, b"")]
    said = tick()
    assert re.search(r"waiting: 1, the next until .*Z; dingtalk: .*502", said)
    assert re.search("WARNING.*502", capfd.readouterr().err)
    robot.troubles = []
    assert re.fullmatch("waiting: 1, the next until .*Z", tick())  # it is left alone for a while
    with Outbox(ding.home.root) as outbox, outbox.transaction():
        outbox.reopen("dingtalk")
        outbox._db.execute("update message set next_us = 0")
    assert tick() == "events told: 1, in messages: 1"
    assert len(accepted(ding)) == 1


def test_bad_settings_and_a_damaged_outbox_are_one_line_and_no_traceback(ding):
    (ding.home.root / OUTBOX_FILE).write_bytes(b"no database" * 100)
    assert "it is no outbox" in tick()
    (ding.home.root / "notify.toml").write_text('colour = "red"\n', "utf-8")
    assert "notify.toml" in tick()


def test_a_secret_that_is_not_set_is_named(ding, monkeypatch):
    happened(ding.home, fresh("M1"))
    monkeypatch.delenv("DINGTALK_SECRET")
    said = tick()
    assert "waiting: 1" in said
    assert "DINGTALK_SECRET" in said


# --- references in reports


def test_references_are_those_of_messages_and_there_are_none_before(ding):
    from assets.telling import references

    ids = frame(fresh("M1"), fresh("M2"))["event_id"]
    root = ding.home.root
    assert references(root, "F01", ids) == {}
    Outbox(root).close()
    assert references(root, "F01", ids) == {}
    with Outbox(root) as outbox:
        told = {one: outbox.reference("F01", one) for one in ids}
    assert references(root, "F01", ids) == told == references(root, "F01", ids)


def test_the_report_of_a_day_names_them_and_survives_a_damaged_outbox(walked, tmp_path):
    from assets.materialize import instance, run

    lake = Lake(walked.lake)
    parts = list(lake.partitions("anomaly_events"))
    part = max(parts, key=lambda one: lake.read("anomaly_events", one).height)
    (page,) = (walked.reports / part.factory / part.day.isoformat()).glob("*.html")
    before = page.read_bytes()
    shutil.copytree(walked.lake / "anomaly_report", tmp_path / "anomaly_report")
    shown = re.findall(r'<article id="([^"]+)"', before.decode())
    assert shown
    try:
        with Outbox(walked.root) as outbox:
            told = [outbox.reference(part.factory, one) for one in shown]
        with instance() as opened:
            assert run(opened, "reports", part, part) == []
            named = page.read_bytes()
            assert [one for one in told if one not in named.decode()] == []
            assert run(opened, "reports", part, part) == []
            assert page.read_bytes() == named
            (walked.root / OUTBOX_FILE).write_bytes(b"no database" * 100)
            assert run(opened, "reports", part, part) == []
            assert page.read_bytes() == before
    finally:
        for left in walked.root.glob(f"{OUTBOX_FILE}*"):
            left.unlink()
        page.write_bytes(before)
        shutil.rmtree(walked.lake / "anomaly_report")
        shutil.copytree(tmp_path / "anomaly_report", walked.lake / "anomaly_report")
