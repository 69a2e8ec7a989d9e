"""A file into the park register: the good rows go in, the others into a report for the clerk."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from connectors.errors import RegisterFileError
from connectors.home import Home
from connectors.lake import sha256_of
from connectors.register_files import grids
from connectors.register_grid import Grid
from connectors.register_report import write_report
from connectors.register_store import Imported, held, keep, today, writing
from pipelines.park_schemas import REJECTIONS, VERSION_KEY
from pipelines.register_cells import bare
from pipelines.register_reasons import PLACE, told
from pipelines.register_rules import checked


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a table of a file; not `is_new` where the same bytes were imported before.

    `hidden` names the file's hidden worksheets that were not read, told with its first table.
    """

    imported: Imported
    rejections: pl.DataFrame
    ignored: list[str]
    missing: list[str]
    is_new: bool = True
    hidden: list[str] = field(default_factory=list)


def import_file(
    home: Home,
    path: Path,
    *,
    table: str | None = None,
    sheet: str | None = None,
    as_of: date | None = None,
    source: str | None = None,
    rank: str = "office",
    again: bool = False,
) -> list[Outcome]:
    """Import one file; an outcome per table that it holds. RegisterFileError as a whole.

    Rows without `valid_from` hold from `as_of` (default: the home's today). `source` is who says
    it (default: the file's name): a later import of one source corrects an earlier one. The same
    bytes again are nothing new, unless `again`.
    """
    day = as_of or today(home)
    asked = _Asked(path, _sha256(path), sheet, day, source or path.name, rank)
    earlier = held(home, asked.sha256, sheet=sheet, as_of=day, source=source, rank=rank)
    before = [one for one in earlier if table in (None, one.table)]
    if before and not again:
        return [Outcome(one, REJECTIONS.to_frame(), [], [], is_new=False) for one in before]
    by_table: dict[str, list[Grid]] = {}
    for grid in grids(path, table=table, sheet=sheet):
        by_table.setdefault(grid.head.table, []).append(grid)
    with writing(home) as first:
        numbered = enumerate(by_table.items(), first)
        judged = [_judged(home, asked, seq, name, found) for seq, (name, found) in numbered]
        if any(outcome.imported.accepted for outcome, _ in judged):
            for outcome, accepted in judged:
                keep(home, outcome.imported, accepted)
    return [outcome for outcome, _ in judged]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be imported, and in whose name."""

    path: Path
    sha256: str
    sheet: str | None
    day: date
    source: str
    rank: str


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise RegisterFileError(path, why, "name a readable file") from error


def _judged(
    home: Home, asked: _Asked, seq: int, table: str, found: list[Grid]
) -> tuple[Outcome, pl.DataFrame]:
    """What becomes of the grids of one table, and the rows that go in."""
    rows = pl.concat([grid.rows for grid in found], how="diagonal")
    accepted, refused = checked(table, rows, as_of=asked.day)
    unread = told(pl.concat([grid.found for grid in found]))
    rejections = _named(asked.path, found, pl.concat([unread, refused]))
    report = write_report(home, asked.path, table, asked.sha256, rejections)
    repeats = int(accepted["repeats"].sum())
    lines = rejections.select(PLACE).n_unique() if rejections.height else 0
    imported = Imported(
        seq=seq,
        table=table,
        file=asked.path.name,
        file_sha256=asked.sha256,
        sheet=asked.sheet,
        imported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        as_of=asked.day.isoformat() if _takes_day(table, rows) else None,
        source=asked.source,
        rank=asked.rank,
        rows=accepted.height + repeats + lines,
        accepted=accepted.height,
        repeats=repeats,
        refused=lines,
        report=report,
    )
    ignored = [head for grid in found for head in grid.head.ignored]
    lacking = [name for grid in found for name in grid.head.missing]
    hidden = [name for grid in found for name in grid.hidden]
    told_of = (_distinct(ignored), _distinct(lacking))
    return Outcome(imported, rejections, *told_of, hidden=hidden), accepted


def _named(path: Path, found: list[Grid], rejections: pl.DataFrame) -> pl.DataFrame:
    """Rejections with the file's name, and columns as the file itself calls them."""
    parts = [
        rejections.filter(pl.col("sheet").eq_missing(pl.lit(grid.sheet))).with_columns(
            pl.col("column").replace(grid.head.heads)
        )
        for grid in found
    ]
    file = pl.lit(path.name).alias("file")
    return pl.concat(parts).with_columns(file).sort("sheet", "line", maintain_order=True)


def _takes_day(table: str, rows: pl.DataFrame) -> bool:
    """Whether a version leaves out the day it holds from."""
    if table not in VERSION_KEY:
        return False
    if "valid_from" not in rows.columns:
        return True
    return bool(rows.select(bare(pl.col("valid_from"), "day").is_null().any()).item())


def _distinct(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
