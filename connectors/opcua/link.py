"""One link to a server: discover, subscribe, back-fill, listen, sweep.

A lost channel is found again with its session and subscriptions, so that what the server queued
meanwhile arrives; whatever else is lost is raised, and the owner begins anew.

Here is the life of a link; what it does has modules of its own: `monitoring` asks the server,
`intake` makes rows of its messages, `group_commit` brings them to the disk and acknowledges them,
`losses` knows what did not come, `catch_up` reads it from history, `coverage` vouches for the rest,
`terms` and `reports` tell how the server serves us and how the link stands.
"""

import asyncio
import contextlib
import logging
import random
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from asyncua.ua.uaerrors import UaError

from connectors.errors import ServerRefused, ServerUnreachable
from connectors.fleet import ServerEntry, Site
from connectors.opcua.browse import discover, missing_nodes
from connectors.opcua.catalogue_writer import CatalogueWriter
from connectors.opcua.catch_up import CatchUp
from connectors.opcua.connection import Connection
from connectors.opcua.coverage import Coverage
from connectors.opcua.event_flow import EventFlow, Gap
from connectors.opcua.failures import SubscriptionLostError, is_channel_lost, reason
from connectors.opcua.feed import Feed
from connectors.opcua.full_disk import FullDisk
from connectors.opcua.group_commit import COMMIT_S, MANY_ROWS, GroupCommit
from connectors.opcua.handover import Handover, HandoverFile
from connectors.opcua.intake import Intake
from connectors.opcua.losses import Losses
from connectors.opcua.monitoring import Monitoring
from connectors.opcua.nodes import arranged
from connectors.opcua.reports import Reports
from connectors.opcua.session import Session
from connectors.opcua.subscribe import LIFETIME_S, Options
from connectors.opcua.world import Stock, World

log = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 5.0
"""Between two tries to connect: a server that is back is heard within seconds."""
RETRY_REFUSED_S: Final = 10.0
"""Slow enough for a server with thousands of them, and a node that is cured is heard in time."""
REPORT_EVERY_S: Final = 1.0
CLOSING_S: Final = 120.0
"""Most time for the rest of a back-fill and the closing sweep after a stop, beside two publishing
intervals, which bring the last values."""
SWEEP_S: Final = 60.0
"""Most time for the closing sweep: a slow server's history of the overlap may be long."""


class Link:
    """`run()` returns after a stop and its closing sweep; any loss is raised."""

    def __init__(
        self, world: World, site: Site, entry: ServerEntry, session: Session, stock: Stock
    ) -> None:
        self.world, self.entry, self.session = world, entry, session
        self.on_connected: Callable[[], None] = lambda: None
        self.feed = Feed(session, _options(entry))
        connection = Connection(world, site, entry, session, stock, self.feed)
        self.connection, self.nodes = connection, connection.nodes
        self.events = EventFlow(session, stock.events, stock.event_memory, clock=world.clock)
        self.losses = Losses()
        self.disk = FullDisk(world.home, self.feed.pump, world.stop)
        self.coverage = Coverage(connection, self.losses)
        self.intake = Intake(connection, self.events, self.losses)
        handover = HandoverFile(world.home, site.site_id, connection.uri)
        self.commits = GroupCommit(connection, self.intake, self.coverage, self.disk, handover)
        self.monitoring = Monitoring(connection, self.events, self.losses, self.disk, handover)
        self.terms, self.catalogue = self.monitoring.terms, CatalogueWriter(connection)
        self.history = CatchUp(
            connection, self.intake, self.coverage, self.commits, self.monitoring
        )
        self.reports = Reports(connection, self.coverage, self.commits, self.terms)

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
            if await self.commits.commit():
                with contextlib.suppress(sqlite3.Error):
                    self.coverage.vouch(self.intake.sound_until)
            self.nodes.keep_marks(self.connection.stock.marks)

    # --- before the first value

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

    async def _discover(self) -> Handover | None:
        """The nodes, in the order of their handles; gives what a stopped collector left of them."""
        listed, missing = await discover(self.session, self.entry.nodes, self.nodes.unbrowsed)
        for text in missing:
            log.warning(
                "%s: it has no node %s; correct `nodes` in the fleet file", self.entry.url, text
            )
        left, marks = self.monitoring.left(), self.connection.stock.marks
        known = left.nodes if left else ()
        self.nodes.arrange(arranged(listed, known, self.session.namespaces), marks)
        self.catalogue.make(listed)
        elsewhere = sorted(marks.keys() - {variable.text for variable in listed})
        vanished = await missing_nodes(self.session, elsewhere)
        await self.disk.written(lambda: self.terms.note_vanished(set(vanished)))
        return left

    async def _subscribe(self, left: Handover | None) -> datetime:
        """Monitor every readable node; gives the time from which live values are heard."""
        kept = await self.monitoring.begin(left)
        subscribed_at = await self.history.look(kept.whole if kept else frozenset())
        self.monitoring.heard_from(subscribed_at)
        if kept is not None:
            outage = self.history.unheard.outage
            # whoever was killed before it covered anything has heard since then all the same
            since = outage[0] if outage else left and left.since
            if since:
                self.intake.doubt(since)
            for message in kept.messages:
                self.intake.take(message)
        await self.reports.say("backfilling")
        return subscribed_at

    # --- while it stands

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
            self.monitoring.forget()
        finally:
            for job in everything:
                job.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
            await self.feed.pump.stop()

    async def _listen(self) -> None:
        while True:
            self.intake.heed(await self.feed.pump.messages())
            if self.intake.waiting_rows > MANY_ROWS:
                await self.commits.commit()

    async def _commit_forever(self) -> None:
        reported_s = time.monotonic()
        while True:
            await asyncio.sleep(COMMIT_S)
            await self.commits.commit()
            if time.monotonic() - reported_s >= REPORT_EVERY_S:
                reported_s = time.monotonic()
                self.reports.report()

    async def _hear_events(self) -> None:
        first = self.feed.subscriptions[0].id
        await self.events.run(first, self._record, self.monitoring.write_handover)

    async def _record(self, gaps: list[Gap]) -> None:
        ledger, uri = self.connection.ledger, self.connection.uri
        await self.disk.written(lambda: ledger.add_gaps(uri, gaps))

    async def _catch_up(self, subscribed_at: datetime) -> None:
        """Read the history that is missing, then whatever losses ask for; never returns."""
        await self.history.fill(subscribed_at)
        await self.reports.say("connected")
        self.on_connected()
        while True:
            try:
                async with asyncio.timeout(RETRY_REFUSED_S):
                    await self.losses.wait()
            except TimeoutError:
                await self.history.retry_refused()
                self.catalogue.write()
            else:
                await self.history.refill()

    # --- when the channel is lost

    async def _recover(self, error: Exception) -> None:
        """Find the session again over a new channel; raises where that is no longer possible."""
        why = reason(error)
        is_durable = await self.commits.commit()
        await self.disk.written(lambda: self._note_lost(why, is_durable))
        await self.reports.say("reconnecting", why)
        begin_s = time.monotonic()
        while not await self._taken_up(error, begin_s):
            pass
        await self.commits.settle()
        await self.disk.written(self.coverage.note_found)
        await self.reports.say("connected" if self.coverage.is_caught_up else "backfilling")
        self.on_connected()

    def _note_lost(self, why: str, is_durable: bool) -> None:
        if is_durable:
            self.coverage.vouch(self.intake.sound_until)
        self.coverage.note_lost(why)

    async def _taken_up(self, error: Exception, begin_s: float) -> bool:
        """The session again, and what the server sent meanwhile; False if it is lost once more."""
        if not await self._reopened(error, begin_s):
            raise SubscriptionLostError(f"{reason(error)}; the server has given our session up")
        self.intake.doubt()
        try:
            await self.feed.pump.catch_up()
        except (OSError, TimeoutError, UaError) as again:
            is_over = time.monotonic() - begin_s > LIFETIME_S
            if is_over or self.world.stop.is_set() or not is_channel_lost(again):
                raise
            return False
        finally:
            self.intake.heed(self.feed.pump.taken())
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
                await self.reports.say("reconnecting", unreached.why)
            finally:
                stopping.cancel()
                opening.cancel()
                await asyncio.gather(opening, stopping, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s * random.uniform(0.5, 1.0)):
                    await self.world.stop.wait()
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    # --- the end

    @property
    def _last_publishes_s(self) -> float:
        """After so long the server has told what it had when we asked for its time."""
        return 2 * self.feed.publishing_interval_ms / 1000

    async def _close(self, jobs: set[asyncio.Task[None]], catching_up: asyncio.Task[None]) -> None:
        """Finish the back-fill, then prove coverage up to the server's clock by a last read."""
        self.disk.is_closing = True
        while not self.coverage.is_caught_up:
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
        is_swept = await self._swept()
        _raise_failures(jobs)
        await self.commits.settle()
        if is_swept:
            await self.disk.written(lambda: self.coverage.end(end))

    async def _swept(self) -> bool:
        """Read history once more; where that takes too long, late values are left for next time."""
        try:
            async with asyncio.timeout(SWEEP_S) as limit:
                await self.history.sweep()
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning(
                "%s: reading its history once more takes longer than %d s; what it writes late is "
                "read at the next start; a shorter `history_overlap_s` would do with less",
                self.entry.url, SWEEP_S,
            )  # fmt: skip
            return False
        return True


def _options(entry: ServerEntry) -> Options:
    return Options(
        entry.publishing_interval_ms, entry.sampling_interval_ms, queue_size=entry.queue_size
    )


def _raise_failures(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()
