"""Collected events as frames: into bronze, into one file, and as the story of every alarm."""

import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from connectors import segments
from connectors.errors import HomeRefused, ParkPulseError, SegmentUnreadable
from connectors.event_segments import EVENT_SCHEMA, EVENTS, FOLDER, SERVER_NODE
from connectors.holdings import held_in
from connectors.home import Home, write_atomic
from connectors.ledger import Ledger
from connectors.received import asked_by
from connectors.segments import Sidecar
from pipelines import events

_logger: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class EventCounts:
    """Events received, repeats removed, and what could not be read or is still being written."""

    received: int = 0
    repeats: int = 0
    unreadable: list[str] = field(default_factory=list)
    being_written: list[str] = field(default_factory=list)


def sidecars(home: Home, site: str) -> tuple[list[Sidecar], list[SegmentUnreadable]]:
    """Sealed event segments of a site in order, and those whose sidecar cannot be read."""
    return segments.readable_sidecars(home.event_segments / site)


def rows(home: Home, site: str, days: Iterable[date]) -> tuple[pl.DataFrame, list[Sidecar]]:
    """Received events (schemas.EVENTS, repeats and all) of segments that touch these local days.

    Also gives the segments. What cannot be read is told in a warning.
    """
    wanted = set(days)
    found, culprits = sidecars(home, site)
    unreadable = [str(error) for error in culprits]
    asked = [one for one in found if wanted & asked_by(one, home)]
    frame = _read(asked, unreadable)
    for culprit in unreadable:
        _logger.warning("%s", culprit)
    return frame, asked


def _read(found: Sequence[Sidecar], unreadable: list[str]) -> pl.DataFrame:
    tables: list[pa.Table] = []
    for sidecar in found:
        try:
            tables.append(segments.read(sidecar.path, EVENTS))
        except SegmentUnreadable as error:
            unreadable.append(str(error))
    table = pa.concat_tables(tables) if tables else EVENT_SCHEMA.empty_table()
    return events.from_segments(pl.DataFrame(pl.from_arrow(table.unify_dictionaries())))


def everything(home: Path) -> tuple[pl.DataFrame, EventCounts]:
    """Every event of a home once (schemas.EVENTS), by server and time.

    Needs no materialise; tails that no collector is writing are read too. HomeRefused where
    nothing was ever collected.
    """
    if not (home / "segments").is_dir() and not (home / FOLDER).is_dir():
        raise HomeRefused(home, "it holds no segments", "collect first, or give another --home")
    counts = EventCounts()
    frame = pl.concat([_read([], []), *_sites(home, counts)])
    once = events.compact(frame)
    counts.received, counts.repeats = frame.height, frame.height - once.height
    return once, counts


def _sites(home: Path, counts: EventCounts) -> Iterator[pl.DataFrame]:
    for folder in sorted(path for path in (home / FOLDER).glob("*") if path.is_dir()):
        held = held_in(folder, EVENTS)
        counts.unreadable += held.unreadable
        counts.being_written += held.being_written
        yield _read(held.segments, counts.unreadable)


def export_events(home: Path, out: Path) -> EventCounts:
    """Write every event once to one Parquet file (schemas.EVENTS)."""
    if out.exists() and not out.is_file():
        raise ParkPulseError(out, "it is no regular file", "name a Parquet file to write")
    frame, counts = everything(home)
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    write_atomic(out.resolve(), buffer.getvalue())
    return counts


def summary(home: Path) -> dict[str, Any]:
    """Counts, the story of every alarm, and the spans in which events may have gone unheard."""
    frame, counts = everything(home)
    told = events.alarms(frame)
    by_server = frame.group_by("server_uri").len("events").sort("server_uri")
    return {
        "received": counts.received,
        "repeats_removed": counts.repeats,
        "servers": by_server.to_dicts(),
        "alarms": [_plain(row) for row in told.iter_rows(named=True)],
        "unheard": _unheard(home),
        "unreadable_segments": counts.unreadable,
        "being_written": counts.being_written,
    }


def _unheard(home: Path) -> list[dict[str, Any]]:
    """Gaps of a whole server, or of its Server object; history gives values back, not events."""
    with Ledger(home, read_only=True) as ledger:
        servers = ledger.summary()["servers"]
    return [
        {"server_uri": server["server_uri"], **{k: gap[k] for k in ("from", "to", "reason")}}
        for server in servers
        for gap in [*server["closed_gaps"], *server["open_gaps"]]
        if gap["node_id"] in (None, SERVER_NODE)
    ]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it."""
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()}
