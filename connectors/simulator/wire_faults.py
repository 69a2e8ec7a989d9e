"""Faults of the wire in a live run: connections cut, servers restarted; each is put on record."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from connectors.simulator.clock import SimClock
from connectors.simulator.server import SimulatedServer

Kind = Literal["dropped_connection", "server_restart"]

DROPS: Final = 3
RESTARTS: Final = 3
EARLIEST_S: Final = 20.0
LATEST_S: Final = 35.0
"""However fast history comes in, every fault is over in the 40 s of live values after it."""
DOWN_S: Final = 3.0
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class WireFault:
    """What shall happen to one server, `after_s` seconds into its first session."""

    server_uri: str
    kind: Kind
    after_s: float


def wire_plan(server_uris: Sequence[str], seed: int) -> list[WireFault]:
    """Three servers get their connections cut, three others a restart (fewer of a small fleet)."""
    rng = random.Random(f"{seed}/wire")
    chosen = rng.sample(sorted(server_uris), min(len(server_uris), DROPS + RESTARTS))
    drops = (len(chosen) + 1) // 2
    kinds: list[Kind] = ["dropped_connection"] * drops
    kinds += ["server_restart"] * (len(chosen) - drops)
    return [
        WireFault(uri, kind, rng.uniform(EARLIEST_S, LATEST_S))
        for uri, kind in zip(chosen, kinds, strict=True)
    ]


async def inflict(
    fault: WireFault, server: SimulatedServer, clock: SimClock, record: Path, down_s: float = DOWN_S
) -> None:
    """Wait for the server's first session, then for the fault's time; do it and append it."""
    while not server.has_session():
        await asyncio.sleep(_POLL_S)
    await asyncio.sleep(fault.after_s)
    start = clock.now()
    if fault.kind == "server_restart":
        await server.restart(down_s)
    else:
        server.drop_connections()
    line = {
        "kind": fault.kind,
        "server_uri": fault.server_uri,
        "start": start.isoformat(),
        "end": clock.now().isoformat(),
    }
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
