"""One sheet or CSV file of the register as a grid of texts below its head."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from connectors.errors import RegisterFileError
from pipelines.register_heads import columns_of, is_head, missing, tables_of
from pipelines.register_reasons import FOUND
from pipelines.register_tables import FIELDS, ZH

HEAD_WITHIN: Final = 30
"""Title rows above a head are not more than these."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a head stands, the table it names, and our column under each of its cells."""

    table: str
    line: int
    cells: list[str]
    columns: list[str | None]

    @property
    def heads(self) -> dict[str, str]:
        """What the file calls each of our columns."""
        pairs = zip(self.columns, self.cells, strict=True)
        return {name: _one_line(cell) for name, cell in pairs if name}

    @property
    def ignored(self) -> list[str]:
        """The heads that are none of our columns."""
        pairs = zip(self.columns, self.cells, strict=True)
        return [_one_line(cell) for name, cell in pairs if not name and cell.strip()]

    @property
    def missing(self) -> list[str]:
        """The columns of the table that the file does not have."""
        return missing(self.table, self.cells)


@dataclass(frozen=True, slots=True)
class Grid:
    """The rows below a head: `rows` as `register_rules.checked` takes them, `found` what is wrong.

    `found` is FOUND of rows that could not be read at all; they are not in `rows`. `hidden` names
    worksheets with a head that were not read as they are hidden; the first grid of a file has them.
    """

    head: Head
    rows: pl.DataFrame
    found: pl.DataFrame = field(default_factory=FOUND.to_frame)
    sheet: str | None = None
    hidden: list[str] = field(default_factory=list)


def head_of(path: Path, table: str | None, cells: Sequence[str], line: int) -> Head | None:
    """The head that a row of cells is, None if it is none; RegisterFileError if it is of two."""
    tables = [name for name in [table] if name and is_head(name, cells)]
    tables = tables if table else tables_of(cells)
    if not tables:
        return None
    if len(tables) > 1:
        names = ", ".join(tables)
        raise RegisterFileError(path, f"its head fits {names}", "say which with --table")
    columns = columns_of(tables[0], cells)
    named = [name for name in columns if name]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice:
        both = [cell for name, cell in zip(columns, cells, strict=True) if name == twice]
        why = f"two columns are both {twice}: {' and '.join(map(_one_line, both))}"
        raise RegisterFileError(path, why, "delete or rename one of them")
    return Head(tables[0], line, list(cells), columns)


def no_head(path: Path, table: str | None) -> RegisterFileError:
    """What to say of a file without a head that names a table."""
    if table is None:
        why = "no row names the required columns of any table"
        return RegisterFileError(path, why, "say --table, or begin with a `register template`")
    required = "、".join(one.zh for one in FIELDS[table] if one.is_required)
    why = f"no row names the required columns of {table} ({ZH[table]})"
    return RegisterFileError(path, why, f"give it the columns {required}")


def _one_line(cell: str) -> str:
    return " ".join(cell.split())
