"""A disk that is really full: the system lets no file of this process grow beyond a limit."""

import asyncio
import resource
import sqlite3
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from connectors import received
from connectors.export import export_raw
from connectors.home import Home
from connectors.ledger import Ledger
from connectors.opcua import coverage
from connectors.opcua.collector import _Owner
from connectors.opcua.world import World
from connectors.raw import ticks_of
from connectors.simulator.clock import SimClock
from connectors.simulator.nodes import UNIFIED, Series, Served
from connectors.simulator.server import SimulatedServer
from tests.connectors.opcua.test_collector import values, written

VALUES = 60_000
ROOM = 300_000
"""Bytes; the values take more, the ledger takes less."""


class Noise:
    """Values that no compression makes smaller, in the past hour and in the seconds to come."""

    site_id, server_uri = "F01", "urn:test:noise"
    nodes = (Served("nsu=urn:test:noise;s=v", ((UNIFIED, "v"),), "Double"),)

    def __init__(self, now):
        past = ticks_of(now) - np.arange(VALUES, 0, -1, dtype=np.int64) * 500_000
        coming = ticks_of(now) + np.arange(1, 400, dtype=np.int64) * 500_000
        ticks = np.concatenate([past, coming])
        values = np.random.default_rng(1).random(len(ticks))
        self.said = Series(ticks, ticks, ticks, values, np.zeros(len(ticks), np.uint32))

    def series(self, node):
        return self.said


@contextmanager
def room(most):
    """No file of this process grows beyond `most` bytes; call what is given to lift that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def lift():
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield lift
    finally:
        lift()


async def told(caplog, text):
    """Wait until a warning says so."""
    async with asyncio.timeout(30):
        while not any(text in message for message in caplog.messages):
            await asyncio.sleep(0.05)


async def test_a_full_disk_is_told_once_and_loses_nothing(tmp_path, running, caplog):
    now = datetime.now(UTC)
    server = SimulatedServer(Noise(now), SimClock(now, time.monotonic()))
    await server.start()
    run = running(
        tmp_path, server.url, history_from=now - timedelta(hours=2), publishing_interval_ms=50
    )
    with room(ROOM) as lift:

        async def free_space():
            await told(caplog, "rows cannot be written")
            with Ledger(tmp_path, read_only=True) as ledger:
                vouched = ledger.coverage().height
            await asyncio.sleep(1)
            lift()
            await told(caplog, "the disk takes rows again")
            return vouched

        freeing = asyncio.create_task(free_space())
        try:
            async with run:
                assert await freeing == 0  # nothing is vouched for that is not on disk
                stopped = ticks_of(server.clock.now())
        finally:
            await server.stop()
    assert [m for m in caplog.messages if "File too large" in m] == [
        f"{tmp_path}: rows cannot be written (File too large);"
        " free some space, nothing is acknowledged"
    ]
    assert sum("the disk takes rows again" in m for m in caplog.messages) == 1
    rows, read = received.everything(Home(tmp_path), "F01")
    assert rows.height > VALUES
    assert len(read) == len(list((tmp_path / "segments" / "F01").iterdir())) / 2  # all sealed
    export_raw(tmp_path, tmp_path / "raw.parquet")
    frame = pl.read_parquet(tmp_path / "raw.parquet").filter(node_id=Noise.nodes[0].node_id)
    said = server.timeline.said
    until = int(np.searchsorted(said.source_ticks, stopped))
    assert frame["source_ticks"].to_list()[:until] == said.source_ticks[:until].tolist()
    assert frame["value_float"].to_list()[:until] == said.values[:until].tolist()


async def test_a_ledger_without_room_stops_no_subscription(
    tmp_path, plants, running, hour_ago, monkeypatch, caplog
):
    monkeypatch.setattr(coverage, "COVER_EVERY_S", 0.2)
    plant = await plants()
    await plant.add("a")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50) as run:
        with room(20_000) as lift:  # rows still fit, the ledger's journal does not
            await plant.tick("a", 200, first=1)
            await told(caplog, "rows cannot be written (disk I/O error)")
            await plant.tick("a", 50, first=300)
            await asyncio.sleep(0.6)
            lift()
            await told(caplog, "the disk takes rows again")
        await plant.tick("a", 20, first=400)
    assert {p.state for p in run.states} == {"connecting", "backfilling", "connected", "stopped"}
    assert sum("rows cannot be written" in m for m in caplog.messages) == 1
    assert values(tmp_path, "a") == written(plant, "a")
    with Ledger(tmp_path, read_only=True) as ledger:
        assert ledger.coverage().height == 1
        assert ledger.gaps().is_empty()


async def test_a_state_waits_for_the_ledger(
    tmp_path, plants, running, hour_ago, monkeypatch, caplog
):
    real, refused = Ledger.set_state, []

    def full(self, uri, state, *args):
        if state in ("backfilling", "connected") and len(refused) < 6:
            refused.append(state)
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        real(self, uri, state, *args)

    monkeypatch.setattr(Ledger, "set_state", full)
    plant = await plants()
    await plant.add("a")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50) as run:
        await plant.tick("a", 20, first=1)
    assert "reconnecting" not in {p.state for p in run.states}
    assert [m for m in caplog.messages if "cannot be written" in m] == [
        f"{tmp_path}: rows cannot be written (database or disk is full);"
        " free some space, nothing is acknowledged"
    ]
    assert values(tmp_path, "a") == written(plant, "a")


def test_our_own_disk_is_not_blamed_on_the_server(tmp_path, running):
    run = running(tmp_path, "opc.tcp://127.0.0.1:1")
    (site,) = run.fleet.sites
    world = World(tmp_path, None, None, None, None, None)
    owner = _Owner(world, site, site.servers[0])
    for error in (OSError(28, "No space left on device"), sqlite3.OperationalError("is full")):
        assert str(owner._named(error)).startswith(f"{tmp_path}: it cannot be written")
    assert "start the server" in str(owner._named(ConnectionRefusedError(111, "refused")))
