"""What is written offline is what the collector gets over the wire."""

import asyncio
from datetime import datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.export import export_raw
from connectors.fleet import Fleet, ServerEntry, Site
from connectors.offline_home import variables
from connectors.opcua import catalogue
from connectors.opcua.collector import collect
from connectors.raw import ticks_of
from connectors.simulator import parks
from connectors.simulator.calendars import ZONE, to_ms
from connectors.simulator.fleet_file import EVIDENCE_HOURS
from connectors.simulator.nodes import OPCUA
from connectors.simulator.offline import Window, write_site
from connectors.simulator.server import SimulatedServer
from connectors.simulator.timeline import build_factories

from .conftest import SEED, Part

ANCHOR = datetime(2026, 11, 18, 0, 30, tzinfo=ZONE)
HOUR = ANCHOR - timedelta(hours=1)
"""Over midnight: the parks say what happened on the day at 23:59."""
HOUR_LONG = timedelta(hours=1)
BEGINNINGS = {"F03": HOUR, "P02": ANCHOR - timedelta(hours=EVIDENCE_HOURS)}


class HeldClock:
    """A SimClock that stands at the anchor."""

    anchor = ANCHOR

    def now(self):
        return ANCHOR

    def ticks(self):
        return ticks_of(ANCHOR)


async def by_wire(timelines, home):
    servers = [SimulatedServer(timeline, HeldClock()) for timeline in timelines]
    stop, caught_up = asyncio.Event(), asyncio.Event()
    try:
        for server in servers:
            await server.start()
        sites = tuple(
            Site(
                t.site_id,
                t.site_id.startswith("P"),
                (ServerEntry(s.url, history_hours=(ANCHOR - BEGINNINGS[t.site_id]) / HOUR_LONG),),
            )
            for t, s in zip(timelines, servers, strict=True)
        )
        collecting = asyncio.create_task(
            collect(
                Fleet(sites), home, history_from=HOUR, clock=lambda: ANCHOR, stop=stop,
                on_progress=lambda progress: None, caught_up=caught_up,
            )
        )  # fmt: skip
        async with asyncio.timeout(120):
            await caught_up.wait()
            stop.set()
            await collecting
    finally:
        stop.set()
        for server in servers:
            await server.stop()


def raw(home):
    export_raw(home, home / "raw.parquet")
    ticks = pl.coalesce("source_ticks", "server_ticks").alias("ticks")
    frame = pl.read_parquet(home / "raw.parquet").drop("received_time", "origin")
    frame = frame.with_columns(ticks)
    standard = pl.col("node_id").str.starts_with("nsu=http://opcfoundation.org/UA/;")
    assert frame.filter(standard)["ticks"].is_null().all()  # asyncua's own, of no time
    return frame.filter(~standard).sort(pl.all())


@pytest.fixture(scope="module")
def timelines():
    factory = build_factories(SEED, ANCHOR, days_back=1, days_ahead=0.25)[2]
    assert factory.source_offset_ticks > 0  # a clock that runs ahead, so that late is not early
    return [factory, Part(parks.timelines(SEED, ANCHOR)[1], 6)]


@pytest.fixture(scope="module")
def homes(timelines, tmp_path_factory):
    wire, offline = tmp_path_factory.mktemp("wire"), tmp_path_factory.mktemp("offline")
    asyncio.run(by_wire(timelines, wire))
    for timeline in timelines:
        window = Window(to_ms(BEGINNINGS[timeline.site_id]), to_ms(HOUR), to_ms(ANCHOR))
        write_site(offline / "segments" / timeline.site_id, timeline, [], window)
    return wire, offline


@pytest.fixture(scope="module")
def exported(homes):
    return [raw(home) for home in homes]


@pytest.mark.parametrize("site_id", BEGINNINGS)
def test_wire_and_offline_bring_the_same_values(exported, site_id):
    theirs = pl.col("server_uri") == f"urn:parkpulse:sim:{site_id}"
    wire, offline = (frame.filter(theirs) for frame in exported)
    begin = ticks_of(BEGINNINGS[site_id])
    inside = pl.col("ticks") >= begin
    assert_frame_equal(wire.filter(inside), offline.filter(inside))
    assert offline.filter(inside).height > 3_000
    assert offline.filter(inside)["node_id"].n_unique() > 100
    timeless = pl.col("ticks").is_null()  # of nodes that have not spoken yet
    assert_frame_equal(wire.filter(timeless), offline.filter(timeless))
    # older: what stood at the beginning; late values of before came too to whoever listened
    older = [frame.filter(pl.col("ticks") < begin).sort("ticks") for frame in (wire, offline)]
    stood = [frame.unique("node_id", keep="last").sort("node_id") for frame in older]
    assert_frame_equal(*stood)
    assert stood[0].height > 100


def test_the_park_has_nodes_that_never_spoke(exported):
    silent = [frame.filter(pl.col("ticks").is_null()) for frame in exported]
    assert silent[0].height == silent[1].height > 5


def test_browsing_and_the_timeline_give_the_same_catalogue(homes, timelines):
    for timeline in timelines:
        wire = pl.read_parquet(
            homes[0] / "lake" / "tags" / f"factory={timeline.site_id}" / "part.parquet"
        )
        offline = catalogue.tags(
            list(variables(timeline, ANCHOR)),
            server_uri=timeline.server_uri,
            site_id=timeline.site_id,
            is_park=timeline.site_id.startswith("P"),
        )
        standard = pl.col("namespace_uri") == OPCUA
        assert set(wire.filter(standard)["measure_kind"]) == {"other"}
        wire = wire.filter(~standard)
        assert wire.height == len(timeline.nodes)
        assert_frame_equal(wire.sort("node_id"), offline.sort("node_id"))
