"""One session with an OPC UA server: asyncua's transport, our deadlines, responses as bytes."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from connectors.opcua import requests
from connectors.opcua.decode import DataValues, Reader
from connectors.opcua.failures import unreachable
from connectors.opcua.limits import Answer, Limits, answers, in_chunks
from connectors.opcua.nodeids import text_of
from connectors.opcua.references import Browsed, browse_results, node_id_texts
from connectors.opcua.requests import Encoded
from connectors.opcua.security import UNSECURED, Access
from connectors.opcua.transport import OnAnswer, Transport, use
from connectors.raw import TICKS_PER_S, time_of

REQUEST_TIMEOUT_S: Final = 15.0
"""A busy server may think for seconds; a dead one must not hold us for minutes."""
CHANNEL_TIMEOUT_S: Final = 5.0
"""What takes a connection and says nothing is tried again before a healed server waits long."""
SESSION_TIMEOUT_MS: Final = 120_000
_RENEW_AT: Final = 0.75
"""Part of the channel's lifetime after which its token is renewed (part 4, 5.5.2)."""
_REFRESH_TICKS: Final = 5 * TICKS_PER_S
_MOST_PAGES: Final = 10_000
"""A server whose continuation points never end must not keep us for ever."""
_ENDLESS: Final = Browsed((), StatusCodes.BadNoContinuationPoints)
# Every failure is reported by us in one line that names the server; asyncua's own lines name none.
logging.getLogger("asyncua.client").setLevel(logging.CRITICAL)


class Attribute(NamedTuple):
    """The outcome of reading one attribute."""

    value: float | int | str | bytes | None
    value_type: int
    status_code: int
    source_ticks: int | None


@dataclass(frozen=True, slots=True)
class Build:
    """What a server says of itself; `started` tells one run of it from the next."""

    started: str = ""
    manufacturer: str = ""
    product: str = ""
    version: str = ""


class Session:
    """`await open()`, then `call`; nothing here reconnects, a loss surfaces as an exception."""

    def __init__(
        self,
        url: str,
        *,
        access: Access = UNSECURED,
        timeout_s: float | None = None,
        learned: dict[str, int] | None = None,
    ) -> None:
        self.url, self.timeout_s = url, timeout_s or REQUEST_TIMEOUT_S
        self.leaves_subscriptions = False
        """Whether they outlive a session that is closed: another one is to take them over."""
        self.learned: dict[str, int] = {} if learned is None else learned
        """Limits the server never told, found by asking for too much: they outlive the session."""
        self.build = Build()
        self.namespaces: list[str] = []
        self.server_uri = url
        self.limits = Limits()
        self._client = Client(url, timeout=self.timeout_s)
        self._client.session_timeout = SESSION_TIMEOUT_MS
        use(self._client)
        self._access = access
        self._renewal: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, learn namespaces, URI and limits; ServerUnreachable where that fails."""
        try:
            async with asyncio.timeout(3 * self.timeout_s):
                await self._access.prepare(self._client)
                await self._open_channel()
                await self._begin()
            self._renewal = asyncio.create_task(self._renew())
            await self._introduce()
        except (OSError, TimeoutError, UaError) as error:
            await self.close()
            raise unreachable(self.url, error) from error
        except BaseException:
            await self.close()
            raise

    async def reopen(self) -> bool:
        """Connect anew after a loss: True where the session lives on, with its subscriptions.

        False: it is a new session with the same server. ServerUnreachable where neither can be
        had; it may be tried again.
        """
        await self._drop_channel()
        try:
            async with asyncio.timeout(2 * self.timeout_s):
                await self._open_channel()
                lives_on = await self._reactivated()
                if not lives_on:
                    await self._begin()
            self._renewal = asyncio.create_task(self._renew())
            if not lives_on:
                await self._introduce()
        except (OSError, TimeoutError, UaError) as error:
            await self._drop_channel()
            raise unreachable(self.url, error) from error
        except BaseException:
            await self._drop_channel()
            raise
        return lives_on

    async def _open_channel(self) -> None:
        limit_s = min(CHANNEL_TIMEOUT_S, self.timeout_s)
        async with asyncio.timeout(limit_s):
            await self._client.connect_socket()
            await self._client.send_hello()
        with self._access.refusals(self.url):  # silence tells something there
            async with asyncio.timeout(limit_s):
                await self._client.open_secure_channel()

    async def _begin(self) -> None:
        client = self._client
        with self._access.refusals(self.url):
            await self._access.identify(client, await client.create_session())
            await client._activate_with_credentials()

    async def _reactivated(self) -> bool:
        """Bring the old session to the new channel (part 4, 6.7)."""
        client = self._client
        if not client.uaclient.session.has_session:
            return False
        client.uaclient.session.rebind_authentication_token()
        try:
            await client._activate_with_credentials()
        except UaStatusCodeError:
            client.uaclient.session.reset_authentication_token()
            return False
        return True

    async def _drop_channel(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
            self._renewal = None
        self._client.disconnect_socket()

    async def _introduce(self) -> None:
        wanted = [
            (ua.NodeId(ua.Int32(number)), AttributeIds.Value)
            for number in (ObjectIds.Server_NamespaceArray, ObjectIds.Server_ServerArray)
        ]
        namespaces, servers = [_texts(read.value) for read in await self._read_some(wanted)]
        self.namespaces = namespaces
        own = namespaces[1] if len(namespaces) > 1 else None
        self.server_uri = servers[0] if servers else own or self.url
        self.limits = self._learned(await self._read_limits())
        self.build = await self._read_build()

    async def _read_build(self) -> Build:
        """What the server says of itself; empty where it says nothing."""
        numbers = (
            ObjectIds.Server_ServerStatus_StartTime,
            ObjectIds.Server_ServerStatus_BuildInfo_ManufacturerName,
            ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
            ObjectIds.Server_ServerStatus_BuildInfo_SoftwareVersion,
        )
        wanted = [(ua.NodeId(ua.Int32(number)), AttributeIds.Value) for number in numbers]
        read = await in_chunks(wanted, self.limits.read, self._read_some)
        return Build(*(str(one.value or "") for one in read))

    async def _read_limits(self) -> Limits:
        names = (
            ("read", ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead),
            ("browse", ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse),
            (
                "history",
                ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
            ),
            (
                "items",
                ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
            ),
        )
        wanted = [(ua.NodeId(ua.Int32(number)), AttributeIds.Value) for _, number in names]
        wise = Limits()
        found = {}
        for (name, _), read in zip(names, await self._read_some(wanted), strict=True):
            limit = read.value if isinstance(read.value, int) and read.value > 0 else None
            own: int = getattr(wise, name)
            found[name] = min(own, limit) if limit else own
        return Limits(**found)

    def _learned(self, limits: Limits) -> Limits:
        found = {name: min(getattr(limits, name), most) for name, most in self.learned.items()}
        return replace(limits, **found)

    def learn(self, name: str, most: int) -> None:
        """The server takes no more than so many operations a call of this kind."""
        if most < getattr(self.limits, name):
            self.learned[name] = most
            self.limits = self._learned(self.limits)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_AT * self._client.secure_channel_timeout / 1000)
            await self._client.open_secure_channel(renew=True)

    def _connected(self) -> UASocketProtocol:
        if self._renewal is not None and self._renewal.done():
            raise ConnectionError("the secure channel could not be renewed")
        if self._client.uaclient.protocol is None:
            raise ConnectionError("not connected")
        return self._client.uaclient.protocol

    async def call(self, request: object, timeout_s: float | None = None) -> Reader:
        """Send a service request; gives a reader behind the good response header."""
        protocol = self._connected()
        limit_s = timeout_s or self.timeout_s
        if isinstance(request, Encoded) and isinstance(protocol, Transport):
            body = await protocol.ask(request, limit_s)
        else:
            body = await protocol.send_request(request, limit_s)
        return self.opened(bytes(body))

    def publish(self, receipts: Sequence[tuple[int, int]], limit_s: float, answer: OnAnswer) -> int:
        """Send a PublishRequest; `opened` reads the bytes that `answer` is called with."""
        return self._transport().publish(receipts, limit_s, answer)

    def forget(self, request: int) -> None:
        """Nobody waits for the answer to this PublishRequest any more."""
        with contextlib.suppress(ConnectionError):
            self._transport().forget(request)

    def _transport(self) -> Transport:
        protocol = self._connected()
        assert isinstance(protocol, Transport)
        return protocol

    def opened(self, body: bytes) -> Reader:
        """A reader behind the good header of a response; a bad one is raised."""
        reader = Reader(body, 0, self.namespaces)
        result = reader.service_result()
        if result & 0x80000000:
            ua.StatusCode(ua.UInt32(result)).check()
        return reader

    async def read(self, wanted: Sequence[tuple[ua.NodeId, AttributeIds]]) -> list[Attribute]:
        """Read attributes of many nodes, in calls no larger than the server takes."""
        learn = partial(self.learn, "read")
        return await in_chunks(wanted, self.limits.read, self._read_some, learn)

    async def _read_some(self, wanted: Sequence[tuple[ua.NodeId, AttributeIds]]) -> list[Attribute]:
        request = requests.read_pairs(wanted, requests.BOTH)
        return attributes(DataValues.decode(await self.call(request)))

    async def read_columns(
        self, nodes: Sequence[ua.NodeId], attribute: AttributeIds = AttributeIds.Value
    ) -> DataValues:
        """One attribute of many nodes as columns, a row per node, in calls as `read` makes them.

        Timestamps come with values only. A `KeptNodeId` is asked for by the bytes that it keeps.
        """
        return DataValues.joined(await self._columns(nodes, attribute, DataValues.decode))

    async def read_node_ids(
        self, nodes: Sequence[ua.NodeId], attribute: AttributeIds
    ) -> list[str | None]:
        """An attribute of many nodes that is a NodeId, as text; None where there is none."""
        parts = await self._columns(nodes, attribute, node_id_texts)
        return [text for part in parts for text in part]

    async def _columns(
        self,
        nodes: Sequence[ua.NodeId],
        attribute: AttributeIds,
        decode: Callable[[Reader], Answer],
    ) -> list[Answer]:
        stamps = requests.BOTH if attribute == AttributeIds.Value else requests.NEITHER

        async def send(part: Sequence[ua.NodeId]) -> Answer:
            return decode(await self.call(requests.read_columns(part, attribute, stamps)))

        chunks = answers(nodes, self.limits.read, send, partial(self.learn, "read"))
        return [part async for part in chunks]

    async def browse(self, nodes: Sequence[ua.NodeId]) -> list[Browsed]:
        """All hierarchical forward references of every node.

        What is refused among others (servers have few continuation points) is asked again alone.
        """
        learn = partial(self.learn, "browse")
        found = await in_chunks(nodes, self.limits.browse, self._browse_some, learn)
        for row, browsed in enumerate(found):
            if browsed.is_refused:
                (found[row],) = await in_chunks([nodes[row]], 1, self._browse_some)
        return found

    async def _browse_some(self, nodes: Sequence[ua.NodeId]) -> list[Browsed]:
        found = browse_results(await self.call(requests.browse(nodes)))
        cut = {row: [one] for row, one in enumerate(found) if one.point}
        await self._turn_pages(list(cut.values()))
        for row, pages in cut.items():
            references = [reference for page in pages for reference in page.references]
            found[row] = Browsed(references, pages[-1].status_code)
        return found

    async def _turn_pages(self, cut: Sequence[list[Browsed]]) -> None:
        """Append the rest to every list of pages; what never ends is given back, as refused."""
        for turned in range(_MOST_PAGES + 1):
            held = [pages for pages in cut if pages[-1].point]
            if not held:
                return
            is_endless = turned == _MOST_PAGES
            points = [pages[-1].point for pages in held]
            request = requests.browse_next(points, release=is_endless)
            rest = browse_results(await self.call(request))
            if len(rest) != len(held):
                raise UaError(f"{len(held)} pages asked for, {len(rest)} came back")
            for pages, page in zip(held, rest, strict=True):
                pages.append(_ENDLESS if is_endless else page)

    async def server_time(self) -> datetime | None:
        """The server's own clock; None where it does not tell.

        Many servers refresh CurrentTime once a second: the response's own time is taken where it
        agrees.
        """
        current = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))
        request = requests.read_columns([current], AttributeIds.Value, requests.NEITHER)
        reader = await self.call(request)
        reader.length()
        if reader.number("<B") & 1 and reader.number("<B") == ua.VariantType.DateTime:
            ticks = reader.number("<q")
            if 0 < reader.sent_ticks - ticks < _REFRESH_TICKS:
                ticks = reader.sent_ticks
            with contextlib.suppress(OverflowError):
                return time_of(ticks)
        return None

    def text_of(self, node_id: ua.NodeId) -> str:
        """A NodeId with its namespace URI."""
        return text_of(node_id, self.namespaces)

    async def close(self) -> None:
        """End the session politely, within seconds; never raises."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
            self._renewal = None
        client = self._client
        with contextlib.suppress(Exception):  # a channel half open fails in any way
            async with asyncio.timeout(3):
                if client.uaclient.protocol is not None and not client.uaclient.protocol.is_closed:
                    await client.uaclient.close_session(not self.leaves_subscriptions)
                    await client.close_secure_channel()
        client.disconnect_socket()


def attributes(values: DataValues) -> list[Attribute]:
    """The rows one by one, as Python has them."""
    known = zip(values.source_ticks.tolist(), values.has_source.tolist(), strict=True)
    ticks = [tick if has else None for tick, has in known]
    rows = zip(values.values(), values.types.tolist(), values.status.tolist(), ticks, strict=True)
    return list(map(Attribute._make, rows))


def _texts(value: object) -> list[str]:
    """An array of strings, as a read gives it."""
    found = json.loads(value) if isinstance(value, str) and value else []
    return [str(text) for text in found] if isinstance(found, list) else []
