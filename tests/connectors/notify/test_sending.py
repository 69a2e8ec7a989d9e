"""The way to the wire: windows kept, failures tried again, nothing lost, no secret left behind."""

import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.notify.fakes import Robot, answer
from benchmarks.notify.flood import (
    SECRET,
    START,
    VirtualClock,
    delays_s,
    flood,
    most_in,
    ours,
    trouble,
    world,
)  # fmt: skip
from connectors.errors import HomeRefused, NotifyError
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.notify import sending
from connectors.notify.answers import Answer
from connectors.notify.kinds import KINDS
from connectors.notify.outbox import OUTBOX_FILE, Outbox
from connectors.notify.service import tell
from parkpulse.cli import cli

ROOT = Path(__file__).parents[3]
DING = '[[route]]\nchannel = "dingtalk"\nleast_priority = "low"\nlanguage = "en"\n'
REFERENCE = re.compile(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b")


def events(count, priority="high", state="new", **more):
    rows = [
        {
            "event_id": f"CNC-{n:03d}-20261122T010000Z", "factory_id": "F01", "priority": priority,
            "state": state, "start": START, **more,
        }
        for n in range(count)
    ]  # fmt: skip
    return pl.DataFrame(rows).with_columns(pl.col("start").cast(pl.Datetime("us", "UTC")))


@pytest.fixture
def ding(tmp_path):
    """A world in which all is told by DingTalk."""
    with world(tmp_path / "home", VirtualClock(), DING) as found:
        yield found


def later(found, **span):
    found.clock.now += timedelta(**span)


def down(found, name="dingtalk", status=502):
    trouble = [lambda _, handler: answer(handler, status, b"")]
    found.robots[name].troubles = trouble
    return trouble


def messages(found, status):
    return [one for one in found.messages if one.status == status]


# --- a flood


def leaks(home, *texts):
    """Where a secret, or a machine's id in what leaves, lies or stands."""
    secrets = [SECRET.encode(), Robot.token.encode(), b"access_token", b"hook/"]
    files = [path for path in home.root.rglob("*") if path.is_file()]
    assert any(path.name == OUTBOX_FILE for path in files)
    found = [path.name for path in files if any(s in path.read_bytes() for s in secrets)]
    return found + [text for text in texts if any(s.decode() in text for s in secrets)]


def test_a_flood_arrives_within_the_limits_and_nothing_is_lost(tmp_path, caplog, capfd):
    happened = flood(500)
    with caplog.at_level(logging.DEBUG), world(tmp_path / "home", VirtualClock()) as found:
        trouble(found)
        found.run(happened, minutes=62, step_s=60)
        later(found, hours=24)
        last = found.tell(happened)
        assert (last.waits, last.dead) == ([], 0)
        names = {
            (row["factory_id"], row["event_id"]): row["priority"]
            for row in happened.iter_rows(named=True)
        }
        for name, server in found.servers.items():
            with Outbox(found.home.root) as outbox:
                assert outbox.told(name).keys() == names.keys()
            told = [o for o in found.gone if o.channel == name and o.status == "sent"]
            assert sum(one.events for one in told) == len(names)
            assert len(told) == len(ours(server)) == len({one.id for one in ours(server)})
            for window in KINDS["email" if name == "mail" else name].allowed:
                assert most_in(server, window.seconds) <= window.messages
            assert len(told) <= 70
        # what is urgent is not held up by anything but trouble: two rounds, a limit, a ban
        assert max(delays_s(found, "feishu", happened)) <= 180
        assert max(delays_s(found, "wecom", happened)) <= 180
        assert max(delays_s(found, "mail", happened)) <= 660
        assert max(delays_s(found, "dingtalk", happened)) <= 1_200 + sending.MOST_CLOSED_S + 240
        said = [one.text for server in found.servers.values() for one in ours(server)]
        out = capfd.readouterr()
        assert leaks(found.home, caplog.text, str(found.told), out.out, out.err) == []
    for text in said:
        assert REFERENCE.search(text)
        # without the references: a random one may spell any three letters
        rest = REFERENCE.sub("", text)
        assert not [word for word in ("CNC", "spindle_current", "12.75") if word in rest]


# --- one channel


def test_urgent_at_once_the_others_by_digest(ding):
    ding.tell(events(2))
    assert len(ding.robots["dingtalk"].accepted) == 2
    medium = events(3, "medium").with_columns(event_id="m" + pl.col("event_id"))
    summary = ding.tell(medium)
    assert len(ding.robots["dingtalk"].accepted) == 2
    (waits,) = summary.waits
    assert (waits.events, waits.why) == (3, "not due yet")
    assert waits.until - START <= timedelta(hours=1)
    later(ding, hours=1)
    ding.tell(medium)
    last = ding.robots["dingtalk"].accepted[-1].text
    assert "3 anomaly events (medium 3)" in last
    assert len(REFERENCE.findall(last)) == 3


def test_what_was_told_is_not_told_again_until_it_worsens_or_returns(ding):
    def told(*args, **more):
        before = len(ding.robots["dingtalk"].accepted)
        ding.tell(events(1, *args, **more))
        later(ding, hours=25)
        ding.tell(events(1, *args, **more))
        return len(ding.robots["dingtalk"].accepted) - before

    assert told("medium") == 1
    assert told("medium", "ongoing") == 0
    assert told("medium", acknowledged=True) == 0
    assert told("high", acknowledged=True) == 1
    assert told("high", acknowledged=True) == 0
    assert told("high") == 1  # the acknowledgement has lapsed, and it is still active
    assert told("high", "cleared") == 0
    assert told("high", "new") == 1
    assert told("low", "new") == 0


def test_an_event_that_a_later_day_calls_otherwise_is_the_same(ding):
    ding.tell(events(1))
    later(ding, hours=1)
    renamed = events(1).with_columns(
        aliases=pl.concat_list("event_id"), event_id=pl.lit("CNC-000-20261122T005900Z")
    )
    assert ding.tell(renamed).owed == 0
    assert ding.tell(renamed.drop("aliases")).owed == 0


def test_a_cause_is_one_message_and_none_of_its_machines_is_told_again_alone(ding):
    one_cause = events(3).with_columns(cause_id=pl.lit("F01-L1-air-low"))
    assert ding.tell(one_cause).owed == 1
    assert len(ding.robots["dingtalk"].accepted) == 1
    later(ding, hours=1)
    for alone in (events(3), events(3, state="ongoing"), one_cause.reverse(), one_cause.tail(1)):
        assert ding.tell(alone).owed == 0
    joined = events(4).with_columns(cause_id=pl.lit("F01-L1-air-low"))
    assert ding.tell(joined).owed == 0
    (reference,) = REFERENCE.findall(ding.robots["dingtalk"].accepted[0].text)
    with Outbox(ding.home.root) as outbox:
        first = one_cause["event_id"][0]
        assert outbox.event_of(reference) == ("F01", first, "2026-11-22")
        assert outbox.event_of(outbox.reference("F01", one_cause["event_id"][2]))


def test_machines_that_were_told_alone_are_not_told_again_as_a_cause(ding):
    ding.tell(events(2, "medium"))
    later(ding, hours=25)
    ding.tell(events(2, "medium"))
    as_one = events(3, "medium").with_columns(cause_id=pl.lit("c")).sort("event_id")
    assert ding.tell(as_one).owed == 0
    worse = as_one.with_columns(
        priority=pl.when(pl.col("event_id").str.contains("002")).then(pl.lit("high"))
        .otherwise("priority")
    )  # fmt: skip
    assert ding.tell(worse).owed == 1


def test_one_event_that_worsens_while_it_waits_is_told_once(ding):
    ding.tell(events(1, "medium"))
    ding.tell(events(1, "high"))
    later(ding, hours=2)
    ding.tell(events(1, "high"))
    assert len(ding.robots["dingtalk"].accepted) == 1


def test_a_burst_fills_the_window_and_the_last_slot_takes_the_rest(ding):
    ding.tell(events(50))
    accepted = ding.robots["dingtalk"].accepted
    assert len(accepted) == 18
    assert "33 anomaly events (high 33)" in accepted[-1].text
    assert "and 13 more" in accepted[-1].text
    more = events(5).with_columns(event_id="x" + pl.col("event_id"))
    summary = ding.tell(more)
    assert len(accepted) == 18
    (waits,) = summary.waits
    assert (waits.events, waits.why) == (5, "its window is full")
    ding.clock.now = waits.until
    ding.tell(more)
    assert sum(one.events for one in messages(ding, "sent")) == 55
    assert not ding.robots["dingtalk"].refused


def test_the_window_is_kept_by_the_next_process_too(ding):
    for n in range(4):
        ding.tell(events(10).with_columns(event_id=pl.lit(f"{n}") + pl.col("event_id")))
    assert len(ding.robots["dingtalk"].accepted) == 18
    assert not ding.robots["dingtalk"].refused


def test_a_closed_robot_is_left_alone_for_its_ten_minutes(ding):
    robot = ding.robots["dingtalk"]
    robot.closed_until = START + timedelta(minutes=10)
    ding.tell(events(1))
    for _ in range(19):
        later(ding, seconds=30)
        ding.tell(events(3))
    assert len(robot.requests) == 1
    later(ding, minutes=2)
    ding.tell(events(3))
    assert sum(one.events for one in messages(ding, "sent")) == 3
    assert [one.code for one in robot.refused] == [130101]


def test_a_channel_that_is_down_is_tried_again_ever_more_seldom(ding):
    trouble = down(ding)
    for _ in range(60):
        ding.tell(events(1))
        later(ding, seconds=20)
    tries = [one for one in ding.gone if one.status == "retrying"]
    assert 4 <= len(tries) <= 7
    assert ding.told[0][1].troubles == ["dingtalk: it fails (HTTP 502)"]
    trouble.clear()
    later(ding, minutes=30)
    ding.tell(events(1))
    assert len(ding.robots["dingtalk"].accepted) == 1


def test_a_message_that_fails_eight_times_is_a_dead_letter_and_comes_back(ding):
    trouble = down(ding)
    for _ in range(sending.MOST_TRIES + 1):
        ding.tell(events(1))
        later(ding, hours=1)
    (letter,) = messages(ding, "dead")
    assert (letter.attempts, letter.reason) == (sending.MOST_TRIES, "it fails (HTTP 502)")
    assert ding.told[-1][1].dead == 1
    trouble.clear()
    ding.tell(events(1))
    assert not ding.robots["dingtalk"].accepted
    with Outbox(ding.home.root) as outbox:
        assert outbox.requeue("nothing", ding.clock()) == 0
        assert outbox.requeue(letter.id[:6], ding.clock()) == 1
    ding.tell(events(1))
    (sent,) = ding.robots["dingtalk"].accepted
    assert sent.id == letter.id
    assert not messages(ding, "dead")


def test_a_refusal_is_a_dead_letter_at_once_and_holds_up_nobody(ding):
    ding.environ["DINGTALK_SECRET"] = "SECwrong"
    ding.tell(events(3))
    assert len(messages(ding, "dead")) == 3
    assert "is the secret this robot's" in messages(ding, "dead")[0].reason
    ding.environ["DINGTALK_SECRET"] = SECRET
    with Outbox(ding.home.root) as outbox:
        assert outbox.requeue("all", ding.clock()) == 3
    ding.tell(events(3))
    assert len(ding.robots["dingtalk"].accepted) == 3


def test_what_cannot_be_sent_yet_waits_and_is_said(ding):
    secret = ding.environ.pop("DINGTALK_SECRET")
    summary = ding.tell(events(2))
    assert summary.troubles[0] == "dingtalk: DINGTALK_SECRET is not set in the environment"
    assert summary.waits[0].events == 2
    ding.environ["DINGTALK_SECRET"] = secret
    ding.tell(events(2))
    assert len(ding.robots["dingtalk"].accepted) == 2


def test_a_channel_taken_out_of_the_settings_is_said(ding):
    down(ding)
    ding.tell(events(2))
    path = ding.home.root / "notify.toml"
    path.write_text(path.read_text().replace('"dingtalk"\n', '"dong"\n', 1).replace(
        'channel = "dingtalk"', 'channel = "dong"'))  # fmt: skip
    (trouble,) = [line for line in ding.tell(events(2)).troubles if "no such channel" in line]
    assert trouble.startswith("dingtalk: something waits for it")


def test_one_bad_channel_never_stops_the_others(tmp_path):
    with world(tmp_path / "home", VirtualClock()) as found:
        down(found, "dingtalk")
        down(found, "feishu", status=403)
        summary = found.tell(events(3))
        assert len(found.robots["wecom"].accepted) == 3
        assert len(found.mail.accepted) == 1
        assert {line.split(":")[0] for line in summary.troubles} == {"dingtalk", "feishu"}


@pytest.mark.parametrize("answers", [["failed"], ["failed", "sent", "busy"]])
def test_a_poison_message_stops_no_other(tmp_path, answers):
    """Whatever the others are answered, a message that always fails is the only one to die."""
    with world(tmp_path / "home", VirtualClock(), DING) as found:
        seen, replies = [], iter(answers * 100)

        def post(channel, message, now):
            seen.append(message.id)
            if message.id == seen[0]:
                return Answer("failed", "poison")
            fate = next(replies) if len(seen) < 20 else "sent"
            return Answer(fate, "" if fate == "sent" else "not now", 30.0 * (fate == "busy"))

        for _ in range(60):
            tell(found.home, events(6), found.clock.now, clock=found.clock, post=post,
                 environ=found.environ)  # fmt: skip
            later(found, minutes=5)
        assert [one.id for one in messages(found, "dead")] == [seen[0]]
        assert sum(one.events for one in messages(found, "sent")) == 5


def test_no_settings_nobody_told(tmp_path):
    home = Home(tmp_path / "home").create(first_day=date(2026, 11, 22))
    assert tell(home, events(1), START).owed == 0
    assert not (home.root / OUTBOX_FILE).exists()


def test_a_rehearsal_leaves_nothing_behind(ding):
    posted = []

    def post(channel, message, now):
        posted.append(message)
        return Answer("sent")

    summary = tell(ding.home, events(2), START, clock=ding.clock, post=post, environ={},
                   is_rehearsal=True)  # fmt: skip
    assert len(posted) == summary.owed == 2
    assert not (ding.home.root / OUTBOX_FILE).exists()
    ding.tell(events(2))
    tell(ding.home, events(4), START, clock=ding.clock, post=post, is_rehearsal=True)
    assert len(posted) == 4
    assert len(ding.robots["dingtalk"].accepted) == 2
    assert len(ding.messages) == 2


def test_while_one_sends_another_adds_and_both_go_out_once(ding):
    with Outbox(ding.home.root) as outbox, outbox.sending() as mine:
        assert mine
        summary = ding.tell(events(2))
        assert summary.notes
        assert summary.is_well
        assert not ding.robots["dingtalk"].requests
    ding.tell(events(2))
    assert len(ding.robots["dingtalk"].accepted) == 2


def test_a_damaged_outbox_is_named(ding):
    (ding.home.root / OUTBOX_FILE).write_bytes(b"this is no database" * 100)
    with pytest.raises(NotifyError, match="it is no outbox"):
        ding.tell(events(1))


def test_a_full_disk_is_named_and_nothing_half_written(ding, monkeypatch):
    ding.tell(events(1))

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Outbox, "owe", full)
    with pytest.raises(NotifyError, match="make room on the disk"):
        ding.tell(events(3))
    monkeypatch.undo()
    ding.tell(events(3))
    assert len(ding.robots["dingtalk"].accepted) == 3


def test_references_are_this_homes_own(tmp_path):
    with Outbox(tmp_path) as one, Outbox(tmp_path) as same:
        assert one.reference("F01", "a") == same.reference("F01", "a")
        assert one.reference("F01", "a") != one.reference("F02", "a")
        assert REFERENCE.fullmatch(one.reference("F01", "a"))
        (tmp_path / "other").mkdir()
        with Outbox(tmp_path / "other") as other:
            assert one.reference("F01", "a") != other.reference("F01", "a")


@given(st.integers(1, 30), st.floats(0, 1, exclude_max=True))
def test_waiting_doubles_up_to_its_most_and_is_never_in_step(tries, drawn):
    wait = sending.backoff_s(tries, lambda: drawn)
    whole = min(sending.FIRST_WAIT_S * 2.0 ** (tries - 1), sending.MOST_WAIT_S)
    assert whole / 2 <= wait <= whole


# --- the command line, and a kill


@pytest.fixture
def real(tmp_path):
    """A home on the machine's own clock, with six urgent events of today in its lake."""
    with world(tmp_path / "home", sending.utc_now, DING) as found:
        day = date(2026, 11, 22)
        frame = events(6).with_columns(
            partition_day=pl.lit(day), contributors=pl.lit(None, pl.List(pl.Float64))
        )
        Lake(found.home.lake).write("anomaly_events", frame, Partition(day, "F01"))
        yield found


def arguments(found, *words):
    return [sys.executable, "-m", "parkpulse", "notify", *words, "--home", str(found.home.root)]


def command(found, *words, **environ):
    done = subprocess.run(
        arguments(found, *words), cwd=ROOT, env=os.environ | found.environ | environ,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout
    assert "a defect of ours" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert Robot.token not in done.stdout + done.stderr
    return done


def test_killed_between_sending_and_marking_one_is_repeated_and_none_lost(real):
    robot = real.robots["dingtalk"]
    for nth in (1, 2):  # killed while the first, then the second message of a run is on the wire
        wanted, arrived, gate = len(robot.requests) + nth, threading.Event(), threading.Event()

        def hold(wanted=wanted, arrived=arrived, gate=gate):
            if len(robot.requests) == wanted:
                arrived.set()
                gate.wait(30)

        robot.before_answer = hold
        with subprocess.Popen(
            arguments(real, "send"), cwd=ROOT, env=os.environ | real.environ,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert arrived.wait(30)
            os.kill(process.pid, signal.SIGKILL)
        gate.set()
        assert not all(one.status == "sent" for one in real.messages)
    robot.before_answer = lambda: None
    done = command(real, "send", "--day", "2026-11-22")
    assert done.returncode == 0, done.stderr
    ids = [one.id for one in robot.accepted]
    assert {one.id for one in real.messages} == set(ids)
    assert all(one.status == "sent" for one in real.messages)
    assert sum(one.events for one in real.messages) == 6
    assert len(ids) == len(set(ids)) + 2
    with Outbox(real.home.root) as outbox:  # what a crash left unanswered fills the window too
        assert len(outbox.tries("dingtalk", START)) == len(robot.requests)
    assert leaks(real.home, done.stdout, done.stderr) == []


def run(found, monkeypatch, *words):
    """A command in this process, which is a second sooner."""
    monkeypatch.setenv("PARKPULSE_HOME", str(found.home.root))
    done = CliRunner().invoke(
        cli, ["notify", *words, "--home", str(found.home.root)], env=found.environ,
        standalone_mode=False,
    )  # fmt: skip
    assert SECRET not in done.output
    assert Robot.token not in done.output
    return done


def test_the_commands(real, monkeypatch):
    robot = real.robots["dingtalk"]

    def told(*words):
        return run(real, monkeypatch, *words)

    assert "dingtalk: dingtalk, ready" in told("check").output
    dry = told("send", "--dry-run")
    assert "--- dingtalk" in dry.output
    assert "dingtalk: 6 events in 6 messages, urgent: would be sent" in dry.output
    assert not robot.requests
    assert told("test", "dingtalk").output == "dingtalk: sent\n"
    assert "测试消息" in robot.accepted[0].text
    sent = told("send")
    assert sent.output == "dingtalk: 6 events in 6 messages, urgent: sent\n"
    assert told("send").output == "nothing to tell\n"
    assert told("send", "--for", "0.2").output == "nothing to tell\n" * 2
    reference = REFERENCE.search(robot.accepted[-1].text)[0]
    found = told("find", reference).output.split()
    assert found[:2] == ["F01", "2026-11-22"]
    assert found[2].startswith("CNC-")
    assert json.loads(told("dead", "--json").output) == []


def test_the_commands_in_trouble(real, monkeypatch):
    def told(*words):
        return run(real, monkeypatch, *words)

    real.environ["DINGTALK_SECRET"] = "SECwrong"
    assert "dingtalk: not sent (signature" in told("test", "dingtalk").output
    assert not real.messages
    sent = told("send", "--json")
    assert json.loads(sent.stdout)["dead"] == 6
    letters = json.loads(told("dead", "--json").output)
    assert {letter["reason"][:9] for letter in letters} == {"signature"}
    assert told("dead").output.count("1 event  signature") == 6
    assert "6 queued again" in told("dead", "--requeue", "all").output
    real.environ["DINGTALK_SECRET"] = ""
    checked = told("check")
    assert "notify: dingtalk: DINGTALK_SECRET is not set in the environment" in checked.output
    assert "no route goes by it" in checked.output
    for words, said in (
        (("test", "dong"), "it has no channel dong"),
        (("find", "AAAAA-AAAAA"), "no message of this home says so"),
        (("dead", "--requeue", "f00"), "no dead letter has this id"),
    ):
        with pytest.raises(NotifyError, match=said):
            raise told(*words).exception


def test_bad_settings_are_one_line_on_the_command_line(real):
    path = real.home.root / "notify.toml"
    path.write_text(path.read_text().replace("DINGTALK_WEBHOOK", real.robots["dingtalk"].webhook))
    done = command(real, "send")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "not the name of an environment variable" in done.stderr


@pytest.mark.parametrize("words", [("check",), ("send",), ("dead",), ("find", "AAAAA-AAAAA")])
def test_no_home_is_named_and_none_is_made(tmp_path, words, monkeypatch):
    monkeypatch.setenv("PARKPULSE_HOME", "")
    done = CliRunner().invoke(cli, ["notify", *words, "--home", str(tmp_path / "none")])
    assert isinstance(done.exception, HomeRefused)
    assert not (tmp_path / "none").exists()
