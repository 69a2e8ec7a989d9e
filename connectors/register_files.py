"""Files of the register, whatever their form: CSV, XLSX or Parquet, as grids of texts.

Which table a file holds is told by its head. A bad row is told and the others are read; only what
is no table at all is an error (RegisterFileError).
"""

from pathlib import Path
from typing import Final

import polars as pl

from connectors.errors import RegisterFileError
from connectors.register_book import book_grids
from connectors.register_grid import Grid, head_of, no_head
from connectors.register_text import csv_grid

BOOKS: Final = (".xlsx", ".xlsm")
_OLD: Final = (".xls", ".et", ".ods")


def grids(path: Path, *, table: str | None = None, sheet: str | None = None) -> list[Grid]:
    """The rows of a file below each head: one grid, or one per worksheet that has a head.

    `table` says which of `park_schemas.REGISTER` it is where the head does not, `sheet` names the
    only worksheet to read.
    """
    try:
        path.stat()
    except OSError as error:
        raise RegisterFileError(
            path, error.strerror or str(error), "name a readable file"
        ) from error
    suffix = path.suffix.lower()
    if suffix in BOOKS:
        return book_grids(path, table, sheet)
    if sheet is not None:
        raise RegisterFileError(path, "it is no workbook", "leave --sheet out")
    if suffix in _OLD:
        raise RegisterFileError(path, f"{suffix} is not read", "save it again as .xlsx or .csv")
    return [_parquet(path, table) if suffix == ".parquet" else csv_grid(path, table)]


def _parquet(path: Path, table: str | None) -> Grid:
    """The rows of a Parquet file; its lines count from 1, as there is no head among them."""
    try:
        typed = pl.read_parquet(path)
    except OSError as error:
        raise RegisterFileError(
            path, error.strerror or str(error), "name a readable file"
        ) from error
    except pl.exceptions.PolarsError as error:
        why = f"it is no Parquet file ({str(error).partition(chr(10))[0]})"
        raise RegisterFileError(path, why, "write it again") from error
    head = head_of(path, table, typed.columns, 0)
    if head is None:
        raise no_head(path, table)
    named = {cell: name for cell, name in zip(head.cells, head.columns, strict=True) if name}
    nested = next((name for name in named if typed.schema[name].is_nested()), None)
    if nested is not None:
        why = f"column {nested} is of type {typed.schema[nested]}"
        raise RegisterFileError(path, why, "write it as text, numbers or dates")
    try:
        rows = typed.select(pl.col(cell).cast(pl.String).alias(n) for cell, n in named.items())
    except pl.exceptions.PolarsError as error:
        why = f"a column of it is no text ({str(error).partition(chr(10))[0]})"
        raise RegisterFileError(path, why, "write it as text, numbers or dates") from error
    line = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line")
    return Grid(head, rows.select(line, pl.all()))
