"""What leaves the segments: every collected value once, and how often each was received."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import HomeRefused, SegmentUnreadable
from connectors.ledger import Ledger
from connectors.raw import EPOCH_TICKS
from connectors.segments import Sidecar, event_ticks, local_days, read, read_sidecar
from pipelines import schemas

_OLDEST_US: Final = (np.iinfo(np.int64).min // 1000) + 1
_NEWEST_US: Final = np.iinfo(np.int64).max // 1000
"""1677 to 2262: where nanoseconds of 64 bits end, and with them many readers of Parquet."""


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
        for frame in site_days(home, counts):
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer.write_table(table.cast(empty.schema))
            counts.rows_out += frame.height
    temporary.replace(out)
    return counts


def _with_segments(home: Path) -> None:
    """Refuse a folder that no collector has written to."""
    if not (home / "segments").is_dir():
        raise HomeRefused(home, "it holds no segments", "collect first, or give another --home")


def site_days(home: Path, counts: ExportCounts) -> Iterator[pl.DataFrame]:
    """Site by site and day by day the rows of schemas.RAW without repeats, in event order."""
    for folder in sorted(p for p in (home / "segments").iterdir() if p.is_dir()):
        cars = readable_sidecars(folder, counts.unreadable)
        for day in sorted({day for car in cars for day in car.days}):
            tables = list(_tables_of(cars, [day], counts.unreadable))
            if tables:
                yield _once(pa.concat_tables(tables, promote_options="permissive"), counts)


def site_spans(
    home: Path, site_id: str, counts: ExportCounts, rows: int = 250_000
) -> Iterator[tuple[date, pl.DataFrame]]:
    """What `site_days` gives of one site in fewer pieces: the first local day of each, its rows.

    A piece has whole days, and more than `rows` received rows only where a single day has; it
    reaches up to the first day of the next.
    """
    cars = readable_sidecars(home / "segments" / site_id, counts.unreadable)
    for days in _spans_of(cars, rows):
        tables = list(_tables_of(cars, days, counts.unreadable))
        if tables:
            table = pa.concat_tables(tables, promote_options="permissive")
            yield date.fromisoformat(days[0]), _once(table, counts)


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


def _once(table: pa.Table, counts: ExportCounts) -> pl.DataFrame:
    counts.rows_in += table.num_rows
    frame = without_repeats(as_raw(table))
    counts.repeats += table.num_rows - frame.height
    return frame


def as_raw(table: pa.Table) -> pl.DataFrame:
    """Rows of a segment as schemas.RAW, with `event_ticks` beside them."""
    table = table.append_column("event_ticks", event_ticks(table))
    frame = pl.DataFrame(pl.from_arrow(table))
    return frame.with_columns(
        _time("source_ticks").alias("source_time"), _time("server_ticks").alias("server_time")
    ).select(*schemas.RAW, "event_ticks")


def _time(ticks: str) -> pl.Expr:
    us = (pl.col(ticks) - EPOCH_TICKS) // 10
    return pl.when(us.is_between(_OLDEST_US, _NEWEST_US)).then(us).cast(schemas.TIME)


def without_repeats(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per value (schemas.REPEAT_KEY), the earliest received, by node and event time.

    Only rows that share node and time with another are compared in full: nearly all do not, or
    do so once.
    """
    keys = ["server_uri", "node_id", "event_ticks"]
    ordered = frame.sort([*keys, "received_time"], maintain_order=True)
    same = pl.all_horizontal(pl.col(k).eq_missing(pl.col(k).shift(1)) for k in keys)
    marked = ordered.with_columns(_shared=same | same.shift(-1, fill_value=False))
    alone = marked.filter(~pl.col("_shared"))
    several = marked.filter("_shared").unique(schemas.REPEAT_KEY, keep="first", maintain_order=True)
    both = pl.concat([alone, several]).sort(keys, maintain_order=True)
    return both.select(
        pl.col(name).cast(kind)
        if name in ("server_uri", "node_id", "value_type", "origin")
        else name
        for name, kind in schemas.RAW.items()
    )


def ledger_summary(home: Path) -> dict[str, Any]:
    """The ledger for `ledger --json`: per server and node what was received, repeated, missed.

    Counts come from the sealed segments, so that a crash cannot part them from the rows.
    """
    counts = ExportCounts()
    _with_segments(home)
    received: dict[str, dict[str, dict[str, int]]] = {}
    for folder in sorted(p for p in (home / "segments").glob("*") if p.is_dir()):
        for car in readable_sidecars(folder, counts.unreadable):
            _count_segment(car, received, counts)
    for frame in site_days(home, ExportCounts()):
        _count_once(frame, received)
    with Ledger(home, read_only=True) as ledger:
        summary = ledger.summary()
    for server in summary["servers"]:
        nodes = received.get(server["server_uri"], {})
        server["per_node"] = nodes
        names = ("live", "republished", "history", "repeats_removed")
        server["received"] = {n: sum(node[n] for node in nodes.values()) for n in names}
    summary["unreadable_segments"] = counts.unreadable
    return summary


def _count_segment(
    car: Sidecar, received: dict[str, dict[str, dict[str, int]]], counts: ExportCounts
) -> None:
    try:
        table = read(car.path)
    except SegmentUnreadable as error:
        counts.unreadable.append(str(error))
        return
    grouped = pl.DataFrame(pl.from_arrow(table.select(["server_uri", "node_id", "origin"])))
    for server, node, origin, rows in grouped.group_by(grouped.columns).len().iter_rows():
        node_counts = received.setdefault(server, {}).setdefault(
            node, {"live": 0, "republished": 0, "history": 0, "repeats_removed": 0}
        )
        node_counts[origin] += rows
        node_counts["repeats_removed"] += rows


def _count_once(frame: pl.DataFrame, received: dict[str, dict[str, dict[str, int]]]) -> None:
    for server, node, rows in frame.group_by("server_uri", "node_id").len().iter_rows():
        received[server][node]["repeats_removed"] -= rows
