"""Segments read back, checked against their sidecars; and let go once others hold their rows."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

from connectors.errors import SegmentUnreadable
from connectors.segments.files import OPEN, fsync_folder
from connectors.segments.kinds import VALUES, RowKind
from connectors.segments.sidecar import Sidecar, read_sidecar, write_sidecar

_REMEDY: Final = "restore it from a backup; its rows are missing until then"


def read(path: Path, kind: RowKind = VALUES) -> pa.Table:
    """All rows of a sealed segment (columns of its kind), checked against its sidecar.

    Of an unsealed tail its whole batches; where it was sealed meanwhile, those of the segment.
    """
    if path.suffix == OPEN:
        try:
            whole, _ = whole_batches(path, kind)
            return pa.Table.from_batches(whole, kind.schema).unify_dictionaries()
        except FileNotFoundError:
            path = path.with_suffix("")
    try:
        data = path.read_bytes()
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
    except (pa.ArrowException, OSError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SegmentUnreadable(path, why, _REMEDY) from error
    if table.schema != kind.schema:
        raise SegmentUnreadable(path, "its columns are not those of a segment", _REMEDY)
    sidecar = path.with_suffix(".json")
    if sidecar.exists() and hashlib.sha256(data).hexdigest() != read_sidecar(sidecar).sha256:
        raise SegmentUnreadable(path, "it was changed after sealing (SHA-256 differs)", _REMEDY)
    return table.unify_dictionaries()


def whole_batches(path: Path, kind: RowKind) -> tuple[list[pa.RecordBatch], int]:
    """Every batch before the first that is torn or damaged, and how many bytes lie behind."""
    buffer = pa.BufferReader(path.read_bytes())
    batches: list[pa.RecordBatch] = []
    good = 0
    try:
        reader = pa.ipc.open_stream(buffer)
        if reader.schema != kind.schema:
            return [], buffer.size()
        good = buffer.tell()
        for batch in reader:
            batch.validate(full=True)
            batches.append(batch)
            good = buffer.tell()
    except (pa.ArrowException, OSError, StopIteration):
        pass  # the tail is torn: what lies before it is what was ever promised
    return batches, buffer.size() - good


def read_held(sidecar: Sidecar) -> pa.Table | None:
    """`read`, or None for a segment that was pruned, even since its sidecar was read."""
    if sidecar.pruned:
        return None
    try:
        return read(sidecar.path)
    except SegmentUnreadable:
        car = sidecar.path.with_suffix(".json")
        if car.exists() and read_sidecar(car).pruned:
            return None
        raise


def prune(sealed: Iterable[Sidecar], held_in: Iterable[Path]) -> None:
    """Remove sealed segments whose rows are in other files; the sidecars stay and say when.

    Those files' folders are fsynced and the sidecar is on the disk before a segment goes: at no
    moment are the rows nowhere.
    """
    for folder in {path.parent for path in held_in}:
        fsync_folder(folder)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    for sidecar in sealed:
        write_sidecar(replace(sidecar, pruned=now))
        sidecar.path.unlink(missing_ok=True)
