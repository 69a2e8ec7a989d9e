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

from assets.partitions import DAYS, FACTORY_IDS, HOME, PARK_IDS, SINGLE_RUN, site_names
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors import received
from connectors.lake import Lake, Partition, sha256_of
from connectors.release import published_before, write_release
from pipelines import adoption as arithmetic
from pipelines import conformance, disclosure, indicators

DEFAULT_P_PERCENT: Final = 10.0
"""For trials. A bureau sets $PARKPULSE_P_PERCENT and tells nobody: who knows p can undo it."""

CHECKED: Final = ("oee_by_shift", "oee_roll_up", "adoption", "kpi")
"""Tables whose asset checks are named in the release."""


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=SINGLE_RUN,
    deps=["enterprises", "terminals", "terminal_evidence"],
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
    return pl.concat([_protected(day, rolled, adopted) for day in days])


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
        checks=list(_checks(context.instance)),
    )
    context.add_output_metadata(
        {
            "folder": dg.MetadataValue.path(str(folder)),
            "page": dg.MetadataValue.url(f"file://{folder / 'index.html'}"),
            "sha256": sha256_of(folder / "SHA256SUMS"),
        }
    )
    return pl.DataFrame({"period": [period], "vintage": [folder.name]})


def _protected(day: date, rolled: pl.DataFrame, adopted: pl.DataFrame) -> pl.DataFrame:
    lake = Lake(HOME.lake)
    register, terminals, evidence = (
        found.collect()
        for name in ("enterprises", "terminals", "terminal_evidence")
        if (found := lake.scan(name, [Partition()])) is not None
    )
    of_day = rolled.filter(pl.col("production_day") == day)
    is_area = (pl.col("level") == "district") | (
        (pl.col("level") == "park") & pl.col("park_id").is_not_null()
    )
    parts = arithmetic.contributions(register, terminals, evidence, day)
    factories = of_day.filter(pl.col("level") == "factory")
    contributions = pl.concat(
        [
            indicators.oee_contributions(factories, legal_groups(register)),
            indicators.adoption_contributions(parts),
        ]
    )
    table = indicators.kpi_table(
        of_day.filter(is_area),
        adopted.filter(pl.col("reference_date") == day),
        contributions,
        period=day.isoformat(),
        smart_factories=_smart_factories(),
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


def legal_groups(register: pl.DataFrame) -> pl.DataFrame:
    """`factory_id legal_group` of the factories whose USCC the register knows."""
    lake = Lake(HOME.lake)
    known = register.select("uscc", "legal_group")
    found = []
    for factory in FACTORY_IDS:
        tags = lake.scan("tags", [Partition(factory=factory)])
        values = lake.scan("raw_values", [Partition(HOME.first_day, factory)])
        if tags is not None and values is not None:
            nodes = tags.filter(pl.col("measure") == "uscc").select("server_uri", "node_id")
            uscc = values.join(nodes, on=["server_uri", "node_id"], how="semi").select(
                pl.lit(factory).alias("factory_id"), pl.col("value_text").alias("uscc")
            )
            found.append(uscc.unique().collect())
    factories = pl.concat(found) if found else pl.DataFrame(schema=["factory_id", "uscc"])
    return factories.join(known, on="uscc").select("factory_id", "legal_group").unique()


def _smart_factories() -> int:
    """Factories that are collected and speak enough of the unified interface for an OEE."""
    lake = Lake(HOME.lake)
    parts = [Partition(factory=factory) for factory in FACTORY_IDS]
    tags, cycles = lake.scan("tags", parts), lake.scan("cycles", parts)
    if tags is None or cycles is None:
        return 0
    levels = conformance.by_factory(conformance.levels(tags.collect(), cycles.collect()))
    return levels.filter(pl.col("level") >= conformance.OEE_LEVEL).height


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
    adoption_tables = ("park_values", "enterprises", "terminals", "terminal_evidence", "adoption")
    families = {"oee": oee_tables, "adoption": adoption_tables, "programme": oee_tables}
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
                "tables": list(families.get(row["family"], oee_tables)),
            }
            for row in indicators.dictionary().iter_rows(named=True)
        ],
    }


def _files(name: str, day: date) -> Iterator[tuple[str, str]]:
    lake = Lake(HOME.lake)
    for partition in lake.partitions(name):
        if partition.day is None or abs((partition.day - day).days) <= 1:
            yield str(partition.folder), sha256_of(lake.path(name, partition))


def _checks(instance: dg.DagsterInstance) -> Iterator[dict[str, Any]]:
    """The latest outcome of every check of the tables behind a release."""
    keys = [dg.AssetCheckKey(dg.AssetKey(name), "expectations") for name in CHECKED]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    for key in keys:
        record = latest.get(key)
        ended = record.evaluation if record else None
        evaluation = ended if isinstance(ended, dg.AssetCheckEvaluation) else None
        yield {
            "name": key.asset_key.to_user_string(),
            "passed": bool(evaluation and evaluation.passed),
            "note": "Great Expectations" if evaluation else "not run",
        }
