"""What leaves the segments: every collected value once, and how often each was received."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import HomeRefused, ParkPulseError, SegmentUnreadable
from connectors.holdings import held_in
from connectors.ledger import LEDGER_FILE, Ledger
from connectors.segments import Sidecar, local_days, read
from pipelines import bronze, raw, schemas

Received = dict[str, dict[str, dict[str, int]]]
"""Counts by server URI, node and origin; `repeats_removed` is one more of them."""


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
            frame = once(received, counts)
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


def site_days(home: Path, counts: ExportCounts) -> Iterator[pa.Table]:
    """Site by site and day by day the received rows, repeats and all (columns of RAW_SCHEMA)."""
    for folder in sorted(p for p in (home / "segments").glob("*") if p.is_dir()):
        cars = _holdings(folder, counts)
        for day in sorted({day for car in cars for day in car.days}):
            tables = list(_tables_of(cars, [day], counts.unreadable))
            if tables:
                yield pa.concat_tables(tables, promote_options="permissive")


def site_spans(
    home: Path, site_id: str, counts: ExportCounts, rows: int = 250_000
) -> Iterator[tuple[date, pl.DataFrame]]:
    """Every value of one site once, in pieces: the first local day of each, its rows.

    A piece has whole days, and more than `rows` received rows only where a single day has; it
    reaches up to the first day of the next.
    """
    cars = _holdings(home / "segments" / site_id, counts)
    for days in _spans_of(cars, rows):
        tables = list(_tables_of(cars, days, counts.unreadable))
        if tables:
            table = pa.concat_tables(tables, promote_options="permissive")
            yield date.fromisoformat(days[0]), once(table, counts)


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
            table = read(car.path)
        except SegmentUnreadable as error:
            if str(error) not in unreadable:
                unreadable.append(str(error))
            continue
        if not car.days.keys() <= set(days):
            wanted = np.array(days, "datetime64[D]")
            table = table.filter(pa.array(np.isin(local_days(table), wanted)))
        yield table


def once(table: pa.Table, counts: ExportCounts) -> pl.DataFrame:
    """Received rows as schemas.RAW, every value once (`bronze.compact`); adds to the counts."""
    frame = bronze.compact(raw.from_segments(pl.DataFrame(pl.from_arrow(table))))
    counts.rows_in += table.num_rows
    counts.repeats += table.num_rows - frame.height
    return frame


def ledger_summary(home: Path) -> dict[str, Any]:
    """The ledger for `ledger --json`: per server and node what was received, repeated, missed.

    Counts come from the segments, so that a crash cannot part them from the rows; before there is
    any, the ledger alone tells of its servers.
    """
    if not (home / "segments").is_dir() and not (home / LEDGER_FILE).is_file():
        raise HomeRefused(home, "it holds no ledger", "collect first, or give another --home")
    counts = ExportCounts()
    received: Received = {}
    for table in site_days(home, counts):
        _count(table, received)
    with Ledger(home, read_only=True) as ledger:
        summary = ledger.summary()
    for server in summary["servers"]:
        nodes = received.get(server["server_uri"], {})
        server["per_node"] = nodes
        names = ("live", "republished", "history", "repeats_removed")
        server["received"] = {n: sum(node[n] for node in nodes.values()) for n in names}
    summary["unreadable_segments"] = counts.unreadable
    summary["being_written"] = counts.being_written
    return summary


def _count(table: pa.Table, received: Received) -> None:
    """Add a site's day: rows by origin, and how many of them were repeats."""
    rows = pl.DataFrame(pl.from_arrow(table.select(["server_uri", "node_id", "origin"])))
    for server, node, origin, count in rows.group_by(rows.columns).len().iter_rows():
        of_node = received.setdefault(server, {}).setdefault(
            node, {"live": 0, "republished": 0, "history": 0, "repeats_removed": 0}
        )
        of_node[origin] += count
        of_node["repeats_removed"] += count
    kept = once(table, ExportCounts())
    for server, node, count in kept.group_by("server_uri", "node_id").len().iter_rows():
        received[server][node]["repeats_removed"] -= count
