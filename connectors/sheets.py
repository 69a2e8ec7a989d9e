"""Rows of CSV and XLSX files that people fill in, read field by field.

Whatever is wrong is refused by file, line, column and remedy.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from connectors.errors import FleetFileError
from pipelines.days import ZONE

T = TypeVar("T")

MAX_ROWS: Final = 1_000_000
"""As many as a worksheet holds."""
_NAMED: Final = 5
"""Further bad lines named beside the first."""
_MIDNIGHT: Final = "T00:00:00"
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999: the last second there is in a worksheet, and in Python."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file; every accessor refuses a bad field by file, line and column."""

    path: Path
    line: int
    fields: dict[str, str]

    def refuse(self, column: str, why: str, remedy: str) -> NoReturn:
        """Raise the FleetFileError of this field."""
        raise FleetFileError(
            f"{self.path} line {self.line} column {column}",
            f"{self.fields[column]!r}: {why}",
            remedy,
        )

    def place(self, factory: str) -> dict[str, str | None]:
        """The equipment key as far as the file knows it."""
        return {
            "park_id": None,
            "factory_id": factory,
            "line_id": self.optional("line_id"),
            "work_unit_id": self.optional("work_unit_id"),
        }

    def optional(self, column: str) -> str | None:
        """A field that may be blank."""
        return self.fields[column].strip() or None

    def text(self, column: str) -> str:
        """A field that may not be blank."""
        value = self.fields[column].strip()
        if not value:
            self.refuse(column, "it is blank", "fill it in")
        return value

    def one_of(self, column: str, words: Sequence[str]) -> str:
        """A field with a fixed set of words."""
        value = self.text(column)
        if value not in words:
            self.refuse(column, "it is none of the known words", f"use {', '.join(words)}")
        return value

    def time(self, column: str) -> datetime:
        """An ISO 8601 time with an offset, in UTC."""
        moment = self._parsed(column, datetime.fromisoformat, "an ISO 8601 time")
        if moment.tzinfo is None:
            self.refuse(column, "it has no UTC offset", "write it like 2026-11-21T08:00:00+08:00")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.refuse(column, "it lies beyond the calendar in UTC", "correct the year")

    def day(self, column: str) -> date:
        """An ISO 8601 date."""
        return self._parsed(column, _day, "an ISO 8601 date")

    def number(self, column: str) -> float:
        """A finite number."""
        value = self._parsed(column, float, "a number")
        if not abs(value) < float("inf"):
            self.refuse(column, "it is not finite", "give a number")
        return value

    def between(self, column: str, least: float, most: float) -> float:
        """A number from `least` to `most`."""
        value = self._parsed(column, float, "a number")
        if not least <= value <= most:
            why = f"it is not from {least:,.0f} to {most:,.0f}"
            self.refuse(column, why, f"give a number from {least:,.0f} to {most:,.0f}")
        return value

    def positive(self, column: str) -> float:
        """A finite number above zero."""
        value = self._parsed(column, float, "a number")
        if not 0 < value < float("inf"):
            self.refuse(column, "it is not above zero", "give the seconds per piece")
        return value

    def count(self, column: str) -> int:
        """A whole number from 1 on."""
        value = self._parsed(column, int, "a whole number")
        if value < 1:
            self.refuse(column, "it is below 1", "count from 1")
        return value

    def _parsed(self, column: str, parse: Callable[[str], T], what: str) -> T:
        try:
            return parse(self.text(column))
        except ValueError:
            self.refuse(column, f"it is not {what}", f"write {what}")


def _day(text: str) -> date:
    """A date; a cell that a worksheet keeps as a time is one at midnight."""
    day, _, clock = text.partition("T")
    if clock and not f"T{clock}".startswith(_MIDNIGHT):
        raise ValueError(text)
    return date.fromisoformat(day)


def each(rows: Iterable[Row], make: Callable[[Row], T]) -> list[T]:
    """What `make` makes of every row; if any is refused, the first error, naming further lines."""
    made, refused = [], list[tuple[int, FleetFileError]]()
    for row in rows:
        try:
            made.append(make(row))
        except FleetFileError as error:
            refused.append((row.line, error))
    if len(refused) == 1:
        raise refused[0][1]
    if refused:
        (_, first), *others = refused
        lines = ", ".join(str(line) for line, _ in others[:_NAMED])
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        remedy = f"{first.remedy}; so are {len(others)} further lines ({lines}{more})"
        raise FleetFileError(first.culprit, first.why, remedy)
    return made


def rows_of(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a CSV or XLSX file (its first worksheet) that are not blank, as text.

    `columns` must be there, `optional` ones are blank where they are not; others are not read.
    In a worksheet a time without an offset is the plant's own (Asia/Shanghai).
    """
    lines = lines_of(path)
    _, names = next(lines, (0, []))
    names = [name.strip() for name in names]
    missing = [name for name in columns if name not in names]
    if missing:
        why = f"it has no column `{missing[0]}`"
        raise FleetFileError(path, why, f"give it the columns {','.join(columns)}")
    wanted = (*columns, *optional)
    filled = ((line, cells) for line, cells in lines if any(cell.strip() for cell in cells))
    for count, (line, cells) in enumerate(filled):
        if count >= MAX_ROWS:
            why = f"it has over {MAX_ROWS:,} rows"
            raise FleetFileError(path, why, "split it by factory")
        fields = dict(zip(names, cells, strict=False))
        row = Row(path, line, {name: fields.get(name, "") for name in wanted})
        if len(cells) != len(names):
            row.refuse(columns[0], "the line has another number of fields", "quote commas")
        yield row


Lines = Iterator[tuple[int, list[str]]]


def lines_of(path: Path) -> Lines:
    """Line numbers and cells of a CSV or XLSX file as text, the heads first, blank lines too."""
    return _worksheet(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _csv(path)


def _csv(path: Path) -> Lines:
    try:
        reader = csv.reader(io.StringIO(_text(path), newline=""))
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = str(error.strerror if isinstance(error, OSError) else error)
        raise FleetFileError(path, why, "name a readable CSV file in UTF-8") from error


def _text(path: Path) -> str:
    """A file in UTF-8, or in GB 18030, as Excel writes CSV on a Chinese desktop."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in content:
            raise
        return content.decode("gb18030")


def _worksheet(path: Path) -> Lines:
    from openpyxl import load_workbook  # slow to import, and few files need it

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            width = 0
            for line, cells in enumerate(sheet.iter_rows(values_only=True), 1):
                texts = [cell_text(cell) for cell in cells]
                if not width and not any(texts):
                    continue
                width = width or len(texts) - next(i for i, t in enumerate(texts[::-1]) if t)
                beyond = [text for text in texts[width:] if text]
                yield line, texts[:width] + [""] * (width - len(texts)) + beyond
        finally:
            book.close()
    except OSError as error:
        raise FleetFileError(path, error.strerror or str(error), "name a readable file") from error
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, SyntaxError) as error:
        why = f"it is no XLSX workbook ({str(error).partition(chr(10))[0]})"
        raise FleetFileError(path, why, "save it again as .xlsx or .csv") from error


def cell_text(value: Any) -> str:  # noqa: ANN401 - whatever a cell holds
    """A cell as the text a CSV file would have."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime):
        second = min(round(value.replace(tzinfo=UTC).timestamp()), _LAST_SECOND)
        whole = datetime.fromtimestamp(second, UTC)
        return whole.replace(tzinfo=ZoneInfo(ZONE)).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
