"""Session, browse, history and subscription against a real server."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from asyncua import ua
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription

from connectors.accounts import ledger_summary
from connectors.errors import ServerUnreachable
from connectors.opcua import history
from connectors.opcua.browse import discover
from connectors.opcua.decode import DataValues
from connectors.opcua.history import Wanted, read_raw
from connectors.opcua.pump import Pump
from connectors.opcua.session import Session
from connectors.opcua.subscribe import Message, Options, Subscription, take_overflow
from connectors.raw import ticks_of
from tests.connectors.opcua.test_collector import free_port, rows, values, written

START = datetime(2026, 1, 1, tzinfo=UTC)
END = ticks_of(datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
async def connected(plants):
    plant = await plants()
    session = Session(plant.url)
    await session.open()
    yield plant, session
    await session.close()


async def limit(plant, name, number):
    node = getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}")
    await plant.server.get_node(ua.NodeId(node)).write_value(number, ua.VariantType.UInt32)


async def fill(plant, name, count):
    node = await plant.add(name)
    storage = plant.server.iserver.history_manager.storage
    storage._datachanges[node.nodeid] = [
        ua.DataValue(ua.Variant(float(i)), SourceTimestamp=START + timedelta(seconds=i))
        for i in range(count)
    ]
    return node.nodeid


async def test_introduces_itself(connected):
    _, session = connected
    assert session.server_uri == "urn:test:plant"
    assert session.namespaces[2] == "urn:test:nodes"
    assert abs(await session.server_time() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_a_silent_port_is_named():
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ServerUnreachable, match=f"{url}: .*start the server"):
        await Session(url).open()


async def test_discovers_everything_but_the_server_object_within_limits(connected, plants):
    plant, _ = connected
    await limit(plant, "MaxNodesPerRead", 7)
    await limit(plant, "MaxNodesPerBrowse", 3)
    folder = await plant.server.nodes.objects.add_object(plant.ns, "Line")
    await folder.add_variable(ua.NodeId("deep", plant.ns), f"{plant.ns}:Deep", 1)
    await plant.server.nodes.objects.add_reference(folder, ua.ObjectIds.HasComponent)
    for i in range(10):
        await plant.add(f"v{i}", historized=i == 3)
    hidden = plant.nodes["v4"][0]
    await hidden.unset_attr_bit(ua.AttributeIds.UserAccessLevel, ua.AccessLevel.CurrentRead)
    session = Session(plant.url)
    await session.open()
    try:
        found, missing = await discover(session)
        assert missing == []
        ours = {v.text: v for v in found if v.text.startswith("nsu=urn:test:nodes")}
        assert set(ours) == {
            f"nsu=urn:test:nodes;s={n}" for n in ("deep", *(f"v{i}" for i in range(10)))
        }
        assert ours["nsu=urn:test:nodes;s=deep"].path == (
            ("urn:test:nodes", "Line"),
            ("urn:test:nodes", "Deep"),
        )
        assert [t for t, v in ours.items() if v.historized] == ["nsu=urn:test:nodes;s=v3"]
        assert [t for t, v in ours.items() if not v.readable] == ["nsu=urn:test:nodes;s=v4"]
        assert not any("i=2256" in v.text for v in found)
        only, missing = await discover(session, [f"ns={plant.ns};s=v1", "nsu=urn:none;s=x", "junk"])
        assert [v.text for v in only] == ["nsu=urn:test:nodes;s=v1"]
        assert missing == ["nsu=urn:none;s=x", "junk"]
    finally:
        await session.close()


async def test_how_a_history_is_kept_is_no_value(connected):
    plant, session = connected
    node = await plant.add("a")
    server = plant.server.get_node(ua.ObjectIds.Server)
    kept = await server.add_object(plant.ns, "HA Configuration")
    await kept.add_property(ua.NodeId("stepped", plant.ns), f"{plant.ns}:Stepped", True)
    await node.add_reference(kept, ua.ObjectIds.HasHistoricalConfiguration)
    unit = await server.add_property(ua.NodeId("unit", plant.ns), f"{plant.ns}:Unit", "kg")
    await node.add_reference(unit, ua.ObjectIds.HasProperty)
    found, _ = await discover(session)
    ours = [v.text for v in found if v.text.startswith("nsu=urn:test:nodes")]
    assert ours == ["nsu=urn:test:nodes;s=a", "nsu=urn:test:nodes;s=unit"]


async def read_all(session, wanted):
    found = {}

    async def on_page(key, page):
        assert isinstance(page, DataValues)
        found.setdefault(key, []).extend(page.floats.tolist())

    return found, await read_raw(session, wanted, END, on_page)


async def test_history_follows_continuation_points(connected):
    plant, session = connected
    plant.server.iserver.history_manager.storage.max_history_data_response_size = 10
    nodes = [await fill(plant, f"h{i}", 37 * i) for i in range(5)]
    wanted = [Wanted(i, node, ticks_of(START)) for i, node in enumerate(nodes)]
    found, outcome = await read_all(session, wanted)
    assert {k: sorted(set(v)) for k, v in found.items()} == {
        i: [float(n) for n in range(37 * i)] for i in range(1, 5)
    }
    assert outcome.failed == {}


async def test_history_asks_for_less_where_the_server_finds_it_too_much(connected, monkeypatch):
    plant, session = connected
    nodes = [await fill(plant, f"h{i}", 50) for i in range(3)]
    real, asked = session.call, []

    async def fussy(request, timeout_s=None):
        if isinstance(request, ua.HistoryReadRequest):
            details = request.Parameters.HistoryReadDetails
            asked.append(len(request.Parameters.NodesToRead))
            if asked[-1] > 1 or details.EndTime - details.StartTime > timedelta(days=365):
                raise ua.UaStatusCodeError(ua.StatusCodes.BadResponseTooLarge)
        return await real(request, timeout_s)

    monkeypatch.setattr(session, "call", fussy)
    wanted = [Wanted(i, node, ticks_of(START)) for i, node in enumerate(nodes)]
    found, _ = await read_all(session, wanted)
    assert {k: sorted(set(v)) for k, v in found.items()} == {
        i: [float(n) for n in range(50)] for i in range(3)
    }


async def test_a_node_without_history_fails_alone(connected, monkeypatch):
    plant, session = connected
    good = await fill(plant, "good", 5)
    bad = await fill(plant, "bad", 5)
    manager = plant.server.iserver.history_manager
    real = manager._read_history

    async def refuse(details, rv):
        if rv.NodeId == bad:
            return ua.HistoryReadResult(
                ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported)
            )
        return await real(details, rv)

    monkeypatch.setattr(manager, "_read_history", refuse)
    found, outcome = await read_all(
        session, [Wanted(0, good, ticks_of(START)), Wanted(1, bad, ticks_of(START))]
    )
    assert found == {0: [0.0, 1.0, 2.0, 3.0, 4.0]}
    assert outcome.failed == {1: ua.StatusCodes.BadHistoryOperationUnsupported}


async def test_a_server_without_history_fails_node_by_node(connected, monkeypatch):
    plant, session = connected
    real = session.call

    async def refuse(request, timeout_s=None):
        if isinstance(request, ua.HistoryReadRequest):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadServiceUnsupported)
        return await real(request, timeout_s)

    monkeypatch.setattr(session, "call", refuse)
    wanted = [Wanted(i, await fill(plant, f"h{i}", 5), ticks_of(START)) for i in range(3)]
    _, outcome = await read_all(session, wanted)
    assert outcome.failed == dict.fromkeys(range(3), ua.StatusCodes.BadServiceUnsupported)


async def test_a_continuation_point_that_leads_nowhere_ends(connected, monkeypatch):
    plant, session = connected
    node = await fill(plant, "h", 5)

    async def stuck(*_):
        return [ua.DataValue(ua.Variant(1.0), SourceTimestamp=START)], START

    monkeypatch.setattr(plant.server.iserver.history_manager.storage, "read_node_history", stuck)
    _, outcome = await read_all(session, [Wanted(0, node, ticks_of(START))])
    assert outcome.failed == {0: ua.StatusCodes.BadContinuationPointInvalid}


async def test_points_that_will_not_be_used_are_released(connected, monkeypatch):
    plant, session = connected
    plant.server.iserver.history_manager.storage.max_history_data_response_size = 10
    node = await fill(plant, "h", 50)
    released = []
    real = history._request

    def watch(nodes, start, end, *, release=False):
        if release:
            released.extend(n.point for n in nodes)
        return real(nodes, start, end, release=release)

    monkeypatch.setattr(history, "_request", watch)
    pages = []

    async def on_page(key, page):
        pages.append(key)
        if len(pages) == 2:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await read_raw(session, [Wanted(0, node, ticks_of(START))], END, on_page)
    assert len(pages) == 2


def drop(monkeypatch, numbers):
    """Lose the NotificationMessages with these sequence numbers on their way to us."""
    real = Pump._parse

    def parse(self, reader):
        message = real(self, reader)
        if message.sequence in numbers and not message.is_keep_alive:
            numbers.discard(message.sequence)
            return Message(message.subscription_id, message.sequence, 0, is_keep_alive=True)
        return message

    monkeypatch.setattr(Pump, "_parse", parse)


async def test_a_lost_message_is_asked_for_again(tmp_path, plants, running, hour_ago, monkeypatch):
    plant = await plants()
    await plant.add("unkept", historized=False)
    drop(monkeypatch, {2, 3, 5})
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("unkept", 150, first=1)
    assert values(tmp_path, "unkept") == written(plant, "unkept")
    assert {row["origin"] for row in rows(tmp_path)} >= {"live", "republished"}


async def test_a_message_that_is_gone_is_read_from_history(
    tmp_path, plants, running, hour_ago, monkeypatch
):
    plant = await plants()
    await plant.add("a")
    await plant.add("unkept", historized=False)

    async def gone(self, sequence):
        return None

    drop(monkeypatch, {3, 5})
    monkeypatch.setattr(Subscription, "_republish", gone)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 150, first=1)
    assert values(tmp_path, "a") == written(plant, "a")


async def test_a_full_queue_is_filled_from_history(
    tmp_path, plants, running, hour_ago, monkeypatch
):
    """asyncua drops without the overflow bit; the closing sweep finds what is missing."""
    plant = await plants()
    await plant.add("a")
    plant.server.iserver.max_monitored_item_queue_size = 3
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=500):
        await plant.tick("a", 200, first=1)
    assert values(tmp_path, "a") == written(plant, "a")
    assert len(values(tmp_path, "a", origin="live")) < 50


def test_overflow_is_taken_off_the_status():
    page = DataValues(4)
    page.handles[:] = [7, 8, 9, 10]
    page.status[:] = [0, 0x480, 0x580, 0x80000480]
    assert take_overflow(page) == [8, 9, 10]
    assert page.status.tolist() == [0, 0, 0x500, 0x80000000]
    assert page.status.dtype == np.uint32


async def test_a_repeat_is_acknowledged_only_once_its_first_copy_is_on_disk():
    pump, subscription = Pump(None), Subscription(None, Options())
    pump.add(subscription)
    assert await pump._in_order(Message(0, 1, 1)) != []
    assert await pump._in_order(Message(0, 1, 1)) == []
    assert pump._to_acknowledge == []
    pump.acknowledge([(0, 1)])
    assert await pump._in_order(Message(0, 1, 1)) == []
    assert pump._to_acknowledge == [(0, 1), (0, 1)]


async def test_a_branch_refused_among_others_is_asked_for_again_alone(connected, monkeypatch):
    plant, session = connected
    for name in ("A", "B"):
        folder = await plant.server.nodes.objects.add_object(ua.NodeId(name, plant.ns), name)
        await folder.add_variable(ua.NodeId(f"in{name}", plant.ns), f"in{name}", 1.0)
    refuse_to_browse(monkeypatch, lambda names, name: len(names) > 1 and name == "B")
    refused = {}
    found, _ = await discover(session, (), refused)
    texts = {variable.text for variable in found}
    assert {"nsu=urn:test:nodes;s=inA", "nsu=urn:test:nodes;s=inB"} <= texts
    assert refused == {}


async def test_a_long_list_of_children_comes_in_pages(connected, monkeypatch):
    plant, session = connected
    for i in range(5):
        await plant.add(f"v{i}", historized=False)
    service = session._client.uaclient.session
    browse, kept = service.browse, {}

    def page(references):
        point = str(len(kept)).encode() if references[2:] else None
        kept[point] = references[2:]
        return ua.BrowseResult(ContinuationPoint=point, References=references[:2])

    async def first(parameters):
        return [page(result.References) for result in await browse(parameters)]

    async def following(parameters):
        rest = [kept.pop(point) for point in parameters.ContinuationPoints]
        released = parameters.ReleaseContinuationPoints
        return [ua.BrowseResult() if released else page(references) for references in rest]

    monkeypatch.setattr(service, "browse", first)
    monkeypatch.setattr(service, "browse_next", following)
    found, _ = await discover(session)
    names = {v.text.rpartition("=")[2] for v in found if "urn:test:nodes" in v.text}
    assert names == {f"v{i}" for i in range(5)}


async def test_what_the_server_has_not_sent_yet_is_waited_for(
    tmp_path, plants, running, monkeypatch
):
    plant = await plants()
    names = [f"v{i}" for i in range(20)]
    for name in names:
        await plant.add(name, 1.0, historized=False)
    real = InternalSubscription._pop_publish_result

    def one_at_a_time(self):
        queued = self._triggered_datachanges
        later = dict(list(queued.items())[1:])
        for mid in later:
            del queued[mid]
        result = real(self)
        self._triggered_datachanges = later
        result.MoreNotifications = bool(later)
        return result

    monkeypatch.setattr(InternalSubscription, "_pop_publish_result", one_at_a_time)
    async with running(tmp_path, plant, publishing_interval_ms=50):
        pass
    assert [values(tmp_path, name) for name in names] == [[1.0]] * len(names)


def refuse_to_browse(monkeypatch, which):
    """The server has no continuation point left for some of the nodes it is asked for at once."""
    real = InternalSession.browse

    async def browse(self, params):
        results = await real(self, params)
        names = [wanted.NodeId.Identifier for wanted in params.NodesToBrowse]
        for row, name in enumerate(names):
            if which(names, name):
                status = ua.StatusCode(ua.StatusCodes.BadNoContinuationPoints)
                results[row] = ua.BrowseResult(StatusCode=status)
        return results

    monkeypatch.setattr(InternalSession, "browse", browse)


async def test_a_branch_that_stays_refused_is_told_and_on_record(
    tmp_path, plants, running, hour_ago, monkeypatch, caplog
):
    plant = await plants()
    folder = await plant.server.nodes.objects.add_object(ua.NodeId("B", plant.ns), "B")
    await folder.add_variable(ua.NodeId("inB", plant.ns), "inB", 1.0)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await asyncio.sleep(0.1)
    assert values(tmp_path, "inB") == [1.0]
    refuse_to_browse(monkeypatch, lambda names, name: name == "B")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await asyncio.sleep(0.1)
    (server,) = ledger_summary(tmp_path)["servers"]
    assert server["refused"] == {"nsu=urn:test:nodes;s=B": "browse BadNoContinuationPoints"}
    assert not any("vanished" in gap["reason"] for gap in server["open_gaps"])
    told = [m for m in caplog.messages if "does not tell what lies below" in m]
    assert len(told) == 1
    assert "nsu=urn:test:nodes;s=B (BadNoContinuationPoints)" in told[0]


async def test_queues_that_are_too_short_are_told_and_on_record(
    tmp_path, plants, running, hour_ago, caplog
):
    plant = await plants()
    await plant.add("a")
    await plant.add("b")
    plant.server.iserver.max_monitored_item_queue_size = 1
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=500):
        pass
    (server,) = ledger_summary(tmp_path)["servers"]
    why = "queue of 1: values between two publishes may be lost"
    ours = {node: w for node, w in server["short_queues"].items() if "urn:test" in node}
    assert ours == {"nsu=urn:test:nodes;s=a": why, "nsu=urn:test:nodes;s=b": why}
    told = [m for m in caplog.messages if "between two publishes" in m]
    assert len(told) == 1
    assert "(queue of 1)" in told[0]
    plant.server.iserver.max_monitored_item_queue_size = 1000
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=500):
        pass
    (server,) = ledger_summary(tmp_path)["servers"]
    assert server["short_queues"] == {}
