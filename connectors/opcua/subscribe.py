"""A subscription: its items, and its messages in order, so that nothing is lost unnoticed.

Items discard the oldest value when their queue is full: the newest is the state of the machine,
and the overflow bit tells us to read the rest from history.
"""

import math
import struct
import time
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.opcua.decode import DataValues, MalformedError, Reader, rows_of
from connectors.opcua.events import NOTIFICATION
from connectors.opcua.failures import SubscriptionLostError
from connectors.opcua.limits import in_chunks
from connectors.opcua.requests import create_items
from connectors.opcua.session import Session

KEEP_ALIVE_S: Final = 5.0
LIFETIME_S: Final = 120.0
"""How long the server keeps a subscription whose client is silent."""
_GRACE_S: Final = 2.0
"""Beyond two keep-alives, before a silent subscription counts as lost."""
_MOST_ASKED: Final = 5000
"""Messages asked for again one by one; of a longer hole history knows more."""
_NOT_THERE: Final = frozenset(
    {
        StatusCodes.BadMessageNotAvailable,
        StatusCodes.BadSequenceNumberUnknown,
        StatusCodes.BadSequenceNumberInvalid,
        StatusCodes.BadServiceUnsupported,
        StatusCodes.BadNotSupported,
        StatusCodes.BadNotImplemented,
    }
)
"""Answers to Republish that mean: this message is gone."""
_LAST_SEQUENCE: Final = 0xFFFF_FFFF
_INFO_DATA_VALUE: Final = 0x400
_OVERFLOW: Final = 0x80
_LIMITS: Final = 0x300
_EMPTY: Final = bytes(4)
_DATA_CHANGE_ID: Final = ObjectIds.DataChangeNotification_Encoding_DefaultBinary
_USUAL: Final = struct.Struct("<IqiHHBi")
"""A NotificationMessage of one part: number, time, parts, the part's NodeId, encoding, bytes."""
_UA: Final = "nsu=http://opcfoundation.org/UA/;i="
_DATA_CHANGE: Final = f"{_UA}{ObjectIds.DataChangeNotification_Encoding_DefaultBinary}"
_STATUS_CHANGE: Final = f"{_UA}{ObjectIds.StatusChangeNotification_Encoding_DefaultBinary}"


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is listened to (keys of the fleet file)."""

    publishing_interval_ms: float = 500.0
    sampling_interval_ms: float = 100.0
    queue_size: int = 1000


@dataclass(frozen=True, slots=True)
class Revised:
    """What the server made of the sampling interval and queue size that we asked for."""

    sampling_interval_ms: float
    queue_size: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A subscription that may outlive us: `durable` is its newest sequence number on disk."""

    id: int
    keep_alive_s: float
    publishing_interval_ms: float
    durable: int


@dataclass(slots=True)
class Message:
    """One NotificationMessage, its bodies not decoded; `rows` counts its values."""

    subscription_id: int
    sequence: int
    publish_ticks: int
    changes: Sequence[bytes] = ()
    """Bodies of DataChangeNotifications."""
    events: Sequence[bytes] = ()
    """Bodies of EventNotificationLists, not decoded."""
    republished: bool = False
    is_keep_alive: bool = False
    more_follow: bool = False
    """The server has more to say than it put into this message."""
    kept: bytes = b""
    """Sequence numbers (UInt32) that the server can send again; empty where it does not tell."""

    @property
    def receipt(self) -> tuple[int, int]:
        """What an acknowledgement names."""
        return self.subscription_id, self.sequence

    @property
    def rows(self) -> int:
        """Values in the message."""
        return sum(rows_of(body) for body in self.changes)


@dataclass(frozen=True, slots=True)
class Hole:
    """Sequence numbers that the server cannot give again: read history of the items instead."""

    subscription_id: int
    sequences: int


class Subscription:
    """`create` (or `adopt`), `add` items, then put its messages `in_order`."""

    def __init__(self, session: Session, options: Options) -> None:
        self.session, self.options = session, options
        self.id = 0
        self.keep_alive_s = KEEP_ALIVE_S
        self.publishing_interval_ms = options.publishing_interval_ms
        self.revised: dict[int, Revised] = {}
        """What the server made of our wishes, of every item it monitors."""
        self.unsynced: set[int] = set()
        """Sequence numbers delivered and not yet on disk."""
        self.heard_s, self.silences = time.monotonic(), 0
        """When it was last heard, and how often it counted as lost since."""
        self.is_behind = False
        """Whether the server holds values that it has not sent yet."""
        self.expected = 1

    @property
    def patience_s(self) -> float:
        """After so much silence it counts as lost: two keep-alives and some grace."""
        return 2 * self.keep_alive_s + _GRACE_S

    def adopt(self, known: "Standing") -> None:
        """Be a subscription that the server already has."""
        self.id, self.expected = known.id, _plus(known.durable, 1)
        self.keep_alive_s = known.keep_alive_s
        self.publishing_interval_ms = known.publishing_interval_ms

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
        self.id, self.is_behind = reader.number("<I"), True  # it owes the first values
        revised, _, keep_alives = reader.number("<d"), reader.number("<I"), reader.number("<I")
        self.publishing_interval_ms = max(revised, 1.0)
        self.keep_alive_s = max(revised / 1000 * keep_alives, 0.1)

    async def add(self, items: Sequence[tuple[int, ua.NodeId]]) -> dict[int, int]:
        """Monitor nodes under their handles; gives the status of every handle that was refused."""

        async def send(part: Sequence[tuple[int, ua.NodeId]]) -> list[int]:
            return await self._add_some(part)

        learn = partial(self.session.learn, "items")
        results = await in_chunks(items, self.session.limits.items, send, learn)
        return {
            handle: status
            for (handle, _), status in zip(items, results, strict=True)
            if status & 0x80000000
        }

    async def _add_some(self, items: Sequence[tuple[int, ua.NodeId]]) -> list[int]:
        options = self.options
        request = create_items(
            self.id,
            items,
            sampling_interval_ms=options.sampling_interval_ms,
            queue_size=options.queue_size,
        )
        reader = await self.session.call(request)
        statuses = []
        for row in range(max(reader.length(), 0)):
            statuses.append(reader.number("<I"))
            reader.take(4)  # item id
            sampling_ms, queue = reader.number("<d"), reader.number("<I")
            if row < len(items) and not statuses[-1] & 0x80000000:
                self.revised[items[row][0]] = Revised(sampling_ms, queue)
            reader.node_id()
            if reader.number("<B"):
                reader.byte_string()
        return statuses

    @property
    def short_queues(self) -> dict[int, int]:
        """Queue size of every item whose queue may overflow between two publishes."""
        return {h: one.queue_size for h, one in self.revised.items() if self._is_short(one)}

    def _is_short(self, revised: Revised) -> bool:
        options = self.options
        asked = min(revised.sampling_interval_ms, options.sampling_interval_ms)
        needed = math.ceil(self.publishing_interval_ms / asked) if asked > 0 else math.inf
        return revised.queue_size < min(needed, options.queue_size)

    def has_seen(self, got: Message) -> bool:
        """Whether this message was delivered before."""
        return 0 < (self.expected - got.sequence) % _LAST_SEQUENCE < 1 << 31

    def take_next(self, got: Message) -> bool:
        """Take the message if it is the one that is due."""
        if got.sequence != self.expected:
            return False
        if not got.is_keep_alive:
            self.expected = _plus(got.sequence, 1)
            self.unsynced.add(got.sequence)
        return True

    async def in_order(self, got: Message) -> list[Message | Hole]:
        """The message, and before it those that were lost on their way, or holes in their place.

        Nothing is taken for delivered before all is here: what fails half-way is asked for anew.
        """
        if self.take_next(got):
            return [got]
        missing = self._distance(got.sequence)
        kept = frozenset(np.frombuffer(got.kept, "<u4").tolist())
        found: list[Message | Hole] = []
        lost = max(missing - _MOST_ASKED, 0)
        for steps in range(min(missing, _MOST_ASKED), 0, -1):
            again = await self._again(_plus(got.sequence, -steps), kept)
            if again is None:
                lost += 1
                continue
            found += [Hole(self.id, lost)] * (lost > 0) + [again]
            lost = 0
        if lost:
            found.append(Hole(self.id, lost))
        # a keep-alive only tells the number of the next message
        self.expected = got.sequence if got.is_keep_alive else _plus(got.sequence, 1)
        found.append(got)
        self._deliver(m for m in found if isinstance(m, Message))
        return found

    async def _again(self, sequence: int, available: Set[int]) -> Message | None:
        """A message once more; not asked for where the server says that it is gone."""
        if available and sequence not in available:
            return None
        return await self._republish(sequence)

    async def republish_rest(self) -> list[Message]:
        """Messages that were sent while we were away, up to the first that the server lacks."""
        found: list[Message] = []
        expected = self.expected
        while len(found) < _MOST_ASKED and (again := await self._republish(expected)):
            found.append(again)
            expected = _plus(expected, 1)
        self.expected = expected
        self._deliver(found)
        return found

    async def take_back(self, available: Sequence[int]) -> list[Message | Hole]:
        """After a transfer: every message that the server still keeps, and whether some are gone.

        `available` are the sequence numbers that the server keeps; those up to our last durable
        one are on disk.
        """
        fresh = sorted((n for n in available if not self.is_durable(n)), key=self._distance)
        found: list[Message | Hole] = []
        if fresh and (gone := self._distance(fresh[0])):
            found.append(Hole(self.id, gone))
            self.expected = fresh[0]
        return found + list(await self.republish_rest())

    def _distance(self, sequence: int) -> int:
        return (sequence - self.expected) % _LAST_SEQUENCE

    def is_durable(self, sequence: int) -> bool:
        """Whether this message was delivered, and so is on disk, before we took over."""
        return self._distance(sequence) >= 1 << 31

    def _deliver(self, messages: Iterable[Message]) -> None:
        self.unsynced.update(m.sequence for m in messages if not m.is_keep_alive)

    async def _republish(self, sequence: int) -> Message | None:
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = ua.UInt32(self.id)
        request.Parameters.RetransmitSequenceNumber = ua.UInt32(sequence)
        try:
            got = message(await self.session.call(request), self.id)
        except UaStatusCodeError as error:
            if error.code in _NOT_THERE:
                return None
            raise
        except MalformedError:
            return None
        got.republished = True
        return got if got.sequence == sequence and not got.is_keep_alive else None


def _plus(sequence: int, steps: int) -> int:
    """Sequence numbers begin anew at 1 (part 4, 7.25)."""
    return (sequence - 1 + steps) % _LAST_SEQUENCE + 1


def message(r: Reader, subscription_id: int) -> Message:
    """A NotificationMessage."""
    if len(r.data) - r.pos >= _USUAL.size:
        sequence, ticks, parts, first, kind, encoding, size = _USUAL.unpack_from(r.data, r.pos)
        begin = r.pos + _USUAL.size
        is_whole = 0 <= size <= len(r.data) - begin
        if (parts, first, kind, encoding, is_whole) == (1, 1, _DATA_CHANGE_ID, 1, True):
            r.pos = begin + size
            return Message(subscription_id, sequence, ticks, (r.data[begin : r.pos] or _EMPTY,))
    changes: list[bytes] = []
    events: list[bytes] = []
    found = Message(subscription_id, r.number("<I"), r.number("<q"), changes, events)
    count = max(r.length(), 0)
    found.is_keep_alive = count == 0
    for _ in range(count):
        type_id, encoding = r.node_id(), r.number("<B")
        body = r.byte_string() if encoding else None
        inner = Reader(body or b"", 0, r.namespaces)
        if type_id == _STATUS_CHANGE:
            raise SubscriptionLostError(f"the subscription ended with {inner.number('<I'):#010x}")
        if type_id == _DATA_CHANGE:
            changes.append(body or _EMPTY)
        if type_id == NOTIFICATION:
            events.append(body or b"")
    return found


def take_overflow(values: DataValues) -> list[int]:
    """Handles whose queue overflowed; the bit is taken off, for it speaks of the queue alone.

    History holds the same value without it: with the bit it would be another value.
    """
    if not values.status.any():
        return []
    marked = (values.status & (0xC00 | _OVERFLOW)) == (_INFO_DATA_VALUE | _OVERFLOW)
    if not marked.any():
        return []
    status = values.status[marked] & np.uint32(0xFFFF_FFFF ^ _OVERFLOW)
    status[(status & _LIMITS) == 0] &= np.uint32(0xFFFF_FFFF ^ _INFO_DATA_VALUE)
    values.status[marked] = status
    return [int(handle) for handle in values.handles[marked]]
