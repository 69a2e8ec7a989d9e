"""How a link stands, told to the ledger, to the caller and to the status board."""

from datetime import UTC, datetime, timedelta

from connectors.link_status import Facts, LinkStatus
from connectors.opcua.connection import Connection
from connectors.opcua.coverage import Coverage
from connectors.opcua.group_commit import GroupCommit
from connectors.opcua.terms import Terms
from connectors.opcua.world import ORIGINS, Progress


class Reports:
    """`say` the state of the link when it changes; `report` what it did, now and then."""

    def __init__(
        self, connection: Connection, coverage: Coverage, commits: GroupCommit, terms: Terms
    ) -> None:
        self.connection, self.world = connection, connection.world
        self.stock, self.feed, self.nodes = connection.stock, connection.feed, connection.nodes
        self.coverage, self.losses, self.terms = coverage, coverage.losses, terms
        self.commits, self.intake, self.disk = commits, commits.intake, commits.disk
        self._state, self._why = "connecting", ""

    async def say(self, state: str, why: str = "") -> None:
        """The link is in this state; the ledger keeps it."""
        if (state, why) == (self._state, self._why):
            return
        self._state, self._why = state, why
        uri, ledger = self.connection.uri, self.connection.ledger
        now, nodes = self.world.clock(), len(self.nodes.variables)
        await self.disk.written(lambda: ledger.set_state(uri, state, now, why, nodes))
        self.report()

    def report(self) -> None:
        """Tell how many rows came, and whether they come to the disk."""
        site_id, url, uri = self.connection.site.site_id, self.connection.url, self.connection.uri
        progress = Progress(site_id, url, self._state, uri, self._why, *self.stock.counted)
        self.world.report(progress, self._facts(), self._status())

    def _facts(self) -> Facts:
        """What decides how this link is published."""
        pump, is_full = self.feed.pump, self.disk.is_full
        return Facts(
            session_active=self._state in ("backfilling", "connected"),
            was_connected=True,
            silent_s=0.0 if is_full else pump.silent_s,  # we do not ask then
            keep_alive_s=pump.keep_alive_s,
            backfilling=not self.coverage.is_caught_up,
            gaps=int(self.losses.is_any),
            quarantined=self.nodes.quarantined,
            disk_full=is_full,
            lag_s=self.intake.lag_s,
            why=self._why,
        )

    def _status(self) -> LinkStatus:
        now, pump = datetime.now(UTC), self.feed.pump
        return LinkStatus(
            self.connection.site.site_id,
            self.connection.url,
            "connecting",
            now,
            server_uri=self.connection.uri,
            nodes=len(self.nodes.variables),
            quarantined=self.nodes.quarantined,
            values=dict(zip(ORIGINS, self.stock.counted, strict=True)),
            last_heard=now - timedelta(seconds=pump.silent_s),
            last_durable=self.commits.durable_at,
            lag_s=self.intake.lag_s,
            pending_rows=self.intake.waiting_rows,
            security=self.connection.entry.security,
            publishing_interval_ms=self.feed.publishing_interval_ms,
            keep_alive_s=pump.keep_alive_s,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        short, quirk = self.terms.short_queues, self.feed.quirk.why
        queues = f"{short} nodes with queues shorter than a publishing interval" if short else ""
        return tuple(filter(None, (quirk, queues)))
