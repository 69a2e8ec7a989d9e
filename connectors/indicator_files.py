"""What offices report of indicators: read from CSV or XLSX, kept in the home, one file per import.

They lie in `indicators/` (`connectors.numbered`).
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from connectors.errors import FleetFileError
from connectors.home import write_atomic
from connectors.numbered import add, files, held
from connectors.sheets import MAX_ROWS, lines_of
from pipelines import entries
from pipelines.park_schemas import REJECTIONS

HEADS: Final = {
    "指标编号": "indicator_id",
    "期别": "period",
    "地区": "area_id",
    "数值": "value",
    "下限": "lower",
    "上限": "upper",
    "报送日期": "reported_on",
    "填报单位/负责人": "responsible",
    "填报单位": "responsible",
    "依据": "document",
    "备注": "note",
}
"""Chinese heads of columns, beside the names of the columns themselves."""


@dataclass(frozen=True, slots=True)
class Import:
    """What became of a file: rows new, rows that stood there already, rows refused."""

    accepted: pl.DataFrame
    unchanged: int
    rejected: pl.DataFrame
    stored: Path | None

    @property
    def refused(self) -> int:
        """Refused rows; one may have several faults."""
        return self.rejected["line"].n_unique()


def enter(
    folder: Path, path: Path, *, entered_at: datetime, today: date, areas: Collection[str] = ()
) -> Import:
    """Read a file and keep what is right in it; FleetFileError where it is no table of entries."""
    content = _content(path)
    rows, sha256 = read_rows(path), hashlib.sha256(content).hexdigest()
    found = entries.checked(
        rows, file=path.name, sha256=sha256, entered_at=entered_at, today=today, areas=areas
    )
    with held(folder):
        standing = read_entries(folder)
        fresh = entries.news(found.accepted, standing)
        stored = add(folder, fresh, sha256) if fresh.height else None
    return Import(fresh, found.accepted.height - fresh.height, found.rejected, stored)


def read_rows(path: Path) -> pl.DataFrame:
    """The rows of a file as text: `line is_ragged` and `entries.COLUMNS`."""
    lines = ((line, cells) for line, cells in lines_of(path) if any(one.strip() for one in cells))
    _, heads = next(lines, (0, []))
    names = [HEADS.get(head.strip(), head.strip()) for head in heads]
    missing = [name for name in entries.REQUIRED if name not in names]
    if missing:
        why, needed = f"it has no column `{missing[0]}`", ",".join(entries.REQUIRED)
        raise FleetFileError(path, why, f"give it the columns {needed}")
    twice = sorted({name for name in names if name in entries.COLUMNS and names.count(name) > 1})
    if twice:
        raise FleetFileError(path, f"it has the column `{twice[0]}` twice", "keep one of them")
    told = list(lines)
    if len(told) > MAX_ROWS:
        raise FleetFileError(path, f"it has over {MAX_ROWS:,} rows", "split it")
    places = {name: names.index(name) if name in names else None for name in entries.COLUMNS}
    columns = {
        name: [None if at is None or at >= len(cells) else cells[at] for _, cells in told]
        for name, at in places.items()
    }
    facts = {
        "line": [line for line, _ in told],
        "is_ragged": [len(cells) != len(names) for _, cells in told],
    }
    texts = dict.fromkeys(entries.COLUMNS, pl.String())
    schema = {"line": pl.Int64(), "is_ragged": pl.Boolean(), **texts}
    return pl.DataFrame(facts | columns, schema=schema)


def read_entries(folder: Path) -> pl.DataFrame:
    """Every entry of a home, in order of import (`entries.ENTERED`)."""
    empty = pl.DataFrame(schema=entries.ENTERED)
    return pl.concat([empty, *(pl.read_parquet(path, glob=False) for path in files(folder))])


def write_rejections(path: Path, rejected: pl.DataFrame, otherwise: Path) -> Path:
    """The faults of a file beside it, as CSV that a Chinese desktop opens; where that is.

    In the folder `otherwise` where nothing can be written beside the file.
    """
    content = rejected.select(REJECTIONS.names()).write_csv(include_bom=True).encode()
    beside = path.with_name(f"{path.stem}.rejected.csv")
    try:
        write_atomic(beside, content)
    except OSError:
        beside = otherwise / beside.name
        write_atomic(beside, content)
    return beside


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FleetFileError(path, error.strerror or str(error), "name a readable file") from error
