"""One worker process of the simulation: serves some sites, or writes the truth.

Started by `service`: takes one line of JSON on stdin, answers with lines of JSON on stdout, and
ends when stdin is closed, which the end of its parent, however sudden, brings about.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from connectors.simulator import sites
from connectors.simulator.clock import SimClock
from connectors.simulator.nodes import SiteTimeline
from connectors.simulator.server import SimulatedServer
from connectors.simulator.wire_faults import WireFault, inflict, wire_plan

WIRE_RECORD: Final = "wire_faults.jsonl"


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is told: to serve `site_ids`, or to write the truth of all of `world`."""

    seed: int
    anchor: str
    started: float
    signal_period_s: float
    truth: str | None
    office: str | None
    wire_faults: bool
    world: list[str]
    site_ids: list[str] | None

    def to_line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def main() -> None:
    """Read the order, carry it out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = Order(**json.loads(sys.stdin.readline()))
    anchor = datetime.fromisoformat(order.anchor)
    wanted = order.world if order.site_ids is None else order.site_ids
    timelines = sites.timelines(order.seed, anchor, order.signal_period_s, wanted)
    if order.site_ids is None:
        _write_truth(order, anchor, timelines)
    else:
        asyncio.run(_serve(order, timelines))


async def _serve(order: Order, timelines: Sequence[SiteTimeline]) -> None:
    clock = SimClock(datetime.fromisoformat(order.anchor), order.started)
    servers = {t.server_uri: SimulatedServer(t, clock) for t in timelines}
    ended = asyncio.create_task(_parent_ended())
    working = asyncio.create_task(_work(order, servers, clock))
    try:
        await asyncio.wait([ended, working], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await asyncio.gather(*(server.stop() for server in servers.values()))


async def _work(order: Order, servers: dict[str, SimulatedServer], clock: SimClock) -> None:
    """Start one server after the other, then speak; an error of any of them ends all."""
    for uri, server in servers.items():
        await server.start()
        _say(event="listening", site_id=server.timeline.site_id, server_uri=uri, url=server.url)
    async with asyncio.TaskGroup() as group:
        for server in servers.values():
            group.create_task(server.serve())
        for fault in _faults(order, servers):
            record = Path(str(order.truth)) / WIRE_RECORD
            group.create_task(inflict(fault, servers[fault.server_uri], clock, record))


def _faults(order: Order, servers: dict[str, SimulatedServer]) -> list[WireFault]:
    """This worker's part of the plan; without a truth there is nowhere to put them on record."""
    if order.truth is None or not order.wire_faults:
        return []
    plan = wire_plan([sites.server_uri(site_id) for site_id in order.world], order.seed)
    return [fault for fault in plan if fault.server_uri in servers]


async def _parent_ended() -> None:
    """Wait for the end of stdin."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass


def _write_truth(order: Order, anchor: datetime, timelines: Sequence[SiteTimeline]) -> None:
    """Write everything that really happened; low priority, the servers come first."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(10)
    office = Path(order.office) if order.office else None
    sites.write_truth(Path(str(order.truth)), order.seed, anchor, timelines, office=office)
    _say(event="truth")


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _say(**message: object) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
