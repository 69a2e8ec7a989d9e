"""Tails that no collector writes any more: sealed up to their last whole batch."""

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

from connectors.segments.files import OPEN, OPEN_SUFFIX, OPTIONS, fsync_folder
from connectors.segments.kinds import VALUES, RowKind
from connectors.segments.reading import read, whole_batches
from connectors.segments.sidecar import Sidecar, sidecar_of, write_sidecar

_LOCK_TRIES: Final = 10
_LOCK_WAIT_S: Final = 0.02
"""A reader holds the lock of a tail for microseconds, to see whether a collector does."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """One unsealed tail: the segment made of it (None if no whole batch), and what was cut."""

    path: Path | None
    rows: int
    bytes_cut: int


def recover(folder: Path, kind: RowKind = VALUES) -> list[Recovered]:
    """Seal every unsealed tail that no running collector holds, up to its last whole batch.

    Also writes the sidecar of a segment whose sealing was cut short.
    """
    if not folder.is_dir():
        return []
    tails = sorted(folder.glob("*" + OPEN_SUFFIX))
    rescued = [tail for path in tails if (tail := _rescue(path, kind)) is not None]
    for path in sorted(folder.glob("*.arrow")):
        if not path.with_suffix(".json").exists():
            batches, _ = whole_batches(path, kind)
            if batches:  # what lost all its rows stays without, and is named whenever it is read
                write_sidecar(sidecar_of(path, folder.name, batches, kind))
    return rescued


def recover_all(root: Path, kind: RowKind = VALUES) -> Iterator[tuple[str, Recovered]]:
    """`recover` every site's folder, those of sites that no fleet names any more too."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        for tail in recover(folder, kind):
            yield folder.name, tail


def _rescue(path: Path, kind: RowKind) -> Recovered | None:
    """Seal one tail; None when another process is writing it."""
    with path.open("rb") as held:
        if not _locked(held, fcntl.LOCK_EX, tries=_LOCK_TRIES):
            return None
        sealed = path.with_suffix("")
        if sealed.exists():  # rescued before, stopped before the tail was removed
            path.unlink()
            return None
        batches, cut = whole_batches(path, kind)
        if not batches:
            path.unlink()
            return Recovered(None, 0, cut)
        rewritten = path.with_suffix(".rescue")
        with rewritten.open("wb") as file:
            with pa.ipc.new_stream(file, kind.schema, options=OPTIONS) as stream:
                for batch in batches:
                    stream.write_batch(batch)
            file.flush()
            os.fsync(file.fileno())
        rewritten.rename(sealed)
        fsync_folder(path.parent)
        sidecar = sidecar_of(sealed, path.parent.name, batches, kind)
        write_sidecar(sidecar)
        path.unlink()
        return Recovered(sealed, sidecar.rows, cut)


def _locked(file: BinaryIO, kind: int, tries: int = 1) -> bool:
    """Take the lock of a tail, if no running collector holds it."""
    for rest in reversed(range(tries)):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_WAIT_S if rest else 0)
        else:
            return True
    return False


def is_held(tail: Path) -> bool:
    """True while a running collector writes this `.arrow.open`."""
    with tail.open("rb") as file:
        return not _locked(file, fcntl.LOCK_SH)


def unsealed(path: Path, kind: RowKind = VALUES) -> Sidecar:
    """What the sidecar of a tail, or of a segment without one, would say; writes nothing.

    SegmentUnreadable for a segment that is damaged, FileNotFoundError for a tail sealed meanwhile.
    """
    if path.suffix == OPEN:
        batches, _ = whole_batches(path, kind)
    else:
        batches = read(path, kind).to_batches()
    return sidecar_of(path, path.parent.name, batches, kind)
