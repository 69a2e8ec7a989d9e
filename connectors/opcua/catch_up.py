"""What history knows: of the time before the subscription, of losses since, and at the end."""

from collections.abc import Set
from datetime import datetime, timedelta

import numpy as np

from connectors.opcua.backfill import BackFill, Unheard, unheard
from connectors.opcua.connection import Connection
from connectors.opcua.coverage import Coverage
from connectors.opcua.decode import DataValues
from connectors.opcua.group_commit import MANY_ROWS, GroupCommit
from connectors.opcua.intake import Intake
from connectors.opcua.monitoring import Monitoring


class CatchUp:
    """`look` for what is missing, `fill` it; then `refill` what is lost, and `sweep` at the end."""

    def __init__(
        self,
        connection: Connection,
        intake: Intake,
        coverage: Coverage,
        commits: GroupCommit,
        monitoring: Monitoring,
    ) -> None:
        self.world, self.entry = connection.world, connection.entry
        self.session, self.stock = connection.session, connection.stock
        self.nodes = connection.nodes
        self.intake, self.losses = intake, intake.losses
        self.coverage, self.commits, self.disk = coverage, commits, commits.disk
        self.monitoring = monitoring
        self.unheard = Unheard(None, None)
        """What was missing when we came."""
        self._past = BackFill(
            connection.session,
            connection.ledger,
            connection.uri,
            connection.nodes,
            timedelta(seconds=connection.entry.history_overlap_s),
            take=self._on_page,
            settle=commits.settle,
            write=commits.disk.written,
        )

    async def look(self, queued: Set[int]) -> datetime:
        """Find what is missing; gives the time from which live values are heard.

        Of the `queued` nodes the server kept what they said while nobody was there.
        """
        now = self.world.vouchable(await self.session.server_time())
        await self.disk.written(self.coverage.note_away)
        covered = self.coverage.covered
        self.unheard = unheard(covered, self._asked(now), now)
        await self._past.look(self.unheard, queued, self.monitoring.since)
        return now

    def _asked(self, now: datetime) -> datetime | None:
        """From when on history is wanted: the server's own `history_hours` before the caller's."""
        hours = self.entry.history_hours
        return self.world.history_from if hours is None else now - timedelta(hours=hours)

    async def fill(self, subscribed_at: datetime) -> None:
        """Read what was missing, once, however often the channel is lost meanwhile."""
        if not self.coverage.is_caught_up:
            failed = await self._past.fill(self.unheard, subscribed_at)
            self.coverage.is_caught_up = True
            await self._note_read(failed)

    async def refill(self) -> None:
        """Read what a hole or an overflow lost; what stays lost is a gap."""
        await self.commits.settle()
        await self.disk.written(lambda: self.coverage.vouch(self.intake.sound_until))
        with self.losses.being_read() as lost:
            now = self.world.vouchable(await self.session.server_time())
            await self._past.refill(lost.codes, now, lost.since)

    async def retry_refused(self) -> None:
        """Nodes that the server monitors after all are read from where they stand."""
        accepted = await self.monitoring.retry_refused()
        if accepted:
            historized = sorted(set(accepted).intersection(self.nodes.historized))
            await self._note_read(await self._past.read(historized, None))

    async def _note_read(self, failed: dict[int, int]) -> None:
        await self.disk.written(lambda: self.monitoring.terms.note_read(failed))

    async def sweep(self) -> None:
        """A last read; what history fails to give now was heard live: that is no gap."""
        if self.losses.is_any:
            await self.refill()
        await self._past.read(self.nodes.historized, None)

    async def _on_page(self, code: int, values: DataValues) -> None:
        self.intake.append(values, np.full(values.count, code, np.int32), "history")
        if self.stock.writer.pending_rows > MANY_ROWS:
            await self.commits.settle()
