"""Alarms of real servers, collected to the last segment; no server's oddity costs its values."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from asyncua import ua
from asyncua.common import event_objects
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemService

from connectors import event_segments, segments
from connectors.ledger import Ledger
from connectors.opcua import event_flow
from connectors.opcua.session import Session
from connectors.opcua.subscribe import Subscription
from connectors.raw import ticks_of
from tests.connectors.opcua.test_collector import Cable, free_port, until, values, written
from tests.connectors.opcua.test_wire import drop

O = ua.ObjectIds  # noqa: E741
CONDITION = ua.NodeId("press 1 overheats", 2)


def alarm(active, message="overheats", **said):
    """An AlarmCondition as asyncua sends it, with the states that events tell."""
    event = event_objects.AlarmCondition(message=message, severity=700)
    event.Message = ua.LocalizedText(message, "en")
    event.SourceName = "press 1"
    event.ConditionName = "temperature"
    event.Retain = active
    event.add_property("NodeId", CONDITION, ua.VariantType.NodeId)
    for name in ("EnabledState/Id", "AckedState/Id", "SuppressedState/Id"):
        event.add_property(name, name == "EnabledState/Id", ua.VariantType.Boolean)
    setattr(event, "ActiveState/Id", active)
    event.Comment = ua.LocalizedText("seen", "en")
    event.Quality = ua.StatusCode(0)
    for name, value in said.items():
        setattr(event, name.replace("__", "/"), value)
    return event


async def raise_event(plant, event, time=None):
    generator = await plant.server.get_event_generator(event)
    await generator.trigger(time_attr=time)
    return generator.event


def rows(home, site="F01"):
    folder = event_segments.folder_of(home, site)
    read = [segments.read(c.path, event_segments.EVENTS) for c in segments.sidecars(folder)]
    return pa.concat_tables(read).to_pylist() if read else []


async def listening(plant):
    """Wait until the server monitors events for somebody."""
    service = plant.server.iserver.subscription_service
    await until(
        lambda: any(s.monitored_item_srv._monitored_events for s in service.subscriptions.values())
    )


async def test_events_and_alarms_become_rows(tmp_path, plants, running):
    plant = await plants()
    await plant.add("a")
    kind = await plant.server.create_custom_event_type(
        plant.ns, "ToolBroke", O.BaseEventType, [("Tool", ua.VariantType.Int32)]
    )
    at = datetime(2026, 11, 21, 4, 5, 6, 123456, tzinfo=UTC)
    async with running(tmp_path, plant, publishing_interval_ms=50):
        await listening(plant)
        first = await raise_event(plant, alarm(True), at)
        await raise_event(plant, alarm(False, AckedState__Id=True), at + timedelta(seconds=9))
        generator = await plant.server.get_event_generator(kind)
        await generator.trigger(message="tool 7 broke")
        await plant.tick("a", 20, first=1)
    assert values(tmp_path, "a") == written(plant, "a")
    on, off, plain = rows(tmp_path)
    assert on["event_id"] == bytes(first.EventId.Value).hex()
    assert on["event_type"] == f"nsu=http://opcfoundation.org/UA/;i={O.AlarmConditionType}"
    assert on["condition_id"] == "nsu=urn:test:nodes;s=press 1 overheats"
    assert [(r["active"], r["acked"], r["retain"]) for r in (on, off)] == [
        (True, False, True), (False, True, False),
    ]  # fmt: skip
    assert (on["message"], on["message_locale"], on["severity"]) == ("overheats", "en", 700)
    assert (on["source_name"], on["condition_name"], on["enabled"], on["comment"]) == (
        "press 1", "temperature", True, "seen",
    )  # fmt: skip
    assert on["time_ticks"] == ticks_of(at)
    assert on["other"] is None
    assert plain["message"] == "tool 7 broke"
    assert plain["active"] is None
    assert plain["event_type"] == f"nsu=urn:test:nodes;i={kind.nodeid.Identifier}"
    assert {r["origin"] for r in (on, off, plain)} == {"live"}
    assert {r["server_uri"] for r in (on, off, plain)} == {"urn:test:plant"}


async def retained(plant, *alarms):
    """Give the server a ConditionRefresh that tells these alarms, as part 9 has it."""

    async def refresh(_, subscription):
        marker = event_objects.BaseEvent(message="refresh")
        marker.EventType = ua.NodeId(O.RefreshStartEventType)
        await raise_event(plant, marker)
        for one in alarms:
            await raise_event(plant, one, one.Time)
        marker.EventType = ua.NodeId(O.RefreshEndEventType)
        await raise_event(plant, marker)
        return []

    node = plant.server.get_node(ua.NodeId(O.ConditionType_ConditionRefresh))
    plant.server.link_method(node, refresh)


async def test_retained_conditions_are_told_when_we_come(tmp_path, plants, running):
    plant = await plants()
    await plant.add("a")
    standing = alarm(True)
    standing.Time = datetime(2026, 11, 20, tzinfo=UTC)
    await retained(plant, standing)
    async with running(tmp_path, plant, publishing_interval_ms=50):
        await listening(plant)
        await asyncio.sleep(0.3)
        await raise_event(plant, alarm(False))
    told, off = rows(tmp_path)
    assert (told["origin"], told["active"]) == ("refreshed", True)
    assert told["time_ticks"] == ticks_of(standing.Time)
    assert (off["origin"], off["active"]) == ("live", False)


async def test_events_that_were_on_their_way_in_a_cut_come_after_it(tmp_path, plants, running):
    plant = await plants()
    await plant.add("a")
    await retained(plant)
    cable = Cable(plant, free_port())
    await cable.mend()
    url = f"opc.tcp://127.0.0.1:{cable.port}"
    async with running(tmp_path, url, publishing_interval_ms=50) as run:
        await listening(plant)
        await raise_event(plant, alarm(True, "before"))
        await plant.tick("a", 20, first=1)
        await cable.cut()
        run.states.clear()
        await cable.mend()
        await until(lambda: any(one.state == "connected" for one in run.states))
        await asyncio.sleep(0.3)
        await raise_event(plant, alarm(False, "after"))
        await plant.tick("a", 20, first=100)
    assert [row["message"] for row in rows(tmp_path)] == ["before", "after"]
    assert values(tmp_path, "a") == written(plant, "a")
    cable.server.close()


async def test_a_lost_notification_is_a_gap_of_the_servers_events(
    tmp_path, plants, running, monkeypatch
):
    plant = await plants()
    await plant.add("a")

    async def gone(self, sequence):
        return None

    monkeypatch.setattr(Subscription, "_republish", gone)
    drop(monkeypatch, {4})
    async with running(tmp_path, plant, publishing_interval_ms=50):
        await listening(plant)
        await plant.tick("a", 60, first=1, pause_s=0.02)
    with Ledger(tmp_path, read_only=True) as ledger:
        gaps = ledger.gaps().to_dicts()
    (gap,) = [gap for gap in gaps if gap["node_id"] == event_segments.SERVER_NODE]
    assert gap["reason"] == event_flow.NOTIFICATIONS_LOST
    assert gap["from_time"] <= gap["to_time"]
    assert values(tmp_path, "a") == written(plant, "a")


async def test_a_republished_event_says_so(tmp_path, plants, running, monkeypatch):
    plant = await plants()
    await plant.add("a")
    drop(monkeypatch, {3, 4})
    async with running(tmp_path, plant, publishing_interval_ms=50):
        await listening(plant)
        for number in range(8):
            await raise_event(plant, alarm(True, str(number)))
            await asyncio.sleep(0.12)
    found = rows(tmp_path)
    assert [row["message"] for row in found] == [str(n) for n in range(8)]
    assert {row["origin"] for row in found} == {"live", "republished"}


@pytest.mark.parametrize(
    "code", ["BadServiceUnsupported", "BadNodeIdInvalid", "BadEventFilterInvalid"]
)
async def test_a_server_that_refuses_events_gives_its_values(
    tmp_path, plants, running, monkeypatch, caplog, code
):
    plant = await plants()
    await plant.add("a")

    def refuse(self, params):
        result, _ = self._make_monitored_item_common(params)
        result.StatusCode = ua.StatusCode(getattr(ua.StatusCodes, code))
        return result

    monkeypatch.setattr(MonitoredItemService, "_create_events_monitored_item", refuse)
    cable = Cable(plant, free_port())
    await cable.mend()
    url = f"opc.tcp://127.0.0.1:{cable.port}"
    with caplog.at_level(logging.WARNING, "connectors"):
        async with running(tmp_path, url, publishing_interval_ms=50) as run:
            await plant.tick("a", 20, first=1)
            await cable.cut()
            run.states.clear()
            await cable.mend()
            await until(lambda: any(one.state == "connected" for one in run.states))
            await plant.tick("a", 20, first=100)
    cable.server.close()
    assert values(tmp_path, "a") == written(plant, "a")
    told = [r.getMessage() for r in caplog.records if "it gives no events" in r.getMessage()]
    assert len(told) == 1
    assert code in told[0]
    assert url in told[0]
    assert rows(tmp_path) == []


async def test_a_server_without_conditions_gives_its_plain_events(
    tmp_path, plants, running, monkeypatch
):
    plant = await plants()
    await plant.add("a")
    real = MonitoredItemService._create_events_monitored_item

    def choosy(self, params):
        clauses = params.RequestedParameters.Filter.SelectClauses
        if any(c.TypeDefinitionId != ua.NodeId(O.BaseEventType) for c in clauses):
            result, _ = self._make_monitored_item_common(params)
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadEventFilterInvalid)
            return result
        return real(self, params)

    monkeypatch.setattr(MonitoredItemService, "_create_events_monitored_item", choosy)
    async with running(tmp_path, plant, publishing_interval_ms=50):
        await listening(plant)
        await raise_event(plant, alarm(True))
    (row,) = rows(tmp_path)
    assert (row["message"], row["severity"], row["active"]) == ("overheats", 700, None)


async def test_bytes_that_are_no_events_are_kept_and_values_flow(
    tmp_path, plants, running, monkeypatch, caplog
):
    plant = await plants()
    await plant.add("a")

    def garbled(self, result):
        if self._triggered_events:
            self._triggered_events = {}
            body = ua.ByteString(b"\x07\x00\x00\x00\xff")
            kind = ua.NodeId(O.EventNotificationList_Encoding_DefaultBinary)
            result.NotificationMessage.NotificationData.append(ua.ExtensionObject(kind, body))

    monkeypatch.setattr(InternalSubscription, "_pop_triggered_events", garbled)
    with caplog.at_level(logging.WARNING, "connectors"):
        async with running(tmp_path, plant, publishing_interval_ms=50):
            await listening(plant)
            for _ in range(2):
                await raise_event(plant, alarm(True))
                await plant.tick("a", 20, first=1)
    assert values(tmp_path, "a")
    assert {row["other"] for row in rows(tmp_path)} == {'{"Raw":"BwAAAP8="}'}
    assert sum("not OPC UA" in r.getMessage() for r in caplog.records) == 1


async def test_a_server_that_breaks_when_asked_for_events_is_soon_not_asked(
    tmp_path, plants, running, monkeypatch, caplog
):
    plant = await plants()
    await plant.add("a")

    async def break_off(self, fields):
        raise ConnectionError("closed by the server")

    monkeypatch.setattr(event_flow.EventFlow, "_monitor", break_off)
    with caplog.at_level(logging.WARNING, "connectors"):
        async with running(tmp_path, plant, publishing_interval_ms=50):
            await until(
                lambda: any("breaks the connection" in r.getMessage() for r in caplog.records)
            )
            await plant.tick("a", 20, first=1)
            await asyncio.sleep(0.3)
    assert values(tmp_path, "a") == written(plant, "a")


async def test_a_server_that_never_answers_about_events_is_not_waited_for_long(
    tmp_path, plants, running, monkeypatch
):
    plant = await plants()
    await plant.add("a")
    monkeypatch.setattr(event_flow, "ANSWER_S", 0.3)
    real = Session.call

    async def silent(self, request, timeout_s=None):
        if timeout_s == event_flow.ANSWER_S:
            await asyncio.sleep(timeout_s)
            raise TimeoutError
        return await real(self, request, timeout_s)

    monkeypatch.setattr(Session, "call", silent)
    async with running(tmp_path, plant, publishing_interval_ms=50):
        await plant.tick("a", 20, first=1)
    assert values(tmp_path, "a") == written(plant, "a")
