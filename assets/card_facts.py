"""What our own tables tell for evidence cards: gathered once for a run, told day by day."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from assets.conformance import ledger_until
from assets.judging import champions_on
from assets.model_register import judged_days
from assets.owners import owners_of
from assets.partitions import FACTORY_IDS, HOME, PARK_IDS
from assets.tables import readable
from connectors.entered_facts import read_facts
from connectors.lake import Lake, Partition
from pipelines import card_facts, card_facts_parks, evidence_cards
from pipelines.catalogue import good, on_day
from pipelines.chain_stage import BY_FACTORY
from pipelines.conformance import levels
from pipelines.days import local_day
from pipelines.evidence_cards import BENCHMARK_PARK, SMART_FACTORY
from pipelines.park_figures import MISSING_LINKS
from pipelines.schemas import OEE_BY_SHIFT, TABLES
from pipelines.service_centre import CATALOGUE

COLLECTED = pl.Schema({"subject_id": pl.String(), "day": pl.Date()})
JUDGED = pl.Schema({"factory_id": pl.String(), "work_unit_id": pl.String(), "day": pl.Date()})


class Known(NamedTuple):
    """What the cards of some days rest on, up to the last of them; `register` by table."""

    register: Mapping[str, pl.DataFrame]
    tags: pl.DataFrame
    cycles: pl.DataFrame
    collected: pl.DataFrame
    judged: pl.DataFrame
    gateways: pl.DataFrame
    oee: pl.DataFrame
    owners: pl.DataFrame
    entered: pl.DataFrame


def known(register: Mapping[str, pl.DataFrame], days: Sequence[date]) -> Known:
    """Read what the cards of `days` need from the lake and the home."""
    lake = Lake(HOME.lake)
    return Known(
        register,
        _of_factories(lake, "tags"),
        _of_factories(lake, "cycles"),
        card_facts.collected(ledger_until(days[-1])),
        _judged(lake, days[-1]),
        _gateways(lake),
        _oee(lake, days),
        owners_of(FACTORY_IDS),
        read_facts(HOME.entered_facts),
    )


def facts(ground: Known, on: date) -> pl.DataFrame:
    """`evidence_cards.FACTS` of every factory and park as of a day."""
    parts = [
        card_facts.subjects(SMART_FACTORY, FACTORY_IDS),
        card_facts.subjects(BENCHMARK_PARK, PARK_IDS),
        *_of_factory_data(ground, on),
        *_of_register(ground.register, on),
        *_of_parks(ground, on),
        evidence_cards.entered(ground.entered, on),
    ]
    return pl.concat(parts).filter(pl.col("subject_id").is_in([*FACTORY_IDS, *PARK_IDS]))


def _of_factory_data(ground: Known, on: date) -> Iterator[pl.DataFrame]:
    units = levels(on_day(ground.tags, on), ground.cycles)
    stages = Lake(HOME.lake).read("chain_stages", Partition(on))
    seen = ground.collected.filter(pl.col("day") <= on)
    yield card_facts.of_levels(units, on)
    yield card_facts.of_oee(ground.oee, on)
    yield card_facts.of_stages(BY_FACTORY.to_frame() if stages is None else stages, on)
    yield card_facts.of_judging(
        ground.judged, units.join(seen, left_on="factory_id", right_on="subject_id"), on
    )
    yield card_facts_parks.of_days(SMART_FACTORY, "days_collected", seen, FACTORY_IDS, on)
    yield card_facts_parks.of_machines(ground.register["machines"], ground.owners, on)


def _of_register(register: Mapping[str, pl.DataFrame], on: date) -> Iterator[pl.DataFrame]:
    lake, terminals = Lake(HOME.lake), register["terminals"]
    links = lake.read("missing_links", Partition(on))
    offered = lake.read("service_catalogue", Partition(on))
    used = CATALOGUE.to_frame() if offered is None else offered
    yield card_facts_parks.of_projects(register["projects"], PARK_IDS, on)
    yield card_facts_parks.of_services(
        used, card_facts_parks.platforms(terminals, on), PARK_IDS, on
    )
    yield card_facts_parks.of_chains(
        MISSING_LINKS.to_frame() if links is None else links, PARK_IDS, on
    )
    yield card_facts_parks.of_terminals(terminals, PARK_IDS, on)
    units = register["enterprises"], register["sites"]
    yield card_facts_parks.of_monitoring(*units, register["enterprise_days"], on)


def _of_parks(ground: Known, on: date) -> Iterator[pl.DataFrame]:
    """Gateways, and portraits and warnings where they are made."""
    lake, register = Lake(HOME.lake), ground.register
    units = register["enterprises"], register["sites"]
    yield card_facts_parks.of_days(BENCHMARK_PARK, "gateway_days", ground.gateways, PARK_IDS, on)
    if (drawn := lake.read("portrait_facts", Partition())) is not None:
        yield drawn.filter(pl.col("as_of").is_between(on - card_facts.RECENT, on))
    if lake.path("warnings", Partition()).is_file():
        yield card_facts_parks.of_warnings(*units, register["enterprise_days"], on)


def _of_factories(lake: Lake, table: str) -> pl.DataFrame:
    parts = [readable(lake, table, factory) for factory in FACTORY_IDS]
    return pl.concat([TABLES[table].to_frame(), *parts], how="diagonal")


def _judged(lake: Lake, last: date) -> pl.DataFrame:
    """Machine-days that a champion judged."""
    rows = [
        (factory, unit, day)
        for factory in FACTORY_IDS
        if (models := lake.read("anomaly_model", Partition(factory=factory))) is not None
        for day in judged_days(HOME, factory)
        if day <= last
        for unit in champions_on(models, day)
    ]
    return pl.DataFrame(rows, schema=JUDGED, orient="row")


def _gateways(lake: Lake) -> pl.DataFrame:
    """Days of which a park's gateway gave a value with status Good."""
    days = [
        values.filter(good())
        .select(subject_id=pl.lit(park), day=local_day(pl.col("source_time")))
        .unique()
        .collect(engine="in-memory")
        for park in PARK_IDS
        if (values := lake.scan("park_values", [Partition(factory=park)])) is not None
    ]
    return pl.concat([COLLECTED.to_frame(), *days])


def _oee(lake: Lake, days: Sequence[date]) -> pl.DataFrame:
    """OEE_BY_SHIFT of the last 30 days of each; a shift that our beginning cuts says nothing."""
    first = max(days[0] - card_facts.RECENT, HOME.first_day)
    parts = [p for p in lake.partitions("oee_by_shift") if p.day and first <= p.day <= days[-1]]
    found = lake.scan("oee_by_shift", parts)
    if found is None:
        return OEE_BY_SHIFT.to_frame()
    return found.filter(pl.col("production_day") >= first).collect(engine="in-memory")
