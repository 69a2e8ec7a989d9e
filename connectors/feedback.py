"""Journals of what people said of events and of warnings: append-only JSON lines in the home.

`feedback/journal.jsonl` (of warnings `warnings/journal.jsonl`) has one object a line with a
`sequence` number of its own, on the disk before `append` returns. A line that a crash tore stays
where it is: whoever writes next ends it, and readers set it aside.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from connectors.errors import ParkPulseError

NAME: Final = "journal.jsonl"
TIMES: Final = ("time", "until", "start", "end")
TEXTS: Final = ("by", "event_id", "action")
"""What every entry of events says, besides its `sequence` and `time`."""

Record = dict[str, Any]


class FeedbackError(ParkPulseError):
    """What somebody wants to say of an event cannot be said like that."""


@dataclass(frozen=True, slots=True)
class Words:
    """Entries in order of their sequence, and the numbers of the lines that are none."""

    entries: list[Record]
    set_aside: list[int]


class Journal:
    """One journal of a home, by default that of events; making it touches no disk."""

    def __init__(self, home: Path, folder: str = "feedback", texts: Sequence[str] = TEXTS) -> None:
        self.path = home / folder / NAME
        self.texts = texts
        """What every entry says, besides its `sequence` and `time`."""

    def append(self, entries: Sequence[Mapping[str, Any]]) -> list[int]:
        """Write entries one after the other, all together or torn at the end; their sequences.

        Any number of processes may do so at once: each waits for the others.
        """
        with self._locked() as descriptor:
            held = _read(descriptor)
            first = (
                max((one["sequence"] for one in _words(held, self.texts).entries), default=0) + 1
            )
            numbers = list(range(first, first + len(entries)))
            lines = [_line(n, entry) for n, entry in zip(numbers, entries, strict=True)]
            is_torn = bool(held) and not held.endswith(b"\n")
            _write(descriptor, (b"\n" if is_torn else b"") + b"".join(lines))
            os.fsync(descriptor)
        return numbers

    def read(self) -> Words:
        """All that was said; times as aware datetimes. No journal yet says nothing."""
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)  # half of what a writer writes is not torn
                return _words(file.read(), self.texts)
        except FileNotFoundError:
            return Words([], [])

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, made if need be, held alone."""
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        descriptor = os.open(self.path, flags, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _fsync_folder(folder)
            yield descriptor
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    held = b""
    while len(held) < size and (part := os.pread(descriptor, size - len(held), len(held))):
        held += part
    return held


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _fsync_folder(folder: Path) -> None:
    """Make the file's name durable too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(sequence: int, entry: Mapping[str, Any]) -> bytes:
    """One line of JSON, what is not said left out; a byte that is no character is a `?`."""
    said = {"sequence": sequence} | {k: _plain(v) for k, v in entry.items() if v is not None}
    return (json.dumps(said, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds, and times
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _words(content: bytes, texts: Sequence[str] = TEXTS) -> Words:
    lines = content.split(b"\n")
    found = {number: _record(line, texts) for number, line in enumerate(lines, 1) if line}
    entries = [one for one in found.values() if one is not None]
    set_aside = [number for number, one in found.items() if one is None]
    return Words(sorted(entries, key=lambda one: int(one["sequence"])), set_aside)


def _record(line: bytes, texts: Sequence[str]) -> Record | None:
    """An entry; None where the line is torn or none of ours."""
    try:
        said = json.loads(line.decode("utf-8"))
        whole = isinstance(said["sequence"], int) and all(isinstance(said[n], str) for n in texts)
        times = {name: _time(said[name]) for name in TIMES if name in said}
    except (ValueError, KeyError, TypeError):
        return None
    return {**said, **times} if whole and "time" in times else None


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without an offset is no instant")
    return time.astimezone(UTC)
