import asyncio
import json
from collections import defaultdict
from datetime import datetime

import pytest
from asyncua import Client, ua

from connectors.simulator.nodes import MACHINERY, OPCUA, PROCESS_VALUES
from connectors.simulator.wire_faults import WireFault, inflict, wire_plan

BAD = 0x8031_0000
EVERY_CHANGE = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)


class Listener:
    """Collects (value, status, source time, server time) per node until `wanted` have come."""

    def __init__(self, wanted):
        self.wanted, self.count = wanted, 0
        self.heard = defaultdict(list)
        self.complete = asyncio.Event()

    def datachange_notification(self, node, value, data):
        dv = data.monitored_item.Value
        told = (value, dv.StatusCode.value, dv.SourceTimestamp, dv.ServerTimestamp)
        self.heard[node.nodeid.Identifier].append(told)
        self.count += 1
        if self.count >= self.wanted:
            self.complete.set()

    def status_change_notification(self, status):
        raise AssertionError(status)


async def listen(client, server, names, listener, queue=1_000):
    index = await client.get_namespace_index(server.timeline.server_uri)
    subscription = await client.create_subscription(50, listener)
    nodes = [client.get_node(f"ns={index};s={name}") for name in names]
    await subscription._subscribe(nodes, mfilter=EVERY_CHANGE, queuesize=queue)
    return subscription


def small(told):
    return told({"v": "Double"}, {"v": [(-60, 1.0, 0, 0), (-30, 2.0, 0, 1), (-10, 3.0, 0, 900)]})


async def test_stock_client_finds_the_tree_and_the_newest_delivered_value(told, serving):
    async with serving(small(told)) as server, Client(server.url) as client:
        uris = await client.get_namespace_array()
        index = {uri: number for number, uri in enumerate(uris)}
        assert uris[:2] == [OPCUA, server.timeline.server_uri]
        path = [
            f"{index[MACHINERY]}:Machines",
            f"{index[server.timeline.server_uri]}:M1",
            f"{index[PROCESS_VALUES]}:Monitoring",
            f"{index[PROCESS_VALUES]}:v",
        ]
        node = await client.nodes.objects.get_child(path)
        assert node.nodeid == ua.NodeId("v", index[server.timeline.server_uri])
        assert await node.read_data_type_as_variant_type() == ua.VariantType.Double
        assert ua.AccessLevel.HistoryRead in await node.get_access_level()
        assert (await node.read_attribute(ua.AttributeIds.Historizing)).Value.Value is True
        assert await node.read_value() == 2.0
        monitoring = await node.get_parent()
        kind = client.get_node(await monitoring.read_type_definition())
        assert await kind.read_browse_name() == ua.QualifiedName(
            "MonitoringType", index[PROCESS_VALUES]
        )
        machine = await monitoring.get_parent()
        assert [await child.read_browse_name() for child in await machine.get_children()] == [
            ua.QualifiedName("Monitoring", index[PROCESS_VALUES])
        ]


async def test_every_value_arrives_live_once_and_in_order(told, serving):
    rows = {
        "fast": [(-1, -1.0, 0, 0)] + [(0.5 + n / 200, float(n // 3), 0, 0.01) for n in range(120)],
        "late": [(-1, 0, 0, 0), (0.9, 1, 0, 0), (0.6, 2, 0, 0.4), (0.7, 2, 0, 0.4), (1.2, 3, 0, 0)],
        "bad": [(-1, 5, 0, 0), (0.6, 6, BAD, 0), (0.7, 6, 0, 0), (0.8, None, BAD, 0)],
        "text": [(-1, "早", 0, 0), (0.6, "中", 0, 0), (0.7, None, 0, 0), (0.8, "晚", 0, 0)],
    }
    types = {"fast": "Double", "late": "Int32", "bad": "UInt32", "text": "String"}
    total = sum(map(len, rows.values()))
    async with serving(told(types, rows)) as server, Client(server.url) as client:
        listener = Listener(total)
        await listen(client, server, rows, listener)
        server.clock.go()
        async with asyncio.timeout(20):
            await listener.complete.wait()
        await asyncio.sleep(0.15)
    values = {name: [told[0] for told in heard] for name, heard in listener.heard.items()}
    by_delivery = {
        name: [row[1] for row in sorted(said, key=lambda row: row[0] + row[3])]
        for name, said in rows.items()
    }
    assert values == by_delivery
    assert listener.heard["bad"][1][:2] == (6, BAD)
    for _, _, source, server_time in listener.heard["fast"]:
        assert (server_time - source).microseconds == 1
    assert [told[2].microsecond for told in listener.heard["late"]][1:] == [9e5, 6e5, 7e5, 2e5]


async def test_a_repeat_of_the_same_value_is_swallowed_live_and_kept_in_history(told, serving):
    rows = [(-1, 0.0, 0, 0), (0.3, 1.0, 0, 0), (0.3, 1.0, 0, 0.1), (0.5, 2.0, 0, 0)]
    async with serving(told({"v": "Double"}, {"v": rows})) as server, Client(server.url) as client:
        listener = Listener(3)
        await listen(client, server, ["v"], listener)
        server.clock.go()
        async with asyncio.timeout(20):
            await listener.complete.wait()
        node = client.get_node(
            f"ns={await client.get_namespace_index(server.timeline.server_uri)};s=v"
        )
        history = await node.read_raw_history(server.clock.anchor, server.clock.now())
    assert [told[0] for told in listener.heard["v"]] == [0.0, 1.0, 2.0]
    assert [value.Value.Value for value in history] == [1.0, 1.0, 2.0]


async def test_a_subscription_of_2000_items_gets_every_initial_value(told, serving):
    rows = {f"v{n}": [(-1, float(n), 0, 0)] for n in range(2_000)}
    timeline = told(dict.fromkeys(rows, "Double"), rows)
    async with serving(timeline) as server, Client(server.url) as client:
        listener = Listener(2_000)
        await listen(client, server, rows, listener)
        async with asyncio.timeout(20):
            await listener.complete.wait()
    assert {name: heard[0][0] for name, heard in listener.heard.items()} == {
        name: said[0][1] for name, said in rows.items()
    }


async def test_a_restart_keeps_node_ids_and_forgets_sessions(told, serving):
    async with serving(small(told)) as server:
        before, lost = await tree(server.url), asyncio.Event()
        client = await connected(server.url, lost)
        await client.create_subscription(100, Listener(1))
        assert server.has_session()
        await server.restart(0.05)
        async with asyncio.timeout(20):
            await lost.wait()
        assert not server._server.iserver._external_sessions
        assert not server._server.iserver.subscription_service.subscriptions
        assert await tree(server.url) == before
        await client.disconnect_sessionless()


async def test_a_drop_is_seen_by_the_client_and_leaves_the_server_up(told, serving):
    async with serving(small(told)) as server:
        lost = asyncio.Event()
        client = await connected(server.url, lost)
        assert server.drop_connections() == 1
        async with asyncio.timeout(20):
            await lost.wait()
        await client.disconnect_sessionless()
        async with Client(server.url) as again:
            assert await again.get_namespace_index(server.timeline.server_uri) == 1


@pytest.mark.parametrize("kind", ["dropped_connection", "server_restart"])
async def test_a_fault_waits_for_a_session_and_is_put_on_record(told, serving, tmp_path, kind):
    record = tmp_path / "wire_faults.jsonl"
    async with serving(small(told)) as server:
        server.clock.go()
        fault = WireFault(server.timeline.server_uri, kind, 0.1)
        doing = asyncio.create_task(inflict(fault, server, server.clock, record, down_s=0.2))
        done, _ = await asyncio.wait([doing], timeout=0.3)
        assert not done
        lost = asyncio.Event()
        client = await connected(server.url, lost)
        async with asyncio.timeout(20):
            await asyncio.gather(doing, lost.wait())
        await client.disconnect_sessionless()
    (line,) = [json.loads(text) for text in record.read_text().splitlines()]
    span = datetime.fromisoformat(line["end"]) - datetime.fromisoformat(line["start"])
    assert (line["kind"], line["server_uri"]) == (kind, server.timeline.server_uri)
    assert (span.total_seconds() >= 0.2) == (kind == "server_restart")


def test_the_plan_hits_three_and_three_others():
    uris = [f"urn:{n}" for n in range(13)]
    plan = wire_plan(uris, 7)
    assert plan == wire_plan(uris[::-1], 7) != wire_plan(uris, 8)
    assert (
        sorted(fault.kind for fault in plan) == ["dropped_connection"] * 3 + ["server_restart"] * 3
    )
    assert len({fault.server_uri for fault in plan}) == 6
    assert all(20 <= fault.after_s <= 60 for fault in plan)


async def connected(url, lost):
    async def tell(_):
        lost.set()

    client = Client(url)
    client.connection_lost_callback = tell
    await client.connect()
    return client


async def tree(url):
    """Every node id under Objects with its browse name."""
    async with Client(url) as client:
        found, waiting = {}, [client.nodes.objects]
        while waiting:
            node = waiting.pop()
            found[node.nodeid.to_string()] = await node.read_browse_name()
            waiting += [c for c in await node.get_children() if c.nodeid.NamespaceIndex]
        return found
