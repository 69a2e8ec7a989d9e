"""The lake: plain Parquet by exact path, one file per partition, replaced whole.

`lake/<table>/day=2026-11-21/factory=F03/part.parquet`; a table partitioned by less leaves the
other level out. Why not a table format: docs/decisions/0003-plain-parquet.md.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, TypeAlias

import polars as pl

from connectors.home import write_atomic

ZSTD_LEVEL: Final = 3
"""Level 9 saves nothing over 3 on this data."""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A local day, a site, or both."""

    day: date | None = None
    factory: str | None = None

    @property
    def folder(self) -> Path:
        """The path below a table."""
        levels = [f"day={self.day.isoformat()}"] if self.day else []
        return Path(*levels, *([f"factory={self.factory}"] if self.factory else []))


Cut: TypeAlias = Mapping[Partition, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left on disk; not `is_new` where the file held these rows already."""

    path: Path
    rows: int
    sha256: str
    is_new: bool = field(default=True, compare=False)


class Lake:
    """Reads and writes partitions below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, table: str, partition: Partition) -> Path:
        """Where a partition lies, whether or not it exists."""
        return self.root / table / partition.folder / "part.parquet"

    def write(self, table: str, frame: pl.DataFrame, partition: Partition) -> Written:
        """Replace one partition whole; the same frame gives the same bytes.

        A file that holds these rows already is left as it is, bytes and times.
        """
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", compression_level=ZSTD_LEVEL)
        content = buffer.getvalue()
        path = self.path(table, partition)
        standing = _standing(path, frame, content)
        if standing is None:
            write_atomic(path, content)
        sha256 = hashlib.sha256(content if standing is None else standing).hexdigest()
        return Written(path, frame.height, sha256, is_new=standing is None)

    def read(self, table: str, partition: Partition) -> pl.DataFrame | None:
        """One partition in memory; None where there is none."""
        found = self.scan(table, [partition])
        return None if found is None else found.collect(engine="in-memory")

    def scan(self, table: str, partitions: Iterable[Partition]) -> pl.LazyFrame | None:
        """The partitions that exist, one after the other; None when there is none."""
        paths = [path for p in partitions if (path := self.path(table, p)).is_file()]
        return pl.scan_parquet(paths, hive_partitioning=False) if paths else None

    def partitions(self, table: str) -> Iterator[Partition]:
        """Every partition a table has, in order of its path."""
        for path in sorted((self.root / table).rglob("part.parquet")):
            keys = dict(part.split("=", 1) for part in path.parent.parts if "=" in part)
            day = date.fromisoformat(keys["day"]) if "day" in keys else None
            yield Partition(day, keys.get("factory"))

    def nearest(self, table: str, partition: Partition) -> Partition | None:
        """The newest partition of the same site on or before the partition's day."""
        day = partition.day.isoformat() if partition.day else ""
        folders = (path.name.removeprefix("day=") for path in (self.root / table).glob("day=*"))
        for name in sorted((name for name in folders if name <= day), reverse=True):
            found = Partition(date.fromisoformat(name), partition.factory)
            if self.path(table, found).is_file():
                return found
        return None


def cut(rows: pl.DataFrame, days: pl.Series, partitions: Iterable[Partition]) -> Cut:
    """The rows of each partition, by the local day of each row."""
    return {partition: rows.filter(days == partition.day) for partition in partitions}


def _standing(path: Path, frame: pl.DataFrame, content: bytes) -> bytes | None:
    """The bytes of a file that holds the frame already, if in another writer's bytes; else None."""
    try:
        held = path.read_bytes()
        is_same = held == content or _bits(pl.read_parquet(held)).equals(_bits(frame))
    except (OSError, pl.exceptions.PolarsError):
        return None  # none yet, or damaged: it is written anew
    return held if is_same else None


def _bits(frame: pl.DataFrame) -> pl.DataFrame:
    """Floats as their bits, beside each column's type: 0.0 and -0.0 are two values."""
    floats = pl.col(pl.Float64).reinterpret(dtype=pl.Int64)
    return frame.with_columns(floats).rename(
        {name: f"{name} {dtype}" for name, dtype in frame.schema.items()}
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
