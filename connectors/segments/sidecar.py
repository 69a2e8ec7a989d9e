"""Sidecars: what a sealed segment holds, told without opening it."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

from connectors.errors import SegmentUnreadable
from connectors.raw import SCHEMA_VERSION
from connectors.segments.facts import Facts
from connectors.segments.files import fsync_folder
from connectors.segments.kinds import RowKind

_DAY_NAME: Final = re.compile(r"-?\d{4,6}-\d\d-\d\d")
_REMEDY_SIDECAR: Final = "delete it and run the collector once, which writes it anew"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a sealed segment holds, in the file at `path`.

    `days` counts rows by the local day of their source time, `received_days` of their receipt.
    `pruned` is when the file was removed, because bronze holds its rows; None while it is there.
    """

    path: Path
    site_id: str
    server_uri: str
    rows: int
    sha256: str
    sealed_at: str
    days: dict[str, int]
    origins: dict[str, int]
    marks: dict[str, int]
    received_days: dict[str, int]
    pruned: str | None = None
    schema_version: int = SCHEMA_VERSION


def sidecar_for(path: Path, site_id: str, server_uri: str, facts: Facts, sha256: str) -> Sidecar:
    """The sidecar of a segment that is sealed now."""
    sealed_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    days, origins, received = (
        dict(sorted(counted.items()))
        for counted in (facts.days, facts.origins, facts.received_days)
    )
    return Sidecar(
        path, site_id, server_uri, facts.rows, sha256, sealed_at, days, origins, facts.marks,
        received,
    )  # fmt: skip


def sidecar_of(
    path: Path, site_id: str, batches: Sequence[pa.RecordBatch], kind: RowKind
) -> Sidecar:
    """The sidecar of a file that holds these rows."""
    facts = Facts(kind)
    for batch in batches:
        facts.add(batch)
    uri = batches[0].column("server_uri")[0].as_py() if batches else ""
    return sidecar_for(path, site_id, uri, facts, hashlib.sha256(path.read_bytes()).hexdigest())


def write_sidecar(sidecar: Sidecar) -> None:
    """Write or replace it durably beside its segment."""
    names = [one.name for one in fields(Sidecar) if one.name != "path"]
    content = {"schema_version": SCHEMA_VERSION} | {name: getattr(sidecar, name) for name in names}
    target = sidecar.path.with_suffix(".json")
    temporary = target.with_suffix(".json.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, ensure_ascii=False))  # `dump` has no fast encoder
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    fsync_folder(target.parent)


def sidecars(folder: Path) -> list[Sidecar]:
    """The sidecars of a site's sealed segments in order; a damaged one raises SegmentUnreadable."""
    return [read_sidecar(path) for path in sorted(folder.glob("*.json"))]


def readable_sidecars(folder: Path) -> tuple[list[Sidecar], list[SegmentUnreadable]]:
    """Sidecars of a folder in order, and why others cannot be read."""
    found: list[Sidecar] = []
    unreadable: list[SegmentUnreadable] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_sidecar(path))
        except SegmentUnreadable as error:
            unreadable.append(error)
    return found, unreadable


def read_sidecar(path: Path) -> Sidecar:
    """One sidecar (`NNNNNNNN-<slug>.json`)."""
    try:
        content = json.loads(path.read_bytes())
        days = {name: _calendar_days(content[name]) for name in ("days", "received_days")}
        return Sidecar(path=path.with_suffix(".arrow"), **{**content, **days})
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise SegmentUnreadable(path, f"not a sidecar ({error})", _REMEDY_SIDECAR) from error


def _calendar_days(counted: dict[str, int]) -> dict[str, int]:
    """Days that `date` can name; rows beyond it may lie at either end, for ticks once wrapped."""
    days: Counter[str] = Counter()
    for name, rows in counted.items():
        for day in (name,) if _is_date(name) else (date.min.isoformat(), date.max.isoformat()):
            days[day] += rows
    return dict(sorted(days.items()))


def _is_date(name: str) -> bool:
    """False for a day beyond the calendar; ValueError for what is no day at all."""
    try:
        date.fromisoformat(name)
    except ValueError:
        if _DAY_NAME.fullmatch(name) is None:
            raise
        return False
    return True
