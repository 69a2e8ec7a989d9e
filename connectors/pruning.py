"""Old segments go once bronze holds every row of them, proved row by row; what they told stays.

Of a pruned segment its sidecar stays (marks, counts, hash) and, beside it, how many rows each node
had by day and origin. Its rows are read from bronze, which is their only place from then on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from connectors import segments
from connectors.errors import HomeRefused, SegmentUnreadable
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.raw import RAW_SCHEMA
from connectors.segments import Sidecar
from connectors.tables import write_parquet
from pipelines import bronze, raw
from pipelines.days import local_day
from pipelines.schemas import RAW

KEEP_DAYS: Final = 7.0
"""So long a mistake in what bronze makes of segments can still be put right from them."""
BATCH_ROWS: Final = 1_000_000
"""Rows held against bronze in one go: a factory-day of some 500 bytes a row in memory."""
COUNTED: Final = {
    "server_uri": pl.String(),
    "node_id": pl.String(),
    "day": pl.Date(),
    "origin": pl.String(),
    "segment": pl.String(),
    "held_in": pl.String(),
    "rows": pl.Int64(),
}
"""Rows as received: by node, local day of the event and origin; of which segment, and in which file
of the lake they are."""
COUNTS_SUFFIX: Final = ".counts.parquet"
"""One file for each batch, named after its first segment."""
_REMEDY: Final = "restore it from a backup: segments were pruned because it held their rows"


@dataclass(slots=True)
class Pruned:
    """What went (or would go), and what stays for want of proof: a line each."""

    segments: int = 0
    rows: int = 0
    freed_bytes: int = 0
    kept: list[str] = field(default_factory=list)


def prune(
    home: Home, *, keep_days: float = KEEP_DAYS, dry_run: bool = False, now: datetime | None = None
) -> Pruned:
    """Remove the sealed segments older than `keep_days` all of whose rows are in bronze.

    Whatever cannot be read or proved stays, and is named. HomeRefused where there is no home.
    """
    if not home.exists():
        raise HomeRefused(home.root, "it is no home", "collect first, or give another --home")
    oldest = (now or datetime.now(UTC)) - timedelta(days=keep_days)
    done = Pruned()
    for folder in sorted(p for p in home.segments.glob("*") if p.is_dir()):
        for batch in _batches(_candidates(folder, oldest, done, dry_run=dry_run)):
            _prune_batch(home, folder.name, batch, done, dry_run=dry_run)
    return done


def _candidates(
    folder: Path, oldest: datetime, done: Pruned, *, dry_run: bool
) -> Iterator[Sidecar]:
    """Old enough, sealed, still there; what an interrupted pruning left is removed on the way."""
    for path in sorted(folder.glob("*.json")):
        try:
            car = segments.read_sidecar(path)
        except SegmentUnreadable as error:
            done.kept.append(str(error))
            continue
        if car.pruned and not dry_run:
            car.path.unlink(missing_ok=True)
        is_old = datetime.fromisoformat(car.sealed_at) < oldest
        if is_old and not car.pruned and car.path.exists():
            yield car


def _batches(cars: Iterable[Sidecar]) -> Iterator[list[Sidecar]]:
    batch: list[Sidecar] = []
    for car in cars:
        if batch and sum(one.rows for one in batch) + car.rows > BATCH_ROWS:
            yield batch
            batch = []
        batch.append(car)
    if batch:
        yield batch


def _prune_batch(
    home: Home, site: str, batch: Sequence[Sidecar], done: Pruned, *, dry_run: bool
) -> None:
    """Prune those of a batch that bronze holds whole; their counts are on the disk before."""
    rows = {}
    for car in batch:
        try:
            rows[car.path.name] = _rows_of(car)
        except (SegmentUnreadable, OSError) as error:
            done.kept.append(str(error))
    if not rows:
        return
    placed = _placed(home, site, pl.concat(rows.values()))
    missing = _missing(home, placed)
    proved = []
    for car in batch:
        if lacking := missing.get(car.path.name):
            why = f"bronze lacks {lacking:,} of its {car.rows:,} rows"
            done.kept.append(f"{car.path}: {why}; run `parkpulse materialize`, then prune again")
        elif car.path.name in rows:
            proved.append(car)
    for car in proved:
        done.segments, done.rows = done.segments + 1, done.rows + car.rows
        done.freed_bytes += car.path.stat().st_size
    if proved and not dry_run:
        counts = count(placed).filter(pl.col("segment").is_in([car.path.name for car in proved]))
        write_parquet(counts, proved[0].path.with_suffix(COUNTS_SUFFIX))
        files = [home.lake / file for file in counts["held_in"].unique()]
        segments.prune(proved, files)


def _rows_of(car: Sidecar) -> pl.DataFrame:
    """A segment's rows (schemas.RAW, segment) in full, as sealed, or SegmentUnreadable."""
    table = segments.read(car.path)
    if table.num_rows != car.rows:
        why = f"it has {table.num_rows:,} rows, its sidecar says {car.rows:,}"
        raise SegmentUnreadable(car.path, why, "restore it from a backup")
    rows = raw.from_segments(pl.DataFrame(pl.from_arrow(table)))
    return rows.with_columns(segment=pl.lit(car.path.name))


def _placed(home: Home, site: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `held_in`: the file of the lake in which bronze should have them."""
    kept, quarantined = bronze.quarantine(rows)
    happened = pl.coalesce("source_time", "server_time", "received_time")
    placed = []
    for table, frame, time in (
        ("raw_values", kept, happened), ("quarantine", quarantined, pl.col("received_time")),
    ):  # fmt: skip
        days = frame.select(local_day(time).clip(lower_bound=home.first_day)).to_series()
        files = {day: _file(home, table, site, day) for day in days.unique()}
        held_in = days.replace_strict(files, return_dtype=pl.String) if files else pl.lit("")
        placed.append(frame.with_columns(held_in=held_in))
    return pl.concat(placed)


def _file(home: Home, table: str, site: str, day: date) -> str:
    """Where rows of a site's day lie: a factory's by day, a park gateway's in one piece."""
    lake, whole = Lake(home.lake), "park_values" if table == "raw_values" else table
    by_day, by_site = (
        lake.path(table, Partition(day, site)), lake.path(whole, Partition(factory=site)),
    )  # fmt: skip
    path = by_site if by_site.is_file() and not by_day.is_file() else by_day
    return path.relative_to(home.lake).as_posix()


def _missing(home: Home, placed: pl.DataFrame) -> dict[str, int]:
    """Of each segment how many rows are not in the file of the lake that should hold them."""
    missing: Counter[str] = Counter()
    for (file,), part in placed.group_by("held_in"):
        lacking = bronze.unheld(part, _held(home.lake / str(file)))
        missing.update(lacking["segment"].to_list())
    return dict(missing)


def _held(path: Path) -> pl.DataFrame:
    """What a file of bronze holds; nothing where there is none, or it is damaged."""
    try:
        return _partition(path, path.stat().st_mtime_ns)
    except (OSError, pl.exceptions.PolarsError):
        return pl.DataFrame(schema=RAW)


@lru_cache(maxsize=4)
def _partition(path: Path, _written_ns: int) -> pl.DataFrame:
    """A partition; a repeated question is answered from memory while the file is the same."""
    return pl.read_parquet(path, memory_map=False).match_to_schema(RAW)


# --- what a pruned segment still tells


def count(placed: pl.DataFrame) -> pl.DataFrame:
    """Rows (schemas.RAW, segment, held_in) as COUNTED."""
    days = pl.Series("day", segments.local_days(as_segment(placed)).astype("datetime64[D]"))
    rows = placed.with_columns(days.cast(pl.Date)).group_by(set(COUNTED) - {"rows"})
    return rows.agg(rows=pl.len()).select(pl.col(n).cast(t) for n, t in COUNTED.items())


def counted(home: Home, site: str) -> pl.DataFrame:
    """What a site's pruned segments counted (COUNTED); SegmentUnreadable for a damaged file."""
    folder = home.segments / site
    frames = [pl.DataFrame(schema=COUNTED)]
    for path in sorted(folder.glob(f"*{COUNTS_SUFFIX}")):
        try:
            frames.append(pl.read_parquet(path, memory_map=False).match_to_schema(COUNTED))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise SegmentUnreadable(path, _first_line(error), _REMEDY) from error
    # a pruning that was cut short counts its segments again
    found = pl.concat(frames).unique(maintain_order=True)
    gone = [name for name in found["segment"].unique() if _is_pruned(folder / name)]
    return found.filter(pl.col("segment").is_in(gone))


def _is_pruned(path: Path) -> bool:
    car = path.with_suffix(".json")
    return car.exists() and segments.read_sidecar(car).pruned is not None


def rows_in_bronze(home: Home, files: Iterable[str]) -> pa.Table:
    """The rows of files of the lake, as segments have them; SegmentUnreadable where one is gone."""
    tables = [RAW_SCHEMA.empty_table()]
    for path in (home.lake / file for file in sorted(set(files))):
        try:
            tables.append(as_segment(_partition(path, path.stat().st_mtime_ns)))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise SegmentUnreadable(path, _first_line(error), _REMEDY) from error
    return pa.concat_tables(tables).unify_dictionaries()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def on_days(table: pa.Table, days: Iterable[str]) -> pa.Table:
    """The rows of some local days."""
    wanted = np.array(sorted(days), "datetime64[D]")
    return table.filter(pa.array(np.isin(segments.local_days(table), wanted)))


def as_segment(frame: pl.DataFrame) -> pa.Table:
    """Rows of bronze as a segment has them (RAW_SCHEMA)."""
    table = frame.select(RAW_SCHEMA.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = [
        table.column(one.name).cast(pa.string()).dictionary_encode().cast(one.type)
        if pa.types.is_dictionary(one.type)
        else table.column(one.name).cast(one.type)
        for one in RAW_SCHEMA
    ]
    return pa.table(columns, schema=RAW_SCHEMA).unify_dictionaries()
