"""One connection: discover, subscribe, back-fill, listen, sweep; nothing here reconnects."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from connectors.errors import FleetFileError
from connectors.fleet import ServerEntry, Site
from connectors.ledger import is_disk_full
from connectors.opcua import catalogue
from connectors.opcua.backfill import UNKNOWN, BackFill, Unheard, unheard
from connectors.opcua.browse import Variable, discover, missing_nodes
from connectors.opcua.decode import DataValues
from connectors.opcua.session import Session, status_name
from connectors.opcua.subscribe import Hole, Message, Options, Subscription, take_overflow
from connectors.opcua.world import Progress, Stock, World
from connectors.raw import time_of
from connectors.tables import catalogue_path, write_catalogue
from connectors.tag_file import read_tags

log = logging.getLogger(__name__)

COMMIT_S: Final = 0.25
"""Group commit: an fsync this often costs nothing, and so much is at most unacknowledged."""
MANY_ROWS: Final = 200_000
"""Rows in memory before the disk is waited for."""
RETRY_REFUSED_S: Final = 30.0
COVER_EVERY_S: Final = 5.0
REPORT_EVERY_S: Final = 1.0
CLOSING_S: Final = 120.0
"""Most time for the rest of a back-fill and the closing sweep after a stop, beside two publishing
intervals, which bring the last values."""
_VANISHED: Final = "vanished"
_REFUSED: Final = "refused"
_NAMED: Final = 3
"""Nodes named in one warning line; the ledger has them all."""


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
        self.unbrowsed: dict[str, int] = {}
        self._tags: pl.DataFrame | None = None
        self._spans = Unheard(None, None)
        self._unsynced: list[int] = []
        self._waiting_marks: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]] = []
        self._refill: set[int] | None = set()
        self._refill_wanted = asyncio.Event()
        self._committing = asyncio.Lock()
        self._disk_full = False
        self._waiting_for_ledger = 0
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
            async with asyncio.timeout(CLOSING_S + self._last_publishes_s):
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
        self.variables, missing = await discover(self.session, self.entry.nodes, self.unbrowsed)
        for text in missing:
            log.warning(
                "%s: it has no node %s; correct `nodes` in the fleet file", self.entry.url, text
            )
        texts = [variable.text for variable in self.variables]
        self.nodes = pa.array(texts, pa.string())
        self.marks = np.array([self.stock.marks.get(text, UNKNOWN) for text in texts], np.int64)
        self.past = BackFill(
            self.session,
            self.ledger,
            self.uri,
            self.variables,
            self.marks,
            timedelta(seconds=self.entry.history_overlap_s),
            take=self._on_page,
            settle=self._settle,
            write=self._written,
        )
        self._make_catalogue()
        elsewhere = sorted(self.stock.marks.keys() - set(texts))
        vanished = await missing_nodes(self.session, elsewhere)
        await self._written(lambda: self._note_vanished(set(vanished)))

    def _make_catalogue(self) -> None:
        """The tags; what no catalogue can be made of is collected all the same."""
        try:
            self._tags = catalogue.tags(
                self.variables,
                server_uri=self.uri,
                site_id=self.site.site_id,
                is_park=self.site.is_park,
            )
        except Exception as error:
            log.debug("%s", self.entry.url, exc_info=True)
            log.warning("%s: no tag catalogue can be made of its nodes (%s); its values are "
                        "collected without names", self.entry.url, error)  # fmt: skip
        self._write_catalogue()

    def _write_catalogue(self) -> None:
        """Write the tags if they are not written yet; a failure is told once and tried again."""
        if self._tags is None:
            return
        try:
            if len(self._tags):
                write_catalogue(
                    self.world.home,
                    self.site.site_id,
                    self._tags,
                    given=self._given(self._tags),
                    now=self.world.clock(),
                    is_whole=not self.unbrowsed,
                )
            self._tags = None
        except Exception as error:  # a catalogue must never stop values
            log.debug("%s", self.entry.url, exc_info=True)
            path = catalogue_path(self.world.home, self.site.site_id)
            self._warn_once(f"{path}: the tag catalogue cannot be written ({error}); correct that, "
                            "values are collected, we retry")  # fmt: skip

    def _given(self, tags: pl.DataFrame) -> pl.DataFrame | None:
        """What the site's tag file says of this server; what it gets wrong is told once."""
        if self.site.tags is None:
            return None
        try:
            rows = read_tags(self.site.tags, self.site.site_id, self.site.urls)
        except FleetFileError as error:
            self._warn_once(f"{error}; until then the nodes mean what browsing finds")
            return None
        given, unknown = catalogue.given(
            rows, tags, self.variables, server_uri=self.uri, url=self.entry.url
        )
        if unknown:
            self._warn_once(
                f"{self.site.tags}: {self.entry.url} has no node {_some(unknown)}; correct node_id,"
                " or end its row with valid_to"
            )
        return given

    def _warn_once(self, text: str) -> None:
        if text not in self.stock.told:
            self.stock.told.add(text)
            log.warning("%s", text)

    def _note_vanished(self, vanished: set[str]) -> None:
        now = self.world.clock()
        for node in sorted(vanished):
            self.ledger.open_gap(self.uri, node, now, f"{_VANISHED} from the address space")
        for node in self.ledger.open_node_gaps(self.uri, _VANISHED):
            if node not in vanished:
                self.ledger.close_gap(self.uri, node, now, None)

    async def _subscribe(self) -> datetime:
        """Monitor every readable node; gives the time from which live values are heard."""
        await self.subscription.create()
        items = [(i, v.node_id) for i, v in enumerate(self.variables) if v.readable]
        self.refused = await self.subscription.add(items)
        self._warn_of_unbrowsed()
        await self._written(self._note_refused)
        await self._written(self._note_short_queues)
        now = self.world.vouchable(await self.session.server_time())
        covered = self.ledger.covered(self.uri)
        if covered is not None:
            end = covered[1]
            await self._written(
                lambda: self.ledger.open_gap(self.uri, None, end, "collector was away")
            )
        self._spans = unheard(covered, self._asked(now), now)
        await self.past.look(self._spans)
        self.subscription.start()
        await self._state("backfilling")
        return now

    def _note_refused(self) -> None:
        why = {self.variables[i].text: status_name(s) for i, s in self.refused.items()}
        unbrowsed = {node: f"browse {status_name(s)}" for node, s in self.unbrowsed.items()}
        now = self.world.clock()
        self.ledger.set_refused(self.uri, unbrowsed | why, now)
        known = set(self.ledger.open_node_gaps(self.uri, _REFUSED))
        for node, name in why.items():
            self.ledger.open_gap(self.uri, node, now, f"{_REFUSED}: {name}")
        for node in known - why.keys():
            self.ledger.close_gap(self.uri, node, now, None)
        fresh = [f"{node} ({name})" for node, name in why.items() if node not in known]
        if fresh:
            log.warning(
                "%s: it refuses %s; correct the nodes on the server; the others flow, we retry",
                self.entry.url, _some(fresh),
            )  # fmt: skip

    def _warn_of_unbrowsed(self) -> None:
        named = [f"{node} ({status_name(s)})" for node, s in self.unbrowsed.items()]
        if named:
            self._warn_once(
                f"{self.entry.url}: it does not tell what lies below {_some(named)}; give our user "
                "leave to browse there, or the server more continuation points; what is known flows"
            )

    def _note_short_queues(self) -> None:
        """Where a queue is revised too short, values may go without even an overflow bit."""
        queues = {self.variables[i].text: size for i, size in self.subscription.queues.items()}
        why = {
            node: f"queue of {size}: values between two publishes may be lost"
            for node, size in queues.items()
        }
        self.ledger.set_short_queues(self.uri, why)
        if queues:
            named = [f"{node} (queue of {size})" for node, size in queues.items()]
            self._warn_once(
                f"{self.entry.url}: it keeps fewer values than come between two publishes, of "
                f"{len(queues)} nodes: {_some(named)}; let it keep longer queues, or lower "
                "`publishing_interval_ms`"
            )

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
        self.stock.writer.append(batch)
        self._waiting_marks.append(
            (codes[values.has_source], values.source_ticks[values.has_source])
        )
        self.stock.received[origin] = self.stock.received.get(origin, 0) + values.count

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
                self._cover_live(heard)
            except (OSError, sqlite3.OperationalError) as error:
                self._unsynced = sequences + self._unsynced
                self._waiting_marks = marks + self._waiting_marks
                if isinstance(error, sqlite3.OperationalError) and not is_disk_full(error):
                    raise
                self._pause(error)
                return False
            if self._disk_full and not self._waiting_for_ledger:
                self._disk_full = False
                log.warning("%s: the disk takes rows again", self.world.home)
                self.subscription.resume()
            self.subscription.acknowledge(sequences)
            for codes, ticks in marks:
                np.maximum.at(self.marks, codes, ticks)
            return True

    async def _written(self, write: Callable[[], None]) -> None:
        """Write to the ledger, and wait for the disk as long as it takes."""
        self._waiting_for_ledger += 1
        try:
            while True:
                try:
                    return write()
                except sqlite3.OperationalError as error:
                    if not is_disk_full(error):
                        raise
                    self._pause(error)
                    await asyncio.sleep(COMMIT_S)
        finally:
            self._waiting_for_ledger -= 1

    def _pause(self, error: OSError | sqlite3.OperationalError) -> None:
        if not self._disk_full:
            self._disk_full = True
            self.subscription.pause()
            log.warning("%s: rows cannot be written (%s); free some space, nothing is acknowledged",
                        self.world.home, getattr(error, "strerror", None) or error)  # fmt: skip

    def _cover_live(self, heard_ticks: int) -> None:
        """Vouch for what sequence numbers without a hole have brought, every few seconds."""
        if not self._caught_up or self._refill_wanted.is_set() or not heard_ticks:
            return
        if time.monotonic() - self._covered_s < COVER_EVERY_S:
            return
        covered = self.ledger.covered(self.uri)
        late_s = (self.subscription.publishing_interval_ms + self.entry.sampling_interval_ms) / 1000
        heard = self.world.vouchable(time_of(heard_ticks)) - timedelta(seconds=2 * late_s)
        if covered is not None and heard > covered[1]:
            self.ledger.cover(self.uri, covered[1], heard)
        self._covered_s = time.monotonic()

    # --- history

    async def _catch_up(self, subscribed_at: datetime) -> None:
        """Read the history that is missing, then whatever holes ask for; never returns."""
        await self.past.fill(self._spans, subscribed_at)
        self._caught_up = True
        await self._state("live")
        self.on_live()
        while True:
            try:
                async with asyncio.timeout(RETRY_REFUSED_S):
                    await self._refill_wanted.wait()
            except TimeoutError:
                await self._retry_refused()
                self._write_catalogue()
            else:
                await self._refill_history()

    def _asked(self, now: datetime) -> datetime | None:
        """From when on history is wanted: the server's own `history_hours` before the caller's."""
        hours = self.entry.history_hours
        return self.world.history_from if hours is None else now - timedelta(hours=hours)

    async def _on_page(self, code: int, values: DataValues) -> None:
        self._append(values, np.full(values.count, code, np.int32), "history")
        if self.stock.writer.pending_rows > MANY_ROWS:
            await self._settle()

    def _want_refill(self, codes: Iterable[int] | None) -> None:
        if codes is None or self._refill is None:
            self._refill = None
        else:
            self._refill.update(codes)
        self._refill_wanted.set()

    async def _refill_history(self) -> None:
        """Read what a hole or an overflow lost; what stays lost is a gap."""
        wanted, self._refill = self._refill, set()
        try:
            now = self.world.vouchable(await self.session.server_time())
            await self.past.refill(None if wanted is None else sorted(wanted), now)
        except BaseException:
            self._want_refill(wanted)
            raise
        if self._refill is not None and not self._refill:
            self._refill_wanted.clear()

    async def _retry_refused(self) -> None:
        if not self.refused:
            return
        again = [(code, self.variables[code].node_id) for code in self.refused]
        before = self.refused.keys()
        self.refused = await self.subscription.add(again)
        if self.refused.keys() != before:
            await self._written(self._note_refused)

    # --- the end

    @property
    def _last_publishes_s(self) -> float:
        """After so long the server has told what it had when we asked for its time."""
        return 2 * self.subscription.publishing_interval_ms / 1000

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
        await asyncio.sleep(self._last_publishes_s)
        if self._refill_wanted.is_set():
            await self._refill_history()
        # what history fails to give now was heard live: that is no gap
        await self.past.read(self.past.historized, None)
        _raise_failures(jobs)
        await self._settle()
        covered = self.ledger.covered(self.uri)
        if covered is not None:
            begin = covered[1]
            await self._written(lambda: self.ledger.cover(self.uri, begin, end))

    def _keep_marks(self) -> None:
        for variable, mark in zip(self.variables, self.marks.tolist(), strict=True):
            if mark != UNKNOWN:
                self.stock.marks[variable.text] = max(
                    mark, self.stock.marks.get(variable.text, mark)
                )

    async def _state(self, state: str) -> None:
        self._told_state = state
        now, nodes = self.world.clock(), len(self.variables)
        await self._written(lambda: self.ledger.set_state(self.uri, state, now, "", nodes))
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


def _some(named: list[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


def _raise_failures(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()
