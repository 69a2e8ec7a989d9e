"""Running assets without a daemon: one run per factory, then the parks, then the district."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from assets.checks import build_pages
from assets.definitions import defs
from assets.partitions import FACTORY_IDS, HOME, PARK_IDS, key_of, local_today
from connectors.errors import ParkPulseError
from connectors.lake import Lake, Partition

Say = Callable[[str], None]

INSTANCE: Final = "dagster.yaml"

QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Every event is in the instance, for the UI; on the terminal we say ourselves what failed."""


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """The home's own Dagster instance (dagster_home/ is its template)."""
    prepare()
    with dg.DagsterInstance.from_config(str(HOME.dagster)) as opened:
        yield opened


def prepare() -> Path:
    """Make the home's Dagster folder with its configuration; gives the folder."""
    HOME.dagster.mkdir(parents=True, exist_ok=True)
    template = Path(__file__).parent.parent / "dagster_home" / INSTANCE
    (HOME.dagster / INSTANCE).write_text(template.read_text("utf-8"), "utf-8")
    return HOME.dagster


def run(
    opened: dg.DagsterInstance,
    job: str,
    first: Partition | None = None,
    last: Partition | None = None,
) -> bool:
    """Run a job over a box of partitions (or none) in this process; True when it succeeded."""
    tags = {}
    if first and last:
        tags = {
            "dagster/asset_partition_range_start": key_of(first),
            "dagster/asset_partition_range_end": key_of(last),
        }
    result = defs.resolve_job_def(job).execute_in_process(
        instance=opened, tags=tags, run_config=QUIET, raise_on_error=False
    )
    return result.success


def everything(first: date | None, last: date | None, *, say: Say) -> bool:
    """All assets for the local days `first` to `last`; a factory that fails stops no other."""
    start, end = first or HOME.first_day, last or local_today()
    if start < HOME.first_day or end > local_today():
        raise ParkPulseError(
            f"{start} to {end}",
            f"this home has days {HOME.first_day} to {local_today()}",
            "choose days within",
        )
    with instance() as opened:
        observe(opened)
        failed = [
            f"factory {factory}"
            for factory in _announced(FACTORY_IDS, "factory", say)
            if not _factory(opened, Partition(start, factory), Partition(end, factory))
        ]
        failed += [
            f"park {park}"
            for park in _announced(PARK_IDS, "park", say)
            if not run(opened, "parks", Partition(factory=park), Partition(factory=park))
        ]
        say("district: register, OEE roll-up, adoption, indicators")
        if not run(opened, "register"):
            failed.append("register")
        if not run(opened, "district_days", Partition(start), Partition(end)):
            failed.append("district")
    for name in failed:
        say(f"{name} failed: see `parkpulse demo --ui` or `dagster dev`, Runs; the others are done")
    build_pages()
    return not failed


def _factory(opened: dg.DagsterInstance, first: Partition, last: Partition) -> bool:
    """One factory's days; its detectors are fitted once, on the home's first day."""
    if not run(opened, "factory_days", first, last):
        return False
    site = Partition(factory=first.factory)
    fitted = Lake(HOME.lake).path("anomaly_model", site).is_file()
    if not fitted and not run(opened, "models", site, site):
        return False
    scored = Partition(
        max(first.day or HOME.first_day, HOME.first_day + timedelta(days=1)), first.factory
    )
    return scored > last or run(opened, "anomalies", scored, last)


def _announced(names: list[str], what: str, say: Say) -> Iterator[str]:
    for number, name in enumerate(names, 1):
        say(f"{what} {name} ({number} of {len(names)})")
        yield name


def observe(opened: dg.DagsterInstance) -> None:
    """Tell Dagster of what comes from outside: servers, segments, tags, plan and cycles."""
    from assets.outside import materializations

    for event in materializations():
        opened.report_runless_asset_event(event)


def release_period(period: str, *, say: Say) -> Path:
    """Materialise the release of a local day; gives its folder."""
    try:
        day = date.fromisoformat(period)
    except ValueError as error:
        raise ParkPulseError(period, "is not a local day", "write it like 2026-11-21") from error
    before = set(HOME.releases.glob(f"{period}/*"))
    say(f"release of {period}")
    with instance() as opened:
        if not run(opened, "release", Partition(day), Partition(day)):
            raise ParkPulseError(
                f"release {period}", "failed", "see the run in `parkpulse demo --ui`"
            )
    written = sorted(set(HOME.releases.glob(f"{period}/*")) - before)
    return written[-1]


def reports(day: date | None, *, say: Say) -> list[Path]:
    """Write every factory's anomaly report of a day anew; gives the files."""
    wanted = day or local_today() - timedelta(days=1)
    with instance() as opened:
        for factory in _announced(FACTORY_IDS, "report", say):
            run(opened, "reports", Partition(wanted, factory), Partition(wanted, factory))
    return sorted(HOME.reports.glob(f"*/{wanted}/report.html"))
