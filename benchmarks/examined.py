"""A home of the exam through the product, and its events beside what was planted."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
import polars as pl
from rich.console import Console
from rich.table import Table

from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.offline_home import write_offline
from connectors.simulator import exam
from connectors.simulator.fleet import fleet
from connectors.simulator.sites import timelines
from models.evaluate import Quality, evaluate, outcomes
from models.schemas import ANOMALY_EVENTS
from pipelines import comparison
from pipelines.days import midnight
from pipelines.schemas import TIME

BINS: Final = ((1.0, 1.5), (1.5, 2.5), (2.5, 4.0), (4.0, 6.001))
"""Magnitudes from, below (6 is one): exam.toml's strata cut in two. Frozen sensors have none."""
STEPS: Final = ("sensor_offset", "pressure_loss", "cooling_loss", "common_cause")
DRIFTS: Final = ("bearing_wear", "tool_wear", "sensor_drift")
UNIT: Final = ["factory_id", "work_unit_id"]
SAMPLE_S: Final = 90.0
FINISHED: Final = "silver.done"
"""Beside the home when its silver is whole, so that another run need not make it again."""


def simulate(seed: int, root: Path, truth: Path, only: list[str]) -> None:
    """Write the home and the truth, factories alone, unless they are there."""
    if Home(root).exists():
        made = json.loads((truth / "manifest.json").read_text("utf-8"))["seed"]
        if made != seed:
            raise click.ClickException(f"{root} is of seed {made}, not {seed}; name another --home")
        return
    anchor = exam.table()["time"]["anchor"]
    known = [factory.factory_id for factory in fleet()]
    if unknown := sorted(set(only) - set(known)):
        raise click.ClickException(f"no factory {', '.join(unknown)}; there are {', '.join(known)}")
    sites = timelines(seed, anchor, SAMPLE_S, only or known, days_back=exam.days(), exam=True)
    write_offline(root, seed=seed, anchor=anchor, days=exam.days(), sites=sites, truth=truth)


def silver(root: Path) -> None:
    """From segments to silver and OEE, factory by factory."""
    done = root.with_name(FINISHED)
    if not done.exists():
        for first, last in _boxes(root):
            _run("factory_days", first, last)
        done.touch()


def detect(root: Path) -> None:
    """Fit the detectors anew and judge every day after the first."""
    for first, last in _boxes(root):
        site = Partition(factory=first.factory)
        _run("models", site, site)
        _run("anomalies", first, last)


def use_of(seed: int) -> str:
    """What exam.toml says of a seed."""
    named = (use for use, seeds in exam.table()["seeds"].items() if seed in seeds)
    return next(named, "of no use that exam.toml names")


def _boxes(root: Path) -> Iterator[tuple[Partition, Partition]]:
    """First and last day of every factory; assets are of the home that this process meets first."""
    os.environ["PARKPULSE_HOME"] = str(root)
    from assets.partitions import FACTORY_IDS, HOME

    for name in FACTORY_IDS:
        first = HOME.first_day
        yield Partition(first, name), Partition(first + timedelta(days=exam.days() - 1), name)


def _run(job: str, first: Partition, last: Partition) -> None:
    from assets.materialize import instance, observe, run

    with instance() as opened:
        observe(opened)
        if failed := run(opened, job, first, last):
            raise click.ClickException(f"{job} of {first.factory}: {'; '.join(failed)}")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What there is to compare: events asked about, planted faults, machines, judged time."""

    events: pl.DataFrame
    faults: pl.DataFrame
    machines: pl.DataFrame
    days: int


def read(root: Path, truth: Path) -> Sheet:
    """Events and faults of the judged days: from the first on which a fault may begin."""
    home = Home(root)
    free = exam.table()["time"]["weeks"][0][0] - 1
    last = home.first_day + timedelta(days=exam.days())
    start, end = midnight(home.first_day + timedelta(days=free)), midnight(last)
    machines = pl.read_parquet(truth / "machine_shifts.parquet").select(UNIT).unique()
    faults = pl.read_parquet(truth / "faults.parquet")
    judged = _events(home).filter(
        pl.col("suppressed_by").is_null(), pl.col("start") < end, pl.col("end") > start
    )
    return Sheet(judged, faults, machines, exam.days() - free)


def _events(home: Home) -> pl.DataFrame:
    """Every event once; one that lasts over midnight is known best by the last day that has it."""
    lake = Lake(home.root / "lake")
    parts = sorted(lake.partitions("anomaly_events"), key=lambda one: (one.day, one.factory))
    frames = [
        frame.with_columns(
            end=pl.coalesce("end", pl.lit(midnight(part.day + timedelta(days=1)))).cast(TIME)
        ).collect()
        for part in parts
        if part.day and (frame := lake.scan("anomaly_events", [part])) is not None
    ]
    rows = pl.concat(frames) if frames else pl.DataFrame(schema=ANOMALY_EVENTS)
    return rows.unique("event_id", keep="last", maintain_order=True)


def show(sheet: Sheet) -> Quality:
    """Print the tables, and give what they say in all."""
    whole = timedelta(days=sheet.days) * sheet.machines.height
    quality = evaluate(sheet.events, sheet.faults, watched=whole)
    _, named = comparison.events(sheet.events, sheet.faults)
    told = outcomes(sheet.events, sheet.faults)
    found = told.rename({"is_found": "found"}).join(named.select("fault_id", "named"), "fault_id")
    console = Console(width=110)
    console.print(_by_kind(found))
    healthy = sheet.machines.join(sheet.faults, on="work_unit_id", how="anti")
    quiet = sheet.events.join(healthy, on="work_unit_id", how="semi").height
    weeks = healthy.height * sheet.days / 7
    steps = found.filter("found", pl.col("kind").is_in(STEPS))
    drifts = found.filter("found", pl.col("kind").is_in(DRIFTS))
    share = drifts["delay_share"].median()
    for name, figure in (
        ("events, of which true", f"{quality.events}, {quality.matched}"),
        ("recall", _text(quality.recall)),
        (
            "recall at 2.5 and above",
            _text(found.filter(pl.col("magnitude") >= 2.5)["found"].mean()),
        ),
        ("precision", _text(quality.precision)),
        ("false alarms per machine-week", _text(quality.false_alarms_per_machine_week)),
        ("the same of machines without faults", _text(quiet / weeks)),
        ("median delay of steps, samples", _text(_samples(steps["delay_s"].median()), 1)),
        ("median delay of drifts, of their length", _text(share)),
        ("culprit in the first three", _text(found.filter("found")["named"].mean())),
    ):
        console.print(f"{name:42} {figure}")
    return quality


def _by_kind(found: pl.DataFrame) -> Table:
    """Found of planted, by kind and magnitude."""
    table = Table("kind", *(f"{low:g}-{high:.3g}" for low, high in BINS), "frozen", "all")
    for kind in [*exam.table()["kind"], None]:
        own = found if kind is None else found.filter(kind=kind)
        parts = [
            own.filter(pl.col("magnitude") >= low, pl.col("magnitude") < high)
            for low, high in (*BINS, (0.0, 1.0))
        ]
        table.add_row(kind or "all", *(_of(part) for part in (*parts, own)))
    return table


def _of(found: pl.DataFrame) -> str:
    return f"{found['found'].sum()}/{found.height}" if found.height else ""


def _samples(delay_s: Any) -> float | None:
    return None if delay_s is None else delay_s / SAMPLE_S


def _text(figure: Any, digits: int = 2) -> str:
    return "-" if figure is None else f"{figure:.{digits}f}"
