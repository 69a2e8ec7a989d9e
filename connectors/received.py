"""What the collector has sealed, as frames: the way from segments into bronze."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import polars as pl
import pyarrow as pa

from connectors import pruning, segments
from connectors.errors import SegmentUnreadable
from connectors.home import Home
from connectors.raw import RAW_SCHEMA
from connectors.segments import Sidecar
from pipelines import bronze, raw
from pipelines.bronze import AHEAD, EARLIEST
from pipelines.days import local_day

_logger: Final = logging.getLogger(__name__)


def sidecars(home: Home, site: str) -> tuple[list[Sidecar], list[SegmentUnreadable]]:
    """Sealed segments of a site in order, and those whose sidecar cannot be read."""
    return segments.readable_sidecars(home.segments / site)


def rows(home: Home, site: str, days: Iterable[date]) -> tuple[pl.DataFrame, list[Sidecar]]:
    """Received rows (columns of RAW_SCHEMA) of the segments that touch these local days.

    Also gives the segments. The home's first day also answers for everything older; a row whose
    time is impossible is asked for by the day of its receipt. Those of pruned segments come from
    the same days of bronze; SegmentUnreadable where it has them no more.
    """
    wanted = set(days)
    found, unreadable = sidecars(home, site)
    return _read(home, site, [one for one in found if wanted & asked_by(one, home)], unreadable)


def asked_by(sidecar: Sidecar, home: Home) -> set[date]:
    """The local days of a home whose figures or quarantine a segment bears on.

    One that lost all its rows may bear on any: it is asked for with the first.
    """
    if not sidecar.received_days:
        return {home.first_day}
    happened = {date.fromisoformat(day) for day in sidecar.days}
    arrived = {date.fromisoformat(day) for day in sidecar.received_days}
    plausible = {day for day in happened if EARLIEST.date() <= day <= max(arrived) + AHEAD}
    beyond_doubt = all(EARLIEST.date() < day <= min(arrived) for day in happened)
    days = plausible if beyond_doubt else plausible | arrived
    return {max(day, home.first_day) for day in days}


def everything(home: Home, site: str) -> tuple[pl.DataFrame, list[Sidecar]]:
    """All received rows of a site, those of pruned segments from bronze, and its segments."""
    return _read(home, site, *sidecars(home, site))


def _read(
    home: Home, site: str, found: Sequence[Sidecar], unreadable: list[SegmentUnreadable]
) -> tuple[pl.DataFrame, list[Sidecar]]:
    tables: list[pa.Table] = [RAW_SCHEMA.empty_table()]
    read: list[Sidecar] = []
    pruned: list[str] = []
    for sidecar in found:
        try:
            table = segments.read_held(sidecar)
        except SegmentUnreadable as error:
            unreadable.append(error)
            continue
        read.append(sidecar)
        tables.append(table) if table is not None else pruned.append(sidecar.path.name)
    for culprit in unreadable:
        _logger.warning("%s", culprit)
    if pruned:
        # whole files, more days than were asked for: what is written again must not lose a row
        own = pruning.counted(home, site).filter(pl.col("segment").is_in(pruned))
        tables.append(pruning.rows_in_bronze(home, own["held_in"]))
    frame = pl.from_arrow(pa.concat_tables(tables).unify_dictionaries())
    assert isinstance(frame, pl.DataFrame)
    return frame, read


def counted(home: Home, site: str, days: Iterable[date]) -> pl.DataFrame:
    """Rows received, repeats and all, by server_uri, node_id, `day` and origin: column `rows`.

    Of the home's local days, without quarantine. Pruned segments tell what they had counted.
    """
    wanted = set(days)
    pruned, counts = [], [pl.DataFrame(schema={n: pruning.COUNTED[n] for n in _COUNTS})]
    for sidecar in sidecars(home, site)[0]:
        if wanted & asked_by(sidecar, home):
            try:
                table = segments.read_held(sidecar)
            except SegmentUnreadable:
                continue  # named where its rows are asked for
            if table is None:
                pruned.append(sidecar.path.name)
            else:
                counts.append(_by_origin(table, home))
    if pruned:
        own = pruning.counted(home, site).filter(pl.col("segment").is_in(pruned))
        kept = own.filter(~pl.col("held_in").str.starts_with("quarantine/"))
        counts.append(kept.select(_COUNTS))
    clipped = pl.concat(counts).with_columns(pl.col("day").clip(lower_bound=home.first_day))
    return clipped.filter(pl.col("day").is_in(wanted)).group_by(_COUNTS[:-1]).agg(pl.sum("rows"))


_COUNTS: Final = ["server_uri", "node_id", "day", "origin", "rows"]


def _by_origin(table: pa.Table, home: Home) -> pl.DataFrame:
    kept, _ = bronze.quarantine(raw.from_segments(pl.DataFrame(pl.from_arrow(table))))
    happened = local_day(pl.coalesce("source_time", "server_time", "received_time"))
    named = kept.select("server_uri", "node_id", happened.alias("day"), "origin")
    return named.group_by(_COUNTS[:-1]).agg(rows=pl.len().cast(pl.Int64))


def digest(found: Iterable[Sidecar]) -> str:
    """One SHA-256 over the hashes of segments, in order: the fingerprint of an input."""
    return hashlib.sha256("".join(s.sha256 for s in found).encode()).hexdigest()
