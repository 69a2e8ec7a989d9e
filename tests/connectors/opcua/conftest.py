import asyncio
import socket
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from asyncua import Server, ua
from asyncua.server.address_space import (
    AddressSpace,
    AttributeValue,
    NodeData,
    NodeManagementService,
)
from asyncua.server.internal_server import InternalServer
from asyncua.server.standard_address_space.standard_address_space import fill_address_space

from connectors.fleet import Fleet, ServerEntry, Site
from connectors.opcua.collector import collect


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@cache
def standard_nodes():
    space = AddressSpace()
    fill_address_space(NodeManagementService(space))
    return space


class QuickServer(InternalServer):
    """Copies the standard address space, which takes asyncua over a second to build."""

    async def load_standard_address_space(self, shelf_file=None):
        template = standard_nodes()
        for node_id in list(template.keys()):
            old = template[node_id]
            new = NodeData(old.nodeid)
            new.attributes = {
                k: AttributeValue(v.value) for k, v in old.attributes.items() if v.value
            }
            new.references, new.call = list(old.references), old.call
            self.aspace[node_id] = new


class Plant:
    """A real asyncua server with historized and plain variables, and every value it was given."""

    internal = QuickServer

    def __init__(self, port=None, uri="urn:test:plant"):
        self.port, self.uri = port or free_port(), uri
        self.written = {}
        self.nodes = {}
        self.server = None

    @property
    def url(self):
        return f"opc.tcp://127.0.0.1:{self.port}"

    async def start(self):
        self.server = Server(iserver=self.internal())
        await self.server.init()
        self.server.set_endpoint(self.url)
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self.server.set_application_uri(self.uri)
        self.ns = await self.server.register_namespace("urn:test:nodes")
        await self.server.start()
        return self

    async def add(self, name, value=0.0, *, historized=True, kind=ua.VariantType.Double, past=()):
        node_id = ua.NodeId(name, self.ns)
        node = await self.server.nodes.objects.add_variable(node_id, name, value, kind)
        await node.write_value(
            ua.DataValue(ua.Variant(value, kind), SourceTimestamp=datetime.now(UTC))
        )
        self.nodes[name] = (node, kind)
        first = await node.read_data_value()
        self.written[name] = [(first.SourceTimestamp, value)]
        if historized:
            await self.server.historize_node_data_change(node)
            await asyncio.sleep(0.05)  # asyncua stores what its own subscription brings
        for time, old in past:
            await self.write(name, old, time)
        return node

    async def write(self, name, value, time=None, status=0):
        time = time or datetime.now(UTC)
        node, kind = self.nodes[name]
        data = ua.DataValue(ua.Variant(value, kind), ua.StatusCode(status), SourceTimestamp=time)
        self.written[name].append((time, value))
        await node.write_value(data)

    async def tick(self, name, count, pause_s=0.002, first=0):
        for i in range(first, first + count):
            await self.write(name, float(i))
            await asyncio.sleep(pause_s)

    def expected(self, name):
        return sorted(self.written[name])

    async def stop(self):
        if self.server is not None:
            await self.server.stop()
            self.server = None


class Run:
    """A collector running in the background of a test."""

    patience_s = 30

    def __init__(self, home, *plants, history_from=None, **options):
        servers = tuple(ServerEntry(p if isinstance(p, str) else p.url, **options) for p in plants)
        self.fleet = Fleet((Site("F01", False, servers),))
        self.home, self.history_from = home, history_from
        self.stop, self.caught_up, self.states = asyncio.Event(), asyncio.Event(), []

    async def __aenter__(self):
        self.task = asyncio.create_task(
            collect(
                self.fleet,
                self.home,
                history_from=self.history_from,
                clock=lambda: datetime.now(UTC),
                stop=self.stop,
                on_progress=self.states.append,
                caught_up=self.caught_up,
            )
        )
        async with asyncio.timeout(self.patience_s):
            await self.caught_up.wait()
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        async with asyncio.timeout(60):
            await self.task


@pytest.fixture
async def plants():
    started = []

    async def start(**options):
        plant = await Plant(**options).start()
        started.append(plant)
        return plant

    yield start
    for plant in started:
        await plant.stop()


@pytest.fixture
def running():
    return Run


@pytest.fixture
def hour_ago():
    return datetime.now(UTC) - timedelta(hours=1)
