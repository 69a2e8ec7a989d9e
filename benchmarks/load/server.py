"""Services, subscriptions and their account: what is sent, what is acknowledged, how late."""

import asyncio
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from benchmarks.load.canned import Canned
from benchmarks.load.space import Space
from benchmarks.load.wire import TICKS_PER_S, Connection, Cursor, now_ticks, response_header

_UNSUPPORTED: Final = 0x800B_0000
_NONE_THERE: Final = 0x8079_0000
_UNKNOWN_SUBSCRIPTION: Final = 0x8028_0000
_UNKNOWN_SEQUENCE: Final = 0x807A_0000
_NO_MESSAGE: Final = 0x807B_0000
_TOO_MANY_REQUESTS: Final = 0x8078_0000
_MOST_REQUESTS: Final = 100
_DATA_CHANGE: Final = ObjectIds.DataChangeNotification_Encoding_DefaultBinary
_FLOOD_SPAN_TICKS: Final = TICKS_PER_S // 1000
_NULL: Final = b"\xff\xff\xff\xff"
_SHORTEST_MS: Final = 10.0
_UNTIMED_S: Final = 2.0
"""An acknowledgement rides on a PublishRequest: those of the last messages find none to ride on."""
_RELEASED: Final = struct.pack("<I", 0) + _NULL + _NULL


def _id(name: str, kind: str = "Request") -> int:
    return int(getattr(ObjectIds, f"{name}{kind}_Encoding_DefaultBinary"))


@dataclass(slots=True)
class Due:
    """A message to send as soon as a PublishRequest is there."""

    piece: int
    first_ticks: int
    span_ticks: int
    due_s: float
    age_s: float
    """How long before it was due the oldest value may have been sampled."""
    is_timed: bool
    """False for the last: their acknowledgement waits for the next keep-alive."""


@dataclass(slots=True)
class Sent:
    """A message that the client has not acknowledged."""

    notification: bytes
    due: Due
    rows: int


@dataclass(slots=True)
class Account:
    """What a subscription put out; `lags` are (from due, from the oldest sample, values)."""

    values: int = 0
    messages: int = 0
    acknowledged_values: int = 0
    republished: int = 0
    lags: list[tuple[float, float, int]] = field(default_factory=list)


class Subscription:
    """One subscription: a plan of canned messages, paced, or as fast as requests come."""

    def __init__(
        self, number: int, connection: Connection, interval_ms: float, keep_alives: int
    ) -> None:
        self.number, self.connection = number, connection
        self.interval_s, self.keep_alives = interval_ms / 1000, keep_alives
        self.items: dict[int, tuple[int, int]] = {}
        """By item id: variable number and client handle."""
        self.sequence = 1
        self.retained: dict[int, Sent] = {}
        self.account = Account()
        self.due: deque[Due] = deque()
        self.is_flooding = False
        self._left = 0
        self._pieces: list[Canned] = []
        self._next_piece = 0
        self._last_ticks: list[int] = []
        self._heard_s = time.monotonic()
        self._pacing: asyncio.Task[None] | None = None

    def prepare(self, space: Space, per_message: int) -> None:
        """Make the messages: all items in order of variables, so many a message."""
        items = sorted(self.items.values())
        parts = [items[i : i + per_message] for i in range(0, len(items), per_message)]
        self._pieces = [
            Canned([handle for _, handle in part], [space.types[n] for n, _ in part], seed)
            for seed, part in enumerate(parts)
        ]
        self._last_ticks = [0] * len(parts)
        self._next_piece = 0

    def go(self, values: int, rate: float, wake: Callable[[], None]) -> None:
        """Emit at least so many values: `rate` a second, or with 0 one message per request."""
        self._left = values if self._pieces else 0
        self.is_flooding = rate <= 0
        if rate > 0:
            self._pacing = asyncio.create_task(self._pace(rate, wake))

    async def _pace(self, rate: float, wake: Callable[[], None]) -> None:
        began_s, began_ticks, planned = time.monotonic(), now_ticks(), 0
        tick = 0
        while self._left > 0:
            tick += 1
            await asyncio.sleep(max(began_s + tick * self.interval_s - time.monotonic(), 0))
            pieces = []
            while planned < rate * self.interval_s * tick and self._left > 0:
                pieces.append(self._turn())
                planned += self._pieces[pieces[-1]].rows
            span = int(self.interval_s * TICKS_PER_S) // max(len(pieces), 1)
            first = began_ticks + int((tick - 1) * self.interval_s * TICKS_PER_S)
            due_s = began_s + tick * self.interval_s
            self.due += [
                Due(
                    p,
                    first + n * span,
                    span,
                    due_s,
                    self.interval_s - n * span / TICKS_PER_S,
                    self._left > _UNTIMED_S * rate,
                )
                for n, p in enumerate(pieces)
            ]
            wake()

    def _turn(self) -> int:
        piece = self._next_piece
        self._next_piece = (piece + 1) % len(self._pieces)
        self._left -= self._pieces[piece].rows
        return piece

    def next_message(self) -> tuple[int, Sent] | None:
        """The next message with its number; None where there is nothing to say."""
        if self.due:
            due = self.due.popleft()
        elif self.is_flooding and self._left > 0:
            piece = self._turn()
            span = _FLOOD_SPAN_TICKS
            first = max(now_ticks() - span, self._last_ticks[piece] + span)
            self._last_ticks[piece] = first
            due = Due(piece, first, span, time.monotonic(), span / TICKS_PER_S, True)
        else:
            return None
        canned = self._pieces[due.piece]
        ticks = now_ticks()
        body = canned.at(due.first_ticks, due.span_ticks)
        sequence = self.sequence
        self.sequence = sequence % 0xFFFF_FFFF + 1
        sent = Sent(notification(sequence, ticks, body), due, canned.rows)
        self.retained[sequence] = sent
        self.account.values += canned.rows
        self.account.messages += 1
        return sequence, sent

    def acknowledge(self, sequence: int) -> int:
        """Forget a message that the client has; gives the status."""
        sent = self.retained.pop(sequence, None)
        if sent is None:
            return _UNKNOWN_SEQUENCE
        late_s = time.monotonic() - sent.due.due_s
        self.account.acknowledged_values += sent.rows
        if sent.due.is_timed:
            self.account.lags.append((late_s, late_s + sent.due.age_s, sent.rows))
        return 0

    @property
    def is_keep_alive_due(self) -> bool:
        return time.monotonic() - self._heard_s >= self.interval_s * self.keep_alives

    def heard(self) -> None:
        """The client was sent something."""
        self._heard_s = time.monotonic()

    def stop(self) -> None:
        """Nothing more to say."""
        self._left = 0
        if self._pacing is not None:
            self._pacing.cancel()

    def state(self) -> dict[str, Any]:
        """The account as JSON."""
        account = self.account
        return {
            "id": self.number, "items": len(self.items), "values": account.values,
            "messages": account.messages, "last_sequence": self.sequence - 1,
            "acknowledged": account.acknowledged_values, "republished": account.republished,
            "waiting_messages": len(self.due), "left": max(self._left, 0),
            "lag_s": _percentiles(account.lags),
        }  # fmt: skip


def _percentiles(lags: list[tuple[float, float, int]]) -> dict[str, float]:
    if not lags:
        return {}
    found = {}
    rows = np.array([weight for *_, weight in lags])
    for at, name in enumerate(("due", "sampled")):
        values = np.repeat(np.array([lag[at] for lag in lags]), np.maximum(rows // 100, 1))
        for share in (50, 99, 100):
            found[f"{name}_p{share}"] = round(float(np.percentile(values, share)), 4)
    return found


def notification(sequence: int, ticks: int, body: bytes) -> bytes:
    """A NotificationMessage of one DataChangeNotification."""
    head = struct.pack("<IqiBBHBi", sequence, ticks, 1, 1, 0, _DATA_CHANGE, 1, len(body))
    return head + body


@dataclass(slots=True)
class Client:
    """One connection's waiting PublishRequests and subscriptions."""

    requests: deque[tuple[int, int, bytes]] = field(default_factory=deque)
    subscriptions: dict[int, Subscription] = field(default_factory=dict)


class LoadServer:
    """Serves any client; `go` lets every subscription speak, `state` tells what was said."""

    def __init__(self, space: Space, port: int, per_message: int) -> None:
        self.space, self.port, self.per_message = space, port, per_message
        self._clients: dict[Connection, Client] = {}
        self._closed: list[dict[str, Any]] = []
        self._numbers = iter(range(1, 1 << 31))
        self._services: dict[int, Callable[[Connection, int, int, Cursor], None]] = {
            _id("GetEndpoints"): self._get_endpoints,
            _id("FindServers"): self._find_servers,
            _id("CreateSession"): self._create_session,
            _id("ActivateSession"): self._activate_session,
            _id("CloseSession"): self._close_session,
            _id("Read"): self._read,
            _id("Browse"): self._browse,
            _id("BrowseNext"): self._browse_next,
            _id("HistoryRead"): self._history_read,
            _id("CreateSubscription"): self._create_subscription,
            _id("SetPublishingMode"): self._set_publishing_mode,
            _id("DeleteSubscriptions"): self._delete_subscriptions,
            _id("CreateMonitoredItems"): self._create_monitored_items,
            _id("DeleteMonitoredItems"): self._delete_monitored_items,
            _id("Publish"): self._publish,
            _id("Republish"): self._republish,
        }

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on the loopback; with port 0 on a free one."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self._handle, self._lost), "127.0.0.1", self.port
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        self._keeping = asyncio.create_task(self._keep_alive())

    async def close(self) -> None:
        """Stop listening and end every connection."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        for connection, client in list(self._clients.items()):
            self._end(client, list(client.subscriptions))
            connection.transport.close()
        self._listener.close()
        await self._listener.wait_closed()

    def go(self, values: int, rate: float) -> None:
        """Let every subscription that stands emit so many values."""
        for client in self._clients.values():
            for one in client.subscriptions.values():
                one.prepare(self.space, self.per_message)
                one.go(values, rate, lambda client=client: self._serve_some(client))  # type: ignore[misc]
            self._serve_some(client)

    def _serve_some(self, client: Client) -> None:
        for connection, known in list(self._clients.items()):
            if known is client:
                self._serve(connection, client)

    def state(self) -> dict[str, Any]:
        """What was sent and acknowledged, per subscription; those of closed sessions apart."""
        live = [
            one.state() | {"requests": len(client.requests)}
            for client in self._clients.values()
            for one in client.subscriptions.values()
        ]
        return {"subscriptions": live, "closed": self._closed}

    def _lost(self, connection: Connection) -> None:
        client = self._clients.pop(connection, Client())
        self._end(client, list(client.subscriptions))

    def _end(self, client: Client, numbers: list[int]) -> list[int]:
        results = []
        for number in numbers:
            one = client.subscriptions.pop(number, None)
            results.append(0 if one else _UNKNOWN_SUBSCRIPTION)
            if one:
                one.stop()
                self._closed.append(one.state())
        return results

    def _let_go(self, connection: Connection) -> None:
        """Answer the requests of a client that has no subscription any more."""
        client = self._client(connection)
        while client.requests and not client.subscriptions:
            request, handle, _ = client.requests.popleft()
            connection.fault(request, handle, _NONE_THERE)

    def _handle(self, connection: Connection, request: int, kind: int, cursor: Cursor) -> None:
        handle = cursor.request_header()
        service = self._services.get(kind)
        if service is None:
            connection.fault(request, handle, _UNSUPPORTED)
        else:
            service(connection, request, handle, cursor)

    def _client(self, connection: Connection) -> Client:
        return self._clients.setdefault(connection, Client())

    # --- sessions: asyncua's types, once per client

    def _answer(self, connection: Connection, request: int, handle: int, response: Any) -> None:
        response.ResponseHeader.RequestHandle = ua.UInt32(handle)
        response.ResponseHeader.Timestamp = ua.win_epoch_to_datetime(now_ticks())
        connection.send(request, struct_to_binary(response))

    def _endpoint(self) -> ua.EndpointDescription:
        token = ua.UserTokenPolicy(PolicyId="anonymous", TokenType=ua.UserTokenType.Anonymous)
        return ua.EndpointDescription(
            EndpointUrl=self.url,
            Server=self._application(),
            SecurityMode=ua.MessageSecurityMode.None_,
            SecurityPolicyUri="http://opcfoundation.org/UA/SecurityPolicy#None",
            UserIdentityTokens=[token],
            TransportProfileUri="http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary",
            SecurityLevel=ua.Byte(0),
        )

    def _application(self) -> ua.ApplicationDescription:
        return ua.ApplicationDescription(
            ApplicationUri="urn:parkpulse:load",
            ProductUri="urn:parkpulse:load",
            ApplicationName=ua.LocalizedText("load server"),
            ApplicationType=ua.ApplicationType.Server,
            DiscoveryUrls=[self.url],
        )

    def _get_endpoints(self, c: Connection, request: int, handle: int, _: Cursor) -> None:
        self._answer(c, request, handle, ua.GetEndpointsResponse(Endpoints=[self._endpoint()]))

    def _find_servers(self, c: Connection, request: int, handle: int, _: Cursor) -> None:
        self._answer(c, request, handle, ua.FindServersResponse(Servers=[self._application()]))

    def _create_session(self, c: Connection, request: int, handle: int, cursor: Cursor) -> None:
        asked = _parameters(ua.CreateSessionParameters, cursor)
        response = ua.CreateSessionResponse()
        found = response.Parameters
        found.SessionId = ua.NodeId(ua.Int32(c.channel), ua.Int16(1))
        found.AuthenticationToken = ua.NodeId(ua.Int32(c.channel), ua.Int16(0))
        found.RevisedSessionTimeout = asked.RequestedSessionTimeout
        found.ServerNonce = bytes(32)
        found.ServerEndpoints = [self._endpoint()]
        self._client(c)
        self._answer(c, request, handle, response)

    def _activate_session(self, c: Connection, request: int, handle: int, _: Cursor) -> None:
        response = ua.ActivateSessionResponse()
        response.Parameters.ServerNonce = bytes(32)
        self._answer(c, request, handle, response)

    def _close_session(self, c: Connection, request: int, handle: int, _: Cursor) -> None:
        client = self._client(c)
        self._end(client, list(client.subscriptions))
        self._answer(c, request, handle, ua.CloseSessionResponse())
        self._let_go(c)

    # --- what is asked in bulk

    def _read(self, c: Connection, request: int, handle: int, cursor: Cursor) -> None:
        cursor.pos += 12
        self._bulk(c, request, handle, "Read", cursor, self.space.read)

    def _browse(self, c: Connection, request: int, handle: int, cursor: Cursor) -> None:
        cursor.node_id()
        cursor.pos += 16
        self._bulk(c, request, handle, "Browse", cursor, self.space.browse)

    def _browse_next(self, c: Connection, request: int, handle: int, cursor: Cursor) -> None:
        released = cursor.take(1)[0]

        def answer(at: Cursor) -> bytes:
            point = at.text()
            return _RELEASED if released else self.space.browse_next(point)

        self._bulk(c, request, handle, "BrowseNext", cursor, answer)

    def _history_read(self, c: Connection, request: int, handle: int, cursor: Cursor) -> None:
        cursor.node_id()
        cursor.take(1)
        cursor.u32()
        cursor.pos += 1  # IsReadModified
        start, end = struct.unpack("<qq", cursor.take(16))
        most = cursor.u32()
        cursor.pos += 1 + 4 + 1
        self._bulk(
            c, request, handle, "HistoryRead", cursor,
            lambda at: self.space.history_read(start, end, most, at),
        )  # fmt: skip

    def _bulk(
        self,
        c: Connection,
        request: int,
        handle: int,
        name: str,
        cursor: Cursor,
        answer: Callable[[Cursor], bytes],
    ) -> None:
        count = cursor.count()
        results = [answer(cursor) for _ in range(count)]
        header = response_header(_id(name, "Response"), handle)
        c.send(request, header, struct.pack("<i", count), *results, _NULL)

    # --- subscriptions

    def _create_subscription(
        self, c: Connection, request: int, handle: int, cursor: Cursor
    ) -> None:
        asked = _parameters(ua.CreateSubscriptionParameters, cursor)
        interval_ms = max(float(asked.RequestedPublishingInterval), _SHORTEST_MS)
        number = next(self._numbers)
        keep_alives = max(int(asked.RequestedMaxKeepAliveCount), 1)
        self._client(c).subscriptions[number] = Subscription(number, c, interval_ms, keep_alives)
        response = ua.CreateSubscriptionResponse()
        found = response.Parameters
        found.SubscriptionId = ua.UInt32(number)
        found.RevisedPublishingInterval = interval_ms
        found.RevisedLifetimeCount = asked.RequestedLifetimeCount
        found.RevisedMaxKeepAliveCount = ua.UInt32(keep_alives)
        self._answer(c, request, handle, response)

    def _set_publishing_mode(
        self, c: Connection, request: int, handle: int, cursor: Cursor
    ) -> None:
        asked = _parameters(ua.SetPublishingModeParameters, cursor)
        response = ua.SetPublishingModeResponse()
        response.Parameters.Results = [ua.StatusCode() for _ in asked.SubscriptionIds]
        self._answer(c, request, handle, response)

    def _delete_subscriptions(
        self, c: Connection, request: int, handle: int, cursor: Cursor
    ) -> None:
        asked = _parameters(ua.DeleteSubscriptionsParameters, cursor)
        results = self._end(self._client(c), list(asked.SubscriptionIds))
        response = ua.DeleteSubscriptionsResponse()
        response.Results = [ua.StatusCode(ua.UInt32(code)) for code in results]
        self._answer(c, request, handle, response)
        self._let_go(c)

    def _create_monitored_items(
        self, c: Connection, request: int, handle: int, cursor: Cursor
    ) -> None:
        asked = _parameters(ua.CreateMonitoredItemsParameters, cursor)
        one = self._client(c).subscriptions.get(asked.SubscriptionId)
        if one is None:
            return c.fault(request, handle, _UNKNOWN_SUBSCRIPTION)
        response = ua.CreateMonitoredItemsResponse()
        response.Results = [self._item(one, item) for item in asked.ItemsToCreate]
        return self._answer(c, request, handle, response)

    def _item(
        self, one: Subscription, item: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        wanted = item.ItemToMonitor
        name = wanted.NodeId.Identifier
        key = (wanted.NodeId.NamespaceIndex, name.encode() if isinstance(name, str) else name)
        number = self.space.numbers.get(key)
        if number is None or wanted.AttributeId != AttributeIds.Value:
            return ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.UInt32(0x8034_0000)))
        parameters = item.RequestedParameters
        item_id = next(self._numbers)
        one.items[item_id] = (number, parameters.ClientHandle)
        return ua.MonitoredItemCreateResult(
            MonitoredItemId=ua.UInt32(item_id),
            RevisedSamplingInterval=parameters.SamplingInterval,
            RevisedQueueSize=parameters.QueueSize,
        )

    def _delete_monitored_items(
        self, c: Connection, request: int, handle: int, cursor: Cursor
    ) -> None:
        asked = _parameters(ua.DeleteMonitoredItemsParameters, cursor)
        one = self._client(c).subscriptions.get(asked.SubscriptionId)
        response = ua.DeleteMonitoredItemsResponse()
        response.Results = [ua.StatusCode() for _ in asked.MonitoredItemIds]
        for number in asked.MonitoredItemIds:
            if one is not None:
                one.items.pop(number, None)
        self._answer(c, request, handle, response)

    # --- the hot path

    def _publish(self, c: Connection, request: int, handle: int, cursor: Cursor) -> None:
        client = self._client(c)
        if not client.subscriptions:
            return c.fault(request, handle, _NONE_THERE)
        results = []
        for _ in range(cursor.count()):
            one = client.subscriptions.get(cursor.u32())
            sequence = cursor.u32()
            results.append(one.acknowledge(sequence) if one else _UNKNOWN_SUBSCRIPTION)
        packed = struct.pack(f"<i{len(results)}I", len(results), *results)
        client.requests.append((request, handle, packed + _NULL))
        if len(client.requests) > _MOST_REQUESTS:
            oldest, its_handle, _ = client.requests.popleft()
            c.fault(oldest, its_handle, _TOO_MANY_REQUESTS)
        return self._serve(c, client)

    def _serve(self, c: Connection, client: Client) -> None:
        """Messages for as many requests as wait."""
        for one in list(client.subscriptions.values()):
            while client.requests and (message := one.next_message()) is not None:
                self._send(c, client, one, message[1].notification)

    def _send(self, c: Connection, client: Client, one: Subscription, message: bytes) -> None:
        request, handle, results = client.requests.popleft()
        held = list(one.retained)
        head = struct.pack(f"<Ii{len(held)}IB", one.number, len(held), *held, bool(one.due))
        header = response_header(_PUBLISH_RESPONSE, handle)
        c.send(request, header, head, message, results)
        one.heard()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            for c, client in list(self._clients.items()):
                for one in list(client.subscriptions.values()):
                    if one.is_keep_alive_due and client.requests:
                        empty = struct.pack("<Iqi", one.sequence, now_ticks(), 0)
                        self._send(c, client, one, empty)

    def _republish(self, c: Connection, request: int, handle: int, cursor: Cursor) -> None:
        one = self._client(c).subscriptions.get(cursor.u32())
        if one is None:
            return c.fault(request, handle, _UNKNOWN_SUBSCRIPTION)
        sent = one.retained.get(cursor.u32())
        if sent is None:
            return c.fault(request, handle, _NO_MESSAGE)
        one.account.republished += 1
        header = response_header(_id("Republish", "Response"), handle)
        return c.send(request, header, sent.notification)


_PUBLISH_RESPONSE: Final = _id("Publish", "Response")


def _parameters(kind: Any, cursor: Cursor) -> Any:
    return struct_from_binary(kind, Buffer(cursor.data[cursor.pos :]))
