"""Workbooks of the register: every worksheet that has a head, or the one that is asked for.

Merged cells are told, never filled in; so is a formula that was saved without its result. A hidden
worksheet is read only if it is asked for.
"""

import re
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from connectors.errors import RegisterFileError
from connectors.register_grid import HEAD_WITHIN, Grid, Head, head_of, no_head
from connectors.sheets import cell_text
from pipelines.register_reasons import FOUND

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

MAX_BYTES: Final = 1 << 30
"""A worksheet that unpacks to more is refused: no table of a district is so large."""

DIGITS: Final = 15
"""As many digits of a number a spreadsheet keeps; the others it has made zero."""

_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_FORMULA: Final = re.compile(
    rb'<(?:\w+:)?c\s([^>]*?r="([A-Z]+)(\d+)"[^>]*)>\s*'
    rb"<(?:\w+:)?f\b[^>]*?(?:/>|>[^<]*</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\s*/>\s*|<(?:\w+:)?v></(?:\w+:)?v>\s*)?"
    rb"</(?:\w+:)?c>"
)
"""A formula with no value or an empty one."""

_TEXT: Final = b't="str"'
"""The result of a formula is a text: it has it, though it may be empty."""


Lines: TypeAlias = Iterator[tuple[int, list[str]]]


@dataclass(frozen=True, slots=True)
class Merged:
    """A range of merged cells; columns from 0, lines from 1, both ends in it."""

    name: str
    left: int
    top: int
    right: int
    bottom: int


def book_grids(path: Path, table: str | None, sheet: str | None) -> list[Grid]:
    """The rows of each worksheet with a head; RegisterFileError where there is none."""
    try:
        return list(_grids(path, table, sheet))
    except OSError as error:
        raise RegisterFileError(
            path, error.strerror or str(error), "name a readable file"
        ) from error
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, SyntaxError) as error:
        why = f"it is no XLSX workbook ({str(error).partition(chr(10))[0]})"
        raise RegisterFileError(path, why, "save it again as .xlsx or .csv") from error


def _grids(path: Path, table: str | None, only: str | None) -> Iterator[Grid]:
    from openpyxl import load_workbook  # slow to import, and few commands need it

    book = load_workbook(path, read_only=True, data_only=True)
    try:
        names = [sheet.title for sheet in book.worksheets]
        if only is not None and only not in names:
            remedy = f"it has {', '.join(names)}"
            raise RegisterFileError(path, f"it has no worksheet {only!r}", remedy)
        shown = [one.title for one in book.worksheets if one.sheet_state == "visible"]
        asked = [only] if only else shown
        found = [grid for name in asked if (grid := _grid(path, book, name, table)) is not None]
        other = [] if only else [name for name in names if name not in shown]
        hidden = [name for name in other if _has_head(path, book, name, table)]
    finally:
        book.close()
    if not found and hidden:
        why = f"its worksheets with a head are hidden: {', '.join(hidden)}"
        raise RegisterFileError(path, why, "show them, or name one with --sheet")
    if not found:
        raise no_head(path, table)
    yield replace(found[0], hidden=hidden)
    yield from found[1:]


def _has_head(path: Path, book: "Workbook", name: str, table: str | None) -> bool:
    """Whether a worksheet would be read if it were asked for, or refused for its head."""
    try:
        with closing(_texts(book[name])) as texts:
            return _first_head(path, table, texts) is not None
    except RegisterFileError:
        return True


def _grid(path: Path, book: "Workbook", name: str, table: str | None) -> Grid | None:
    """The rows of one worksheet, None if it has no head."""
    sheet = book[name]
    with closing(_texts(sheet)) as texts:
        head = _first_head(path, table, texts)
        return None if head is None else _below(path, sheet, head, texts)


def _texts(sheet: "ReadOnlyWorksheet") -> Generator[tuple[int, list[str]]]:
    """Line numbers and cells of a worksheet as text."""
    sheet.reset_dimensions()
    with closing(sheet.iter_rows(values_only=True)) as cells:
        for line, row in enumerate(cells, 1):
            yield line, [_text(cell) for cell in row]


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a cell holds
    """A cell as text; a number of more than `DIGITS` digits as 1.2e+17: nobody knows the last."""
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and abs(value) >= 10**DIGITS:
        return f"{Decimal(str(value)).normalize():e}"
    return cell_text(value)


def _first_head(path: Path, table: str | None, texts: Lines) -> Head | None:
    heads = (head_of(path, table, _trimmed(r), line) for line, r in islice(texts, HEAD_WITHIN))
    return next((head for head in heads if head is not None), None)


def _below(path: Path, sheet: "ReadOnlyWorksheet", head: Head, texts: Lines) -> Grid:
    """The rows below a head; one that is merged over several rows ends with the last of them."""
    merged, formulas = _oddities(path, sheet)
    last = max([m.bottom for m in merged if m.top <= head.line <= m.bottom], default=head.line)
    width = len(head.cells)
    rows = [
        (line, cells[:width] + [""] * (width - len(cells)))
        for line, cells in texts
        if line > last and any(cell.strip() for cell in cells[:width])
    ]
    return _told(sheet.title, head, rows, [m for m in merged if m.top > last], formulas)


def _oddities(path: Path, sheet: "ReadOnlyWorksheet") -> tuple[list[Merged], dict[int, list[int]]]:
    """Merged ranges, and by line the columns of formulas without a kept result.

    From the worksheet's XML: openpyxl tells neither when it reads a sheet without holding it whole.
    """
    with sheet._get_source() as source:
        xml = source.read(MAX_BYTES)
    if len(xml) == MAX_BYTES:
        why = f"worksheet {sheet.title!r} unpacks to over {MAX_BYTES >> 20:,} MiB"
        raise RegisterFileError(path, why, "save it as CSV, or split it")
    merged = [
        Merged(
            f"{left.decode()}{int(top)}:{right.decode()}{int(bottom)}",
            _column(left), int(top), _column(right), int(bottom),
        )
        for left, top, right, bottom in _MERGED.findall(xml)
    ]  # fmt: skip
    formulas: dict[int, list[int]] = {}
    for attributes, column, line in _FORMULA.findall(xml):
        if _TEXT not in attributes:
            formulas.setdefault(int(line), []).append(_column(column))
    return merged, formulas


def _column(letters: bytes) -> int:
    """A to 0, Z to 25, AA to 26."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1


def _told(
    name: str,
    head: Head,
    rows: Sequence[tuple[int, list[str]]],
    merged: Sequence[Merged],
    formulas: Mapping[int, list[int]],
) -> Grid:
    """The grid of a worksheet: rows in merged ranges and with lost results are told, not read."""
    used = [place for place, column in enumerate(head.columns) if column]
    texts, blank = dict(rows), [""] * len(head.cells)
    found = [
        _fault(name, head, line, column, "merged", texts.get(one.top, blank)[column], one.name)
        for one in merged
        if (column := _first_within(used, one)) is not None
        for line in range(one.top, one.bottom + 1)
        if line in texts
    ]
    found += [
        _fault(name, head, line, column, "no_value")
        for line, columns in formulas.items()
        for column in columns
        if line in texts and column in used and not texts[line][column]
    ]
    bad = {one["line"] for one in found}
    frame = _frame(head, [(line, cells) for line, cells in rows if line not in bad])
    faults = pl.DataFrame(found, schema=FOUND)
    return Grid(head, frame.with_columns(sheet=pl.lit(name)), faults, name)


def _first_within(used: Sequence[int], merged: Merged) -> int | None:
    return next((place for place in used if merged.left <= place <= merged.right), None)


def _fault(
    sheet: str,
    head: Head,
    line: int,
    column: int,
    reason: str,
    value: str | None = None,
    about: str | None = None,
) -> dict[str, object]:
    told = (sheet, line, head.columns[column], value, reason, about)
    return dict(zip(FOUND, told, strict=True))


def _frame(head: Head, rows: Sequence[tuple[int, list[str]]]) -> pl.DataFrame:
    texts = [cells for _, cells in rows]
    columns = {
        name: pl.Series(name, [cells[place] for cells in texts], pl.String)
        for place, name in enumerate(head.columns)
        if name
    }
    return pl.DataFrame({"line": pl.Series([line for line, _ in rows], dtype=pl.Int64), **columns})


def _trimmed(cells: Sequence[str]) -> list[str]:
    """A row of cells without the blank ones behind its last text."""
    blank = next((i for i, cell in enumerate(reversed(cells)) if cell.strip()), len(cells))
    return list(cells[: len(cells) - blank])
