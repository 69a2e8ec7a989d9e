"""One worker process of the simulation: serves some sites, or writes the truth.

Started by `service`: takes one line of JSON on stdin, answers with lines of JSON on stdout, and
ends when stdin is closed, which the end of its parent, however sudden, brings about.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from connectors.simulator import sites
from connectors.simulator.clock import SimClock
from connectors.simulator.nodes import SiteTimeline
from connectors.simulator.server import SimulatedServer
from connectors.simulator.wire_faults import inflict, wire_plan

WIRE_RECORD: Final = "wire_faults.jsonl"


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is told: the sites to serve, or none to write the truth instead."""

    seed: int
    anchor: str
    started: float
    signal_period_s: float
    truth: str | None
    wire_faults: bool
    site_ids: list[str] | None

    def to_line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def main() -> None:
    """Read the order, carry it out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = Order(**json.loads(sys.stdin.readline()))
    anchor = datetime.fromisoformat(order.anchor)
    timelines = sites.timelines(order.seed, anchor, order.signal_period_s)
    if order.site_ids is None:
        _write_truth(order, anchor, timelines)
    else:
        asyncio.run(_serve(order, timelines))


async def _serve(order: Order, timelines: Sequence[SiteTimeline]) -> None:
    clock = SimClock(datetime.fromisoformat(order.anchor), order.started)
    own = [t for t in timelines if t.site_id in (order.site_ids or [])]
    servers = {t.server_uri: SimulatedServer(t, clock) for t in own}
    ended = asyncio.create_task(_parent_ended())
    tasks: list[asyncio.Task[None]] = []
    try:
        for uri, server in servers.items():
            await server.start()
            _say(event="listening", site_id=server.timeline.site_id, server_uri=uri, url=server.url)
        tasks = [asyncio.create_task(server.serve()) for server in servers.values()]
        tasks += _faults(order, timelines, servers, clock)
        await _first_trouble(ended, tasks)
    finally:
        for task in (ended, *tasks):
            task.cancel()
        await asyncio.gather(*(server.stop() for server in servers.values()))


def _faults(
    order: Order,
    timelines: Sequence[SiteTimeline],
    servers: dict[str, SimulatedServer],
    clock: SimClock,
) -> list[asyncio.Task[None]]:
    if order.truth is None or not order.wire_faults:
        return []
    record = Path(order.truth) / WIRE_RECORD
    plan = wire_plan([t.server_uri for t in timelines], order.seed)
    own = [fault for fault in plan if fault.server_uri in servers]
    return [asyncio.create_task(inflict(f, servers[f.server_uri], clock, record)) for f in own]


async def _first_trouble(ended: asyncio.Task[None], tasks: list[asyncio.Task[None]]) -> None:
    """Until the parent ends; an error of any task ends the worker at once."""
    waiting: set[asyncio.Task[None]] = {ended, *tasks}
    while not ended.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _parent_ended() -> None:
    """Wait for the end of stdin."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass


def _write_truth(order: Order, anchor: datetime, timelines: Sequence[SiteTimeline]) -> None:
    """Write everything that really happened; low priority, the servers come first."""
    if hasattr(os, "nice"):
        os.nice(10)
    sites.write_truth(Path(str(order.truth)), order.seed, anchor, timelines)
    _say(event="truth")


def _say(**message: object) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
