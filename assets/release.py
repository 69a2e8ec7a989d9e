"""What leaves: the indicators of a day, protected, and the bureau's release of them."""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.cards import counted_on
from assets.checks import hold
from assets.owners import legal_groups, owners_of
from assets.partitions import DAYS, FACTORY_IDS, HOME, PARK_IDS, SINGLE_RUN, site_names
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors import received
from connectors.indicator_files import read_entries
from connectors.lake import Lake, Partition, sha256_of
from connectors.release import published_before, write_release
from pipelines import disclosure, entries, indicators, pue, versions
from pipelines.dictionary import MEASURED
from pipelines.evidence_cards import BENCHMARK_PARK, SMART_FACTORY
from pipelines.schemas import TABLES

DEFAULT_P_PERCENT: Final = 10.0
"""For trials. A bureau sets $PARKPULSE_P_PERCENT and tells nobody: who knows p can undo it."""

CHECKED: Final = ("oee_by_shift", "oee_roll_up", "adoption", "evidence_cards", "kpi")
"""Tables that a release is made of: it holds each against its expectations before it leaves."""


OUTSIDE: Final = [
    dg.AssetSpec(
        "entered_indicators",
        group_name="outside",
        kinds={"excel", "csv"},
        owners=OWNERS,
        description=both(
            "主管部门填报的指标，由 `parkpulse indicator enter` 登记，登记后不可更改。",
            "Indicators that offices report, by `parkpulse indicator enter`; what is in stays.",
        ),
    )
]


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    deps=["enterprises", "adoption_contributions", "evidence_cards", "entered_indicators"],
    metadata=BY_DAY,
    group_name="release",
    kinds={"polars"},
    owners=OWNERS,
    description=both(
        "规划指标与 OEE 指标：园区与全区，附目标、判定、完整率；已做披露控制。",
        "The plan's indicators and OEE by park and district, judged and disclosure-controlled.",
    ),
)
def kpi(
    context: dg.AssetExecutionContext,
    oee_roll_up: pl.LazyFrame,
    adoption: pl.LazyFrame,
    energy_days: pl.LazyFrame,
) -> pl.DataFrame:
    """What may be published of each day; a cell that would reveal an enterprise is hidden."""
    rolled, adopted, energy = oee_roll_up.collect(), adoption.collect(), energy_days.collect()
    days = [date.fromisoformat(key) for key in context.partition_keys]
    owners = owners_of(FACTORY_IDS)
    return pl.concat([_protected(day, rolled, adopted, energy, owners) for day in days])


@dg.asset(
    partitions_def=DAYS,
    ins={"kpi": dg.AssetIn(partition_mapping=dg.IdentityPartitionMapping())},
    group_name="release",
    kinds={"excel", "csv", "parquet"},
    owners=OWNERS,
    description=both(
        "给经济主管部门的发布包：不可变、编号、带校验和与溯源。",
        "The bureau's release: frozen, numbered, with checksums and where each figure came from.",
    ),
)
def kpi_release(context: dg.AssetExecutionContext, kpi: pl.LazyFrame) -> pl.DataFrame:
    """Write the next vintage of the day's release; gives where it lies."""
    period = context.partition_key
    checks = held(date.fromisoformat(period))
    figures = kpi.collect()
    folder = write_release(
        HOME.releases,
        figures,
        indicators.dictionary(),
        lineage(date.fromisoformat(period)),
        period=period,
        created_at=datetime.now(UTC),
        code_version=code_version(),
        home_id=hashlib.sha256(str(HOME.first_day).encode()).hexdigest()[:12],
        parks=_parks(figures["area_id"]),
        checks=checks,
    )
    context.add_output_metadata(
        {
            "folder": dg.MetadataValue.path(str(folder)),
            "page": dg.MetadataValue.url(f"file://{folder / 'index.html'}"),
            "sha256": sha256_of(folder / "SHA256SUMS"),
        }
    )
    return pl.DataFrame({"period": [period], "vintage": [folder.name]})


def _protected(
    day: date,
    rolled: pl.DataFrame,
    adopted: pl.DataFrame,
    energy: pl.DataFrame,
    owners: pl.DataFrame,
) -> pl.DataFrame:
    lake = Lake(HOME.lake)
    known = lake.read("enterprises", Partition())
    register = TABLES["enterprises"].to_frame() if known is None else versions.as_of(known, day)
    of_day = rolled.filter(pl.col("production_day") == day)
    is_area = (pl.col("level") == "district") | (
        (pl.col("level") == "park") & pl.col("park_id").is_not_null()
    )
    parts = lake.read("adoption_contributions", Partition(day))
    if parts is None:
        raise dg.Failure(f"{day}: adoption has no contributions; make its assets first")
    factories = of_day.filter(pl.col("level") == "factory")
    of_energy = indicators.energy_contributions(pue.of_new(energy, register, day))
    contributions = pl.concat(
        [
            indicators.oee_contributions(factories, legal_groups(owners, register)),
            indicators.adoption_contributions(parts),
            of_energy,
        ]
    )
    cards = {row["subject_kind"]: row for row in counted_on(day).iter_rows(named=True)}
    factories_by_card, parks_by_card = cards[SMART_FACTORY], cards[BENCHMARK_PARK]
    table = indicators.kpi_table(
        of_day.filter(is_area),
        adopted.filter(pl.col("reference_date") == day, pl.col("dimension") == "all"),
        contributions,
        period=day.isoformat(),
        smart_factories=factories_by_card["met"],
        benchmark_parks=parks_by_card["met"],
        areas=_parks(of_day["park_id"]),
        undecided={
            "smart_factories": factories_by_card["unknown"],
            "benchmark_parks": parks_by_card["unknown"],
        },
        measured=indicators.energy_figures(of_energy),
        entered=read_entries(HOME.indicators),
    )
    p_percent = float(os.environ.get("PARKPULSE_P_PERCENT", DEFAULT_P_PERCENT))
    before = published_before(HOME.releases, day.isoformat())
    safe = disclosure.protect(table, contributions, disclosure.Rule(p_percent=p_percent), before)
    leaks = disclosure.audit(safe, contributions)
    if not leaks.is_empty():
        raise dg.Failure(
            f"{day}: {leaks.height} hidden cells could be derived; nothing is released"
        )
    return safe.with_columns(partition_day=pl.lit(day))


def _parks(area_ids: pl.Series) -> dict[str, str]:
    """Ids and names of parks; one that no gateway serves goes by its id."""
    found = set(area_ids.drop_nulls()) - {indicators.DISTRICT_ID}
    return {park: park for park in sorted(found)} | site_names("park")


def code_version() -> str:
    """The package's version and a hash of the code that ran."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for package in ("pipelines", "connectors", "models", "assets"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return f"{version('parkpulse')}+{digest.hexdigest()[:12]}"


SOURCES: Final = {
    "oee": ("raw_values", "state_episodes", "count_increments", "plan", "cycles", "oee_by_shift"),
    "adoption": (
        "park_values", "enterprises", "sites", "terminals", "declarations", "provider_use",
        "terminal_days", "adoption",
    ),
    "cards": (
        "tags", "cycles", "oee_by_shift", "ledger_by_day", "chain_stages", "projects",
        "service_catalogue", "missing_links", "portraits", "warnings", "evidence_cards",
    ),
    "energy": ("energy_days", "enterprises"),
}  # fmt: skip
"""The lake's tables behind a figure."""

SOURCE_OF: Final = {
    "programme": "cards", "pue": "energy", "pue_edge": "energy", "oee": "oee",
}  # fmt: skip
"""Of families of indicators; the others are counted from adoption."""


def lineage(day: date) -> dict[str, Any]:
    """Which partitions, segments and files the figures of a day came from, by hash."""
    tables = dict.fromkeys(name for names in SOURCES.values() for name in names)
    return {
        "code_version": code_version(),
        "day": day.isoformat(),
        "tables": {name: dict(_files(name, day)) for name in tables},
        "segments": {
            site: [
                {"file": one.path.name, "sha256": one.sha256}
                for one in received.sidecars(HOME, site)[0]
            ]
            for site in (*FACTORY_IDS, *PARK_IDS)
        },
        "figures": [
            {
                "indicator_id": row["indicator_id"],
                "tables": list(SOURCES[SOURCE_OF.get(row["family"], "adoption")]),
            }
            for row in indicators.dictionary().iter_rows(named=True)
            if row["collection"] == MEASURED
        ]
        + _entered(day),
    }


def _entered(day: date) -> list[dict[str, Any]]:
    """Of each indicator that an office reported, the files and lines that say what stands."""
    told = entries.standing(read_entries(HOME.indicators), day.isoformat())
    said = ["area_id", "period", "file", "sha256", "line", "document"]
    return [
        {"indicator_id": str(name), "entered": rows.select(said).to_dicts()}
        for (name,), rows in told.group_by("indicator_id", maintain_order=True)
    ]


def _files(name: str, day: date) -> Iterator[tuple[str, str]]:
    lake = Lake(HOME.lake)
    for partition in lake.partitions(name):
        if partition.day is None or abs((partition.day - day).days) <= 1:
            yield str(partition.folder), sha256_of(lake.path(name, partition))


def held(day: date) -> list[dict[str, Any]]:
    """The checks behind a day's release, made on what it releases; dg.Failure where one fails."""
    of_day = [Partition(day), *(Partition(day, factory) for factory in FACTORY_IDS)]
    checks = {table: hold(table, of_day) for table in CHECKED}
    for table, found in checks.items():
        if found is None:
            raise dg.Failure(f"{day}: {table} has no rows to check; nothing is released")
        if not found.passed:
            raise dg.Failure(f"{day}: {table} fails {found.description}; nothing is released")
    return [{"name": name, "passed": True, "note": "Great Expectations"} for name in checks]
