"""A small simulated fleet with everything that is planted in it, and its truth."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from asyncua import ua

from connectors import received
from connectors.fleet import read_calendar, read_cycles
from connectors.home import Home
from connectors.opcua import catalogue
from connectors.opcua.browse import Variable
from connectors.opcua.session import Attribute
from connectors.simulator import calendars
from connectors.simulator.machine_shifts import machine_shifts
from connectors.simulator.offline import write_offline
from connectors.simulator.timeline import build_factories
from pipelines import bronze, clock, comparison, counters, oee, states
from pipelines.raw import from_segments
from pipelines.schemas import COVERAGE

ANCHOR = datetime(2026, 11, 18, 12, 0, tzinfo=calendars.ZONE)
DAYS = 2
START = (ANCHOR.replace(hour=0) - timedelta(days=DAYS) + timedelta(minutes=1)).astimezone(UTC)
"""A minute after the first segment: the skewed clock of F03 runs 37 s ahead."""
FACTORIES = ("F01", "F03", "F05")
"""Rollovers; a skewed clock and counters that reset each shift; unannounced resets, Bad counts."""
KEY = ["factory_id", "line_id", "work_unit_id", "production_day", "shift_id"]
TOLERANCE = 0.001
LOSS_TOLERANCE_S = 1.0
"""What `parkpulse verify` tolerates."""


@dataclass(frozen=True)
class Factory:
    """One factory as files hold it: rows as they arrived, and what it plans."""

    raw: pl.DataFrame
    tags: pl.DataFrame
    plan: pl.DataFrame
    cycles: pl.DataFrame
    coverage: pl.DataFrame


@dataclass(frozen=True)
class World:
    """Factories, and what really happened in them."""

    factories: list[Factory]
    truth: pl.DataFrame

    @property
    def windows(self) -> pl.DataFrame:
        spans = pl.concat(factory.coverage for factory in self.factories)
        return spans.select("factory_id", "from_time", "to_time")


def make(folder) -> World:
    """Two and a half local days of FACTORIES, few process signals."""
    everyone = build_factories(7, ANCHOR, days_back=DAYS, days_ahead=0, signal_period_s=1800)
    sites = [site for site in everyone if site.site_id in FACTORIES]
    write_offline(folder / "home", seed=7, anchor=ANCHOR, days=DAYS, sites=sites)
    home = Home(folder / "home")
    return World([_factory(home, site) for site in sites], pl.from_arrow(machine_shifts(sites)))


def _factory(home: Home, site) -> Factory:
    key = site.site_id
    rows, _ = received.everything(home, key)
    covered = [{"server_uri": site.server_uri, "factory_id": key, "from_time": START,
                "to_time": ANCHOR.astimezone(UTC)}]  # fmt: skip
    return Factory(
        bronze.quarantine(from_segments(rows))[0].sort("received_time", maintain_order=True),
        _tags(site),
        read_calendar(home.root / f"{key}.calendar.csv", key),
        read_cycles(home.root / f"{key}.cycles.csv", key),
        pl.DataFrame(covered, COVERAGE),
    )


def _tags(site) -> pl.DataFrame:
    said = [
        Attribute(values[0] if len(values) else None, 0, 0, None)
        for values in (site.series(node).values for node in site.nodes)
    ]
    variables = [
        Variable(ua.NodeId(number, 2), node.node_id, node.path, first, node.value_type)
        for number, (node, first) in enumerate(zip(site.nodes, said, strict=True))
    ]
    return catalogue.tags(
        variables, server_uri=site.server_uri, site_id=site.site_id, is_park=False
    )


def figures(factory: Factory, **more) -> pl.DataFrame:
    """OEE by shift of a factory, by way of bronze and silver."""
    raw = bronze.compact(factory.raw)
    timed = clock.correct(raw, clock.skew_by_day(raw))
    episodes = states.episodes(timed, factory.tags)
    made = counters.increments(timed, factory.tags, factory.cycles)
    return oee.by_shift(
        episodes, made, factory.plan, factory.cycles, factory.coverage, factory.tags, **more
    )


def beside(world: World, found: pl.DataFrame) -> pl.DataFrame:
    """Our figures of closed machine-shifts, collected whole, beside the truth."""
    _, rows = comparison.oee(found, world.truth, world.windows)
    pieces = found.select(*KEY, "pq").join(world.truth.select(*KEY, pq_true="pq"), on=KEY)
    return rows.filter("closed", "asked").join(pieces, on=KEY)


def wrong(world: World, found: pl.DataFrame) -> pl.DataFrame:
    """The machine-shifts that are spoilt.

    By an OEE off by more than 0.001, a piece more or less, a truth outside its bounds, and where
    the truth is fully covered by a time element off by more than a second.
    """
    rows = beside(world, found)
    off = (pl.col("abs_error") > TOLERANCE) | pl.col("pq").ne_missing(pl.col("pq_true"))
    times = pl.col("whole") & (pl.col("loss_error_s") > LOSS_TOLERANCE_S)
    return rows.filter(off | times | ~pl.col("inside_bounds"))
