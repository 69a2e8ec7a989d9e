"""Fingerprints of factory-days beside the lake's tables, and which days are stale by them.

`lake/fingerprints/day=D/factory=F/part.json` is written when a run has made all of a day. A run
notes what stands outside its box before it reads (`begin`), so that what changes meanwhile makes
its days stale again instead of passing for read.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from connectors import events, received
from connectors.arithmetic_version import arithmetic_version
from connectors.home import Home, write_atomic
from connectors.lake import Lake, Partition, sha256_of
from connectors.ledger import Ledger
from connectors.segments import Sidecar
from pipelines import fingerprints
from pipelines.clock import days_of, judged
from pipelines.fingerprints import CHARACTERS, DAY, HELD, Fingerprint, digest
from pipelines.profiles import DEFAULT
from pipelines.schemas import TABLES

TABLE: Final = "fingerprints"
BEGUN: Final = "begun"

Outside = Mapping[date, Mapping[str, str]]
"""By day the components that come from outside the lake's factory-days."""


def stale(home: Home, factory: str, today: date) -> dict[date, str]:
    """The days to be made anew, each with one hash of the inputs that it has now.

    Asked for are the days from the one before the first that segments touch (skewed clocks and
    night shifts reach back) to today. None where nothing was ever received.
    """
    sealed = _sealed(home, factory)
    touched = sorted({day for one in sealed for day in received.asked_by(one, home)})
    if not touched:
        return {}
    first = max(home.first_day, touched[0] - DAY)
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    made = recorded(Lake(home.lake), factory)
    holds = {day: one.holds for day, one in made.items()}
    found = {}
    for day, outside in outside_of(home, factory, days, sealed).items():
        before = made.get(day)
        clock_days = before.clock_days if before else ()
        now = fingerprints.inputs(day, outside, holds, clock_days)
        if before is None or before.made_from != now:
            found[day] = digest(f"{name} {value}" for name, value in sorted(now.items()))
    return found


def begin(home: Home, factory: str, days: Sequence[date], run_id: str) -> None:
    """Note what a run over a box of days stands on, before it reads any of it."""
    outside = outside_of(home, factory, days, _sealed(home, factory))
    made = recorded(Lake(home.lake), factory)
    note = {
        "outside": {day.isoformat(): parts for day, parts in outside.items()},
        "holds": {day.isoformat(): one.holds for day, one in made.items()},
    }
    write_atomic(_begun(home, run_id), json.dumps(note).encode())


def standing(
    home: Home, factory: str, days: Sequence[date], run_id: str
) -> dict[date, Fingerprint]:
    """The fingerprints of a run's days as its files are now; empty where it never began."""
    try:
        note = json.loads(_begun(home, run_id).read_bytes())
    except FileNotFoundError:
        return {}
    lake = Lake(home.lake)
    own = {day: _held(lake, Partition(day, factory)) for day in days}
    holds = {date.fromisoformat(day): tables for day, tables in note["holds"].items()} | own
    found = {}
    for day in days:
        clock_days = _clock_days(lake, home, Partition(day - 2 * DAY, factory))
        made_from = fingerprints.inputs(day, note["outside"][day.isoformat()], holds, clock_days)
        found[day] = Fingerprint(made_from, own[day], clock_days)
    return found


def finish(home: Home, factory: str, days: Sequence[date], run_id: str) -> None:
    """Write the fingerprints of a run that has made all tables of its days."""
    lake = Lake(home.lake)
    for day, one in standing(home, factory, days, run_id).items():
        record(lake, Partition(day, factory), one)
    _begun(home, run_id).unlink(missing_ok=True)


def record(lake: Lake, partition: Partition, made: Fingerprint) -> None:
    """Replace one fingerprint, if it is another."""
    content = {
        "made_from": dict(made.made_from),
        "holds": dict(made.holds),
        "clock_days": [day.isoformat() for day in made.clock_days],
    }
    path = _path(lake, partition)
    if _read(path) != made:
        write_atomic(path, json.dumps(content).encode())


def recorded(lake: Lake, factory: str) -> dict[date, Fingerprint]:
    """Every fingerprint of a factory by day; a damaged one counts as none."""
    names = [path.name for path in (lake.root / TABLE).glob("day=*")]
    days = (date.fromisoformat(name.removeprefix("day=")) for name in sorted(names))
    found = ((day, _read(_path(lake, Partition(day, factory)))) for day in days)
    return {day: made for day, made in found if made is not None}


def of_day(lake: Lake, partition: Partition) -> Fingerprint | None:
    """The fingerprint of one factory-day; None where it was never made whole."""
    return _read(_path(lake, partition))


def outside_of(
    home: Home, factory: str, days: Sequence[date], sealed: Sequence[Sidecar]
) -> dict[date, dict[str, str]]:
    """The components of each day that no other day's files hold."""
    lake = Lake(home.lake)
    whole = {
        "catalogue": _content(lake, "tags", factory),
        "cycles": _content(lake, "cycles", factory),
        "reasons": _content(lake, "reasons", factory),
        "lines": _content(lake, "lines", factory),
        "code": arithmetic_version(),
    }
    by_day = {
        "late_values": _segments(home, days, sealed),
        "plan": _planned(home, factory, days),
        "coverage": _vouched(home, factory, days),
        "profile": _agreed(home, factory, days),
    }
    return {day: whole | {name: parts[day] for name, parts in by_day.items()} for day in days}


def _sealed(home: Home, factory: str) -> list[Sidecar]:
    return [*received.sidecars(home, factory)[0], *events.sidecars(home, factory)[0]]


def _segments(home: Home, days: Sequence[date], sealed: Sequence[Sidecar]) -> dict[date, str]:
    """Per day the hash of the segments that bear on it."""
    of_day: dict[date, list[str]] = {day: [] for day in days}
    for one in sealed:
        for day in received.asked_by(one, home) & of_day.keys():
            of_day[day].append(one.sha256)
    return {day: digest(sorted(found)) for day, found in of_day.items()}


def _content(lake: Lake, table: str, factory: str) -> str:
    """The hash of a small table's rows; of its bytes where it cannot be read."""
    path = lake.path(table, Partition(factory=factory))
    if not path.is_file():
        return ""
    try:
        return fingerprints.content(pl.read_parquet(path))
    except pl.exceptions.PolarsError:
        return sha256_of(path)[:CHARACTERS]


def _planned(home: Home, factory: str, days: Sequence[date]) -> dict[date, str]:
    return _by_day(home, "plan", factory, days, fingerprints.planned)


def _agreed(home: Home, factory: str, days: Sequence[date]) -> dict[date, str]:
    """Per day the hash of the profiles that hold, the default among them."""
    held = _by_day(home, "conventions", factory, days, fingerprints.agreed)
    return {day: digest([repr(DEFAULT), own]) for day, own in held.items()}


def _by_day(
    home: Home,
    table: str,
    factory: str,
    days: Sequence[date],
    hashes: Callable[[pl.DataFrame, Sequence[date], date], dict[date, str]],
) -> dict[date, str]:
    """Hashes of a small table's rows by day; of its bytes where it cannot be read."""
    path = Lake(home.lake).path(table, Partition(factory=factory))
    try:
        rows = pl.read_parquet(path) if path.is_file() else pl.DataFrame(schema=TABLES[table])
        return hashes(rows, days, home.first_day)
    except pl.exceptions.PolarsError:
        return dict.fromkeys(days, sha256_of(path)[:CHARACTERS])


def _vouched(home: Home, factory: str, days: Sequence[date]) -> dict[date, str]:
    """Per day the hash of the ledger's coverage and gaps of the factory's servers."""
    with Ledger(home.root, read_only=True) as ledger:
        coverage, gaps = ledger.coverage(), ledger.gaps()
    own = coverage.filter(pl.col("factory_id") == factory)
    missed = gaps.join(own.select("server_uri").unique(), on="server_uri", how="semi")
    since = home.first_day
    parts = [fingerprints.vouched(spans, days, since) for spans in (own, missed)]
    return {day: digest(part[day] for part in parts) for day in days}


def _held(lake: Lake, partition: Partition) -> dict[str, str]:
    """The hash of each file of a day that other days are made from; of clocks what they correct."""
    paths = {table: lake.path(table, partition) for table in HELD}
    return {table: _hash(table, path) for table, path in paths.items() if path.is_file()}


def _hash(table: str, path: Path) -> str:
    if table == "clock_offsets":
        return fingerprints.content(judged(pl.read_parquet(path)))
    return sha256_of(path)[:CHARACTERS]


def _clock_days(lake: Lake, home: Home, partition: Partition) -> list[date]:
    """The days whose clock offsets correct what a day's silver was carried."""
    nearest = lake.nearest("last_values", partition)
    carried = lake.scan("last_values", [nearest]) if nearest else None
    if carried is None:
        return []
    days = days_of(carried.select("source_time").collect(engine="in-memory"))
    return sorted({max(day, home.first_day) for day in days})


def _path(lake: Lake, partition: Partition) -> Path:
    return lake.root / TABLE / partition.folder / "part.json"


def _begun(home: Home, run_id: str) -> Path:
    name = hashlib.sha256(run_id.encode()).hexdigest()[:CHARACTERS]
    return home.lake / TABLE / BEGUN / f"{name}.json"


def _read(path: Path) -> Fingerprint | None:
    try:
        content = json.loads(path.read_bytes())
        clock_days = [date.fromisoformat(day) for day in content["clock_days"]]
        return Fingerprint(content["made_from"], content["holds"], clock_days)
    except (OSError, ValueError, KeyError, TypeError):
        return None
