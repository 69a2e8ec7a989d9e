"""What the connections of a collector share, what one reports, and what outlives it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from connectors import event_segments
from connectors.ledger import Ledger
from connectors.link_status import Facts, LinkStatus, published_state
from connectors.opcua.event_flow import Memory
from connectors.segments import SegmentWriter, readable_sidecars
from connectors.status_board import StatusBoard

log = logging.getLogger(__name__)

_OTHER_TIME: Final = timedelta(hours=12)
"""A server clock this far from ours is no skewed clock: the server replays another time."""


ORIGINS: Final = ("live", "republished", "history")
"""How a row came, in the order of `Stock.counted`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a server stands: connecting, backfilling, connected, reconnecting, refused, stopped."""

    site_id: str
    url: str
    state: str
    server_uri: str | None = None
    why: str = ""
    live: int = 0
    republished: int = 0
    history: int = 0


@dataclass(slots=True)
class World:
    """What all servers share."""

    home: Path
    ledger: Ledger
    history_from: datetime | None
    clock: Callable[[], datetime]
    stop: asyncio.Event
    on_progress: Callable[[Progress], None]
    caught_up: asyncio.Event | None = None
    waiting: set[str] = field(default_factory=set)
    board: StatusBoard | None = None

    def report(self, progress: Progress, facts: Facts, status: LinkStatus) -> None:
        """Tell the caller and the status board, and notice when nobody is left to wait for."""
        self.on_progress(progress)
        if self.board is not None:
            state, why = published_state(facts)
            self.board.note(replace(status, state=state, why=why))
        if progress.state in ("connected", "reconnecting", "refused", "stopped"):
            self.waiting.discard(progress.url)
            if not self.waiting and self.caught_up is not None:
                self.caught_up.set()

    def vouchable(self, server_time: datetime | None) -> datetime:
        """The time up to which a statement made now holds: server's or ours, the earlier."""
        now = self.clock()
        if server_time is None or abs(server_time - now) > _OTHER_TIME:
            return now
        return min(server_time, now)


@dataclass(slots=True)
class Stock:
    """What outlives connections: the writers, and the newest durable source ticks of every node."""

    server_uri: str
    writer: SegmentWriter
    events: SegmentWriter
    marks: dict[str, int]
    received: dict[str, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    """Warnings that are said once."""
    event_memory: Memory = field(default_factory=Memory)

    @classmethod
    def open(cls, folder: Path, site_id: str, server_uri: str) -> "Stock":
        """Marks come from the sealed segments: they are durable by definition."""
        writer = SegmentWriter(folder, site_id=site_id, server_uri=server_uri)
        events = event_segments.writer(folder.parent.parent, site_id, server_uri)
        marks: dict[str, int] = {}
        found, unreadable = readable_sidecars(folder)
        for error in unreadable:
            log.warning("%s", error)  # its rows are read from history again
        for sidecar in found:
            if sidecar.server_uri == server_uri:
                for node, ticks in sidecar.marks.items():
                    marks[node] = max(marks.get(node, ticks), ticks)
        return cls(server_uri, writer, events, marks)

    def warn_once(self, text: str) -> None:
        """Log a warning that was not told since the collector began."""
        if text not in self.told:
            self.told.add(text)
            log.warning("%s", text)

    def sync(self) -> None:
        """Bring values and events to the disk; an OSError leaves them for the next call."""
        self.writer.sync()
        self.events.sync()

    def seal(self) -> None:
        """Seal the segments of values and of events."""
        self.writer.seal()
        self.events.seal()

    @property
    def counted(self) -> tuple[int, int, int]:
        """Rows received live, republished and from history since the start."""
        received = self.received
        return received.get("live", 0), received.get("republished", 0), received.get("history", 0)
