"""Files of the models: a factory's register, line by line, and model files by their content.

A model file lies under the hash of its bytes before the register names it: a run that dies between
the two leaves a file that nobody asks for, and the register as it was.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from connectors.errors import ParkPulseError
from connectors.home import Home, write_atomic

REGISTER: Final = "register.jsonl"
SUFFIX: Final = ".model"


class Kept(NamedTuple):
    """A model file as the register names it: its place below the home, and its hash."""

    path: str
    sha256: str


class Changed(ParkPulseError):
    """A model file that is not the one the register means."""


def register_path(home: Home, factory: str) -> Path:
    """Where a factory's register lies."""
    return home.models / factory / REGISTER


def read_lines(path: Path) -> list[str]:
    """The lines of a register; none where there is no file."""
    try:
        return path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Whoever reads a register to write it waits for whoever does so already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def append(path: Path, standing: Sequence[str], lines: Iterable[str]) -> None:
    """Write lines behind those that stand, all or none; call it within `locked`."""
    whole = [*standing, *lines]
    if len(whole) > len(standing):
        write_atomic(path, "".join(f"{line}\n" for line in whole).encode())


def keep(home: Home, folder: Path, model: bytes, beside: str, suffix: str) -> Kept:
    """Put a model file under the hash of its bytes, and beside it a text of the same name."""
    sha256 = hashlib.sha256(model).hexdigest()
    path = folder / f"{sha256}{SUFFIX}"
    write_atomic(path.with_suffix(suffix), beside.encode())
    if not (path.is_file() and path.read_bytes() == model):
        write_atomic(path, model)
    return Kept(str(path.relative_to(home.root)), sha256)


def model_path(home: Home, path: str, sha256: str) -> Path:
    """A registered model file; Changed where its bytes are not those that were registered."""
    found = home.root / path
    try:
        is_same = hashlib.sha256(found.read_bytes()).hexdigest() == sha256
    except FileNotFoundError as error:
        raise Changed(found, "is missing", "restore it, or `parkpulse model train`") from error
    if not is_same:
        raise Changed(found, "is not the file that was registered", "restore it from a backup")
    return found
