"""From the messages of the pump to rows on their way to the disk."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.opcua.connection import Connection
from connectors.opcua.decode import DataValues, MalformedError, rows_of
from connectors.opcua.event_flow import NOTIFICATIONS_LOST, EventFlow
from connectors.opcua.losses import Losses
from connectors.opcua.pump import Receipt
from connectors.opcua.subscribe import Hole, Message, Revised, take_overflow
from connectors.raw import time_of

log = logging.getLogger(__name__)

_DOUBT_S: Final = 5.0
"""After an outage the server's queues may come full; behind that they are as short as ever."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)

Part = tuple[bytes, int, str]
"""A DataChangeNotification's body, when it came (µs since 1970) and how."""
Marks = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]
"""Codes of nodes and the source ticks of their values."""


@dataclass(slots=True)
class Pending:
    """Of what was taken and is not on disk: receipts, marks, and since when the oldest waits."""

    receipts: list[Receipt] = field(default_factory=list)
    marks: list[Marks] = field(default_factory=list)
    oldest_s: float | None = None


class Intake:
    """`heed` messages, `unpack` them into rows, `hand_over` what must be acknowledged behind them.

    Bodies wait undecoded, for many are decoded at the price of a few.
    """

    def __init__(self, connection: Connection, events: EventFlow, losses: Losses) -> None:
        self.clock, self.url = connection.world.clock, connection.url
        self.stock, self.session = connection.stock, connection.session
        self.feed, self.nodes = connection.feed, connection.nodes
        self.events, self.losses = events, losses
        self._pending = Pending()
        self._parts: list[Part] = []
        self._waiting_rows = 0
        self._heard: dict[int, int] = {}
        """The server's ticks up to which each subscription was heard."""
        self._unpacked_ticks = 0
        self._doubted_until_s = 0.0
        self._doubted_since: datetime | None = None

    # --- what was heard

    @property
    def heard_by_all(self) -> int:
        """The server's ticks up to which every subscription was heard; 0 where one never was."""
        return min((self._heard.get(one.id, 0) for one in self.feed.subscriptions), default=0)

    @property
    def sound_until(self) -> int:
        """The server's ticks before which nothing is missing."""
        return self.losses.sound_until(self.heard_by_all)

    @property
    def waiting_rows(self) -> int:
        """Rows in memory, decoded or not."""
        return self._waiting_rows + self.stock.writer.pending_rows

    @property
    def lag_s(self) -> float:
        """The age of the oldest row that is not on its way to the disk."""
        oldest_s = self._pending.oldest_s
        return 0.0 if oldest_s is None else time.monotonic() - oldest_s

    # --- messages

    def heed(self, messages: Sequence[Message | Hole]) -> None:
        """Take messages; of a hole, have history read."""
        lost = sum(one.sequences for one in messages if isinstance(one, Hole))
        if lost:
            log.warning("%s: %d notifications lost; reading history", self.url, lost)
        for got in messages:
            if isinstance(got, Message):
                self.take(got)
            else:
                self._miss(got)

    def _miss(self, hole: Hole) -> None:
        handles, heard = self.feed.handles, self.heard_by_all
        codes = handles.get(hole.subscription_id) if len(handles) > 1 else None
        self.losses.want(codes, heard)
        if hole.subscription_id == self.events.subscription_id:
            self.events.lose(NOTIFICATIONS_LOST, time_of(heard) if heard else self.clock())

    def take(self, message: Message) -> None:
        """Keep what a message brings, until it is unpacked and its receipt handed over."""
        origin = "republished" if message.republished else "live"
        for body in message.events:
            self.events.take(body, republished=message.republished)
        pending = self._pending
        if message.changes:
            is_doubted = self._is_doubted(message)
            if is_doubted:
                self.unpack()  # each message by itself, as its queues were
            us = (self.clock() - _EPOCH) // _US
            self._parts += [(body, us, origin) for body in message.changes]
            pending.oldest_s = pending.oldest_s or time.monotonic()
            self._waiting_rows += message.rows
            if is_doubted:
                self.unpack(is_doubted=True)
        if not message.is_keep_alive:
            pending.receipts.append(message.receipt)
        if not (message.republished or message.more_follow):
            known = self._heard.get(message.subscription_id, 0)
            self._heard[message.subscription_id] = max(known, message.publish_ticks)

    def doubt(self, since: datetime | None = None) -> None:
        """Queues may have run full while nobody listened: what is lost may be lost `since` then."""
        self._doubted_until_s, self._doubted_since = math.inf, since

    def _is_doubted(self, message: Message) -> bool:
        """Whether a message may hold what queued in an outage: the first, and some seconds more."""
        if self._doubted_until_s == math.inf and not message.republished:
            self._doubted_until_s = time.monotonic() + _DOUBT_S
        return time.monotonic() < self._doubted_until_s

    # --- rows

    def unpack(self, *, is_doubted: bool = False) -> None:
        """Decode what was taken since, all of it at once, and append it."""
        parts, self._parts, self._waiting_rows = self._parts, [], 0
        for _, group in groupby(parts, key=itemgetter(2)):
            self._unpack_some(list(group), is_doubted)
        self._unpacked_ticks = self.heard_by_all

    def _unpack_some(self, parts: list[Part], is_doubted: bool) -> None:
        """Decode bodies of one origin; one that is broken must not cost the others."""
        try:
            values = self._decoded([body for body, _, _ in parts])
        except MalformedError as error:
            if len(parts) > 1:
                for part in parts:
                    self._unpack_some([part], is_doubted)
                return
            self.stock.warn_once(f"{self.url}: it sends notifications that are not OPC UA "
                                 f"({error}); we read history instead")  # fmt: skip
            self.losses.want(None, self.heard_by_all, sound_ticks=self._unpacked_ticks)
            return
        overflowed = take_overflow(values) + (self._full_queues(values) if is_doubted else [])
        if overflowed:
            since = self._doubted_since if is_doubted else None
            heard, sound = self.heard_by_all, self._unpacked_ticks
            self.losses.want(overflowed, heard, since=since, sound_ticks=sound)
        received = np.repeat([us for _, us, _ in parts], [rows_of(body) for body, _, _ in parts])
        self.append(values, values.handles.view(np.int32), parts[0][2], received)

    def _decoded(self, bodies: list[bytes]) -> DataValues:
        values = DataValues.of_notifications(bodies, self.session.namespaces)
        if values.count and values.handles.max() >= len(self.nodes.variables):
            raise MalformedError("it names a handle that we never gave")
        return values

    def _full_queues(self, values: DataValues) -> list[int]:
        """Handles that said all that their queue holds: not every server sets the overflow bit."""
        handles, counts = np.unique(values.handles, return_counts=True)
        revised = self.feed.revised
        unrevised = Revised(0.0, self.feed.options.queue_size)
        return [
            handle
            for handle, count in zip(handles.tolist(), counts.tolist(), strict=True)
            if count >= revised.get(handle, unrevised).queue_size > 1
        ]

    def append(
        self,
        values: DataValues,
        codes: npt.NDArray[np.int32],
        origin: str,
        received: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Append values as rows; `received` are µs since 1970, now where they are not given."""
        if not values.count:
            return
        batch = values.batch(
            server_uri=self.stock.server_uri,
            nodes=self.nodes.texts,
            codes=codes,
            received=self.clock() if received is None else received,
            origin=origin,
        )
        pending = self._pending
        if pending.oldest_s is None:
            pending.oldest_s = time.monotonic()
        self.stock.writer.append(batch)
        known = slice(None) if values.has_source.all() else values.has_source
        pending.marks.append((codes[known], values.source_ticks[known]))
        self.stock.received[origin] = self.stock.received.get(origin, 0) + values.count

    # --- what waits for the disk

    def hand_over(self) -> Pending:
        """What comes to the disk with the next sync."""
        pending, self._pending = self._pending, Pending()
        return pending

    def take_back(self, pending: Pending) -> None:
        """The disk did not take it."""
        later, self._pending = self._pending, pending
        pending.receipts += later.receipts
        pending.marks += later.marks
        pending.oldest_s = pending.oldest_s or later.oldest_s
