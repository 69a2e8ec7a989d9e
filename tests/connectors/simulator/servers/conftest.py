import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from connectors.raw import TICKS_PER_S, ticks_of
from connectors.simulator.nodes import MACHINERY, PROCESS_VALUES, Series, Served
from connectors.simulator.server import SimulatedServer

ANCHOR = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@dataclass
class Told:
    """A timeline given as rows per node name: seconds from the anchor, value, status, delay."""

    types: dict
    rows: dict
    site_id: str = "F01"
    server_uri: str = "urn:parkpulse:sim:F01"

    @property
    def nodes(self):
        return [
            Served(
                f"nsu={self.server_uri};s={name}",
                (
                    (MACHINERY, "Machines"),
                    (self.server_uri, "M1"),
                    (PROCESS_VALUES, "Monitoring"),
                    (PROCESS_VALUES, name),
                ),
                kind,
            )
            for name, kind in self.types.items()
        ]

    def series(self, node):
        rows = sorted(self.rows[node.path[-1][1]], key=lambda row: row[0] + row[3])
        start = ticks_of(ANCHOR)
        source = np.array([start + int(r[0] * TICKS_PER_S) for r in rows], np.int64)
        delay = np.array([int(r[3] * TICKS_PER_S) for r in rows], np.int64)
        dtype = {"Double": float, "Int32": np.int64}.get(node.value_type, object)
        values = np.empty(len(rows), dtype)
        values[:] = [row[1] for row in rows]
        status = np.array([row[2] for row in rows], np.uint32)
        return Series(source, source + 10, source + delay, values, status)


@pytest.fixture
def told():
    return Told


class HeldClock:
    """A SimClock that stands at the anchor until `go`."""

    anchor = ANCHOR
    gone = None

    def go(self):
        self.gone = time.monotonic()

    def now(self):
        return ANCHOR + timedelta(seconds=time.monotonic() - self.gone if self.gone else 0)

    def ticks(self):
        return ticks_of(self.now())


@pytest.fixture
def serving():
    """A context manager: a started server of the timeline, its clock held at the anchor."""

    @asynccontextmanager
    async def serve(timeline):
        server = SimulatedServer(timeline, HeldClock())
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    return serve
