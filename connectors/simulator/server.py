"""One OPC UA server over TCP that speaks one timeline."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.binary_server_asyncio import BinaryServer
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds

from connectors.simulator import space
from connectors.simulator.clock import SimClock
from connectors.simulator.history import TimelineHistory
from connectors.simulator.live import Speaker
from connectors.simulator.nodes import SiteTimeline

HOST: Final = "127.0.0.1"
QUEUE_VALUES: Final = 100_000
"""Longest queue of a monitored item: a collector that stops for a while shall lose nothing."""


class SimulatedServer:
    """`await start()`, then clients may connect to `url` until `await stop()`."""

    def __init__(self, timeline: SiteTimeline, clock: SimClock, port: int = 0) -> None:
        self.timeline, self.clock, self.port = timeline, clock, port
        self._server = Server(iserver=space.SharedServer())
        self._speaking: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where clients connect; known once started when the port was 0."""
        return f"opc.tcp://{HOST}:{self.port}"

    async def start(self) -> None:
        """Build the address space, fill in what is current, listen, speak."""
        server, iserver = self._server, self._server.iserver
        server.set_endpoint(self.url)
        server.set_server_name(f"ParkPulse simulated {self.timeline.site_id}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        await server.init()
        await server.set_application_uri(self.timeline.server_uri)
        iserver.max_monitored_item_queue_size = QUEUE_VALUES
        nodes = await space.build(server, self.timeline.nodes)
        iserver.history_manager = TimelineHistory(iserver, self.timeline, nodes, self.clock)
        speaker = Speaker(iserver.aspace, self.timeline, nodes, self.clock)
        ahead = await speaker.prepare()
        await server.start()
        assert server.bserver is not None
        self.port = server.bserver.port
        self._speaking = asyncio.create_task(speaker.run(ahead))

    async def stop(self) -> None:
        """Close everything; safe to call twice."""
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
            self._speaking = None
            await self._server.stop()

    async def serve(self) -> None:
        """Wait for the end of speaking: returns only by cancellation or with its error."""
        assert self._speaking is not None
        await asyncio.shield(self._speaking)

    def has_session(self) -> bool:
        """Whether a client has an active session over a connection."""
        return any(self._sessions())

    def drop_connections(self) -> int:
        """Cut every TCP connection at once (RST, nothing is said); how many there were."""
        transports = [t for t in self._server.iserver.asyncio_transports if not t.is_closing()]
        for transport in transports:
            transport.abort()
        return len(transports)

    async def restart(self, down_s: float) -> None:
        """Be away for `down_s`, then answer at the same port; no session or subscription stays."""
        await self._binary().stop()
        iserver = self._server.iserver
        for session in list(iserver._external_sessions.values()):
            await session.close_session(delete_subs=True)
        await iserver.isession.delete_subscriptions(
            list(iserver.subscription_service.subscriptions)
        )
        await asyncio.sleep(down_s)
        fresh = BinaryServer(iserver, HOST, self.port, self._server.limits)
        fresh.set_policies(self._server._policies)
        await fresh.start()
        self._server.bserver = fresh
        started = Node(
            iserver.isession, ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_StartTime))
        )
        await started.write_value(datetime.now(UTC))

    def _sessions(self) -> Iterator[bool]:
        for client in self._binary().clients:
            session = client.processor.session if client.processor else None
            yield session is not None and session.is_activated()

    def _binary(self) -> BinaryServer:
        assert self._server.bserver is not None, "not started"
        return self._server.bserver
