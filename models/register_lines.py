"""The register as text: a line of JSON per entry, oldest first."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from datetime import date
from typing import Any, Final

from models.errors import RegisterError
from models.registry import Appointment, Asked, Entry, Kept, Looked, Register, Version

KINDS: Final[Mapping[str, type[Entry]]] = {
    "version": Version, "appointment": Appointment, "kept": Kept, "asked": Asked, "looked": Looked,
}  # fmt: skip

_NAMES: Final = {kind: name for name, kind in KINDS.items()}

_DAYS: Final = {"training_days", "left_out", "held_out"}

_DAY: Final = {"since", "to"}

_TUPLES: Final = _DAYS | {"notes", "sensors"}


def lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Entries as JSON, a line each."""
    for entry in entries:
        told = {"entry": _NAMES[type(entry)], **asdict(entry)}
        yield json.dumps(told, ensure_ascii=False, sort_keys=True, default=date.isoformat)


def parsed(texts: Iterable[str], culprit: object) -> Register:
    """The register that `lines` wrote; RegisterError names the line that is none."""
    found = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(_entry(json.loads(text)))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise RegisterError(
                culprit, f"line {number} is no entry ({problem})", "restore the file from a backup"
            ) from problem
    return Register().appended(found)


def _entry(told: dict[str, Any]) -> Entry:
    kind = KINDS[told.pop("entry")]
    known = {one.name for one in fields(kind)}
    if unknown := set(told) - known:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    for name in known & told.keys():
        if name in _DAYS:
            told[name] = [date.fromisoformat(day) for day in told[name]]
        if name in _DAY:
            told[name] = date.fromisoformat(told[name])
        if name in _TUPLES:
            told[name] = tuple(told[name])
    return kind(**told)
