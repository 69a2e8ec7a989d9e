"""What leaves the segments: every collected value once, and how often each was received."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors import pruning
from connectors.errors import HomeRefused, ParkPulseError, SegmentUnreadable
from connectors.holdings import held_in
from connectors.home import Home
from connectors.raw import RAW_SCHEMA
from connectors.segments import Sidecar, read_held
from pipelines import bronze, raw, schemas


@dataclass(slots=True)
class ExportCounts:
    """Rows received, repeats removed, rows written, and what could not be read.

    `being_written` are tails that a running collector holds.
    """

    rows_in: int = 0
    repeats: int = 0
    rows_out: int = 0
    unreadable: list[str] = field(default_factory=list)
    being_written: list[str] = field(default_factory=list)


def export_raw(home: Path, out: Path) -> ExportCounts:
    """Write every collected value once to `out` (Parquet, pipelines.schemas.RAW).

    One site and local day is in memory at a time. An unreadable segment is named in the counts
    and the others go on. HomeRefused where there are no segments at all.
    """
    counts = ExportCounts()
    if not (home / "segments").is_dir():
        raise HomeRefused(home, "it holds no segments", "collect first, or give another --home")
    empty = pl.DataFrame(schema=schemas.RAW).to_arrow(compat_level=pl.CompatLevel.oldest())
    with (
        _replacing(out) as file,
        pq.ParquetWriter(file, empty.schema, compression="zstd") as writer,
    ):
        for received in site_days(home, counts):
            frame = values(received, counts)
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer.write_table(table.cast(empty.schema))
            counts.rows_out += frame.height
    return counts


@contextlib.contextmanager
def _replacing(out: Path) -> Iterator[BinaryIO]:
    """A file beside `out` that takes its place when it is whole and on the disk, or is removed."""
    if out.exists() and not out.is_file():
        raise ParkPulseError(out, "it is no regular file", "name a Parquet file to write")
    target = out.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole local days of a site: the rows that segments still have, and those from bronze.

    `pruned` counts the rows as pruned segments had them (columns of `pruning.COUNTED`).
    """

    days: list[str]
    received: pa.Table
    from_bronze: pa.Table
    pruned: pl.DataFrame

    @property
    def table(self) -> pa.Table:
        """All rows: those of bronze repeat what segments still have."""
        tables = [self.received, self.from_bronze]
        return pa.concat_tables(tables, promote_options="permissive")

    @property
    def rows(self) -> int:
        """Rows as received, those of pruned segments too."""
        return int(self.received.num_rows + self.pruned["rows"].sum())


def site_days(
    home: Path, counts: ExportCounts, first: str = "0000", last: str = "9999-12-31"
) -> Iterator[Piece]:
    """Site by site and day by day (`first` to `last`) the received rows, repeats and all."""
    for folder in sorted(p for p in (home / "segments").glob("*") if p.is_dir()):
        cars = _holdings(folder, counts)
        days = sorted({day for car in cars for day in car.days if first <= day <= last})
        yield from _pieces(home, folder.name, cars, [[day] for day in days], counts)


def site_spans(
    home: Path, site_id: str, counts: ExportCounts, rows: int = 250_000
) -> Iterator[tuple[date, pl.DataFrame]]:
    """Every value of one site once, in pieces: the first local day of each, its rows.

    A piece has whole days, and more than `rows` received rows only where a single day has; it
    reaches up to the first day of the next.
    """
    cars = _holdings(home / "segments" / site_id, counts)
    for piece in _pieces(home, site_id, cars, _spans_of(cars, rows), counts):
        yield date.fromisoformat(piece.days[0]), values(piece, counts)


def _pieces(
    home: Path,
    site: str,
    cars: Sequence[Sidecar],
    spans: Iterable[list[str]],
    counts: ExportCounts,
) -> Iterator[Piece]:
    """The pieces of a site that have any rows; what cannot be read is named in the counts."""
    known = _counted(home, site, cars, counts)
    for days in spans:
        tables = [RAW_SCHEMA.empty_table(), *_tables_of(cars, days, counts.unreadable)]
        received = pa.concat_tables(tables, promote_options="permissive")
        pruned = known.filter(pl.col("day").cast(pl.String).is_in(days))
        piece = Piece(days, received, _from_bronze(home, pruned, days, counts), pruned)
        if piece.rows:
            yield piece


def _counted(home: Path, site: str, cars: Sequence[Sidecar], counts: ExportCounts) -> pl.DataFrame:
    """What the site's pruned segments counted."""
    try:
        if any(car.pruned for car in cars):
            return pruning.counted(Home(home), site)
    except SegmentUnreadable as error:
        counts.unreadable.append(str(error))
    return pl.DataFrame(schema=pruning.COUNTED)


def _from_bronze(
    home: Path, pruned: pl.DataFrame, days: Sequence[str], counts: ExportCounts
) -> pa.Table:
    try:
        return pruning.on_days(pruning.rows_in_bronze(Home(home), pruned["held_in"]), days)
    except SegmentUnreadable as error:
        if str(error) not in counts.unreadable:
            counts.unreadable.append(str(error))
        return RAW_SCHEMA.empty_table()


def _spans_of(cars: Sequence[Sidecar], rows: int) -> Iterator[list[str]]:
    """The local days of the segments, in order, as lists of at most `rows` rows where it can be."""
    held: Counter[str] = Counter()
    for car in cars:
        held.update(car.days)
    days: list[str] = []
    for day in sorted(held):
        if days and sum(held[d] for d in days) + held[day] > rows:
            yield days
            days = []
        days.append(day)
    if days:
        yield days


def _holdings(folder: Path, counts: ExportCounts) -> list[Sidecar]:
    """What a site's folder holds; what cannot be read, or not yet, is named in the counts."""
    held = held_in(folder)
    counts.unreadable += held.unreadable
    counts.being_written += held.being_written
    return held.segments


def _tables_of(
    cars: Sequence[Sidecar], days: Sequence[str], unreadable: list[str]
) -> Iterator[pa.Table]:
    """The rows of some local days from every segment that has any."""
    for car in cars:
        if car.days.keys().isdisjoint(days):
            continue
        try:
            table = read_held(car)
        except SegmentUnreadable as error:
            if str(error) not in unreadable:
                unreadable.append(str(error))
            continue
        if table is not None:
            yield table if car.days.keys() <= set(days) else pruning.on_days(table, days)


def once(table: pa.Table, counts: ExportCounts) -> pl.DataFrame:
    """Received rows as schemas.RAW, every value once (`bronze.compact`); adds to the counts."""
    frame = bronze.compact(raw.from_segments(pl.DataFrame(pl.from_arrow(table))))
    counts.rows_in += table.num_rows
    counts.repeats += table.num_rows - frame.height
    return frame


def values(piece: Piece, counts: ExportCounts) -> pl.DataFrame:
    """Every value of a piece once; adds its rows as they were received to the counts."""
    frame = once(piece.table, ExportCounts())
    counts.rows_in += piece.rows
    counts.repeats += piece.rows - frame.height
    return frame
