import asyncio
from datetime import UTC, datetime

import polars as pl
import pytest
from asyncua.client.client import Client

from benchmarks.load.canned import DOUBLES, MIXED, Canned
from benchmarks.load.server import LoadServer
from benchmarks.load.space import Space
from connectors import segments
from connectors.fleet import Fleet, ServerEntry, Site
from connectors.opcua.collector import collect
from connectors.opcua.decode import DataValues, Reader

TICKS = 134_000_000_000_000_000


async def until(true):
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


def account(server):
    return server.state()["subscriptions"][0]


@pytest.mark.parametrize("types", [DOUBLES, MIXED, MIXED[3:7]])
def test_canned_rows_are_what_a_decoder_reads(types):
    names = [types[n % len(types)] for n in range(len(types) * 4)]
    canned = Canned(range(100, 100 + len(names)), names)
    for first in (TICKS, TICKS + 5_000):
        values = DataValues.decode(Reader(canned.at(first, 1_000)), with_handles=True, fast=False)
        assert values.handles.tolist() == list(range(100, 100 + len(names)))
        assert ((values.source_ticks >= first) & (values.source_ticks < first + 1_000)).all()
        assert (values.server_ticks == first + 1_000).all()
        assert all(values.value(row) is not None for row in range(values.count))


@pytest.mark.parametrize("rate", [0, 20_000])
async def test_the_collector_has_every_value_the_server_counted_once(tmp_path, rate):
    server = LoadServer(Space(80, MIXED), 0, 32)
    await server.start()
    stop, caught_up = asyncio.Event(), asyncio.Event()
    fleet = Fleet((Site("F01", False, (ServerEntry(server.url, publishing_interval_ms=100),)),))
    running = asyncio.create_task(
        collect(
            fleet,
            tmp_path,
            history_from=datetime.now(UTC),
            clock=lambda: datetime.now(UTC),
            stop=stop,
            on_progress=lambda _: None,
            caught_up=caught_up,
        )
    )
    await until(caught_up.is_set)
    server.go(5_000, rate)
    await until(lambda: account(server)["values"] >= 5_000)
    await until(lambda: account(server)["acknowledged"] == account(server)["values"])
    sent = account(server)["values"]
    stop.set()
    await running
    paths = sorted((tmp_path / "segments" / "F01").glob("*.arrow"))
    rows = pl.concat(pl.from_arrow(segments.read(path)) for path in paths)
    live = rows.filter(pl.col("origin").cast(pl.String) == "live")
    assert live.height == live.unique(["node_id", "source_ticks"]).height == sent
    await server.close()


async def test_a_stock_client_reads_browses_and_reads_history():
    server = LoadServer(Space(1_200, DOUBLES, history=12_000), 0, 100)
    await server.start()
    async with Client(server.url) as client:
        folders = (await client.nodes.objects.get_children())[1:]
        signals = [one for folder in folders for one in await folder.get_children()]
        assert len(set(signals)) == 1_200
        assert all(isinstance(v, float) for v in await client.read_values(signals[:100]))
        past = await signals[7].read_raw_history()
        assert len({one.SourceTimestamp for one in past}) == 12_000
        begin, end = past[10].SourceTimestamp, past[19].SourceTimestamp
        inside = await signals[7].read_raw_history(begin, end)
        assert [one.SourceTimestamp for one in inside] == [
            one.SourceTimestamp for one in past[10:19]
        ]
        back = await signals[7].read_raw_history(end, begin, 3)
        assert [one.SourceTimestamp for one in back] == [
            past[n].SourceTimestamp for n in (19, 18, 17)
        ]
    await server.close()
