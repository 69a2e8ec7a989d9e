"""What the collector has sealed, as frames: the way from segments into bronze."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import polars as pl
import pyarrow as pa

from connectors import segments
from connectors.errors import SegmentUnreadable
from connectors.home import Home
from connectors.raw import RAW_SCHEMA
from connectors.segments import Sidecar

_logger: Final = logging.getLogger(__name__)


def sidecars(home: Home, site: str) -> tuple[list[Sidecar], list[SegmentUnreadable]]:
    """Sealed segments of a site in order, and those whose sidecar cannot be read."""
    found: list[Sidecar] = []
    unreadable: list[SegmentUnreadable] = []
    for path in sorted((home.segments / site).glob("*.json")):
        try:
            found.append(segments.read_sidecar(path))
        except SegmentUnreadable as error:
            unreadable.append(error)
    return found, unreadable


def rows(home: Home, site: str, days: Iterable[date]) -> tuple[pl.DataFrame, list[Sidecar]]:
    """Received rows (columns of RAW_SCHEMA) of the segments that touch these local days.

    Also gives the segments. The home's first day also answers for everything older.
    """
    wanted = {day.isoformat() for day in days}
    first = home.first_day.isoformat()
    found, unreadable = sidecars(home, site)
    touched = [
        sidecar
        for sidecar in found
        if any(day in wanted or (day < first and first in wanted) for day in sidecar.days)
    ]
    return _read(touched, unreadable)


def everything(home: Home, site: str) -> tuple[pl.DataFrame, list[Sidecar]]:
    """All received rows of a site, and its segments."""
    return _read(*sidecars(home, site))


def _read(
    found: Sequence[Sidecar], unreadable: list[SegmentUnreadable]
) -> tuple[pl.DataFrame, list[Sidecar]]:
    tables: list[pa.Table] = []
    read: list[Sidecar] = []
    for sidecar in found:
        try:
            tables.append(segments.read(sidecar.path))
            read.append(sidecar)
        except SegmentUnreadable as error:
            unreadable.append(error)
    for culprit in unreadable:
        _logger.warning("%s", culprit)
    table = pa.concat_tables(tables) if tables else RAW_SCHEMA.empty_table()
    frame = pl.from_arrow(table.unify_dictionaries())
    assert isinstance(frame, pl.DataFrame)
    return frame, read


def digest(found: Iterable[Sidecar]) -> str:
    """One SHA-256 over the hashes of segments, in order: the fingerprint of an input."""
    return hashlib.sha256("".join(s.sha256 for s in found).encode()).hexdigest()
