"""What leaves the segments: every collected value once, and how often each was received."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import HomeRefused, SegmentUnreadable
from connectors.ledger import Ledger
from connectors.segments import Sidecar, local_days, read, read_sidecar
from pipelines import bronze, raw, schemas

Received = dict[str, dict[str, dict[str, int]]]
"""Counts by server URI, node and origin; `repeats_removed` is one more of them."""


@dataclass(slots=True)
class ExportCounts:
    """Rows received, repeats removed, rows written, and the segments that could not be read."""

    rows_in: int = 0
    repeats: int = 0
    rows_out: int = 0
    unreadable: list[str] = field(default_factory=list)


def export_raw(home: Path, out: Path) -> ExportCounts:
    """Write every collected value once to `out` (Parquet, pipelines.schemas.RAW).

    One site and local day is in memory at a time. An unreadable segment is named in the counts
    and the others go on. HomeRefused where there are no segments at all.
    """
    counts = ExportCounts()
    _with_segments(home)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    empty = pl.DataFrame(schema=schemas.RAW).to_arrow(compat_level=pl.CompatLevel.oldest())
    with pq.ParquetWriter(temporary, empty.schema, compression="zstd") as writer:
        for received in site_days(home, counts.unreadable):
            frame = once(received, counts)
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer.write_table(table.cast(empty.schema))
            counts.rows_out += frame.height
    temporary.replace(out)
    return counts


def _with_segments(home: Path) -> None:
    """Refuse a folder that no collector has written to."""
    if not (home / "segments").is_dir():
        raise HomeRefused(home, "it holds no segments", "collect first, or give another --home")


def site_days(home: Path, unreadable: list[str]) -> Iterator[pa.Table]:
    """Site by site and day by day the received rows, repeats and all (columns of RAW_SCHEMA)."""
    for folder in sorted(p for p in (home / "segments").iterdir() if p.is_dir()):
        cars = readable_sidecars(folder, unreadable)
        for day in sorted({day for car in cars for day in car.days}):
            tables = list(_tables_of(cars, [day], unreadable))
            if tables:
                yield pa.concat_tables(tables, promote_options="permissive")


def site_spans(
    home: Path, site_id: str, counts: ExportCounts, rows: int = 250_000
) -> Iterator[tuple[date, pl.DataFrame]]:
    """Every value of one site once, in pieces: the first local day of each, its rows.

    A piece has whole days, and more than `rows` received rows only where a single day has; it
    reaches up to the first day of the next.
    """
    cars = readable_sidecars(home / "segments" / site_id, counts.unreadable)
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


def readable_sidecars(folder: Path, unreadable: list[str]) -> list[Sidecar]:
    """Sidecars of a site's segments; a damaged one is named in `unreadable`."""
    cars = []
    for path in sorted(folder.glob("*.json")):
        try:
            cars.append(read_sidecar(path))
        except SegmentUnreadable as error:
            unreadable.append(str(error))
    return cars


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

    Counts come from the sealed segments, so that a crash cannot part them from the rows.
    """
    _with_segments(home)
    unreadable: list[str] = []
    received: Received = {}
    for table in site_days(home, unreadable):
        _count(table, received)
    with Ledger(home, read_only=True) as ledger:
        summary = ledger.summary()
    for server in summary["servers"]:
        nodes = received.get(server["server_uri"], {})
        server["per_node"] = nodes
        names = ("live", "republished", "history", "repeats_removed")
        server["received"] = {n: sum(node[n] for node in nodes.values()) for n in names}
    summary["unreadable_segments"] = unreadable
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
