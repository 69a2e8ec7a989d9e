"""From rows to the disk, many at once, and back to the server: only now are they acknowledged."""

import asyncio
import errno
import time
from datetime import UTC, datetime
from typing import Final

from connectors.ledger import is_disk_full
from connectors.opcua.connection import Connection
from connectors.opcua.coverage import Coverage
from connectors.opcua.full_disk import RETRY_S, FullDisk
from connectors.opcua.handover import HandoverFile
from connectors.opcua.intake import Intake, Pending

COMMIT_S: Final = 0.25
"""Group commit: an fsync this often costs nothing, and so much is at most unacknowledged."""
SLOW_SYNC_S: Final = 5.0
"""A disk that is slower than this keeps the servers' queues waiting."""
MANY_ROWS: Final = 200_000
"""Rows in memory before the disk is waited for."""


class GroupCommit:
    """`commit` now and then; `settle` where nothing may go on before all is on disk."""

    def __init__(
        self,
        connection: Connection,
        intake: Intake,
        coverage: Coverage,
        disk: FullDisk,
        handover: HandoverFile,
    ) -> None:
        self.home, self.stock = connection.world.home, connection.stock
        self.feed, self.nodes = connection.feed, connection.nodes
        self.intake, self.coverage = intake, coverage
        self.disk, self.handover = disk, handover
        self.durable_at: datetime | None = None
        """When the last commit was done."""
        self._committing = asyncio.Lock()

    async def settle(self) -> None:
        """Commit, and wait for the disk as long as it takes."""
        while not await self.commit():
            if self.disk.gives_up:
                raise OSError(errno.ENOSPC, "no room for the last rows")
            await asyncio.sleep(RETRY_S)

    async def commit(self) -> bool:
        """Bring what was appended to the disk, then let it be acknowledged; False if it is full."""
        async with self._committing:
            self.intake.unpack()
            pending, heard_ticks = self.intake.hand_over(), self.intake.heard_by_all
            try:
                await self._sync()
                self.coverage.vouch_now_and_then(heard_ticks)
            except BaseException as error:
                self.intake.take_back(pending)
                if not (isinstance(error, OSError) or is_disk_full(error)):
                    raise
                self.disk.pause(error)
                return False
            self.disk.resume()
            self._let_go(pending)
            return True

    async def _sync(self) -> None:
        began_s = time.monotonic()
        await asyncio.to_thread(self.stock.sync)
        taken_s = time.monotonic() - began_s
        if taken_s > SLOW_SYNC_S:
            self.stock.warn_once(
                f"{self.home}: the disk takes {taken_s:.1f} s to make rows durable; values "
                "wait at the servers meanwhile; give the home a faster disk"
            )

    def _let_go(self, pending: Pending) -> None:
        """It is durable: the next collector is told before the server is."""
        self.durable_at = datetime.now(UTC)
        self.feed.note_durable(pending.receipts)
        self.handover.mark(self.feed.durable, not self.intake.losses.is_any)
        self.feed.acknowledge(pending.receipts)
        for codes, ticks in pending.marks:
            self.nodes.raise_marks(codes, ticks)
