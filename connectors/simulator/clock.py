"""The time of the simulated world."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from connectors.raw import TICKS_PER_S, ticks_of


@dataclass(frozen=True, slots=True)
class SimClock:
    """`anchor` plus the time since `started` (of `time.monotonic`, one per machine)."""

    anchor: datetime
    started: float = field(default_factory=time.monotonic)

    def ticks(self) -> int:
        """Now, in OPC UA ticks."""
        return ticks_of(self.anchor) + int((time.monotonic() - self.started) * TICKS_PER_S)

    def now(self) -> datetime:
        """Now, as an aware datetime."""
        elapsed = timedelta(seconds=time.monotonic() - self.started)
        return self.anchor.astimezone(UTC) + elapsed
