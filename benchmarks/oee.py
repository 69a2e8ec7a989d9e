"""OEE from silver: `pipelines.oee.by_shift`, the same in SQL, and the bare read of the columns."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa

from benchmarks import factory
from benchmarks.rounds import Contender, DisagreementError, Measurement, Target
from pipelines import oee

OURS: Final = "ParkPulse oee.by_shift"
THEIRS: Final = "DuckDB SQL"
SCAN: Final = "bare read of the columns"
TOLERANCE: Final = 1e-9
KEY: Final = ["work_unit_id", "production_day", "shift_id"]
FIGURES: Final = [
    "pbt_s", "apt_s", "aust_s", "adet_s", "adot_s", "unknown_s", "pq", "gq", "sq", "rq",
    "pq_outside_plan", "availability", "effectiveness", "quality_ratio", "oee",
]  # fmt: skip
READ: Final = {
    "state_episodes": ["work_unit_id", "start", "item_state", "operation_mode", "order_id"],
    "count_increments": ["work_unit_id", "to_time", "kind", "amount", "product_id"],
}
SQL: Final = (Path(__file__).parent / "oee.sql").read_text("utf-8")
MORE: Final = 4
"""So many times the rows must not cost more than 4.5 times as much."""


def ours(files: dict[str, str]) -> pl.DataFrame:
    """Our figures, from Parquet files."""
    states, pieces, plan, cycles, coverage, tags = map(pl.scan_parquet, files.values())
    return oee.by_shift(states, pieces, plan, cycles, coverage, tags)


def theirs(files: dict[str, str]) -> pa.Table:
    """The same in SQL."""
    return duckdb.connect().sql(SQL, params=files).to_arrow_table()


def scan(files: dict[str, str]) -> list[pl.DataFrame]:
    """The columns that OEE is made of, into memory."""
    return [pl.read_parquet(files[name], columns=columns) for name, columns in READ.items()]


RUNS: Final[dict[str, Callable[[dict[str, str]], Any]]] = {OURS: ours, THEIRS: theirs, SCAN: scan}


def measurement(folder: Path) -> Measurement:
    """Parquet files of a factory week to one row per machine and shift."""
    files = _files(folder)
    agreement = _agree(ours(files), pl.DataFrame(theirs(files)))
    events = sum(frame.height for frame in scan(files))
    return Measurement(
        f"OEE from {events:,} silver rows",
        [Contender(name, partial(run, files)) for name, run in RUNS.items()],
        agreement,
        targets=[Target(OURS, THEIRS, 1 / 4), Target(OURS, SCAN, 6)],
    )


def scaling(folder: Path) -> Measurement:
    """Four times the machines."""
    files = _files(folder)
    (folder / "more").mkdir()
    more = _files(folder / "more", MORE * factory.UNITS)
    if ours(more).height != MORE * ours(files).height:
        raise DisagreementError(f"OEE: {MORE} times the machines are not so many figures")
    return Measurement(
        f"OEE from {MORE} times the rows",
        [
            Contender("the rows", lambda: ours(files)),
            Contender(f"{MORE} times the rows", lambda: ours(more)),
        ],
        "",
        targets=[Target(f"{MORE} times the rows", "the rows", 4.5)],
    )


def memory(folder: Path) -> Measurement:
    """The most memory of a process that does nothing else, less what it had before."""
    files = _files(folder)
    return Measurement(
        "peak memory of OEE",
        [Contender(name, partial(_peak, name, files), True) for name in RUNS],
        "",
        unit="MB",
        targets=[Target(OURS, THEIRS, 1)],
    )


def _files(folder: Path, units: int = factory.UNITS) -> dict[str, str]:
    return {name: str(path) for name, path in factory.write(folder, units).items()}


_PEAK: Final = r"""
import json, re, sys
from pathlib import Path
from benchmarks import oee
name, files = sys.argv[1], json.loads(sys.argv[2])
# Of this program alone: ru_maxrss would begin with that of the program which started it.
status = Path("/proc/self/status")
peak = lambda: int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
before = peak()
oee.RUNS[name](files)
print(peak() - before)
"""


def _peak(name: str, files: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, name, json.dumps(files)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _agree(ours: pl.DataFrame, theirs: pl.DataFrame) -> str:
    mine = ours.sort(KEY)
    if not mine.select(KEY).equals(theirs.select(KEY)):
        raise DisagreementError(
            f"OEE: {mine.height} machine-shifts here, {theirs.height} in DuckDB"
        )
    worst = 0.0
    for name in FIGURES:
        one, other = (frame[name].cast(pl.Float64) for frame in (mine, theirs))
        if not one.is_null().equals(other.is_null()):
            raise DisagreementError(f"OEE: {name} is null here and not there")
        apart = ((one - other).abs() / one.abs().clip(1.0)).max()
        worst = max(worst, apart if isinstance(apart, float) else 0.0)
        if worst > TOLERANCE:
            raise DisagreementError(f"OEE: {name} is {worst:.3g} apart, allowed {TOLERANCE}")
    return f"{len(FIGURES)} figures of {mine.height:,} machine-shifts at most {worst:.1g} apart"
