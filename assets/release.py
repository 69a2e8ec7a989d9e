"""What leaves: the indicators of a day, protected, and the bureau's release of them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.checks import hold
from assets.partitions import DAYS, FACTORY_IDS, HOME, PARK_IDS, SINGLE_RUN, site_names
from assets.storage import BY_DAY
from assets.tables import readable
from assets.words import OWNERS, both
from connectors import received
from connectors.lake import Lake, Partition, sha256_of
from connectors.release import published_before, write_release
from pipelines import conformance, disclosure, indicators, versions
from pipelines.dictionary import MEASURED
from pipelines.schemas import TABLES

DEFAULT_P_PERCENT: Final = 10.0
"""For trials. A bureau sets $PARKPULSE_P_PERCENT and tells nobody: who knows p can undo it."""

CHECKED: Final = ("oee_by_shift", "oee_roll_up", "adoption", "kpi")
"""Tables that a release is made of: it holds each against its expectations before it leaves."""


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    deps=["enterprises", "adoption_contributions"],
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
    context: dg.AssetExecutionContext, oee_roll_up: pl.LazyFrame, adoption: pl.LazyFrame
) -> pl.DataFrame:
    """What may be published of each day; a cell that would reveal an enterprise is hidden."""
    rolled, adopted = oee_roll_up.collect(), adoption.collect()
    days = [date.fromisoformat(key) for key in context.partition_keys]
    owners, smart = owners_of(FACTORY_IDS), smart_factories(FACTORY_IDS)
    return pl.concat([_protected(day, rolled, adopted, owners, smart) for day in days])


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
    day: date, rolled: pl.DataFrame, adopted: pl.DataFrame, owners: pl.DataFrame, smart: int
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
    contributions = pl.concat(
        [
            indicators.oee_contributions(factories, legal_groups(owners, register)),
            indicators.adoption_contributions(parts),
        ]
    )
    table = indicators.kpi_table(
        of_day.filter(is_area),
        adopted.filter(pl.col("reference_date") == day, pl.col("dimension") == "all"),
        contributions,
        period=day.isoformat(),
        smart_factories=smart,
        benchmark_parks=_connected_parks(),
        areas=_parks(of_day["park_id"]),
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


def legal_groups(owners: pl.DataFrame, register: pl.DataFrame) -> pl.DataFrame:
    """`factory_id legal_group` of the factories whose USCC (`owners`) the register knows."""
    known = register.select("uscc", pl.coalesce("legal_group", "uscc").alias("legal_group"))
    return owners.join(known, on="uscc").select("factory_id", "legal_group").unique()


def owners_of(factories: Sequence[str]) -> pl.DataFrame:
    """`factory_id uscc`: whose a factory is, as its servers said last, on whichever day."""
    rows = [(factory, _uscc(factory)) for factory in factories]
    schema = {"factory_id": pl.String(), "uscc": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _uscc(factory: str) -> str | None:
    lake, node = Lake(HOME.lake), ["server_uri", "node_id"]
    nodes = readable(lake, "tags", factory).filter(pl.col("measure") == "uscc").select(node).lazy()
    days = (one for one in lake.partitions("raw_values") if one.factory == factory)
    for partition in sorted(days, reverse=True):
        values = lake.scan("raw_values", [partition])
        assert values is not None
        said = values.filter(pl.col("value_text") != "").join(nodes, on=node, how="semi")
        last = said.select("source_time", "value_text").collect().sort("source_time", "value_text")
        if not last.is_empty():
            return str(last["value_text"][-1])
    return None


def smart_factories(factories: Sequence[str]) -> int:
    """Factories that are collected and speak enough of the unified interface for an OEE."""
    lake = Lake(HOME.lake)
    tables = ((readable(lake, "tags", one), readable(lake, "cycles", one)) for one in factories)
    levels = [conformance.by_factory(conformance.levels(*pair)) for pair in tables]
    return sum(found.filter(pl.col("level") >= conformance.OEE_LEVEL).height for found in levels)


def _connected_parks() -> int:
    return sum(bool(received.sidecars(HOME, park)[0]) for park in PARK_IDS)


def code_version() -> str:
    """The package's version and a hash of the code that ran."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for package in ("pipelines", "connectors", "models", "assets"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return f"{version('parkpulse')}+{digest.hexdigest()[:12]}"


def lineage(day: date) -> dict[str, Any]:
    """Which partitions and segments the figures of a day came from, by hash."""
    oee_tables = (
        "raw_values",
        "state_episodes",
        "count_increments",
        "plan",
        "cycles",
        "oee_by_shift",
    )
    adoption_tables = (
        "park_values",
        "enterprises",
        "sites",
        "terminals",
        "declarations",
        "provider_use",
        "terminal_days",
        "adoption",
    )
    return {
        "code_version": code_version(),
        "day": day.isoformat(),
        "tables": {name: dict(_files(name, day)) for name in (*oee_tables, *adoption_tables)},
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
                "tables": list(adoption_tables if row["metric_id"] else oee_tables),
            }
            for row in indicators.dictionary().iter_rows(named=True)
            if row["collection"] == MEASURED
        ],
    }


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
