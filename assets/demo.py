"""The whole walk on simulated factories: simulate, collect, compute, report, release, verify."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
from rich.table import Table

from assets.ui import ended, serve
from connectors.adoption_table import adoption_table
from connectors.ending import ENDING
from connectors.entered_facts import enter_facts
from connectors.errors import ParkPulseError
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.register_import import import_file
from connectors.release import kpi_table_text
from pipelines.days import day_of, midnight

Say = Callable[[str], None]

SERVERS_UP_S: Final = 120.0
"""Thirteen servers are up in about 20 s on two cores; six times that is a fault, not patience."""

ENTERED: Final = "entered"
"""The folder of the office's lists and certificates, which are no tables of the register."""

STOP_S: Final = 12.0
"""What a process gets to end by itself before it is killed: two end within half a minute."""


def run(
    home: Home, truth: Path, *, seed: int, at: datetime | None, live_s: float, ui: bool, say: Say
) -> int:
    """Run the demo in `home`; gives verify's exit code (0 all tolerances hold, 1 one is broken)."""
    started = time.monotonic()
    anchor = at or datetime.now(UTC)
    first_day = day_of(anchor) - timedelta(days=2)
    history_from = midnight(first_day)
    home.replace(
        first_day=first_day,
        now_offset_s=(anchor - datetime.now(UTC)).total_seconds() if at else 0.0,
    )

    def stage(text: str) -> None:
        elapsed = int(time.monotonic() - started)
        say(f"[{elapsed // 60}:{elapsed % 60:02d}] {text}")

    _simulate_and_collect(home, truth, seed, at, history_from, live_s, stage)
    code = _compute_and_check(home, truth, stage)
    stage("done")
    if ui:
        serve(home, say)
    return code


def _simulate_and_collect(
    home: Home,
    truth: Path,
    seed: int,
    at: datetime | None,
    history_from: datetime,
    live_s: float,
    stage: Say,
) -> None:
    fleet = home.root / "simulated" / "fleet.toml"
    replay = ["--at", at.isoformat()] if at else []
    stage("starting 10 factories and 3 park gateways on loopback OPC UA servers")
    simulate = ["simulate", "--seed", str(seed), "--truth", str(truth), "--fleet-out", str(fleet)]
    simulate += ["--register-out", str(_office(home))]
    with child([*simulate, *replay]) as servers:
        _wait_for(fleet, servers)
        stage(f"collecting: history since {history_from:%Y-%m-%d %H:%M}Z, then {live_s:.0f} s live")
        collect = ["collect", "--fleet", str(fleet), "--home", str(home.root)]
        window = ["--history-from", history_from.isoformat(), "--after-history", str(live_s)]
        with child([*collect, *window, *replay]) as collector:
            if ended(collector) != 0:
                raise ParkPulseError("the collector", "ended early", "see its last lines above")
        _wait_for(truth / "manifest.json", servers)


def _office(home: Home) -> Path:
    """Where the simulated district office keeps its files."""
    return home.root / "simulated" / "register"


def _import_register(home: Home, stage: Say) -> None:
    """What the office has, and what came in later, as a clerk would import it."""
    entered = sorted((_office(home) / ENTERED).glob("*.*"))
    every = [path for path in sorted(_office(home).rglob("*.*")) if path.is_file()]
    files = [path for path in every if path not in entered]
    stage(f"importing {len(files)} files of the district office into the register")
    told = [one.imported for path in files for one in import_file(home, path)]
    accepted, refused = sum(one.accepted for one in told), sum(one.refused for one in told)
    stage(f"{accepted:,} rows are in, {refused:,} were refused, each with its reason")
    for path in entered:
        enter_facts(home.entered_facts, path, entered_at=datetime.now(UTC))


def _compute_and_check(home: Home, truth: Path, stage: Say) -> int:
    _import_register(home, stage)
    stage("computing bronze, silver and gold in Dagster")
    from assets.materialize import everything, release_period
    from assets.partitions import local_today, site_names
    from connectors.console import console, print_verification
    from connectors.verification import verify

    computed = everything(None, None, say=stage)
    folder = release_period((local_today(home) - timedelta(days=1)).isoformat(), say=stage)
    stage("comparing every recovered figure with the simulator's truth")
    result = verify(home, truth)
    if folder:
        console().print(kpi_table_text(pl.read_parquet(folder / "kpi.parquet")))
    yesterday = Partition(local_today(home) - timedelta(days=1))
    if (adopted := Lake(home.lake).read("adoption", yesterday)) is not None:
        console().print(adoption_table(adopted, site_names("park", home)))
    print_verification(result)
    console().print(places(home, truth, folder))
    return 0 if result["ok"] and computed and folder else 1


def places(home: Home, truth: Path, release: Path | None) -> Table:
    """Where everything lies."""
    table = Table(title="Where everything lies", title_justify="left", show_header=False)
    reports = sorted(home.reports.glob("*/*/report.html"))
    rows = {
        "release, for the bureau": release / "index.html" if release else "refused: see above",
        f"anomaly reports ({len(reports)}), for each factory": home.reports,
        "the first of them": reports[0] if reports else home.reports,
        "park pages, for the park manager": home.pages / "index.html",
        "checks (Great Expectations)": home.data_docs / "index.html",
        "tables (Parquet)": home.lake,
        "sealed segments": home.segments,
        "what the simulator knows": truth,
        "lineage, in Dagster": f"parkpulse ui --home {home.root}",
    }
    for what, where in rows.items():
        table.add_row(what, str(where))
    return table


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVERS_UP_S
    while not path.exists():
        if process.poll() is not None:
            raise ParkPulseError("the simulated fleet", "ended early", "see its last lines above")
        if time.monotonic() > deadline:
            raise ParkPulseError(
                "the simulated fleet",
                f"no {path.name} in {SERVERS_UP_S:.0f} s",
                "free the processor",
            )
        ENDING.check()
        time.sleep(0.1)


@contextlib.contextmanager
def child(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A `parkpulse` process that ends with the block, however the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "parkpulse", *arguments], stdin=subprocess.PIPE, stdout=sys.stderr
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
