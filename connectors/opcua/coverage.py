"""The time for which the ledger vouches that every value of a server is here, and its gaps."""

import time
from datetime import datetime, timedelta
from typing import Final

from connectors.opcua.connection import Connection
from connectors.opcua.losses import Losses
from connectors.raw import time_of

COVER_EVERY_S: Final = 5.0
"""So much of what was heard may lack cover when a collector is killed."""


class Coverage:
    """What one connection vouches for: nothing, before `is_caught_up` with history."""

    def __init__(self, connection: Connection, losses: Losses) -> None:
        self.world, self.ledger, self.uri = connection.world, connection.ledger, connection.uri
        self.feed, self.losses = connection.feed, losses
        self.is_caught_up = False
        self._vouched_s = time.monotonic()

    @property
    def covered(self) -> tuple[datetime, datetime] | None:
        """The newest window of the server in the ledger."""
        return self.ledger.covered(self.uri)

    def vouch(self, heard_ticks: int) -> None:
        """Cover what was heard until then, so that a gap begins no earlier than its loss."""
        if not self.is_caught_up or not heard_ticks:
            return
        covered = self.covered
        heard = self.world.vouchable(time_of(heard_ticks)) - 2 * self._late
        if covered is not None and heard > covered[1]:
            self.ledger.cover(self.uri, covered[1], heard)

    @property
    def _late(self) -> timedelta:
        """How long a value is on its way to a message."""
        ms = self.feed.publishing_interval_ms + self.feed.options.sampling_interval_ms
        return timedelta(milliseconds=ms)

    def vouch_now_and_then(self, heard_ticks: int) -> None:
        """Cover what sequence numbers without a hole have brought, every few seconds."""
        if self.losses.is_any or time.monotonic() - self._vouched_s < COVER_EVERY_S:
            return
        self.vouch(heard_ticks)
        self._vouched_s = time.monotonic()

    def note_away(self) -> None:
        """Nobody listened since the last collector ended."""
        covered = self.covered
        if covered is not None:
            self.ledger.open_gap(self.uri, None, covered[1], "collector was away")

    def note_lost(self, why: str) -> None:
        """The server has a gap from now on; a back-fill that goes on has one already."""
        if self.is_caught_up:
            covered = self.covered
            begin = covered[1] if covered else self.world.clock()
            self.ledger.open_gap(self.uri, None, begin, f"link lost: {why}")

    def note_found(self) -> None:
        """The server kept all that it said since the link was lost."""
        if self.is_caught_up:
            self.ledger.close_gap(self.uri, None, self.world.clock(), "republished")

    def end(self, end: datetime) -> None:
        """All is here that the server said until then."""
        covered = self.covered
        if covered is not None:
            self.ledger.cover(self.uri, covered[1], end)
