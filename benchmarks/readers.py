"""`python -m benchmarks.readers WHO WHAT URL`: reads, reads history or browses, and says its cost.

CPU seconds of this process for the work alone, behind the connection; with them what was found, so
that both readers can be compared.
"""

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.node import Node

from benchmarks.stock import PATIENCE_S
from connectors.opcua import browse, history
from connectors.opcua.decode import DataValues
from connectors.opcua.session import Session

READ_NODES: Final = 5_000
READ_PER_CALL: Final = 1_000
READ_TIMES: Final = 6
HISTORY_NODES: Final = 40
Found = tuple[int, str]
"""How many, and a digest of what."""


def _ids(count: int) -> list[ua.NodeId]:
    return [ua.NodeId(ua.String(f"v{number}"), ua.Int16(2)) for number in range(count)]


def _digest(words: Iterable[object]) -> str:
    return hashlib.sha256("\n".join(str(word) for word in words).encode()).hexdigest()


# Each gives, from its open connection, the work to measure, whose result says later what was found.
Work = Callable[[], Awaitable[Callable[[], Found]]]


def ours_read(session: Session) -> Work:
    nodes = _ids(READ_NODES)

    async def work() -> Callable[[], Found]:
        for _ in range(READ_TIMES):
            found = await session.read_columns(nodes)
        return lambda: (READ_TIMES * len(found), _digest(found.values()))

    return work


def stock_read(client: Client) -> Work:
    nodes = [client.get_node(node) for node in _ids(READ_NODES)]

    async def work() -> Callable[[], Found]:
        for _ in range(READ_TIMES):
            found: list[Any] = []
            for begin in range(0, len(nodes), READ_PER_CALL):
                found += await client.read_values(nodes[begin : begin + READ_PER_CALL])
        return lambda: (READ_TIMES * len(found), _digest(found))

    return work


def ours_history(session: Session) -> Work:
    wanted = [
        history.Wanted(key, node, _EARLY_TICKS) for key, node in enumerate(_ids(HISTORY_NODES))
    ]
    pages: list[tuple[int, DataValues]] = []

    async def keep(key: int, values: DataValues) -> None:
        pages.append((key, values))

    async def work() -> Callable[[], Found]:
        outcome = await history.read_raw(session, wanted, _FAR_TICKS, keep)
        return lambda: (outcome.values, _digest(_of_pages(pages)))

    return work


def _of_pages(pages: list[tuple[int, DataValues]]) -> Iterable[tuple[int, int, float]]:
    for key, values in sorted(pages, key=lambda page: (page[0], int(page[1].source_ticks[0]))):
        ticks, floats = values.source_ticks.tolist(), values.floats.tolist()
        yield from ((key, at, value) for at, value in zip(ticks, floats, strict=True))


_EARLY_TICKS: Final = 130_000_000_000_000_000
_FAR_TICKS: Final = 140_000_000_000_000_000
"""The years 2012 and 2044."""


def stock_history(client: Client) -> Work:
    nodes = [client.get_node(node) for node in _ids(HISTORY_NODES)]

    async def work() -> Callable[[], Found]:
        found = [await node.read_raw_history() for node in nodes]
        rows = (
            (key, ua.datetime_to_win_epoch(one.SourceTimestamp), one.Value.Value)
            for key, values in enumerate(found)
            for one in values
            if one.SourceTimestamp is not None and one.Value is not None
        )
        return lambda: (sum(len(values) for values in found), _digest(rows))

    return work


def ours_browse(session: Session) -> Work:
    async def work() -> Callable[[], Found]:
        found = await browse.walk(session, {})
        return lambda: (len(found), _digest(sorted(one.node_id.to_string() for one in found)))

    return work


def stock_browse(client: Client) -> Work:
    async def work() -> Callable[[], Found]:
        found: list[Node] = []
        frontier: list[Node] = [client.nodes.objects]
        while frontier:
            below = [child for node in frontier for child in await node.get_children()]
            frontier = [node for node in below if node.nodeid != client.nodes.server.nodeid]
            found += frontier
        return lambda: (len(found), _digest(sorted(one.nodeid.to_string() for one in found)))

    return work


OURS: Final = {"read": ours_read, "history": ours_history, "browse": ours_browse}
STOCK: Final = {"read": stock_read, "history": stock_history, "browse": stock_browse}


async def _ours(what: str, url: str) -> dict[str, Any]:
    session = Session(url)
    await session.open()
    try:
        return await _measured(OURS[what](session))
    finally:
        await session.close()


async def _stock(what: str, url: str) -> dict[str, Any]:
    async with Client(url, timeout=PATIENCE_S, watchdog_intervall=PATIENCE_S) as client:
        return await _measured(STOCK[what](client))


async def _measured(work: Work) -> dict[str, Any]:
    before = time.process_time()
    tell = await work()
    cpu_s = time.process_time() - before
    count, digest = tell()
    return {"cpu_s": cpu_s, "count": count, "digest": digest}


if __name__ == "__main__":
    _who, _what, _url = sys.argv[1:]
    _told = asyncio.run((_ours if _who == "ours" else _stock)(_what, _url))
    sys.stdout.write(json.dumps(_told) + "\n")
