"""The lake: plain Parquet by exact path, one file per partition, replaced whole.

`lake/<table>/day=2026-11-21/factory=F03/part.parquet`; a table partitioned by less leaves the
other level out. Why not a table format: docs/decisions/0003-plain-parquet.md.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

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


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left on disk."""

    path: Path
    rows: int
    sha256: str


class Lake:
    """Reads and writes partitions below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, table: str, partition: Partition) -> Path:
        """Where a partition lies, whether or not it exists."""
        return self.root / table / partition.folder / "part.parquet"

    def write(self, table: str, frame: pl.DataFrame, partition: Partition) -> Written:
        """Replace one partition whole; the same frame gives the same bytes."""
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", compression_level=ZSTD_LEVEL)
        content = buffer.getvalue()
        path = self.path(table, partition)
        write_atomic(path, content)
        return Written(path, frame.height, hashlib.sha256(content).hexdigest())

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
        earlier = [
            p
            for p in self.partitions(table)
            if p.factory == partition.factory and p.day and partition.day and p.day <= partition.day
        ]
        return max(earlier, default=None)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
