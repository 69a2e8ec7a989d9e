"""One link to a server: discover, subscribe, back-fill, listen, sweep.

A lost channel is found again with its session and subscriptions, so that what the server queued
meanwhile arrives; whatever else is lost is raised, and the owner begins anew.
"""

import asyncio
import contextlib
import errno
import logging
import math
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from asyncua.ua.uaerrors import UaError

from connectors.errors import ServerRefused, ServerUnreachable
from connectors.fleet import ServerEntry, Site
from connectors.ledger import is_disk_full
from connectors.opcua.backfill import BackFill, Unheard, unheard
from connectors.opcua.browse import discover, missing_nodes
from connectors.opcua.catalogue_writer import CatalogueWriter
from connectors.opcua.connection import Connection
from connectors.opcua.decode import DataValues, MalformedError, rows_of
from connectors.opcua.event_flow import NOTIFICATIONS_LOST, EventFlow, Gap
from connectors.opcua.feed import Feed
from connectors.opcua.handover import Handover, HandoverFile
from connectors.opcua.nodes import arranged
from connectors.opcua.pump import Receipt
from connectors.opcua.session import Session, SubscriptionLostError, is_channel_lost, reason
from connectors.opcua.subscribe import (
    LIFETIME_S,
    Hole,
    Message,
    Options,
    Revised,
    take_overflow,
)
from connectors.opcua.terms import Terms
from connectors.opcua.world import ORIGINS, Progress, Stock, World
from connectors.raw import time_of
from connectors.status import Facts, LinkStatus

log = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 5.0
"""Between two tries to connect: a server that is back is heard within seconds."""
COMMIT_S: Final = 0.25
"""Group commit: an fsync this often costs nothing, and so much is at most unacknowledged."""
SLOW_SYNC_S: Final = 5.0
"""A disk that is slower than this keeps the servers' queues waiting."""
MANY_ROWS: Final = 200_000
"""Rows in memory before the disk is waited for."""
RETRY_REFUSED_S: Final = 10.0
"""Slow enough for a server with thousands of them, and a node that is cured is heard in time."""
COVER_EVERY_S: Final = 5.0
REPORT_EVERY_S: Final = 1.0
CLOSING_S: Final = 120.0
"""Most time for the rest of a back-fill and the closing sweep after a stop, beside two publishing
intervals, which bring the last values."""
_DOUBT_S: Final = 5.0
"""After an outage the server's queues may come full; behind that they are as short as ever."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)


class Link:
    """`run()` returns after a stop and its closing sweep; any loss is raised."""

    def __init__(
        self, world: World, site: Site, entry: ServerEntry, session: Session, stock: Stock
    ) -> None:
        self.world, self.site, self.entry = world, site, entry
        self.session, self.stock = session, stock
        self.uri, self.ledger = stock.server_uri, world.ledger
        self.on_connected: Callable[[], None] = lambda: None
        self.options = Options(
            entry.publishing_interval_ms, entry.sampling_interval_ms, queue_size=entry.queue_size
        )
        self.feed = Feed(session, self.options)
        connection = Connection(world, site, entry, session, stock, self.feed)
        self.nodes = connection.nodes
        self.terms, self.catalogue = Terms(connection), CatalogueWriter(connection)
        self.handover = HandoverFile(world.home, site.site_id, stock.server_uri)
        self.events = EventFlow(session, stock.events, stock.event_memory, clock=world.clock)
        self._spans = Unheard(None, None)
        self._unsynced: list[Receipt] = []
        self._bodies: list[tuple[bytes, int, str]] = []
        """DataChanges not decoded yet, when they came (µs since 1970) and how."""
        self._waiting_rows = 0
        self._waiting_marks: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]] = []
        self._refill: set[int] | None = set()
        self._refill_wanted = asyncio.Event()
        self._committing = asyncio.Lock()
        self._disk_full = False
        self._closing = False
        self._waiting_for_ledger = 0
        self._told_state, self._why = "connecting", ""
        self._caught_up = False
        self._heard: dict[int, int] = {}
        self._sound_ticks = 0
        self._unpacked_ticks = 0
        self._doubted_until_s = 0.0
        self._doubted_since: datetime | None = None
        self._lost_since: datetime | None = None
        self._oldest_s: float | None = None
        self._durable_at: datetime | None = None
        self._covered_s = time.monotonic()

    async def run(self) -> None:
        """The whole life of the link."""
        try:
            subscribed_at = await self._started()
            while subscribed_at is not None:
                try:
                    return await self._work(subscribed_at)
                except (OSError, TimeoutError, UaError) as error:
                    if self.world.stop.is_set() or not is_channel_lost(error):
                        raise
                    await self._recover(error)
        finally:
            if await self._commit():
                with contextlib.suppress(sqlite3.Error):
                    self._vouch(self._sound_until)
            self.nodes.keep_marks(self.stock.marks)

    async def _started(self) -> datetime | None:
        """Discover and subscribe; None where a stop came first: a large server takes minutes."""
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self.world.stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return starting.result() if starting.done() else None
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)

    async def _start(self) -> datetime:
        return await self._subscribe(await self._discover())

    async def _work(self, subscribed_at: datetime) -> None:
        """Listen and read history until stopped; any loss of the channel is raised."""
        self.feed.pump.start()
        jobs = {
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._commit_forever()),
            asyncio.create_task(self._hear_events()),
        }
        catching_up = asyncio.create_task(self._catch_up(subscribed_at))
        stopping = asyncio.create_task(self.world.stop.wait())
        everything: set[asyncio.Task[Any]] = {*jobs, catching_up, stopping}
        try:
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            _raise_failures(everything - {stopping})
            async with asyncio.timeout(CLOSING_S + self._last_publishes_s):
                await self._close(jobs, catching_up)
            self.handover.forget()
            self.session.leaves_subscriptions = False
        finally:
            for job in everything:
                job.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
            await self.feed.pump.stop()

    async def _recover(self, error: Exception) -> None:
        """Find the session again over a new channel; raises where that is no longer possible."""
        why = reason(error)
        is_durable = await self._commit()
        await self._written(lambda: self._note_lost(why, is_durable))
        await self._state("reconnecting", why)
        begin_s = time.monotonic()
        while not await self._taken_up(error, begin_s):
            pass
        await self._settle()
        await self._written(self._note_found)
        await self._state("connected" if self._caught_up else "backfilling")
        self.on_connected()

    def _note_lost(self, why: str, is_durable: bool) -> None:
        """The server has a gap from now on; a back-fill that goes on has one already."""
        if is_durable:
            self._vouch(self._sound_until)
        if self._caught_up:
            covered = self.ledger.covered(self.uri)
            begin = covered[1] if covered else self.world.clock()
            self.ledger.open_gap(self.uri, None, begin, f"link lost: {why}")

    def _note_found(self) -> None:
        if self._caught_up:
            self.ledger.close_gap(self.uri, None, self.world.clock(), "republished")

    async def _taken_up(self, error: Exception, begin_s: float) -> bool:
        """The session again, and what the server sent meanwhile; False if it is lost once more."""
        if not await self._reopened(error, begin_s):
            raise SubscriptionLostError(f"{reason(error)}; the server has given our session up")
        self._doubt()
        try:
            await self.feed.pump.catch_up()
        except (OSError, TimeoutError, UaError) as again:
            is_over = time.monotonic() - begin_s > LIFETIME_S
            if is_over or self.world.stop.is_set() or not is_channel_lost(again):
                raise
            return False
        finally:
            self._heed(self.feed.pump.taken())
        return True

    async def _reopened(self, error: Exception, begin_s: float) -> bool:
        """Try again and again, as long as the server keeps a silent subscription."""
        delay_s = FIRST_DELAY_S
        while True:
            opening = asyncio.create_task(self.session.reopen())
            stopping = asyncio.create_task(self.world.stop.wait())
            try:
                await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not opening.done():
                    raise error
                return opening.result()
            except ServerUnreachable as unreached:
                if isinstance(unreached, ServerRefused) or time.monotonic() - begin_s > LIFETIME_S:
                    raise
                await self._state("reconnecting", unreached.why)
            finally:
                stopping.cancel()
                opening.cancel()
                await asyncio.gather(opening, stopping, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s * random.uniform(0.5, 1.0)):
                    await self.world.stop.wait()
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    # --- before the first value

    async def _discover(self) -> Handover | None:
        """The nodes, in the order of their handles; gives what a stopped collector left of them."""
        listed, missing = await discover(self.session, self.entry.nodes, self.nodes.unbrowsed)
        for text in missing:
            log.warning(
                "%s: it has no node %s; correct `nodes` in the fleet file", self.entry.url, text
            )
        left = self._left_behind()
        known = left.nodes if left else ()
        self.nodes.arrange(arranged(listed, known, self.session.namespaces), self.stock.marks)
        self.past = BackFill(
            self.session,
            self.ledger,
            self.uri,
            self.nodes,
            timedelta(seconds=self.entry.history_overlap_s),
            take=self._on_page,
            settle=self._settle,
            write=self._written,
        )
        self.catalogue.make(listed)
        elsewhere = sorted(self.stock.marks.keys() - {variable.text for variable in listed})
        vanished = await missing_nodes(self.session, elsewhere)
        await self._written(lambda: self.terms.note_vanished(set(vanished)))
        return left

    def _left_behind(self) -> Handover | None:
        """Subscriptions made by this run of the server, as we would make them now."""
        left = self.handover.read()
        started = self.session.build.started
        if left is None or not started or (left.started, left.options) != (started, self.options):
            return None
        return left

    async def _subscribe(self, left: Handover | None) -> datetime:
        """Monitor every readable node; gives the time from which live values are heard."""
        if left is not None:
            self.session.leaves_subscriptions = self.feed.quirk.transfers
        kept = None if left is None else await self.feed.take_over(left)
        if left is not None and left.events and left.events[0] in self.feed.handles:
            self.events.adopt(*left.events)
        held = {handle for handles in self.feed.handles.values() for handle in handles}
        whole = self._handles_without_hole(left, kept)
        fresh = [item for item in self.nodes.readable if item[0] not in held]
        self.nodes.refused = await self.feed.add(fresh)
        self._write_handover()
        # what no session ever takes over would be a burden of the server
        is_refused = left is not None and kept is None
        self.session.leaves_subscriptions = self.feed.quirk.transfers and not is_refused
        self.terms.warn_of_unbrowsed()
        await self._written(self.terms.note_refused)
        await self._written(self.terms.note_revised)
        now = self.world.vouchable(await self.session.server_time())
        covered = self.ledger.covered(self.uri)
        if covered is not None:
            end = covered[1]
            await self._written(
                lambda: self.ledger.open_gap(self.uri, None, end, "collector was away")
            )
        self._spans = unheard(covered, self._asked(now), now)
        await self.past.look(self._spans, whole)
        if kept is not None and self._spans.outage:
            self._doubt(self._spans.outage[0])
        for got in kept or ():
            if isinstance(got, Message):
                self._take(got)
        await self._state("backfilling")
        return now

    def _handles_without_hole(
        self, left: Handover | None, kept: Sequence[Message | Hole] | None
    ) -> set[int]:
        """Of these the server kept whatever they said while nobody was there."""
        if left is None or kept is None or not left.is_whole:
            return set()
        torn = {one.subscription_id for one in kept if isinstance(one, Hole)}
        whole = [handles for number, handles in self.feed.handles.items() if number not in torn]
        return {handle for handles in whole for handle in handles}

    def _write_handover(self) -> None:
        texts = [variable.text for variable in self.nodes.variables]
        events = self.events
        monitored = (events.subscription_id, len(events.fields)) if events.is_on else None
        left = self.feed.handover(self.session.build.started, texts, monitored)
        self.handover.write(replace(left, is_whole=not self._refill_wanted.is_set()))

    # --- live

    async def _listen(self) -> None:
        while True:
            self._heed(await self.feed.pump.messages())
            if self._waiting_rows + self.stock.writer.pending_rows > MANY_ROWS:
                await self._commit()

    def _heed(self, messages: Sequence[Message | Hole]) -> None:
        """Take messages; of a hole, have history read."""
        lost = sum(one.sequences for one in messages if isinstance(one, Hole))
        if lost:
            log.warning("%s: %d notifications lost; reading history", self.entry.url, lost)
        for got in messages:
            if isinstance(got, Message):
                self._take(got)
                continue
            self._want_refill(self._heard_by(got.subscription_id))
            if got.subscription_id == self.events.subscription_id:
                heard = self._heard_by_all
                since = time_of(heard) if heard else self.world.clock()
                self.events.lose(NOTIFICATIONS_LOST, since)

    def _heard_by(self, subscription_id: int) -> list[int] | None:
        """The nodes of a subscription; None where it has them all."""
        handles = self.feed.handles
        return handles.get(subscription_id) if len(handles) > 1 else None

    async def _hear_events(self) -> None:
        first = self.feed.subscriptions[0].id
        await self.events.run(first, self._record, self._write_handover)

    async def _record(self, gaps: list[Gap]) -> None:
        await self._written(lambda: self.ledger.add_gaps(self.uri, gaps))

    def _take(self, message: Message) -> None:
        origin = "republished" if message.republished else "live"
        for body in message.events:
            self.events.take(body, republished=message.republished)
        if message.changes:
            is_doubted = self._is_doubted(message)
            if is_doubted:
                self._unpack()  # each message by itself, as its queues were
            us = (self.world.clock() - _EPOCH) // _US
            self._bodies += [(body, us, origin) for body in message.changes]
            self._oldest_s = self._oldest_s or time.monotonic()
            self._waiting_rows += message.rows
            if is_doubted:
                self._unpack(is_doubted=True)
        if not message.is_keep_alive:
            self._unsynced.append(message.receipt)
        if not (message.republished or message.more_follow):
            known = self._heard.get(message.subscription_id, 0)
            self._heard[message.subscription_id] = max(known, message.publish_ticks)

    def _doubt(self, since: datetime | None = None) -> None:
        """Queues may have run full while nobody listened: what is lost may be lost `since` then."""
        self._doubted_until_s, self._doubted_since = math.inf, since

    def _is_doubted(self, message: Message) -> bool:
        """Whether a message may hold what queued in an outage: the first, and some seconds more."""
        if self._doubted_until_s == math.inf and not message.republished:
            self._doubted_until_s = time.monotonic() + _DOUBT_S
        return time.monotonic() < self._doubted_until_s

    @property
    def _heard_by_all(self) -> int:
        """The server's ticks up to which every subscription was heard; 0 where one never was."""
        return min((self._heard.get(one.id, 0) for one in self.feed.subscriptions), default=0)

    def _unpack(self, *, is_doubted: bool = False) -> None:
        """Decode what was taken since, all of it at once, and append it."""
        bodies, self._bodies, self._waiting_rows = self._bodies, [], 0
        for _, group in groupby(bodies, key=itemgetter(2)):
            self._unpack_some(list(group), is_doubted)
        self._unpacked_ticks = self._heard_by_all

    def _unpack_some(self, parts: list[tuple[bytes, int, str]], is_doubted: bool) -> None:
        """Decode bodies of one origin; one that is broken must not cost the others."""
        try:
            values = self._decoded([body for body, _, _ in parts])
        except MalformedError as error:
            if len(parts) > 1:
                for part in parts:
                    self._unpack_some([part], is_doubted)
                return
            self.stock.warn_once(f"{self.entry.url}: it sends notifications that are not OPC UA "
                            f"({error}); we read history instead")  # fmt: skip
            self._want_refill(None, sound_ticks=self._unpacked_ticks)
            return
        overflowed = take_overflow(values) + (self._full_queues(values) if is_doubted else [])
        if overflowed:
            since = self._doubted_since if is_doubted else None
            self._want_refill(overflowed, since, self._unpacked_ticks)
        received = np.repeat([us for _, us, _ in parts], [rows_of(body) for body, _, _ in parts])
        self._append(values, values.handles.view(np.int32), parts[0][2], received)

    def _decoded(self, bodies: list[bytes]) -> DataValues:
        values = DataValues.of_notifications(bodies, self.session.namespaces)
        if values.count and values.handles.max() >= len(self.nodes.variables):
            raise MalformedError("it names a handle that we never gave")
        return values

    def _full_queues(self, values: DataValues) -> list[int]:
        """Handles that said all that their queue holds: not every server sets the overflow bit."""
        handles, counts = np.unique(values.handles, return_counts=True)
        revised = self.feed.revised
        unrevised = Revised(0.0, self.options.queue_size)
        return [
            handle
            for handle, count in zip(handles.tolist(), counts.tolist(), strict=True)
            if count >= revised.get(handle, unrevised).queue_size > 1
        ]

    def _append(
        self,
        values: DataValues,
        codes: npt.NDArray[np.int32],
        origin: str,
        received: npt.NDArray[np.int64] | None = None,
    ) -> None:
        if not values.count:
            return
        batch = values.batch(
            server_uri=self.uri,
            nodes=self.nodes.texts,
            codes=codes,
            received=self.world.clock() if received is None else received,
            origin=origin,
        )
        if self._oldest_s is None:
            self._oldest_s = time.monotonic()
        self.stock.writer.append(batch)
        known = slice(None) if values.has_source.all() else values.has_source
        self._waiting_marks.append((codes[known], values.source_ticks[known]))
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
            if self._gives_up:
                raise OSError(errno.ENOSPC, "no room for the last rows")
            await asyncio.sleep(COMMIT_S)

    async def _commit(self) -> bool:
        """Bring what was appended to the disk, then let it be acknowledged; False if it is full."""
        async with self._committing:
            self._unpack()
            sequences, self._unsynced = self._unsynced, []
            marks, self._waiting_marks = self._waiting_marks, []
            heard, oldest_s, self._oldest_s = self._heard_by_all, self._oldest_s, None
            try:
                began_s = time.monotonic()
                await asyncio.to_thread(self.stock.sync)
                self._note_speed(time.monotonic() - began_s)
                self._cover_live(heard)
            except BaseException as error:
                self._oldest_s = oldest_s or self._oldest_s
                self._unsynced = sequences + self._unsynced
                self._waiting_marks = marks + self._waiting_marks
                if not (isinstance(error, OSError) or is_disk_full(error)):
                    raise
                self._pause(error)
                return False
            if self._disk_full and not self._waiting_for_ledger:
                self._disk_full = False
                log.warning("%s: the disk takes rows again", self.world.home)
                self.feed.pump.resume()
            self._durable_at = datetime.now(UTC)
            self.feed.note_durable(sequences)
            self.handover.mark(self.feed.durable, not self._refill_wanted.is_set())
            self.feed.acknowledge(sequences)
            for codes, ticks in marks:
                self.nodes.raise_marks(codes, ticks)
            return True

    def _note_speed(self, taken_s: float) -> None:
        if taken_s > SLOW_SYNC_S:
            self.stock.warn_once(
                f"{self.world.home}: the disk takes {taken_s:.1f} s to make rows durable; values "
                "wait at the servers meanwhile; give the home a faster disk"
            )

    async def _written(self, write: Callable[[], None]) -> None:
        """Write to the ledger, and wait for the disk as long as it takes."""
        self._waiting_for_ledger += 1
        try:
            while True:
                try:
                    return write()
                except sqlite3.OperationalError as error:
                    if not is_disk_full(error) or self._gives_up:
                        raise
                    self._pause(error)
                    await asyncio.sleep(COMMIT_S)
        finally:
            self._waiting_for_ledger -= 1

    @property
    def _gives_up(self) -> bool:
        """After a stop only the closing, which has an end, waits for a full disk."""
        return self.world.stop.is_set() and not self._closing

    def _pause(self, error: BaseException) -> None:
        if not self._disk_full:
            self._disk_full = True
            self.feed.pump.pause()
            log.warning("%s: rows cannot be written (%s); free some space, nothing is acknowledged",
                        self.world.home, getattr(error, "strerror", None) or error)  # fmt: skip

    def _cover_live(self, heard_ticks: int) -> None:
        """Vouch for what sequence numbers without a hole have brought, every few seconds."""
        if self._refill_wanted.is_set() or time.monotonic() - self._covered_s < COVER_EVERY_S:
            return
        self._vouch(heard_ticks)
        self._covered_s = time.monotonic()

    def _vouch(self, heard_ticks: int) -> None:
        """Cover what was heard until then, so that a gap begins no earlier than its loss."""
        if not self._caught_up or not heard_ticks:
            return
        covered = self.ledger.covered(self.uri)
        late_s = (self.feed.publishing_interval_ms + self.entry.sampling_interval_ms) / 1000
        heard = self.world.vouchable(time_of(heard_ticks)) - timedelta(seconds=2 * late_s)
        if covered is not None and heard > covered[1]:
            self.ledger.cover(self.uri, covered[1], heard)

    @property
    def _sound_until(self) -> int:
        """The server's ticks before which nothing is missing."""
        return self._sound_ticks if self._refill_wanted.is_set() else self._heard_by_all

    # --- history

    async def _catch_up(self, subscribed_at: datetime) -> None:
        """Read the history that is missing, then whatever holes ask for; never returns."""
        if not self._caught_up:
            failed = await self.past.fill(self._spans, subscribed_at)
            self._caught_up = True
            await self._written(lambda: self.terms.note_read(failed))
        await self._state("connected")
        self.on_connected()
        while True:
            try:
                async with asyncio.timeout(RETRY_REFUSED_S):
                    await self._refill_wanted.wait()
            except TimeoutError:
                await self._retry_refused()
                self.catalogue.write()
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

    def _want_refill(
        self,
        codes: Iterable[int] | None,
        since: datetime | None = None,
        sound_ticks: int | None = None,
    ) -> None:
        """Have history read; all was well before `sound_ticks` (as far as heard, if not given)."""
        known = self._sound_until
        self._sound_ticks = known if sound_ticks is None else min(known, sound_ticks)
        self._lost_since = min(filter(None, (self._lost_since, since)), default=None)
        if codes is None or self._refill is None:
            self._refill = None
        else:
            self._refill.update(codes)
        self._refill_wanted.set()

    async def _refill_history(self) -> None:
        """Read what a hole or an overflow lost; what stays lost is a gap."""
        await self._settle()
        await self._written(lambda: self._vouch(self._sound_ticks))
        wanted, self._refill = self._refill, set()
        since, self._lost_since = self._lost_since, None
        try:
            now = self.world.vouchable(await self.session.server_time())
            await self.past.refill(None if wanted is None else sorted(wanted), now, since)
        except BaseException:
            self._want_refill(wanted, since)
            raise
        if self._refill is not None and not self._refill:
            self._refill_wanted.clear()

    async def _retry_refused(self) -> None:
        if not self.nodes.refused:
            return
        again = [(code, self.nodes.variables[code].node_id) for code in self.nodes.refused]
        before = self.nodes.refused.keys()
        self.nodes.refused = await self.feed.add(again)
        if self.nodes.refused.keys() != before:
            self._write_handover()
            await self._written(self.terms.note_refused)
            accepted = before - self.nodes.refused.keys()
            failed = await self.past.read(
                sorted(accepted.intersection(self.nodes.historized)), None
            )
            await self._written(lambda: self.terms.note_read(failed))

    # --- the end

    @property
    def _last_publishes_s(self) -> float:
        """After so long the server has told what it had when we asked for its time."""
        return 2 * self.feed.publishing_interval_ms / 1000

    async def _close(self, jobs: set[asyncio.Task[None]], catching_up: asyncio.Task[None]) -> None:
        """Finish the back-fill, then prove coverage up to the server's clock by a last read."""
        self._closing = True
        while not self._caught_up:
            await asyncio.wait(
                {*jobs, catching_up}, timeout=0.1, return_when=asyncio.FIRST_COMPLETED
            )
            _raise_failures({*jobs, catching_up})
        catching_up.cancel()
        await asyncio.gather(catching_up, return_exceptions=True)
        end = self.world.vouchable(await self.session.server_time())
        await asyncio.sleep(self._last_publishes_s)
        while self.feed.pump.is_behind:  # a server sends no more than so many values at once
            await asyncio.sleep(COMMIT_S)
            _raise_failures(jobs)
        if self._refill_wanted.is_set():
            await self._refill_history()
        # what history fails to give now was heard live: that is no gap
        await self.past.read(self.nodes.historized, None)
        _raise_failures(jobs)
        await self._settle()
        covered = self.ledger.covered(self.uri)
        if covered is not None:
            begin = covered[1]
            await self._written(lambda: self.ledger.cover(self.uri, begin, end))

    async def _state(self, state: str, why: str = "") -> None:
        if (state, why) == (self._told_state, self._why):
            return
        self._told_state, self._why = state, why
        now, nodes = self.world.clock(), len(self.nodes.variables)
        await self._written(lambda: self.ledger.set_state(self.uri, state, now, why, nodes))
        self._report()

    def _report(self) -> None:
        site_id, url, counted = self.site.site_id, self.entry.url, self.stock.counted
        progress = Progress(site_id, url, self._told_state, self.uri, self._why, *counted)
        self.world.report(progress, self._facts(), self._status())

    def _facts(self) -> Facts:
        """What decides how this link is published."""
        pump = self.feed.pump
        return Facts(
            session_active=self._told_state in ("backfilling", "connected"),
            was_connected=True,
            silent_s=0.0 if self._disk_full else pump.silent_s,  # we do not ask then
            keep_alive_s=pump.keep_alive_s,
            backfilling=not self._caught_up,
            gaps=int(self._refill_wanted.is_set()),
            quarantined=self.nodes.quarantined,
            disk_full=self._disk_full,
            lag_s=self._lag_s,
            why=self._why,
        )

    def _status(self) -> LinkStatus:
        now, pump = datetime.now(UTC), self.feed.pump
        notes = [self.feed.quirk.why] if self.feed.quirk.why else []
        if self.terms.short_queues:
            notes.append(
                f"{self.terms.short_queues} nodes with queues shorter than a publishing interval"
            )
        return LinkStatus(
            self.site.site_id,
            self.entry.url,
            "connecting",
            now,
            server_uri=self.uri,
            nodes=len(self.nodes.variables),
            quarantined=self.nodes.quarantined,
            values=dict(zip(ORIGINS, self.stock.counted, strict=True)),
            last_heard=now - timedelta(seconds=pump.silent_s),
            last_durable=self._durable_at,
            lag_s=self._lag_s,
            pending_rows=self._waiting_rows + self.stock.writer.pending_rows,
            security=self.entry.security,
            publishing_interval_ms=self.feed.publishing_interval_ms,
            keep_alive_s=pump.keep_alive_s,
            notes=tuple(notes),
        )

    @property
    def _lag_s(self) -> float:
        """The age of the oldest row that is not on disk yet."""
        return 0.0 if self._oldest_s is None else time.monotonic() - self._oldest_s


def _raise_failures(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()
