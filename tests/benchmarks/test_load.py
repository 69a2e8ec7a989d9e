import asyncio
import contextlib
from datetime import UTC, datetime

import polars as pl
import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from benchmarks.load import space
from benchmarks.load.canned import DOUBLES, MIXED, Canned
from benchmarks.load.server import LoadServer
from benchmarks.load.space import Space
from connectors import segments
from connectors.errors import ServerUnreachable
from connectors.fleet import Fleet, ServerEntry, Site
from connectors.opcua import browse, discovery
from connectors.opcua import session as session_module
from connectors.opcua.collector import collect
from connectors.opcua.decode import DataValues, Reader
from connectors.opcua.session import Session

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


@contextlib.asynccontextmanager
async def served(count, **learned):
    server = LoadServer(Space(count, MIXED), 0, 100)
    await server.start()
    session = Session(server.url, learned=learned)
    await session.open()
    yield session
    await session.close()
    await server.close()


async def test_every_page_of_references_is_asked_for(monkeypatch):
    monkeypatch.setattr(space, "_REFERENCES", 7)
    async with served(1_200, browse=5, read=11) as session:
        found, missing = await browse.discover(session)
        refused = {}
        assert len(await browse.walk(session, refused)) == 1_203
    texts = [f"nsu=urn:parkpulse:machines;s=v{number}" for number in range(1_200)]
    assert [variable.text for variable in found] == texts
    assert (missing, refused) == ([], {})
    assert found[501].path == (
        ("urn:parkpulse:machines", "Machine1"), ("urn:parkpulse:machines", "Signal501"),
    )  # fmt: skip
    types = {variable.data_type.rpartition("=")[2] for variable in found}
    assert types == {"11", "6", "1", "5", "8", "12", "10", "13"}
    assert {variable.value_rank for variable in found} == {-1}
    assert all(variable.readable and not variable.historized for variable in found)
    assert all(variable.value.value_type for variable in found)


async def test_pages_without_end_are_told_as_a_branch_that_is_refused(monkeypatch):
    monkeypatch.setattr(space, "_REFERENCES", 7)
    monkeypatch.setattr(session_module, "_MOST_PAGES", 3)
    refused = {}
    async with served(600) as session:
        found = await browse.walk(session, refused)
    assert refused == {
        "nsu=urn:parkpulse:machines;s=f0": ua.StatusCodes.BadNoContinuationPoints,
        "nsu=urn:parkpulse:machines;s=f1": ua.StatusCodes.BadNoContinuationPoints,
    }
    assert len(found) == 2 + 2 * 4 * 7


async def test_columns_are_what_reading_one_by_one_gives():
    async with served(100, read=7) as session:
        nodes = [ua.NodeId(f"v{number}", 2) for number in range(120)]
        one_by_one = await session.read([(node, AttributeIds.Value) for node in nodes])
        columns = await session.read_columns(nodes)
        assert session_module.attributes(columns) == one_by_one
        assert columns.status.tolist() == [0] * 100 + [space.UNKNOWN_NODE] * 20
        assert len(await session.read_columns([])) == 0
        types = await session.read_node_ids(nodes, AttributeIds.DataType)
        assert types[0] == "nsu=http://opcfoundation.org/UA/;i=11"
        assert types[100:] == [None] * 20


@pytest.mark.parametrize("answer", [b"\x00", b"\x00" * 8 + b"\xff\xff\xff\x7f"])
async def test_an_answer_that_is_no_browse_result_is_told_in_one_line(
    tmp_path, monkeypatch, answer
):
    monkeypatch.setattr(Space, "browse", lambda self, cursor: answer)
    server = LoadServer(Space(1, DOUBLES), 0, 100)
    await server.start()
    with pytest.raises(ServerUnreachable, match=f"^{server.url}: .*check the server"):
        await discovery.look(ServerEntry(server.url), tmp_path)
    await server.close()
