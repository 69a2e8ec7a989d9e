"""A folder of what people entered: one file per import, numbered, and never written over.

`000001-3f9c02ab41d7.parquet` is the first; the name holds the beginning of the SHA-256 of the file
that it was read from.
"""

import fcntl
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from connectors.home import write_atomic

_NAME: Final = re.compile(r"(\d{6})-[0-9a-f]{12}\.parquet")


def files(folder: Path) -> list[Path]:
    """Every import of a folder, in order."""
    return sorted(path for path in folder.glob("*.parquet") if _NAME.fullmatch(path.name))


def add(folder: Path, rows: pl.DataFrame, sha256: str) -> Path:
    """Keep rows as the next import, with its number as `sequence`; call it within `held`."""
    numbers = [int(path.name[:6]) for path in files(folder)]
    sequence = max(numbers, default=0) + 1
    path = folder / f"{sequence:06d}-{sha256[:12]}.parquet"
    buffer = io.BytesIO()
    rows.with_columns(sequence=pl.lit(sequence, pl.Int64)).write_parquet(buffer)
    write_atomic(path, buffer.getvalue())
    path.chmod(0o444)
    return path


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, made if need be, held alone: two imports get two numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
