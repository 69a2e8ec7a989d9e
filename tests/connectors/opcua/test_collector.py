import asyncio
import contextlib
import socket
from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from asyncua import ua

from connectors import segments
from connectors.accounts import ledger_summary
from connectors.errors import HomeRefused
from connectors.export import export_raw
from connectors.fleet import Fleet, ServerEntry, Site
from connectors.ledger import Ledger
from connectors.opcua import catalogue, link
from connectors.opcua.collector import collect
from connectors.opcua.world import World
from pipelines import schemas


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


async def until(condition, timeout_s=20.0):
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def rows(home, site="F01"):
    folder = home / "segments" / site
    tables = [segments.read(car.path) for car in segments.sidecars(folder)]
    return pa.concat_tables(tables).to_pylist() if tables else []


def values(home, name, **wanted):
    found = {
        (row["source_ticks"], row["value_float"])
        for row in rows(home)
        if row["node_id"] == f"nsu=urn:test:nodes;s={name}"
        and all(row[k] == v for k, v in wanted.items())
    }
    return [value for _, value in sorted(found)]


def written(plant, name):
    return [value for _, value in plant.expected(name)]


async def test_collects_static_changing_and_past_values(tmp_path, plants, running, hour_ago):
    plant = await plants()
    past = [(hour_ago + timedelta(seconds=i), float(-i)) for i in range(1, 101)]
    await plant.add("history", past=past)
    await plant.add("live")
    await plant.add("static", historized=False)
    await plant.write("static", 7.5)
    await asyncio.sleep(0.2)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("live", 200)
    assert values(tmp_path, "history") == written(plant, "history")
    assert values(tmp_path, "live") == written(plant, "live")
    assert values(tmp_path, "static") == [7.5]
    assert {row["server_uri"] for row in rows(tmp_path)} == {"urn:test:plant"}
    with Ledger(tmp_path, read_only=True) as ledger:
        ((uri, factory, start, end),) = ledger.coverage().rows()
        assert (uri, factory, start) == ("urn:test:plant", "F01", hour_ago)
        assert end > plant.expected("live")[-1][0]
        (gap,) = ledger.gaps().to_dicts()  # nobody knows what it said before we came
    assert (gap["node_id"], gap["from_time"]) == ("nsu=urn:test:nodes;s=static", hour_ago)
    assert gap["to_time"] > plant.expected("static")[-1][0]
    assert gap["reason"] == "not heard yet, no history"


class Cable:
    """A TCP relay that can be cut and mended, or swallow all bytes."""

    def __init__(self, plant, port):
        self.plant, self.port, self.streams, self.silent = plant, port, [], False

    async def mend(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", self.plant.port)
        self.streams += [writer, back]
        await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))

    async def _pipe(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self.silent:
                    writer.write(data)
        writer.close()

    async def cut(self):
        self.server.close()
        for stream in self.streams:
            stream.transport.abort()
        self.streams = []
        await asyncio.sleep(0)


async def test_cut_cable_loses_nothing_that_history_holds(tmp_path, plants, running, hour_ago):
    plant = await plants()
    await plant.add("a")
    await plant.add("unkept", historized=False)
    cable = Cable(plant, free_port())
    await cable.mend()
    url = f"opc.tcp://127.0.0.1:{cable.port}"
    async with running(tmp_path, url, history_from=hour_ago, publishing_interval_ms=50) as run:
        for cut in range(2):
            await plant.tick("a", 60, first=1000 * cut)
            await cable.cut()
            await plant.tick("a", 60, first=1000 * cut + 100)
            await plant.write("unkept", float(cut + 1))
            await plant.write("unkept", cut + 1.5)
            lives = sum(p.state == "connected" for p in run.states)
            await cable.mend()
            await until(lambda n=lives: sum(p.state == "connected" for p in run.states) > n)
            await plant.tick("a", 20, first=1000 * cut + 200)
    await cable.cut()
    assert values(tmp_path, "a") == written(plant, "a")
    assert values(tmp_path, "unkept") == written(plant, "unkept")  # the server kept it for us
    counts = export_raw(tmp_path, tmp_path / "raw.parquet")
    frame = pl.read_parquet(tmp_path / "raw.parquet")
    assert frame.schema == schemas.RAW
    once = frame.filter(pl.col("node_id") == "nsu=urn:test:nodes;s=a")["value_float"].to_list()
    assert sorted(once) == sorted(written(plant, "a"))
    assert counts.rows_in == counts.rows_out + counts.repeats
    with Ledger(tmp_path, read_only=True) as ledger:
        gaps = ledger.gaps()
        assert set(gaps["node_id"]) == {"nsu=urn:test:nodes;s=unkept"}
        assert set(gaps["reason"]) == {"not heard yet, no history"}
        assert ledger.coverage().height == 1
    (server,) = ledger_summary(tmp_path)["servers"]
    assert [gap["resolved"] for gap in server["closed_gaps"]] == ["republished", "republished"]
    assert all(gap["reason"].startswith("link lost") for gap in server["closed_gaps"])
    assert server["received"]["repeats_removed"] == counts.repeats
    assert server["state"] == "stopped"


async def test_server_restarted_on_its_port(tmp_path, plants, running, hour_ago):
    plant = await plants()
    await plant.add("a")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50) as run:
        await plant.tick("a", 50, first=1)
        before = written(plant, "a")
        await asyncio.sleep(0.3)
        await plant.stop()
        await until(lambda: run.states[-1].state == "reconnecting")
        again = await plants(port=plant.port)
        await again.add("a", 500.0)
        await until(lambda: run.states[-1].state == "connected")
        await again.tick("a", 50, first=501)
    assert values(tmp_path, "a") == before + written(again, "a")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # asyncua's
async def test_vanished_node_does_not_stop_the_others(tmp_path, plants, running, hour_ago):
    plant = await plants()
    await plant.add("a")
    gone = await plant.add("gone")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 20, first=1)
        await asyncio.sleep(0.3)
        await plant.server.delete_nodes([gone])
        await plant.tick("a", 20, first=100)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 20, first=200)
    assert values(tmp_path, "a") == written(plant, "a")
    with Ledger(tmp_path, read_only=True) as ledger:
        (gap,) = ledger.gaps().to_dicts()
    assert (gap["node_id"], gap["to_time"]) == ("nsu=urn:test:nodes;s=gone", None)
    assert gap["reason"].startswith("vanished")


async def test_refused_item_is_named_and_retried(
    tmp_path, plants, running, hour_ago, monkeypatch, caplog
):
    monkeypatch.setattr(link, "RETRY_REFUSED_S", 0.1)
    plant = await plants()
    await plant.add("a")
    await plant.add("shy", historized=False)
    aspace = plant.server.iserver.aspace
    allowed = aspace.add_datachange_callback

    def refuse(node, attribute, callback):
        if node.Identifier == "shy":
            return ua.StatusCode(ua.StatusCodes.BadNotSupported), None
        return allowed(node, attribute, callback)

    monkeypatch.setattr(aspace, "add_datachange_callback", refuse)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 20, first=1)
        with Ledger(tmp_path, read_only=True) as ledger:
            (server,) = ledger.summary()["servers"]
        assert server["refused"] == {"nsu=urn:test:nodes;s=shy": "BadNotSupported"}
        monkeypatch.setattr(aspace, "add_datachange_callback", allowed)
        await asyncio.sleep(0.3)
        await plant.write("shy", 5.0)
    assert values(tmp_path, "a") == written(plant, "a")
    assert 5.0 in values(tmp_path, "shy")
    told = [r.getMessage() for r in caplog.records if "refuses" in r.getMessage()]
    assert len(told) == 1
    assert "nsu=urn:test:nodes;s=shy (BadNotSupported)" in told[0]


async def test_unreachable_server_is_named_and_stops_nobody(
    tmp_path, plants, running, hour_ago, caplog
):
    plant = await plants()
    await plant.add("a")
    dead = f"opc.tcp://127.0.0.1:{free_port()}"
    async with running(tmp_path, plant, dead, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 50, first=1)
        await asyncio.sleep(1.5)
    assert values(tmp_path, "a") == written(plant, "a")
    told = [r.getMessage() for r in caplog.records if dead in r.getMessage()]
    assert len(told) == 1
    assert "start the server or correct its `url`" in told[0]


async def test_stops_while_a_large_server_is_still_browsed(tmp_path, plants, monkeypatch):
    plant = await plants()
    await plant.add("a")
    browsing = asyncio.Event()

    async def long(*_):
        browsing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(link, "discover", long)
    fleet = Fleet((Site("F01", False, (ServerEntry(plant.url),)),))
    stop = asyncio.Event()
    states = []
    collecting = asyncio.create_task(
        collect(
            fleet,
            tmp_path,
            history_from=None,
            clock=lambda: datetime.now(UTC),
            stop=stop,
            on_progress=states.append,
        )
    )
    async with asyncio.timeout(20):
        await browsing.wait()
        stop.set()
        await collecting
    assert states[-1].state == "stopped"


async def test_two_servers_with_one_uri_are_kept_apart(tmp_path, plants, running, hour_ago):
    one, two = await plants(), await plants()
    for plant in (one, two):
        await plant.add("a")
    async with running(tmp_path, one, two, history_from=hour_ago, publishing_interval_ms=50):
        await one.tick("a", 20, first=1)
        await two.tick("a", 20, first=100)
    by_server = {}
    for row in rows(tmp_path):
        if row["node_id"].endswith("s=a"):
            by_server.setdefault(row["server_uri"], set()).add(row["value_float"])
    assert sorted(map(sorted, by_server.values())) == sorted(
        sorted(set(written(plant, "a"))) for plant in (one, two)
    )


async def test_a_home_has_one_collector(tmp_path, plants, running, hour_ago):
    plant = await plants()
    async with running(tmp_path, plant, history_from=hour_ago):
        with pytest.raises(HomeRefused, match="another collector"):
            await _once(running(tmp_path, plant))


async def _once(run):
    await collect(
        run.fleet,
        run.home,
        history_from=None,
        clock=lambda: datetime.now(UTC),
        stop=run.stop,
        on_progress=run.states.append,
    )


def test_nothing_is_vouched_for_beyond_either_clock():
    now = datetime(2026, 11, 21, tzinfo=UTC)
    world = World(None, None, None, lambda: now, None, lambda _: None)
    ahead, behind = now + timedelta(minutes=30), now - timedelta(minutes=30)
    assert [world.vouchable(t) for t in (ahead, behind, None)] == [now, behind, now]
    assert world.vouchable(now - timedelta(days=400)) == now  # another time is replayed


async def test_nodes_left_out_by_choice_have_not_vanished(tmp_path, plants, running, hour_ago):
    plant = await plants()
    await plant.add("a")
    await plant.add("b")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        pass
    chosen = ("nsu=urn:test:nodes;s=a",)
    async with running(
        tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50, nodes=chosen
    ):
        pass
    with Ledger(tmp_path, read_only=True) as ledger:
        assert ledger.gaps().is_empty()


async def test_a_long_publishing_interval_has_time_to_end(
    tmp_path, plants, running, hour_ago, monkeypatch, caplog
):
    monkeypatch.setattr(link, "CLOSING_S", 1.8)
    plant = await plants()
    await plant.add("a")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=1000):
        await plant.tick("a", 5, first=1)
    assert values(tmp_path, "a") == written(plant, "a")
    assert not any("no answer in time" in m for m in caplog.messages)


async def test_a_closing_read_that_takes_too_long_leaves_covered_what_was_heard(
    tmp_path, plants, running, hour_ago, monkeypatch, caplog
):
    plant = await plants()
    await plant.add("a")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 300, first=1)
        monkeypatch.setattr(link, "SWEEP_S", 0.0)
    assert any("once more takes longer" in m for m in caplog.messages)
    assert values(tmp_path, "a") == written(plant, "a")
    with Ledger(tmp_path, read_only=True) as ledger:
        ((_, _, _, end),) = ledger.coverage().rows()
        assert ledger.gaps().is_empty()
    assert plant.expected("a")[150][0] < end


async def test_a_damaged_catalogue_is_written_anew_and_stops_nobody(
    tmp_path, plants, running, hour_ago, caplog
):
    plant = await plants()
    await plant.add("a")
    path = tmp_path / "lake" / "tags" / "factory=F01" / "part.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"junk")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 5, first=1)
    assert values(tmp_path, "a") == written(plant, "a")
    assert "nsu=urn:test:nodes;s=a" in pl.read_parquet(path)["node_id"].to_list()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    told = [m for m in caplog.messages if str(path) in m]
    assert len(told) == 1
    assert "written anew" in told[0]


async def test_a_catalogue_that_cannot_be_written_is_tried_again(
    tmp_path, plants, running, hour_ago, monkeypatch, caplog
):
    monkeypatch.setattr(link, "RETRY_REFUSED_S", 0.1)
    plant = await plants()
    await plant.add("a")
    path = tmp_path / "lake" / "tags" / "factory=F01" / "part.parquet"
    path.parent.parent.mkdir(parents=True)
    path.parent.write_bytes(b"a file in the way")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 5, first=1)
        assert len([m for m in caplog.messages if f"{path}: the tag catalogue" in m]) == 1
        path.parent.unlink()
        await until(path.exists)
    assert values(tmp_path, "a") == written(plant, "a")


async def test_nodes_no_catalogue_can_be_made_of_are_collected(
    tmp_path, plants, running, hour_ago, monkeypatch, caplog
):
    def odd(*_, **__):
        raise TypeError("an oddity")

    monkeypatch.setattr(catalogue, "tags", odd)
    plant = await plants()
    await plant.add("a")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 5, first=1)
    assert values(tmp_path, "a") == written(plant, "a")
    assert any("no tag catalogue can be made" in m for m in caplog.messages)
