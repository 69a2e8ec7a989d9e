"""A subscription with our own publish pump: nothing lost unnoticed, nothing acknowledged too early.

Items discard the oldest value when their queue is full: the newest is the state of the machine,
and the overflow bit tells us to read the rest from history.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from connectors.opcua.decode import DataValues, MalformedError, Reader
from connectors.opcua.events import NOTIFICATION
from connectors.opcua.session import Session, in_chunks

OUTSTANDING: Final = 3
"""PublishRequests the server holds: one in use, one in flight, one for a burst."""
KEEP_ALIVE_S: Final = 3.0
LIFETIME_S: Final = 120.0
"""How long the server keeps a subscription whose client is silent."""
_SILENT_S: Final = 4.0
"""Grace beyond two keep-alives before a silent subscription counts as lost."""
_LAST_SEQUENCE: Final = 0xFFFF_FFFF
_INFO_DATA_VALUE: Final = 0x400
_OVERFLOW: Final = 0x80
_LIMITS: Final = 0x300
_UA: Final = "nsu=http://opcfoundation.org/UA/;i="
_DATA_CHANGE: Final = f"{_UA}{ObjectIds.DataChangeNotification_Encoding_DefaultBinary}"
_STATUS_CHANGE: Final = f"{_UA}{ObjectIds.StatusChangeNotification_Encoding_DefaultBinary}"


class SubscriptionLostError(ConnectionError):
    """The server no longer serves our subscription."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is listened to (keys of the fleet file)."""

    publishing_interval_ms: float = 500.0
    sampling_interval_ms: float = 100.0
    queue_size: int = 1000


@dataclass(slots=True)
class Message:
    """One NotificationMessage: the values of its data changes; `rows` counts them."""

    sequence: int
    publish_ticks: int
    values: list[DataValues] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    """Bodies of EventNotificationLists, not decoded."""
    republished: bool = False
    is_keep_alive: bool = False

    @property
    def rows(self) -> int:
        """Values in the message."""
        return sum(values.count for values in self.values)


@dataclass(frozen=True, slots=True)
class Hole:
    """Sequence numbers that the server cannot give again: read history instead."""

    sequences: int


class Subscription:
    """`create`, `add` items, then `messages` in order; `acknowledge` what is on disk."""

    def __init__(self, session: Session, options: Options) -> None:
        self.session, self.options = session, options
        self.id = 0
        self.keep_alive_s = KEEP_ALIVE_S
        self.publishing_interval_ms = options.publishing_interval_ms
        self.queues: dict[int, int] = {}
        """Revised queue size of every item whose queue may overflow between two publishes."""
        self._expected = 1
        self._to_acknowledge: list[int] = []
        self._unsynced: set[int] = set()
        self._inbox: asyncio.Queue[Message | BaseException] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._heard_s = time.monotonic()
        self._may_publish = asyncio.Event()
        self._may_publish.set()

    async def create(self) -> None:
        """Create the subscription on the server."""
        interval = self.options.publishing_interval_ms
        request = ua.CreateSubscriptionRequest()
        request.Parameters.RequestedPublishingInterval = interval
        request.Parameters.RequestedMaxKeepAliveCount = max(
            1, round(KEEP_ALIVE_S * 1000 / interval)
        )
        request.Parameters.RequestedLifetimeCount = max(10, round(LIFETIME_S * 1000 / interval))
        request.Parameters.MaxNotificationsPerPublish = 0
        request.Parameters.PublishingEnabled = True
        reader = await self.session.call(request)
        self.id = reader.number("<I")
        revised, _, keep_alives = reader.number("<d"), reader.number("<I"), reader.number("<I")
        self.publishing_interval_ms = max(revised, 1.0)
        self.keep_alive_s = max(revised / 1000 * keep_alives, 0.1)

    async def add(self, items: Sequence[tuple[int, ua.NodeId]]) -> dict[int, int]:
        """Monitor nodes under their handles; gives the status of every handle that was refused."""

        async def send(part: Sequence[tuple[int, ua.NodeId]]) -> list[int]:
            return await self._add_some(part)

        results = await in_chunks(items, self.session.limits.items, send)
        return {
            handle: status
            for (handle, _), status in zip(items, results, strict=True)
            if status & 0x80000000
        }

    async def _add_some(self, items: Sequence[tuple[int, ua.NodeId]]) -> list[int]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = ua.UInt32(self.id)
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToCreate = [self._item(handle, node) for handle, node in items]
        reader = await self.session.call(request)
        statuses = []
        for row in range(max(reader.length(), 0)):
            statuses.append(reader.number("<I"))
            reader.take(4)  # item id
            sampling_ms, queue = reader.number("<d"), reader.number("<I")
            if row < len(items) and not statuses[-1] & 0x80000000:
                self._note_queue(items[row][0], sampling_ms, queue)
            reader.node_id()
            if reader.number("<B"):
                reader.byte_string()
        return statuses

    def _note_queue(self, handle: int, sampling_ms: float, queue: int) -> None:
        options = self.options
        asked = min(sampling_ms, options.sampling_interval_ms)
        needed = math.ceil(self.publishing_interval_ms / asked) if asked > 0 else math.inf
        if queue < min(needed, options.queue_size):
            self.queues[handle] = queue
        else:
            self.queues.pop(handle, None)

    def _item(self, handle: int, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=ua.UInt32(handle),
                SamplingInterval=self.options.sampling_interval_ms,
                Filter=ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp),
                QueueSize=ua.UInt32(self.options.queue_size),
                DiscardOldest=True,
            ),
        )

    def start(self) -> None:
        """Begin to publish."""
        self._heard_s = time.monotonic()
        self._workers = [asyncio.create_task(self._publish()) for _ in range(OUTSTANDING)]

    async def stop(self) -> None:
        """Stop to publish; the session's end deletes the subscription on the server."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def acknowledge(self, sequences: Sequence[int]) -> None:
        """These messages are on disk: the next PublishRequest tells the server."""
        self._unsynced.difference_update(sequences)
        self._to_acknowledge += sequences

    def pause(self) -> None:
        """Ask for no more messages (the disk takes none): the server keeps its queues."""
        self._may_publish.clear()

    def resume(self) -> None:
        """Ask for messages again."""
        self._heard_s = time.monotonic()
        self._may_publish.set()

    async def _publish(self) -> None:
        """One outstanding PublishRequest, again and again; ends with its error in the inbox."""
        limit_s = self.keep_alive_s * (OUTSTANDING + 2) + self.session.timeout_s
        while True:
            await self._may_publish.wait()
            request = ua.PublishRequest()
            acknowledged, self._to_acknowledge = self._to_acknowledge, []
            request.Parameters.SubscriptionAcknowledgements = [
                ua.SubscriptionAcknowledgement(ua.UInt32(self.id), ua.UInt32(sequence))
                for sequence in acknowledged
            ]
            try:
                reader = await self.session.call(request, limit_s)
                self._heard_s = time.monotonic()
                self._inbox.put_nowait(self._parse(reader))
            except UaStatusCodeError as error:
                self._to_acknowledge += acknowledged
                if error.code == StatusCodes.BadTooManyPublishRequests and len(self._workers) > 1:
                    return  # fewer outstanding requests will do
                if error.code != StatusCodes.BadTimeout:
                    self._inbox.put_nowait(error)
                    return
            except (OSError, TimeoutError, UaError, MalformedError) as error:
                self._inbox.put_nowait(error)
                return

    def _parse(self, r: Reader) -> Message:
        subscription = r.number("<I")
        if subscription != self.id:
            raise SubscriptionLostError(f"publish for subscription {subscription}, not {self.id}")
        r.array(lambda: r.number("<I"))
        r.number("<B")
        return _message(r)

    async def messages(self) -> list[Message | Hole]:
        """The next messages in order (republished ones among them), and holes that stay.

        Raises:
            SubscriptionLostError: nothing was heard for two keep-alives, or the server said so.
        """
        while True:
            silent_s = time.monotonic() - self._heard_s
            left_s = 2 * self.keep_alive_s + _SILENT_S - silent_s
            try:
                # not wait_for: on Python 3.11 it can swallow a cancellation that meets a result
                async with asyncio.timeout(max(left_s, 0.01)):
                    got = await self._inbox.get()
            except TimeoutError:
                if not self._may_publish.is_set():
                    self._heard_s = time.monotonic()
                    continue
                if time.monotonic() - self._heard_s < 2 * self.keep_alive_s + _SILENT_S:
                    continue
                raise SubscriptionLostError("no keep-alive from the subscription") from None
            if isinstance(got, BaseException):
                raise got
            return await self._in_order(got)

    async def _in_order(self, message: Message) -> list[Message | Hole]:
        behind = (self._expected - message.sequence) % _LAST_SEQUENCE
        if 0 < behind < 1 << 31:
            if message.sequence not in self._unsynced:  # else its first copy is to come to disk
                self.acknowledge([message.sequence])
            return []  # seen before
        found: list[Message | Hole] = []
        lost = 0
        while self._expected != message.sequence:
            again = await self._republish(self._expected) if lost < OUTSTANDING * 100 else None
            if again is None:
                lost += 1
            else:
                found.append(again)
            self._expected = _after(self._expected)
        if lost:
            found.append(Hole(lost))
        if not message.is_keep_alive:  # a keep-alive only tells the number of the next message
            self._expected = _after(self._expected)
        delivered = [*found, message]
        self._unsynced.update(
            m.sequence for m in delivered if isinstance(m, Message) and not m.is_keep_alive
        )
        return delivered

    async def _republish(self, sequence: int) -> Message | None:
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = ua.UInt32(self.id)
        request.Parameters.RetransmitSequenceNumber = ua.UInt32(sequence)
        try:
            message = _message(await self.session.call(request))
        except (UaStatusCodeError, MalformedError):
            return None
        message.republished = True
        return message if message.sequence == sequence and not message.is_keep_alive else None


def _after(sequence: int) -> int:
    """Sequence numbers begin anew at 1 (part 4, 7.25)."""
    return sequence % _LAST_SEQUENCE + 1


def _message(r: Reader) -> Message:
    """A NotificationMessage."""
    message = Message(r.number("<I"), r.number("<q"))
    count = max(r.length(), 0)
    message.is_keep_alive = count == 0
    for _ in range(count):
        type_id, encoding = r.node_id(), r.number("<B")
        body = r.byte_string() if encoding else None
        inner = Reader(body or b"", 0, r.namespaces)
        if type_id == _STATUS_CHANGE:
            raise SubscriptionLostError(f"the subscription ended with {inner.number('<I'):#010x}")
        if type_id == _DATA_CHANGE:
            message.values.append(DataValues.decode(inner, with_handles=True))
        if type_id == NOTIFICATION:
            message.events.append(body or b"")
    return message


def take_overflow(values: DataValues) -> list[int]:
    """Handles whose queue overflowed; the bit is taken off, for it speaks of the queue alone.

    History holds the same value without it: with the bit it would be another value.
    """
    marked = (values.status & (0xC00 | _OVERFLOW)) == (_INFO_DATA_VALUE | _OVERFLOW)
    if not marked.any():
        return []
    status = values.status[marked] & np.uint32(0xFFFF_FFFF ^ _OVERFLOW)
    status[(status & _LIMITS) == 0] &= np.uint32(0xFFFF_FFFF ^ _INFO_DATA_VALUE)
    values.status[marked] = status
    return [int(handle) for handle in values.handles[marked]]
