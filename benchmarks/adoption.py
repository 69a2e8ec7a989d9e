"""A year of cloud adoption of 200,000 terminals: ours, the same in SQL, and a day's update of it.

Each contender is a process of its own, so that its time is from the files to the figures and its
memory nobody else's. All must give the same figures, to the bit.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.rounds import DisagreementError, Result, Sheet
from pipelines.cloud import seen
from pipelines.cloud.day import Ground, of_day
from pipelines.cloud.identity import units
from pipelines.cloud.many_days import each_day

ENTERPRISES: Final = 5_000
TERMINALS: Final = 200_000
DAYS: Final = 365
LAST: Final = date(2026, 11, 21)
SEED: Final = 7

REGISTER: Final = (
    "enterprises", "sites", "machines", "terminals", "tenants", "declarations", "provider_use",
    "operating_days", "collector_down",
)  # fmt: skip
FIGURES: Final = ("adoption", "funnel", "liveness")
COUNTS: Final = ["numerator", "denominator", "unknown"]
SQL: Final = (Path(__file__).parent / "adoption.sql").read_text("utf-8")
LIMITS: Final = {"day_s": 30.0, "day_of_full": 1 / 10, "day_gib": 2.0, "full_of_sql": 1.0}


def sheet(folder: Path) -> Sheet:
    """Write the files, run each contender once, compare, and say what the targets ask."""
    written = write(folder)
    ran = {name: _process(name, folder) for name in RUNS}
    for name in FIGURES:
        _agree(name, folder)
    full, sql, day = (ran[name] for name in ("full", "duckdb", "day"))
    said = [
        f"{written:,} rows of evidence; the figures of {DAYS} days are the same in SQL, and the "
        "last day's update gives the year's to the bit, with no other day touched",
        _target("a day's update", day["s"], LIMITS["day_s"], "s"),
        _target("a day's update / all anew", day["s"] / full["s"], LIMITS["day_of_full"], ""),
        _target("memory of a day's update", day["gib"], LIMITS["day_gib"], "GiB"),
        _target("all anew / DuckDB", full["s"] / sql["s"], LIMITS["full_of_sql"], ""),
    ]
    names = {"full": "ParkPulse, all anew", "day": "ParkPulse, a day's update", "duckdb": "DuckDB"}
    rows = [Result(names[n], ran[n]["s"], "s", ran[n]["s"] / full["s"]) for n in names]
    rows += [Result(f"{names[n]}, memory", ran[n]["gib"], "GiB") for n in names]
    return Sheet(f"adoption of {TERMINALS:,} terminals, {DAYS} days", rows, said)


def _target(what: str, found: float, limit: float, unit: str) -> str:
    word = "held" if found <= limit else "MISSED"
    return f"{what}: {found:.3g} {unit} (at most {limit:g}): {word}".replace("  ", " ")


def write(folder: Path) -> int:
    """The register and a file of evidence a day; gives the rows of evidence.

    Left out is what the SQL does not do: devices in two parks or of two owners, at once or one
    after the other, and chains that join two devices.
    """
    from connectors.simulator.district.facts import facts
    from connectors.simulator.district.tables import write_parquet

    raw = folder / "raw"
    made = facts(SEED, LAST, enterprises=ENTERPRISES, terminals=TERMINALS, days=DAYS)
    write_parquet(made, raw)
    for name in REGISTER:
        frame = pl.read_parquet(raw / f"{name}.parquet")
        (_plain(frame) if name == "terminals" else frame).write_parquet(folder / f"{name}.parquet")
    days = folder / "terminal_days"
    days.mkdir()
    evidence = pl.scan_parquet(raw / "terminal_days.parquet")
    rows = 0
    for back in range(DAYS):
        on = LAST - timedelta(days=back)
        own = evidence.filter(pl.col("day") == on).collect(engine="in-memory")
        own.write_parquet(days / f"{on}.parquet")
        rows += own.height
    return rows


def _plain(terminals: pl.DataFrame) -> pl.DataFrame:
    named = units(terminals.unique(["platform", "terminal_id"], keep="first", maintain_order=True))
    listed = terminals.join(named, on=["platform", "terminal_id"])
    odd = listed.group_by("unit_id").agg(
        parks=pl.col("park_id").n_unique(),
        owners=pl.col("uscc").n_unique(),
        ambiguous=pl.col("is_ambiguous").any(),
    )
    is_plain = (pl.col("parks") <= 1) & (pl.col("owners") <= 1) & ~pl.col("ambiguous")
    plain = odd.filter(is_plain).select("unit_id")
    return listed.join(plain, on="unit_id").select(terminals.columns)


def _tables(folder: Path) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in REGISTER}


def _days(folder: Path) -> list[date]:
    files = (folder / "terminal_days").glob("*.parquet")
    return sorted(date.fromisoformat(path.stem) for path in files)


def _evidence(folder: Path) -> Callable[[date], pl.DataFrame]:
    return lambda on: pl.read_parquet(folder / "terminal_days" / f"{on}.parquet")


def full(folder: Path) -> None:
    """Every day anew; keeps the state of the last day but one for the day's update."""
    days = _days(folder)
    ground = Ground.of(_tables(folder), days[-1], days[0])
    before = days[0] - timedelta(days=1)
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in FIGURES}
    for on, heard, day in each_day(
        ground, seen.STATE.to_frame(), before, _evidence(folder), days[-1]
    ):
        for name in FIGURES:
            parts[name].append(getattr(day, name))
        if on == days[-2]:
            heard.state().write_parquet(folder / "state.parquet")
    for name, frames in parts.items():
        pl.concat(frames).write_parquet(folder / f"full-{name}.parquet")


def day(folder: Path) -> None:
    """The last day's figures, from the register, the state before and the day's own evidence."""
    days = _days(folder)
    ground = Ground.of(_tables(folder), days[-1])
    state = pl.read_parquet(folder / "state.parquet")
    now = seen.advanced(state, days[-2], _evidence(folder)(days[-1]), days[-1])
    found = of_day(ground, now, days[-1])
    for name in FIGURES:
        getattr(found, name).write_parquet(folder / f"day-{name}.parquet")


def sql(folder: Path) -> None:
    """The same in DuckDB, spilling to disk where it must."""
    import duckdb

    session = duckdb.connect()
    session.execute("set memory_limit = '10GB'")
    session.execute("set enable_progress_bar = false")
    session.execute(f"set temp_directory = '{folder / 'spill'}'")
    for name in REGISTER:
        session.execute(f"create view {name} as select * from '{folder / name}.parquet'")
    session.execute(
        f"create view terminal_days as select * from '{folder / 'terminal_days'}/*.parquet'"
    )
    session.execute("create table days as select distinct day from terminal_days")
    for statement in SQL.split(";\n"):
        if statement.strip():
            session.execute(statement)
    for name in FIGURES:
        session.execute(f"copy {name} to '{folder / f'sql-{name}.parquet'}'")


RUNS: Final = {"full": full, "duckdb": sql, "day": day}

_CODE: Final = r"""
import json, re, sys, time
from pathlib import Path
from benchmarks import adoption
started = time.perf_counter()
adoption.RUNS[sys.argv[1]](Path(sys.argv[2]))
took = time.perf_counter() - started
peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]
print(json.dumps({"s": took, "gib": int(peak) / 2**20}))
"""


def _process(name: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _CODE, name, str(folder)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DisagreementError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _agree(name: str, folder: Path) -> None:
    """Ours of all days with SQL's, and of the last day with the update's."""
    ours = pl.read_parquet(folder / f"full-{name}.parquet")
    last = ours.filter(pl.col("reference_date") == LAST)
    if not last.equals(pl.read_parquet(folder / f"day-{name}.parquet")):
        raise DisagreementError(f"{name}: the day's update is not what all anew gives")
    theirs = _shaped(name, pl.read_parquet(folder / f"sql-{name}.parquet"))
    values = COUNTS if name == "adoption" else [theirs.columns[-1]]
    key = [column for column in theirs.columns if column not in values]
    mine = ours.select(theirs.columns).with_columns(pl.col(values).fill_null(0))
    both = _counted(mine, values).join(
        _counted(theirs, values), on=key, how="full", coalesce=True, nulls_equal=True, suffix="_sql"
    )
    differs = pl.any_horizontal(pl.col(v).ne_missing(pl.col(f"{v}_sql")) for v in values)
    wrong = both.filter(differs)
    if wrong.height:
        raise DisagreementError(f"{name}: {wrong.height} figures differ: {wrong.row(0)}")


def _shaped(name: str, found: pl.DataFrame) -> pl.DataFrame:
    if name != "funnel":
        return found.with_columns(pl.selectors.integer().cast(pl.Int64))
    stages = ["registered", "activated", "online", "in_use"]
    long = found.unpivot(
        stages, index=["reference_date", "park_id", "of"], variable_name="stage", value_name="units"
    )
    return long.cast({"units": pl.Int64})


def _counted(rows: pl.DataFrame, values: list[str]) -> pl.DataFrame:
    return rows.filter(pl.any_horizontal(pl.col(values) != 0))
