"""The collector: one owner task per server that connects, listens and never gives up."""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

from asyncua.ua.uaerrors import UaError

from connectors import event_segments, segments
from connectors.errors import FleetFileError, HomeRefused, ParkPulseError, ServerRefused
from connectors.fleet import Fleet, ServerEntry, Site
from connectors.ledger import Ledger
from connectors.link_status import Facts, LinkStatus
from connectors.opcua.decode import MalformedError
from connectors.opcua.failures import unreachable
from connectors.opcua.link import FIRST_DELAY_S, LONGEST_DELAY_S, Link
from connectors.opcua.security import Access
from connectors.opcua.session import Session
from connectors.opcua.world import ORIGINS, Progress, Stock, World
from connectors.status_board import StatusBoard
from connectors.tables import write_plans

__all__ = ["Progress", "collect"]

log = logging.getLogger(__name__)

REFUSED_DELAY_S: Final = 15.0
"""A refusal lasts until a person acts; some servers lock a user out who tries too often."""
_LOCK_TRIES: Final = 10
_LOCK_WAIT_S: Final = 0.02
_SEAL_TRIES: Final = 20
"""Half-second tries to seal on a full disk before the tail is left for the next start."""

_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What no network says: the home's disk is the culprit."""


async def collect(
    fleet: Fleet,
    home: Path,
    *,
    history_from: datetime | None,
    clock: Callable[[], datetime],
    stop: asyncio.Event,
    on_progress: Callable[[Progress], None],
    caught_up: asyncio.Event | None = None,
) -> None:
    """Collect a fleet into `home` until `stop`, then sweep and seal.

    `caught_up` is set once every server is live with its history read, or was found unreachable.
    Received times are `clock()`. HomeRefused where the home cannot be written at the start.
    """
    with _sole_collector(home), Ledger(home) as ledger:
        tails = chain(
            segments.recover_all(home / "segments"),
            segments.recover_all(home / event_segments.FOLDER, event_segments.EVENTS),
        )
        for site_id, tail in tails:
            log.warning(
                "%s: sealed %d rows that a stopped collector left; %d bytes of an unfinished "
                "write, never acknowledged, were cut", site_id, tail.rows, tail.bytes_cut,
            )  # fmt: skip
        write_plans(fleet, home)
        servers = [(site, entry) for site in fleet.sites for entry in site.servers]
        urls = [entry.url for _, entry in servers]
        ledger.retire_others(urls)
        for site, entry in servers:
            ledger.await_server(site.site_id, entry.url, clock())
        world = World(
            home, ledger, history_from, clock, stop, on_progress, caught_up, set(urls),
            StatusBoard(home),
        )  # fmt: skip
        async with _pulse(world), asyncio.TaskGroup() as group:
            for site, entry in servers:
                group.create_task(_Owner(world, site, entry).run())


@contextlib.asynccontextmanager
async def _pulse(world: World) -> AsyncIterator[None]:
    """Keep the status file young, and leave a last word in it."""
    assert world.board is not None
    beating = asyncio.create_task(world.board.beat_forever())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


@contextlib.contextmanager
def _sole_collector(home: Path) -> Iterator[None]:
    """Hold the home: two collectors would seal each other's tails."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / "collector.lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        why = f"it cannot be written ({error.strerror})"
        raise HomeRefused(home, why, "give a folder you may write to with --home") from error
    try:
        if not _locked(descriptor):
            raise HomeRefused(home, "another collector is at work in it", "stop that one")
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Take the lock; who reads the status holds it for microseconds."""
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_LOCK_WAIT_S)
    return False


class _Owner:
    """Keeps one server connected: back-off with jitter, one warning per outage, no end but stop."""

    def __init__(self, world: World, site: Site, entry: ServerEntry) -> None:
        self.world, self.site, self.entry = world, site, entry
        self.stock: Stock | None = None
        self.delay_s = FIRST_DELAY_S
        self.warned = ""
        self.learned: dict[str, int] = {}
        self.was_connected = False

    async def run(self) -> None:
        """Connect again and again until stopped, then seal."""
        while not self.world.stop.is_set():
            try:
                await self._connected()
            except FleetFileError as error:  # only another fleet file and a new start can cure it
                self._lost(error)
                break
            except (
                ParkPulseError, OSError, TimeoutError, UaError, MalformedError, sqlite3.Error,
            ) as error:  # fmt: skip
                self._lost(error)
            except Exception as error:  # one server's oddity must never stop the others
                log.debug("%s", self.entry.url, exc_info=True)
                self._lost(error)
            else:
                break
            await self._wait(self.delay_s * random.uniform(0.5, 1.0))
            self.delay_s = min(self.delay_s * 2, LONGEST_DELAY_S)
        await self._seal()
        self._tell("stopped")

    async def _connected(self) -> None:
        """One connection from beginning to end; returns only after a stop."""
        self._tell("connecting")
        access = Access.of(self.entry, self.world.home)
        session = Session(self.entry.url, access=access, learned=self.learned)
        opening = asyncio.create_task(session.open())
        stopping = asyncio.create_task(self.world.stop.wait())
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not opening.done():
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            return
        opening.result()
        try:
            stock = self._stock_for(session)
            link = Link(self.world, self.site, self.entry, session, stock)
            link.on_connected = self._connected_again
            await link.run()
        finally:
            await session.close()

    def _stock_for(self, session: Session) -> Stock:
        ledger = self.world.ledger
        uri = ledger.claim(self.site.site_id, self.entry.url, session.server_uri)
        if self.stock is None or self.stock.server_uri != uri:
            if uri != session.server_uri:
                log.warning(
                    "%s: its URI %s is taken by another server; rows are kept under the url;"
                    " give each server its own ApplicationUri",
                    self.entry.url, session.server_uri,
                )  # fmt: skip
            folder = self.world.home / "segments" / self.site.site_id
            self.stock = Stock.open(folder, self.site.site_id, uri)
        return self.stock

    def _connected_again(self) -> None:
        self.delay_s, self.was_connected = FIRST_DELAY_S, True
        if self.warned:
            log.warning("%s: connected again", self.entry.url)
            self.warned = ""

    def _lost(self, error: Exception) -> None:
        told = self._named(error)
        if isinstance(told, ServerRefused):
            self.delay_s = max(self.delay_s, REFUSED_DELAY_S)
        if str(told) != self.warned:
            log.warning("%s", told)
            self.warned = str(told)
        why = getattr(told, "why", str(told))
        if self.stock is not None:
            with contextlib.suppress(sqlite3.Error):
                since = self.world.clock()
                covered = self.world.ledger.covered(self.stock.server_uri)
                begin = covered[1] if covered else since
                self.world.ledger.open_gap(self.stock.server_uri, None, begin, f"link lost: {why}")
        self._tell("refused" if isinstance(told, ServerRefused) else "reconnecting", why)

    def _named(self, error: Exception) -> ParkPulseError:
        """The error as one line that names the culprit: our own disk, else the server."""
        if isinstance(error, ParkPulseError):
            return error
        if isinstance(error, sqlite3.Error) or getattr(error, "errno", None) in _DISK:
            why = f"it cannot be written ({getattr(error, 'strerror', None) or error})"
            return HomeRefused(self.world.home, why, "free some space there; we keep trying")
        return unreachable(self.entry.url, error)

    def _tell(self, state: str, why: str = "") -> None:
        stock = self.stock
        with contextlib.suppress(sqlite3.Error):
            if stock is not None:
                self.world.ledger.set_state(stock.server_uri, state, self.world.clock(), why)
            else:
                unreached = "reconnecting" if state == "stopped" else state
                self.world.ledger.set_unreached(self.entry.url, unreached, why)
        uri, counted = (stock.server_uri, stock.counted) if stock else (None, (0, 0, 0))
        site_id, url = self.site.site_id, self.entry.url
        facts = Facts(
            was_connected=self.was_connected,
            refused=why if state == "refused" else "",
            stopped=state == "stopped",
            why=why,
        )
        status = LinkStatus(
            site_id, url, "connecting", datetime.now(UTC), server_uri=uri,
            values=dict(zip(ORIGINS, counted, strict=True)), security=self.entry.security,
        )  # fmt: skip
        self.world.report(Progress(site_id, url, state, uri, why, *counted), facts, status)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.world.stop.wait()

    async def _seal(self) -> None:
        """Seal the last segment; what a full disk does not take is sealed at the next start."""
        if self.stock is None:
            return
        for _ in range(_SEAL_TRIES):
            try:
                await asyncio.to_thread(self.stock.seal)
            except OSError as error:
                why = error.strerror or str(error)
                await asyncio.sleep(0.5)
            else:
                return
        log.warning("%s: the last segment is not sealed (%s); free some space and start again",
                    self.entry.url, why)  # fmt: skip
