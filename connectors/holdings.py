"""What a site's folder holds for a reader: sealed segments, and what a crash left unsealed.

Reading changes nothing on the disk; the next collector seals.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.errors import SegmentUnreadable
from connectors.segments import (
    OPEN_SUFFIX,
    VALUES,
    RowKind,
    Sidecar,
    is_held,
    read_sidecar,
    unsealed,
)

_TRIES: Final = 3
"""A tail may be sealed between a look and the reading: it is then looked for anew."""


@dataclass(slots=True)
class Held:
    """Segments in order with their facts, and the names of what is not among them."""

    segments: list[Sidecar] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    being_written: list[str] = field(default_factory=list)


def held_in(folder: Path, kind: RowKind = VALUES) -> Held:
    """Everything of a site but what is damaged, or written by a running collector just now."""
    held = Held()
    for path in sorted({p.with_name(p.name.partition(".")[0]) for p in folder.glob("*.*")}):
        try:
            _add(held, path, kind)
        except (SegmentUnreadable, OSError) as error:
            held.unreadable.append(str(error))
    return held


def _add(held: Held, stem: Path, kind: RowKind) -> None:
    """Add one segment in its newest form: with a sidecar, sealed without, or a tail."""
    sidecar, sealed, tail = (stem.with_suffix(s) for s in (".json", ".arrow", OPEN_SUFFIX))
    for _ in range(_TRIES):
        try:
            if sidecar.exists():
                held.segments.append(read_sidecar(sidecar))
            elif sealed.exists():
                held.segments.append(unsealed(sealed, kind))
            elif tail.exists() and is_held(tail):
                held.being_written.append(str(tail))
            elif tail.exists():
                held.segments.append(unsealed(tail, kind))
        except FileNotFoundError:
            continue
        return
