"""One connection: discover, subscribe, back-fill, listen, sweep; nothing here reconnects."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.errors import SegmentUnreadable
from connectors.fleet import ServerEntry, Site
from connectors.ledger import Ledger
from connectors.opcua import catalogue
from connectors.opcua.browse import Variable, discover
from connectors.opcua.decode import DataValues
from connectors.opcua.history import Wanted, read_raw, read_standing
from connectors.opcua.session import Session, status_name
from connectors.opcua.subscribe import Hole, Message, Options, Subscription, take_overflow
from connectors.raw import TICKS_PER_S, ticks_of, time_of
from connectors.segments import SegmentWriter, read_sidecar
from connectors.tables import write_catalogue

log = logging.getLogger(__name__)

COMMIT_S: Final = 0.25
"""Group commit: an fsync this often costs nothing, and so much is at most unacknowledged."""
MANY_ROWS: Final = 200_000
"""Rows in memory before the disk is waited for."""
RETRY_REFUSED_S: Final = 30.0
COVER_EVERY_S: Final = 5.0
REPORT_EVERY_S: Final = 1.0
CLOSING_S: Final = 120.0
"""Most time for the rest of a back-fill and the closing sweep after a stop."""
_HISTORY_END: Final = ticks_of(datetime.fromisoformat("2200-01-01T00:00:00+00:00"))
"""History is read beyond now: clocks run ahead, and their values are values too."""
_UNKNOWN: Final = int(np.iinfo(np.int64).min)
_OTHER_TIME: Final = timedelta(hours=12)
"""A server clock this far from ours is no skewed clock: the server replays another time."""
_VANISHED: Final = "vanished"
_REFUSED: Final = "refused"
_NAMED: Final = 3
"""Nodes named in one warning line; the ledger has them all."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one server stands: connecting, backfilling, live, down or stopped."""

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

    def report(self, progress: Progress) -> None:
        """Tell the caller, and notice when nobody is left to wait for."""
        self.on_progress(progress)
        if progress.state in ("live", "down", "stopped"):
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
    """What outlives connections: the writer, and the newest durable source ticks of every node."""

    server_uri: str
    writer: SegmentWriter
    marks: dict[str, int]
    received: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, site_id: str, server_uri: str) -> "Stock":
        """Marks come from the sealed segments: they are durable by definition."""
        writer = SegmentWriter(folder, site_id=site_id, server_uri=server_uri)
        marks: dict[str, int] = {}
        for path in sorted(folder.glob("*.json")):
            try:
                sidecar = read_sidecar(path)
            except SegmentUnreadable as error:
                log.warning("%s", error)  # its rows are read from history again
                continue
            if sidecar.server_uri == server_uri:
                for node, ticks in sidecar.marks.items():
                    marks[node] = max(marks.get(node, ticks), ticks)
        return cls(server_uri, writer, marks)

    @property
    def counted(self) -> tuple[int, int, int]:
        """Rows received live, republished and from history since the start."""
        received = self.received
        return received.get("live", 0), received.get("republished", 0), received.get("history", 0)


class Link:
    """`run()` returns after a stop and its closing sweep; any loss is raised."""

    def __init__(
        self, world: World, site: Site, entry: ServerEntry, session: Session, stock: Stock
    ) -> None:
        self.world, self.site, self.entry = world, site, entry
        self.session, self.stock = session, stock
        self.uri, self.ledger = stock.server_uri, world.ledger
        self.on_live: Callable[[], None] = lambda: None
        self.variables: list[Variable] = []
        self.nodes: pa.Array = pa.array([], pa.string())
        self.marks: npt.NDArray[np.int64] = np.array([], np.int64)
        self.subscription = Subscription(
            session,
            Options(
                entry.publishing_interval_ms,
                entry.sampling_interval_ms,
                queue_size=entry.queue_size,
            ),
        )
        self.refused: dict[int, int] = {}
        self.outage: tuple[datetime, datetime] | None = None
        self._unchecked: npt.NDArray[np.bool_] = np.array([], bool)
        self._unsynced: list[int] = []
        self._waiting_marks: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]] = []
        self._refill: set[int] | None = set()
        self._refill_wanted = asyncio.Event()
        self._committing = asyncio.Lock()
        self._disk_full = False
        self._told_state = "connecting"
        self._caught_up = False
        self._heard_ticks = 0
        self._covered_s = time.monotonic()

    async def run(self) -> None:
        """The whole life of the connection."""
        await self._discover()
        subscribed_at = await self._subscribe()
        jobs = {
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._commit_forever()),
        }
        catching_up = asyncio.create_task(self._catch_up(subscribed_at))
        stopping = asyncio.create_task(self.world.stop.wait())
        everything: set[asyncio.Task[Any]] = {*jobs, catching_up, stopping}
        try:
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            _raise_failures(everything - {stopping})
            async with asyncio.timeout(CLOSING_S):
                await self._close(jobs, catching_up)
        finally:
            for job in everything:
                job.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
            await self.subscription.stop()
            await self._commit()
            self._keep_marks()

    # --- before the first value

    async def _discover(self) -> None:
        self.variables, missing = await discover(self.session, self.entry.nodes)
        for text in missing:
            log.warning(
                "%s: it has no node %s; correct `nodes` in the fleet file", self.entry.url, text
            )
        texts = [variable.text for variable in self.variables]
        self.nodes = pa.array(texts, pa.string())
        self.marks = np.array([self.stock.marks.get(text, _UNKNOWN) for text in texts], np.int64)
        tags = catalogue.tags(
            self.variables,
            server_uri=self.uri,
            site_id=self.site.site_id,
            is_park=self.site.is_park,
        )
        if len(tags):
            write_catalogue(self.world.home, self.site.site_id, tags)
        self._note_vanished(set(texts))

    def _note_vanished(self, present: set[str]) -> None:
        now = self.world.clock()
        for node in self.stock.marks.keys() - present:
            self.ledger.open_gap(self.uri, node, now, f"{_VANISHED} from the address space")
        for node in present.intersection(self.ledger.open_node_gaps(self.uri, _VANISHED)):
            self.ledger.close_gap(self.uri, node, now, None)

    async def _subscribe(self) -> datetime:
        """Monitor every readable node; gives the time from which live values are heard."""
        await self.subscription.create()
        covered = self.ledger.covered(self.uri)
        items = [(i, v.node_id) for i, v in enumerate(self.variables) if v.readable]
        self.refused = await self.subscription.add(items)
        self._note_refused()
        now = self.world.vouchable(await self.session.server_time())
        if covered is not None:
            self.outage = (covered[1], now)
            self.ledger.open_gap(self.uri, None, covered[1], "collector was away")
            self._unchecked = np.array([not v.historized for v in self.variables], bool)
        else:
            self._unchecked = np.zeros(len(self.variables), bool)
        self.subscription.start()
        self._state("backfilling")
        return now

    def _note_refused(self) -> None:
        why = {self.variables[i].text: status_name(s) for i, s in self.refused.items()}
        self.ledger.set_refused(self.uri, why, self.world.clock())
        now = self.world.clock()
        known = set(self.ledger.open_node_gaps(self.uri, _REFUSED))
        for node, name in why.items():
            self.ledger.open_gap(self.uri, node, now, f"{_REFUSED}: {name}")
        for node in known - why.keys():
            self.ledger.close_gap(self.uri, node, now, None)
        fresh = [f"{node} ({name})" for node, name in why.items() if node not in known]
        if fresh:
            more = f" and {len(fresh) - _NAMED} more" if len(fresh) > _NAMED else ""
            log.warning(
                "%s: it refuses %s%s; correct the nodes on the server; the others flow, we retry",
                self.entry.url, ", ".join(fresh[:_NAMED]), more,
            )  # fmt: skip

    # --- live

    async def _listen(self) -> None:
        while True:
            for message in await self.subscription.messages():
                if isinstance(message, Hole):
                    log.warning(
                        "%s: %d notifications lost; reading history",
                        self.entry.url,
                        message.sequences,
                    )
                    self._want_refill(None)
                else:
                    self._take(message)
            if self.stock.writer.pending_rows > MANY_ROWS:
                await self._commit()

    def _take(self, message: Message) -> None:
        origin = "republished" if message.republished else "live"
        for values in message.values:
            overflowed = take_overflow(values)
            if overflowed:
                self._want_refill(overflowed)
            self._append(values, values.handles.astype(np.int32), origin)
        if not message.is_keep_alive:
            self._unsynced.append(message.sequence)
        self._heard_ticks = max(self._heard_ticks, message.publish_ticks)

    def _append(self, values: DataValues, codes: npt.NDArray[np.int32], origin: str) -> None:
        if not values.count:
            return
        batch = values.batch(
            server_uri=self.uri,
            nodes=self.nodes,
            codes=codes,
            received=self.world.clock(),
            origin=origin,
        )
        if origin != "history" and self._unchecked.any():
            self._check_first(values, codes)
        self.stock.writer.append(batch)
        self._waiting_marks.append(
            (codes[values.has_source], values.source_ticks[values.has_source])
        )
        self.stock.received[origin] = self.stock.received.get(origin, 0) + values.count

    def _check_first(self, values: DataValues, codes: npt.NDArray[np.int32]) -> None:
        """After an outage: a node without history that has another time than before has a gap."""
        assert self.outage is not None
        gaps = []
        for row in np.flatnonzero(self._unchecked[codes]):
            code = codes[row]
            if self._unchecked[code]:
                self._unchecked[code] = False
                known = self.marks[code] != _UNKNOWN
                same = values.has_source[row] and values.source_ticks[row] == self.marks[code]
                if known and not same:
                    gaps.append((self.variables[code].text, *self.outage, "link lost, no history"))
        if gaps:
            self.ledger.add_gaps(self.uri, gaps)

    async def _commit_forever(self) -> None:
        reported_s = time.monotonic()
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._commit()
            if time.monotonic() - reported_s >= REPORT_EVERY_S:
                reported_s = time.monotonic()
                self._report()

    async def _settle(self) -> None:
        """Commit, and wait for the disk as long as it takes."""
        while not await self._commit():
            await asyncio.sleep(COMMIT_S)

    async def _commit(self) -> bool:
        """Bring what was appended to the disk, then let it be acknowledged; False if it is full."""
        async with self._committing:
            sequences, self._unsynced = self._unsynced, []
            marks, self._waiting_marks = self._waiting_marks, []
            heard = self._heard_ticks
            try:
                await asyncio.to_thread(self.stock.writer.sync)
            except OSError as error:
                self._unsynced = sequences + self._unsynced
                self._waiting_marks = marks + self._waiting_marks
                self._pause(error)
                return False
            if self._disk_full:
                self._disk_full = False
                log.warning("%s: the disk takes rows again", self.world.home)
                self.subscription.resume()
            self.subscription.acknowledge(sequences)
            for codes, ticks in marks:
                np.maximum.at(self.marks, codes, ticks)
            self._cover_live(heard)
            return True

    def _pause(self, error: OSError) -> None:
        if not self._disk_full:
            self._disk_full = True
            self.subscription.pause()
            log.warning("%s: rows cannot be written (%s); free some space, nothing is acknowledged",
                        self.world.home, error.strerror or error)  # fmt: skip

    def _cover_live(self, heard_ticks: int) -> None:
        """Vouch for what sequence numbers without a hole have brought, every few seconds."""
        if not self._caught_up or self._refill_wanted.is_set() or not heard_ticks:
            return
        if time.monotonic() - self._covered_s < COVER_EVERY_S:
            return
        self._covered_s = time.monotonic()
        covered = self.ledger.covered(self.uri)
        late_s = (self.entry.publishing_interval_ms + self.entry.sampling_interval_ms) / 1000
        heard = self.world.vouchable(time_of(heard_ticks)) - timedelta(seconds=2 * late_s)
        if covered is not None and heard > covered[1]:
            self.ledger.cover(self.uri, covered[1], heard)

    # --- history

    async def _catch_up(self, subscribed_at: datetime) -> None:
        """Read the history that is missing, then whatever holes ask for; never returns."""
        await self._back_fill_to(subscribed_at)
        self._caught_up = True
        self._state("live")
        self.on_live()
        while True:
            try:
                async with asyncio.timeout(RETRY_REFUSED_S):
                    await self._refill_wanted.wait()
            except TimeoutError:
                await self._retry_refused()
            else:
                await self._refill_history()

    async def _back_fill_to(self, now: datetime) -> None:
        covered, asked = self.ledger.covered(self.uri), self._asked(now)
        begin = min(filter(None, (asked, covered[0] if covered else None)), default=None)
        if begin is None or begin >= now:
            self.ledger.cover(self.uri, now - timedelta(microseconds=1), now)
            return
        from_start = covered is None or begin < covered[0]
        codes = [i for i, v in enumerate(self.variables) if v.historized]
        # a source clock that is behind stamps what happened after `begin` before it
        early = begin - timedelta(seconds=self.entry.history_overlap_s)
        await self._read_history(codes, from_start=early if from_start else None)
        self.ledger.cover(self.uri, begin if from_start or covered is None else covered[1], now)
        self.ledger.close_gap(self.uri, None, now, "history" if codes else None)

    def _asked(self, now: datetime) -> datetime | None:
        """From when on history is wanted: the server's own `history_hours` before the caller's."""
        hours = self.entry.history_hours
        return self.world.history_from if hours is None else now - timedelta(hours=hours)

    async def _read_history(self, codes: Sequence[int], *, from_start: datetime | None) -> None:
        """Read nodes from `from_start`, else from their marks less the overlap; note failures."""
        starts = self._starts(codes, from_start)
        wanted = [Wanted(c, self.variables[c].node_id, starts[c]) for c in codes]
        if from_start is not None:
            await read_standing(self.session, wanted, ticks_of(from_start), self._on_page)
        outcome = await read_raw(self.session, wanted, _HISTORY_END, self._on_page)
        if outcome.failed:
            again = [w for w in wanted if w.key in outcome.failed]
            outcome = await read_raw(self.session, again, _HISTORY_END, self._on_page)
        await self._settle()
        failed = outcome.failed
        texts = [self.variables[c].text for c in codes if c not in failed]
        self.ledger.resolve_node_gaps(self.uri, texts, "history")
        now = self.world.clock()
        rows = [
            (self.variables[c].text, time_of(starts[c]), now, f"history {status_name(status)}")
            for c, status in failed.items()
        ]
        if rows:
            self.ledger.add_gaps(self.uri, rows)
            log.warning("%s: no history of %d nodes (%s, ...: %s); they have a gap in the ledger",
                        self.entry.url, len(rows), rows[0][0], rows[0][3])  # fmt: skip

    def _starts(self, codes: Sequence[int], from_start: datetime | None) -> dict[int, int]:
        """Source ticks from which each node is read: late values carry older source times."""
        if from_start is not None:
            return dict.fromkeys(codes, ticks_of(from_start))
        covered = self.ledger.covered(self.uri)
        assert covered is not None
        first, last = ticks_of(covered[0]), ticks_of(covered[1])
        overlap = int(self.entry.history_overlap_s * TICKS_PER_S)
        losses = self.ledger.unresolved_since(self.uri)
        starts = {}
        for code in codes:
            mark = int(self.marks[code])
            start = first if mark == _UNKNOWN else max(first, min(mark, last) - overlap)
            loss = losses.get(self.variables[code].text)
            starts[code] = min(start, ticks_of(loss)) if loss else start
        return starts

    async def _on_page(self, code: int, values: DataValues) -> None:
        self._append(values, np.full(values.count, code, np.int32), "history")
        if self.stock.writer.pending_rows > MANY_ROWS:
            await self._settle()

    def _want_refill(self, codes: Sequence[int] | None) -> None:
        if codes is None or self._refill is None:
            self._refill = None
        else:
            self._refill.update(codes)
        self._refill_wanted.set()

    async def _refill_history(self) -> None:
        """Read what a hole or an overflow lost; nodes without history get a gap."""
        wanted, self._refill = self._refill, set()
        lost = range(len(self.variables)) if wanted is None else sorted(wanted)
        codes = [c for c in lost if self.variables[c].historized]
        covered = self.ledger.covered(self.uri)
        now = self.world.vouchable(await self.session.server_time())
        if covered is not None:
            rows = [
                (self.variables[c].text, covered[1], now, "notifications lost, no history")
                for c in lost
                if not self.variables[c].historized
            ]
            self.ledger.add_gaps(self.uri, rows)
            await self._read_history(codes, from_start=None)
            self.ledger.cover(self.uri, covered[1], now)
        if self._refill is not None and not self._refill:
            self._refill_wanted.clear()

    async def _retry_refused(self) -> None:
        if not self.refused:
            return
        again = [(code, self.variables[code].node_id) for code in self.refused]
        before = self.refused.keys()
        self.refused = await self.subscription.add(again)
        if self.refused.keys() != before:
            self._note_refused()

    # --- the end

    async def _close(self, jobs: set[asyncio.Task[None]], catching_up: asyncio.Task[None]) -> None:
        """Finish the back-fill, then prove coverage up to the server's clock by a last read."""
        while not self._caught_up:
            await asyncio.wait(
                {*jobs, catching_up}, timeout=0.1, return_when=asyncio.FIRST_COMPLETED
            )
            _raise_failures({*jobs, catching_up})
        catching_up.cancel()
        await asyncio.gather(catching_up, return_exceptions=True)
        end = self.world.vouchable(await self.session.server_time())
        await asyncio.sleep(2 * self.entry.publishing_interval_ms / 1000)
        if self.ledger.covered(self.uri) is not None:
            codes = [i for i, v in enumerate(self.variables) if v.historized]
            await self._read_history(codes, from_start=None)
        _raise_failures(jobs)
        await self._settle()
        covered = self.ledger.covered(self.uri)
        if covered is not None:
            self.ledger.cover(self.uri, covered[1], end)

    def _keep_marks(self) -> None:
        for variable, mark in zip(self.variables, self.marks.tolist(), strict=True):
            if mark != _UNKNOWN:
                self.stock.marks[variable.text] = max(
                    mark, self.stock.marks.get(variable.text, mark)
                )

    def _state(self, state: str) -> None:
        self._told_state = state
        self.ledger.set_state(self.uri, state, self.world.clock(), "", len(self.variables))
        self._report()

    def _report(self) -> None:
        self.world.report(
            Progress(
                self.site.site_id,
                self.entry.url,
                self._told_state,
                self.uri,
                "",
                *self.stock.counted,
            )
        )


def _raise_failures(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()
