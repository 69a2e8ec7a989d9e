"""How a collector comes back: in the middle of things, twice in a row, or not at all."""

import asyncio
import contextlib
import errno
import json
import os
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.server.uaprocessor import UaProcessor
from hypothesis import given
from hypothesis import strategies as st

from connectors.ledger import Ledger
from connectors.opcua import collector, feed, link, session, subscribe
from connectors.opcua.failures import SubscriptionLostError
from connectors.opcua.handover import Handover, HandoverFile
from connectors.opcua.intake import Intake
from connectors.opcua.pump import Pump, SilentError
from connectors.opcua.quirks import Quirk
from connectors.opcua.subscribe import Options, Revised, Standing, Subscription
from connectors.segments import SegmentWriter
from tests.connectors.opcua.conftest import free_port
from tests.connectors.opcua.faults import (
    PREFIX,
    Fault,
    StandardSubscription,
    StrictSession,
    _late,
    no_fault,
    staged,
    until,
)
from tests.connectors.opcua.wire import Wire

KEPT = Fault(no_fault)
LOST = Fault(no_fault, keeps=False)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(subscribe, "KEEP_ALIVE_S", 1.0)
    monkeypatch.setattr(subscribe, "_GRACE_S", 2.0)
    monkeypatch.setattr(session, "REQUEST_TIMEOUT_S", 4.0)


def in_small_subscriptions(monkeypatch, items=2):
    monkeypatch.setattr(feed, "quirk_of", lambda _: Quirk(items_per_subscription=items))


def terms(scene):
    with Ledger(scene.home, read_only=True) as ledger:
        (server,) = ledger.summary()["servers"]
    return server


def gap_nodes(scene):
    """Nodes that lost something after all flowed."""
    with Ledger(scene.home, read_only=True) as ledger:
        gaps = ledger.gaps().to_dicts()
    return {
        gap["node_id"].removeprefix(PREFIX)
        for gap in gaps
        if gap["from_time"] >= scene.began - timedelta(seconds=5)
    }


async def again(scene):
    scene.collector = scene.run()
    await scene.collector.__aenter__()


async def said(scene, state, since=0):
    """Wait until the collector says that it is in this state."""
    states = scene.collector.states
    await until(lambda: any(one.state == state for one in states[since:]))


# --- stop


@pytest.mark.parametrize("how", ["cut", "stalled"])
async def test_a_stop_while_reconnecting_ends_at_once(tmp_path, how):
    async with staged(Fault(no_fault, keeps=False), tmp_path / "home") as scene, scene.fault():
        if how == "cut":
            await scene.wire.cut()
        elif how == "stalled":
            scene.wire.stalled = True
        else:
            scene.wire.freeze()
        await until(lambda: scene.collector.states[-1].state == "reconnecting")
        scene.collector.stop.set()
        async with asyncio.timeout(10):
            await scene.collector.task
        assert scene.collector.states[-1].state == "stopped"
        if how == "cut":
            await scene.wire.mend()
        scene.wire.stalled = False
        scene.wire.thaw()
        await again(scene)


async def test_a_stop_while_reconnecting_with_a_full_disk_ends(
    tmp_path, plants, running, hour_ago, monkeypatch
):
    monkeypatch.setattr(collector, "_SEAL_TRIES", 2)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    plant = await plants()
    await plant.add("a")
    wire = Wire(plant.port, free_port())
    await wire.mend()
    run = running(tmp_path, wire.url, history_from=hour_ago, publishing_interval_ms=50)
    async with run:
        speaking = asyncio.create_task(plant.tick("a", 1000, pause_s=0.02))
        await asyncio.sleep(0.5)
        await wire.cut()
        monkeypatch.setattr(os, "pwrite", full)
        await until(lambda: run.states[-1].state == "reconnecting")
        await wire.mend()
        await asyncio.sleep(2)  # found again, with rows that no disk takes
        assert run.states[-1].state == "reconnecting"
        run.stop.set()
        async with asyncio.timeout(30):
            await run.task
    monkeypatch.undo()
    speaking.cancel()
    await wire.end()
    assert run.states[-1].state == "stopped"


# --- recovery that is disturbed


async def test_a_cut_while_catching_up_loses_nothing(tmp_path, monkeypatch):
    in_small_subscriptions(monkeypatch)
    real, asked = Subscription.republish_rest, []

    async def cut_short(self):
        asked.append(self.id)
        if len(asked) == 2:  # the first has given what it had
            raise ConnectionError("cut once more")
        return await real(self)

    monkeypatch.setattr(Subscription, "republish_rest", cut_short)
    async with staged(Fault(no_fault, nodes=(1, 3)), tmp_path / "home") as scene:
        since = len(scene.collector.states)
        await scene.wire.cut()
        await asyncio.sleep(0.5)  # the server goes on to answer what it was asked
        await scene.wire.mend()
        await said(scene, "reconnecting", since)
        await said(scene, "connected", since)
    assert asked[0] != asked[1]
    assert len(asked) > 3
    assert "connecting" not in {one.state for one in scene.collector.states[since:]}


async def test_a_cut_in_the_middle_of_a_back_fill_begins_it_anew(tmp_path, monkeypatch):
    pages, cuts = [], []
    real = StrictSession.history_read

    async def remember(scene):
        mill = scene.mill
        storage = mill.server.iserver.history_manager.storage
        storage.max_history_data_response_size = 100
        begin = scene.hour_ago + timedelta(minutes=1)
        old = [(begin + timedelta(seconds=i), -float(i)) for i in range(1500)]
        for name in mill.kept:
            storage._datachanges[mill.nodes[name][0].nodeid][:0] = [
                ua.DataValue(ua.Variant(value), SourceTimestamp=time, ServerTimestamp=time)
                for time, value in old
            ]
            mill.written[name] += old

        async def history_read(self, params):
            pages.append(len(params.NodesToRead))
            if len(pages) == 5:
                cuts.append(asyncio.create_task(cut()))
                await asyncio.sleep(0.1)
            return await real(self, params)

        async def cut():
            await scene.wire.cut()
            await scene.wire.mend()

        monkeypatch.setattr(StrictSession, "history_read", history_read)

    async with staged(Fault(no_fault, prepare=remember), tmp_path / "home") as scene:
        await cuts[0]
    states = [one.state for one in scene.collector.states]
    assert states.index("reconnecting") < states.index("connected")


async def test_what_a_cut_finds_half_committed_is_acknowledged_later(tmp_path, monkeypatch):
    real = SegmentWriter.sync

    at_work = threading.Event()

    def slow(self):
        at_work.set()
        time.sleep(0.5)
        real(self)
        at_work.clear()

    async with staged(KEPT, tmp_path / "home") as scene:
        monkeypatch.setattr(SegmentWriter, "sync", slow)
        for _ in range(3):
            await asyncio.sleep(0.3)
            await until(at_work.is_set)
            since = len(scene.collector.states)
            await scene.wire.cut()
            await scene.wire.mend()
            await said(scene, "reconnecting", since)
            await said(scene, "connected", since)
        monkeypatch.setattr(SegmentWriter, "sync", real)
        (ours,) = (scene.mill.service.subscriptions[i] for i in scene.mill.service.ours)
        until_s = time.monotonic() + 20
        newest = ours._notification_seq
        while any(number < newest for number in ours._not_acknowledged_results):
            assert time.monotonic() < until_s, list(ours._not_acknowledged_results)
            await asyncio.sleep(0.1)


async def test_only_what_is_on_disk_and_marked_is_acknowledged(tmp_path, monkeypatch):
    acknowledged, early = [], []
    real = StandardSubscription.publish

    def publish(self, numbers):
        for number in numbers:
            result = self._not_acknowledged_results.get(number)
            if result is None or self.pub_request_callback is None:
                continue
            acknowledged.append(number)
            (marks,) = (home / "handover" / "F01").glob("*.durable.json")
            marked = max(json.loads(marks.read_text())["durable"].values())
            for part in result.NotificationMessage.NotificationData:
                for item in part.MonitoredItems:
                    name = names.get(item.ClientHandle)
                    if name and _late(home, {name: item.Value.Value.Value}):
                        early.append((number, name))
            if number > marked:
                early.append((number, marked))
        real(self, numbers)

    home, names = tmp_path / "home", {}
    async with staged(KEPT, home) as scene:
        (ours,) = (scene.mill.service.subscriptions[i] for i in scene.mill.service.ours)
        for item in ours.monitored_item_srv._monitored_items.values():
            if isinstance(item.read_value_id.NodeId.Identifier, str):  # not that of events
                names[item.client_handle] = PREFIX + item.read_value_id.NodeId.Identifier
        monkeypatch.setattr(StandardSubscription, "publish", publish)
        scene.wire.drop = 1
        await until(lambda: len(acknowledged) > 15)
    assert early == []


# --- several subscriptions


async def test_one_of_several_subscriptions_is_deleted(tmp_path, monkeypatch):
    in_small_subscriptions(monkeypatch, 2)
    async with staged(Fault(no_fault, keeps=False, after_s=30), tmp_path / "home") as scene:
        service = scene.mill.service
        holding = {
            str(item.read_value_id.NodeId.Identifier): number
            for number in service.ours
            for item in service.subscriptions[number].monitored_item_srv._monitored_items.values()
        }
        async with scene.fault():
            await service.delete_subscriptions([holding["plain1"]])
    beside = {name for name, number in holding.items() if number == holding["plain1"]}
    assert "plain1" in gap_nodes(scene) <= beside
    assert len(set(holding.values())) > 1


async def test_a_subscription_that_is_full_is_followed_by_another(tmp_path):
    async def small(scene):
        scene.mill.server.iserver.most_items = 3

    async with staged(Fault(no_fault, prepare=small), tmp_path / "home") as scene:
        await scene.wire.cut()
        await scene.wire.mend()
    assert terms(scene)["revised"]["subscriptions"] > 2
    assert terms(scene)["refused"] == {}


async def test_a_server_that_holds_one_publish_request_is_heard(tmp_path, monkeypatch):
    monkeypatch.setattr(UaProcessor, "publish_request_limit", lambda self, count: 1)
    async with staged(KEPT, tmp_path / "home") as scene:
        await asyncio.sleep(1)
        await scene.wire.cut()
        await scene.wire.mend()


# --- handover


async def test_a_collector_that_ended_by_an_error_leaves_its_subscriptions(tmp_path, monkeypatch):
    real, odd = Intake.take, []

    def take(self, message):
        if odd:
            raise odd.pop()
        real(self, message)

    monkeypatch.setattr(Intake, "take", take)
    async with staged(KEPT, tmp_path / "home") as scene:
        ours, since = scene.mill.service.ours, len(scene.collector.states)
        odd.append(ValueError("an oddity"))
        await said(scene, "reconnecting", since)
        await said(scene, "connected", since)
        assert scene.mill.service.ours == ours


async def test_a_collector_that_was_stopped_leaves_none(tmp_path):
    async with staged(KEPT, tmp_path / "home") as scene:
        pass
    assert scene.mill.service.ours == []
    assert [p.suffixes for p in (scene.home / "handover" / "F01").iterdir()] == [
        [".durable", ".json"]
    ]


HANDOVER = Handover(
    "2026-11-21T00:00:00Z",
    Options(),
    ["nsu=urn:a;s=1", "nsu=urn:a;s=二"],
    [Standing(77, 5.0, 500.0, 0xFFFF_FFFF)],
    [[0, 1]],
    [[(2, Revised(100.0, 10))]],
)


@given(st.booleans(), st.integers(0, 400))
def test_a_torn_handover_is_none(of_marks, length):
    with tempfile.TemporaryDirectory() as folder:
        file = HandoverFile(Path(folder), "F01", "urn:test")
        file.write(HANDOVER)
        assert file.read() == HANDOVER
        path = file._durable if of_marks else file._standing
        whole = path.stat().st_size
        os.truncate(path, min(length, whole))
        assert file.read() == (HANDOVER if length >= whole else None)


# --- the pump alone


class Answers:
    """A session that gives what it is told to; then it is silent."""

    timeout_s = 1.0

    def __init__(self, *answers):
        self.answers, self.asked, self.forgotten = list(answers), [], []

    def publish(self, receipts, limit_s, answer):
        self.asked.append(len(receipts))
        if self.answers:
            asyncio.get_running_loop().call_soon(answer, self.answers.pop(0))
        return len(self.asked)

    def forget(self, request):
        self.forgotten.append(request)


def pump_of(*answers, outstanding=1):
    pump = Pump(Answers(*answers), outstanding)
    pump.add(Subscription(pump.session, Options()))
    return pump


async def test_a_lost_answer_is_asked_for_anew_while_others_come(monkeypatch):
    pump = pump_of()
    pump.acknowledge([(0, 1)])
    pump.start()
    assert pump.session.asked == [1]
    monkeypatch.setattr("time.monotonic", lambda now=time.monotonic: now() + 1000)
    pump._top_up()
    assert pump.session.asked == [1, 1]  # what was acknowledged in vain is so again
    assert pump.session.forgotten == [1]
    assert not pump._inbox
    await pump.stop()


async def test_one_publish_request_is_always_left():
    many = ua.UaStatusCodeError(ua.StatusCodes.BadTooManyPublishRequests)
    pump = pump_of(many, many, many, outstanding=3)
    pump.start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            with pytest.raises(ua.UaStatusCodeError):
                await pump.messages()
    assert len(pump.session.asked) == 3
    await pump.stop()


async def test_silence_over_a_new_channel_too_is_the_end_of_a_subscription(monkeypatch):
    monkeypatch.setattr(Subscription, "patience_s", 0.05)
    pump = pump_of()
    for error in (SilentError, SubscriptionLostError):
        pump.start()
        with pytest.raises(error):
            await pump.messages()
        await pump.stop()


def test_no_pause_is_longer_than_promised():
    """Fresh within 15 s: a pause, a connection that says nothing, and time to subscribe."""
    assert link.LONGEST_DELAY_S + session.CHANNEL_TIMEOUT_S <= 10
    assert link.RETRY_REFUSED_S <= 10
