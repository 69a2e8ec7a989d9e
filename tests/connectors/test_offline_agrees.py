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
from connectors.simulator.offline import Window, write_site
from connectors.simulator.server import SimulatedServer
from connectors.simulator.timeline import build_factories

SEED = 7
ANCHOR = datetime(2026, 11, 18, 0, 30, tzinfo=ZONE)
HOUR = ANCHOR - timedelta(hours=1)
"""Over midnight: the parks say what happened on the day at 23:59."""
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
        await asyncio.wait_for(caught_up.wait(), 60)
        stop.set()
        await asyncio.wait_for(collecting, 60)
    finally:
        stop.set()
        for server in servers:
            await server.stop()


HOUR_LONG = timedelta(hours=1)


def raw(home):
    export_raw(home, home / "raw.parquet")
    ticks = pl.coalesce("source_ticks", "server_ticks").alias("ticks")
    frame = pl.read_parquet(home / "raw.parquet").drop("received_time", "origin")
    return frame.with_columns(ticks).sort(pl.all())


@pytest.fixture(scope="module")
def timelines():
    factories = build_factories(SEED, ANCHOR, days_back=1, days_ahead=0.25)
    sites = [*factories, *parks.timelines(SEED, ANCHOR)]
    return [site for site in sites if site.site_id in BEGINNINGS]


@pytest.fixture(scope="module")
def homes(timelines, tmp_path_factory):
    wire, offline = tmp_path_factory.mktemp("wire"), tmp_path_factory.mktemp("offline")
    asyncio.run(by_wire(timelines, wire))
    for timeline in timelines:
        window = Window(to_ms(BEGINNINGS[timeline.site_id]), to_ms(HOUR), to_ms(ANCHOR))
        write_site(offline / "segments" / timeline.site_id, timeline, [], window)
    return wire, offline


@pytest.mark.parametrize("site_id", BEGINNINGS)
def test_wire_and_offline_bring_the_same_values(homes, site_id):
    theirs = pl.col("server_uri") == f"urn:parkpulse:sim:{site_id}"
    wire, offline = (raw(home).filter(theirs) for home in homes)
    begin = ticks_of(BEGINNINGS[site_id])
    inside = pl.col("ticks") >= begin
    assert_frame_equal(wire.filter(inside), offline.filter(inside))
    assert offline.filter(inside).height > 3_000
    assert offline.filter(inside)["node_id"].n_unique() > 100
    # older: what stood at the beginning (live, late values of before come too; history has them not)
    before = [
        f.filter(~inside).sort("ticks").unique("node_id", keep="last") for f in (wire, offline)
    ]
    assert_frame_equal(*before, check_row_order=False)
    assert before[0]["node_id"].n_unique() > 100


def test_browsing_and_the_timeline_give_the_same_catalogue(homes, timelines):
    for timeline in timelines:
        wire = pl.read_parquet(homes[0] / "catalogue" / f"{timeline.site_id}.parquet")
        offline = catalogue.tags(
            list(variables(timeline, ANCHOR)),
            server_uri=timeline.server_uri,
            site_id=timeline.site_id,
            is_park=timeline.site_id.startswith("P"),
        )
        assert wire.height == len(timeline.nodes)
        assert_frame_equal(wire.sort("node_id"), offline.sort("node_id"))
