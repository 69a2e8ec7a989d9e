"""Running assets without a daemon: factory by factory, then parks, district and enterprises."""

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from assets.checks import build_pages
from assets.definitions import defs
from assets.partitions import FACTORY_IDS, HOME, PARK_IDS, key_of, local_today, range_tags
from connectors.ending import ENDING
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


def chosen(first: date, last: date) -> tuple[date, date]:
    """Days asked for, refused where the home does not have them."""
    if first < HOME.first_day or last > local_today():
        raise ParkPulseError(
            f"{first} to {last}" if first != last else first,
            f"this home has days {HOME.first_day} to {local_today()}",
            "choose days within",
        )
    return first, last


def run(
    opened: dg.DagsterInstance,
    job: str,
    first: Partition | None = None,
    last: Partition | None = None,
) -> list[str]:
    """Run a job over a box of partitions (or none) in this process; gives what failed, a line each.

    A check of severity ERROR that does not pass is a failure like that of a step. Ctrl-C and
    SIGTERM end the run, and then raise KeyboardInterrupt.
    """
    tags = range_tags(first, last) if first and last else {}
    ENDING.check()
    with _own_signals():
        result = defs.resolve_job_def(job).execute_in_process(
            instance=opened, tags=tags, run_config=QUIET, raise_on_error=False
        )
    ENDING.check()  # an interrupt is a failed run to Dagster, and the next would begin
    box = "..".join(dict.fromkeys(key_of(one) for one in (first, last) if one))
    failed = [*_failed_steps(result), *_failed_checks(result, box)]
    if not (failed or result.success):
        failed = ["it ended early"]
    return [f"{one} (run {result.run_id[:8]})" for one in failed]


@contextmanager
def _own_signals() -> Iterator[None]:
    """Dagster leaves SIGTERM to whoever had SIGINT, which a shell's background makes nobody."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _failed_steps(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.get_step_failure_events():
        failure = event.step_failure_data
        error = failure.error
        while error and error.cause:
            error = error.cause
        said = failure.user_failure_data.description if failure.user_failure_data else None
        lines = (said or (error.message if error else "")).strip().splitlines() or ["no message"]
        yield f"{event.step_key}: {lines[0]}"


def _failed_checks(result: dg.ExecuteInProcessResult, box: str) -> Iterator[str]:
    for one in result.get_asset_check_evaluations():
        if not one.passed and one.severity == dg.AssetCheckSeverity.ERROR:
            where = f"{one.asset_key.to_user_string()} of {box}"
            yield f"check {one.check_name} of {where}: {one.description}"


def everything(first: date | None, last: date | None, *, say: Say) -> bool:
    """All assets for the local days `first` to `last`; a factory that fails stops no other."""
    start, end = chosen(first or HOME.first_day, last or local_today())
    failed: dict[str, list[str]] = {}
    with instance() as opened:
        observe(opened)
        for factory in _announced(FACTORY_IDS, "factory", say):
            box = Partition(start, factory), Partition(end, factory)
            failed[f"factory {factory}"] = _factory(opened, *box)
        for park in _announced(PARK_IDS, "park", say):
            site = Partition(factory=park)
            failed[f"park {park}"] = run(opened, "parks", site, site)
        say("district: register, OEE roll-up, adoption")
        failed["register"] = run(opened, "register")
        failed["district"] = run(opened, "district_days", Partition(start), Partition(end))
        say("enterprises: early warning, portraits")
        failed["enterprises"] = run(opened, "portraits")
        say("district: parks, evidence cards, indicators")
        failed["parks"] = run(opened, "park_days", Partition(start), Partition(end))
        say("forecasts, and the pages of the parks")
        failed["forecasts"] = run(opened, "forecasts")
        failed["pages"] = run(opened, "park_pages")
    build_pages()
    return _told(failed, say)


def _told(failed: Mapping[str, list[str]], say: Say) -> bool:
    """Say in one line each what failed, and what to do; True when nothing did."""
    lines = [f"{name} failed: {'; '.join(why)}" for name, why in failed.items() if why]
    for line in lines:
        say(line)
    if lines:
        say(f"put it right and run it again; the runs are kept in DAGSTER_HOME={HOME.dagster}")
    return not lines


def _factory(opened: dg.DagsterInstance, first: Partition, last: Partition) -> list[str]:
    """One factory's days; detectors are trained where they are due (`assets.retraining`)."""
    if failed := run(opened, "factory_days", first, last):
        return failed
    site = Partition(factory=first.factory)
    if failed := run(opened, "models", site, site):
        return failed
    scored = Partition(
        max(first.day or HOME.first_day, HOME.first_day + timedelta(days=1)), first.factory
    )
    return [] if scored > last else run(opened, "anomalies", scored, last)


def _announced(names: list[str], what: str, say: Say) -> Iterator[str]:
    for number, name in enumerate(names, 1):
        say(f"{what} {name} ({number} of {len(names)})")
        yield name


def train(factories: Iterable[str], *, say: Say) -> bool:
    """Train what is due or asked for of factories; a factory that fails stops no other."""
    failed: dict[str, list[str]] = {}
    with instance() as opened:
        for factory in _announced(sorted(factories), "models of factory", say):
            site = Partition(factory=factory)
            failed[f"models of {factory}"] = run(opened, "models", site, site)
    return _told(failed, say)


def observe(opened: dg.DagsterInstance) -> None:
    """Tell Dagster of what comes from outside: servers, segments, tags, plan and cycles."""
    from assets.outside import materializations

    for event in materializations():
        opened.report_runless_asset_event(event)


def release_period(period: str, *, say: Say) -> Path | None:
    """Materialise the release of a local day; gives its folder, None when it was refused."""
    try:
        day = date.fromisoformat(period)
    except ValueError as error:
        raise ParkPulseError(period, "is not a local day", "write it like 2026-11-21") from error
    chosen(day, day)
    before = set(HOME.releases.glob(f"{period}/*"))
    say(f"release of {period}")
    with instance() as opened:
        failed = run(opened, "release", Partition(day), Partition(day))
    if not _told({f"release {period}": failed}, say):
        return None
    return max(set(HOME.releases.glob(f"{period}/*")) - before)


def reports(day: date | None, *, say: Say) -> tuple[list[Path], bool]:
    """Write every factory's anomaly report of a day anew; gives the pages, and if all went well.

    A page of an earlier run is no report of this one.
    """
    wanted = day or local_today() - timedelta(days=1)
    chosen(wanted, wanted)
    failed: dict[str, list[str]] = {}
    with instance() as opened:
        for factory in _announced(FACTORY_IDS, "report", say):
            of_day = Partition(wanted, factory)
            failed[f"report of {factory}"] = run(opened, "reports", of_day, of_day)
    well = [factory for factory in FACTORY_IDS if not failed[f"report of {factory}"]]
    pages = _pages(Partition(wanted, factory) for factory in well)
    if well and not pages:
        say(f"no report of {wanted}: no machine had learned from a day before it")
    return pages, _told(failed, say)


def _pages(partitions: Iterable[Partition]) -> list[Path]:
    """The report pages that partitions of `anomaly_report` name."""
    found = Lake(HOME.lake).scan("anomaly_report", partitions)
    if found is None:
        return []
    return [HOME.root / path for path in found.select("path").collect()["path"]]
