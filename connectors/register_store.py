"""What was imported into the park register: one immutable Parquet file per import and table.

`register/<sequence>-<table>-<sha8>.parquet`: the rows that went in, typed; where they come from
stands in the file's own metadata. Nothing is ever overwritten: a later import corrects.
"""

import fcntl
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from connectors.errors import HomeRefused
from connectors.home import Home, write_atomic
from pipelines.days import day_of
from pipelines.park_schemas import REGISTER
from pipelines.register_history import PRECEDENCE
from pipelines.register_whole import SAID

_PROVENANCE: Final = "parkpulse.import"


@dataclass(frozen=True, slots=True)
class Imported:
    """One import of one table, and where it came from."""

    seq: int
    table: str
    file: str
    file_sha256: str
    sheet: str | None
    imported_at: str
    as_of: str | None
    """The day given to rows without `valid_from`; None where every row had one."""
    source: str
    rank: str
    rows: int
    accepted: int
    repeats: int
    refused: int
    report: str | None
    """Where the rejections lie, below the home."""

    @property
    def name(self) -> str:
        """Its file in the home's `register/`."""
        return f"{self.seq:06}-{self.table}-{self.file_sha256[:8]}.parquet"


def today(home: Home) -> date:
    """The local date at the home's own time."""
    ahead = home.now_offset_s if home.exists() else 0.0
    return day_of(datetime.now(UTC) + timedelta(seconds=ahead))


def imports(home: Home) -> list[Imported]:
    """Every import, in order."""
    return [_provenance(path) for path in sorted(home.register.glob("*-*-*.parquet"))]


def rows(home: Home, table: str) -> pl.DataFrame:
    """The typed rows of all imports of a table in order, with `sheet`, `line` and SAID."""
    kept = [one for one in imports(home) if one.table == table]
    frames = [
        pl.read_parquet(home.register / one.name).with_columns(
            source=pl.lit(one.source),
            import_seq=pl.lit(one.seq, dtype=pl.Int64),
            priority=pl.lit(PRECEDENCE[one.rank], dtype=pl.Int64),
        )
        for one in kept
    ]
    place = {"sheet": pl.String(), "line": pl.Int64()}
    schema = pl.Schema({**REGISTER[table], **place, **SAID})
    return pl.concat([schema.to_frame(), *(frame.match_to_schema(schema) for frame in frames)])


def held(
    home: Home,
    file_sha256: str,
    *,
    sheet: str | None,
    as_of: date,
    source: str | None,
    rank: str,
) -> list[Imported]:
    """Earlier imports of the same bytes that would say nothing else today.

    Without a `source` the file's name does not matter: a copy is the same file.
    """
    return [
        one
        for one in imports(home)
        if (one.file_sha256, one.sheet, one.rank) == (file_sha256, sheet, rank)
        and one.as_of in (None, as_of.isoformat())
        and source in (None, one.source)
    ]


@contextmanager
def writing(home: Home) -> Iterator[int]:
    """The sequence number of the next import; whoever else imports waits."""
    home.refuse_foreign()
    home.register.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home.register / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield max((one.seq for one in imports(home)), default=0) + 1
    finally:
        os.close(descriptor)


def keep(home: Home, one: Imported, accepted: pl.DataFrame) -> Path:
    """Write the rows of an import with its provenance; call it within `writing`."""
    buffer = io.BytesIO()
    told = {_PROVENANCE: json.dumps(asdict(one), ensure_ascii=False)}
    accepted.drop("repeats").write_parquet(buffer, metadata=told)
    path = home.register / one.name
    write_atomic(path, buffer.getvalue())
    return path


def _provenance(path: Path) -> Imported:
    try:
        return Imported(**json.loads(pl.read_parquet_metadata(path)[_PROVENANCE]))
    except (pl.exceptions.PolarsError, KeyError, TypeError, ValueError) as error:
        why = f"is no import of ours ({type(error).__name__})"
        raise HomeRefused(path, why, "restore it from a backup, or move it away") from error
