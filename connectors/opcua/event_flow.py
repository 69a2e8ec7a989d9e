"""The events of one connection: asked for once, decoded as they come, appended for the next fsync.

No oddity of a server's events may cost its values: a refusal, silence or broken bytes are told in
one line, and data flows on.
"""

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Final

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.event_segments import SERVER_NODE
from connectors.opcua import events
from connectors.opcua.decode import MalformedError, Reader
from connectors.opcua.failures import status_name
from connectors.opcua.session import Session
from connectors.segments import SegmentWriter

log = logging.getLogger(__name__)

ANSWER_S: Final = 5.0
"""A server that is silent about events is taken at its word after so long."""
MOST_LOST: Final = 2
"""Connections lost while asking for events, one after the other; the next one does without."""
NOTIFICATIONS_LOST: Final = "event notifications lost, no history"
OVERFLOWED: Final = "event queue of the server overflowed, no history"
_BAD: Final = 0x8000_0000
_LINK: Final = frozenset(
    {
        StatusCodes.BadConnectionClosed,
        StatusCodes.BadSecureChannelClosed,
        StatusCodes.BadSecureChannelIdInvalid,
        StatusCodes.BadSessionClosed,
        StatusCodes.BadSessionIdInvalid,
        StatusCodes.BadSubscriptionIdInvalid,
    }
)
"""What speaks of the connection, not of events."""

Gap = tuple[str | None, datetime, datetime, str]
"""A row for the ledger: node, from, to, reason."""
Record = Callable[[list[Gap]], Awaitable[None]]


class Memory:
    """What is known of a server's events beyond one connection."""

    def __init__(self) -> None:
        self.told: set[str] = set()
        self.asked_in_vain = 0
        self.received = 0


class EventFlow:
    """`run` beside a subscription, `take` the bodies it brings, `lose` what it cannot bring.

    Rows go to `writer` (EVENT_SCHEMA); whoever syncs it may then acknowledge their messages.
    """

    def __init__(
        self,
        session: Session,
        writer: SegmentWriter,
        memory: Memory,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.session, self.writer, self.memory, self.clock = session, writer, memory, clock
        self.fields: tuple[events.Field, ...] = ()
        self.subscription_id = 0
        self.refused = ""
        """Why there are no events, where the server would not let us have them."""
        self.is_on = False
        """True once the server monitors events for us."""
        self._gaps: list[Gap] = []
        self._is_stale = asyncio.Event()
        self._is_refreshing = False
        self._heard = clock()

    async def run(
        self, subscription_id: int, record: Record, on_asked: Callable[[], None] = lambda: None
    ) -> None:
        """Ask for events, then have losses recorded and conditions refreshed; never returns.

        Values wait for none of it; only the end of the connection is raised. `on_asked` is called
        once the server has answered.
        """
        if not self.is_on:
            await self.start(subscription_id)
            on_asked()
        else:
            await self.refresh()
        while True:
            await self._is_stale.wait()
            self._is_stale.clear()
            gaps, self._gaps = self._gaps, []
            if gaps:
                await record(gaps)
            await self.refresh()

    def adopt(self, subscription_id: int, fields: int) -> None:
        """The server monitors events for us already, with so many fields, in this subscription."""
        self.subscription_id, self.is_on = subscription_id, True
        self.fields = events.FIELDS[:fields]

    async def start(self, subscription_id: int) -> None:
        """Monitor all events in this subscription, then ask how conditions stand."""
        self.subscription_id = subscription_id
        if self.memory.asked_in_vain >= MOST_LOST:
            self.memory.asked_in_vain = 0  # the next connection asks again
            self._say("it breaks the connection when it is asked for events; values flow")
            return
        self.memory.asked_in_vain += 1
        await self._monitor_best()
        self.memory.asked_in_vain = 0
        if self.is_on:
            self._heard = self.clock()
            await self.refresh()

    async def _monitor_best(self) -> None:
        """All fields, or those of every event where the server refuses the rest."""
        for fields in (events.FIELDS, events.BASE_FIELDS):
            self.fields = fields  # an event may come as soon as the answer
            status = await self._monitor(fields)
            if not status & _BAD:
                self.is_on = True
                return
            self.refused = status_name(status)
            if status == StatusCodes.BadTimeout:
                break
        self._say(f"it gives no events ({self.refused}); values flow; let our user subscribe to "
                  "events of its Server object if alarms are wanted")  # fmt: skip

    async def _monitor(self, fields: tuple[events.Field, ...]) -> int:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = ua.UInt32(self.subscription_id)
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToCreate = [events.event_item(fields)]
        return await self._first_status(request)

    async def refresh(self) -> None:
        """Ask for all retained conditions; a server without conditions has none to tell."""
        status = await self._first_status(events.condition_refresh(self.subscription_id))
        if status & _BAD:
            log.debug("%s: no ConditionRefresh (%s)", self.session.url, status_name(status))

    async def _first_status(self, request: object) -> int:
        """The status of a service or of its first result; only the connection's end is raised."""
        try:
            reader = await self.session.call(request, ANSWER_S)
            return int(reader.number("<I")) if reader.length() > 0 else StatusCodes.BadNoData
        except UaStatusCodeError as error:
            if error.code in _LINK:
                raise
            return int(error.code)
        except MalformedError:
            return StatusCodes.BadDecodingError
        except TimeoutError:
            return StatusCodes.BadTimeout

    def take(self, body: bytes, *, republished: bool = False) -> None:
        """Append the events of one EventNotificationList; what is none is kept as its bytes."""
        origin = "republished" if republished else "live"
        try:
            rows = events.decode(Reader(body, 0, self.session.namespaces), self.fields)
        except MalformedError as error:
            raw = {"Raw": base64.b64encode(body).decode()}
            self._append([{"other": events.as_json(raw)}], origin)
            self._say(f"it sends events that are not OPC UA ({error}); their bytes are kept")
            return
        said = [
            ("refreshed" if self._is_refreshing else origin, row)
            for row in rows
            if not self._note(row)
        ]
        for how, run in groupby(said, key=itemgetter(0)):
            self._append([row for _, row in run], how)
        self._heard = self.clock()

    def _note(self, row: events.Row) -> bool:
        """Heed what an event says of the subscription; True where it says nothing else."""
        kind = row.get("event_type")
        if kind == events.REFRESH_START:
            self._is_refreshing = True
        elif kind == events.REFRESH_END:
            self._is_refreshing = False
        elif kind == events.REFRESH_REQUIRED:
            self._is_stale.set()
        elif kind == events.QUEUE_OVERFLOW:
            self.lose(OVERFLOWED, self._heard)
        return kind in events.MARKERS

    def _append(self, rows: list[events.Row], origin: str) -> None:
        self.writer.append(
            events.batch(
                rows, server_uri=self.writer.server_uri, received=self.clock(), origin=origin
            )
        )
        self.memory.received += len(rows)

    def lose(self, reason: str, since: datetime) -> None:
        """Events since then may be lost: on record as a gap of the Server object."""
        if self.is_on:
            now = self.clock()
            self._is_stale.set()
            self._gaps.append((SERVER_NODE, min(since, now), now, reason))

    def _say(self, text: str) -> None:
        """Warn once per collector's life, by its kind of trouble."""
        line = f"{self.session.url}: {text}"
        if line not in self.memory.told:
            self.memory.told.add(line)
            log.warning("%s", line)
