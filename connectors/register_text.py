"""CSV files of the register: any mixture of UTF-8 and GB 18030, any of three delimiters.

A line that cannot be decoded, a quotation mark that is not closed and a row of the wrong width are
told by their line; the other lines are read.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import polars as pl

from connectors.errors import RegisterFileError
from connectors.register_grid import HEAD_WITHIN, Grid, Head, head_of, no_head
from pipelines.register_reasons import FOUND

DELIMITERS: Final = (",", ";", "\t")
Parsed = list[tuple[int, list[str]]]
"""Fields of records by the place of their line below the head."""

_EXCERPT: Final = 60
"""As many characters of a line that cannot be read stand in the report."""

_HALF: Final = re.compile("[\ud800-\udfff]")
"""A surrogate without its fellow: no character."""

_LONGEST_CELL: Final = 20
"""A quotation mark whose fellow does not come within so many lines is a stray one."""


def csv_grid(path: Path, table: str | None) -> Grid:
    """The rows of a CSV file; RegisterFileError where no row names the required columns."""
    lines, undecodable = _lines(path)
    head, delimiter = _head(path, table, lines)
    below = lines[head.line :]
    numbers = [number for number in undecodable if number > head.line]
    return _grid(head, delimiter, below, numbers)


def _lines(path: Path) -> tuple[list[str], list[int]]:
    """The lines of a file, and the numbers of those in neither encoding (blank here)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RegisterFileError(
            path, error.strerror or str(error), "name a readable file"
        ) from error
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _wide(content)
    if b"\0" in content:
        why = "it is neither text nor a workbook"
        raise RegisterFileError(path, why, "save it as CSV UTF-8 or .xlsx")
    try:
        return _split(content.decode("utf-8-sig")), []
    except UnicodeDecodeError:
        return _mixed(content.removeprefix(b"\xef\xbb\xbf"))


def _wide(content: bytes) -> tuple[list[str], list[int]]:
    """Lines in UTF-16; one with half a character is undecodable, the last with half a unit too."""
    is_cut = len(content) % 2
    lines = _split(content[: len(content) - is_cut].decode("utf-16", "surrogatepass"))
    undecodable = [number for number, line in enumerate(lines, 1) if _HALF.search(line)]
    if is_cut and len(lines) not in undecodable:
        undecodable.append(len(lines))
    for number in undecodable:
        lines[number - 1] = ""
    return lines, undecodable


def _split(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _mixed(content: bytes) -> tuple[list[str], list[int]]:
    """Line by line in UTF-8 or GB 18030; no character of either has a line break in it."""
    lines, undecodable = [], []
    ended = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for number, line in enumerate(ended.split(b"\n"), 1):
        text = _decoded(line)
        lines.append(text or "")
        if text is None:
            undecodable.append(number)
    return lines, undecodable


def _decoded(line: bytes) -> str | None:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return _gb18030(line)
    if text.isascii() or max(text) >= "\u0800":
        return text
    # Two-byte characters alone are no Chinese in UTF-8, but may be in GB 18030.
    return _gb18030(line) or text


def _gb18030(line: bytes) -> str | None:
    try:
        return line.decode("gb18030")
    except UnicodeDecodeError:
        return None


def _head(path: Path, table: str | None, lines: Sequence[str]) -> tuple[Head, str]:
    """The first record that names the required columns; its `line` is the last one it stands on."""
    for last, record in _first_records(lines):
        for delimiter in DELIMITERS:
            head = head_of(path, table, _fields(record, delimiter), last)
            if head is not None:
                return head, delimiter
    raise no_head(path, table)


def _first_records(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    held: list[str] = []
    for number, line in enumerate(lines[:HEAD_WITHIN], 1):
        held.append(line)
        record = "\n".join(held)
        if record.count('"') % 2 == 0 or len(held) > _LONGEST_CELL:
            yield number, record
            held = []


def _fields(record: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(record.splitlines(keepends=True), delimiter=delimiter), [])
    except csv.Error:
        return []


def _grid(head: Head, delimiter: str, below: list[str], undecodable: list[int]) -> Grid:
    """The lines below a head; those that are plain, or neatly quoted, are split all at once."""
    first, width = head.line + 1, len(head.cells)
    joined, spent, unclosed = _joined(below, delimiter, width)
    lines = pl.DataFrame({"text": below}).with_row_index("at")
    is_blank = pl.col("text").str.strip_chars(f" \t\u3000{delimiter}") == ""
    single = lines.filter(~pl.col("at").is_in(spent.implode()) & ~is_blank)
    plain, neat, other = _sorted(single, delimiter, width)
    others = [(at, _fields(text, delimiter)) for at, text in other.iter_rows()]
    fitting, ragged = _fitted([*joined, *others], width)
    rows = pl.concat(
        [
            _named(head, _split_exact(plain["text"], delimiter, width), plain["at"]),
            _named(head, _unquoted(neat["text"], delimiter, width), neat["at"]),
            _named(head, _columns([cells for _, cells in fitting], width), _at(fitting)),
        ]
    ).sort("line")
    found = [
        *((number, None, "undecodable", None) for number in undecodable),
        *((at + first, below[at], "unclosed", None) for at in unclosed),
        *((at + first, below[at], "ragged", f"{len(cells)} ≠ {width}") for at, cells in ragged),
    ]
    return Grid(head, rows.with_columns(pl.col("line") + first), _found(found))


def _joined(
    below: Sequence[str], delimiter: str, width: int
) -> tuple[Parsed, pl.Series, list[int]]:
    """Records over several lines, every line they take, and the lines of stray marks.

    A record goes on to the next line with an odd number of marks, if it then has the right width.
    """
    marks = pl.Series(below, dtype=pl.String).str.count_matches('"', literal=True)
    odd = (marks % 2 == 1).arg_true().to_list()
    ends = dict(pairwise(odd))
    records, spent, unclosed, after = Parsed(), list[int](), list[int](), 0
    for at in odd:
        if at < after:
            continue
        end = ends.get(at, at + _LONGEST_CELL + 1)
        is_near = end - at <= _LONGEST_CELL
        cells = _fields("\n".join(below[at : end + 1]), delimiter) if is_near else []
        if len(cells) == width:
            records.append((at, cells))
            after = end + 1
        else:
            unclosed.append(at)
            after = at + 1
        spent.extend(range(at, after))
    return records, pl.Series(spent, dtype=pl.UInt32), unclosed


def _sorted(
    single: pl.DataFrame, delimiter: str, width: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Lines of the right width without quotation marks, with well-set ones, and the others."""
    text, mark = pl.col("text"), re.escape(delimiter)
    cell = rf'(?:[^"{mark}]*|"(?:[^"]|"")*")'
    outside = text.str.replace_all('"[^"]*"', "").str.count_matches(delimiter, literal=True)
    has_mark = text.str.contains('"', literal=True)
    is_plain = ~has_mark & (text.str.count_matches(delimiter, literal=True) == width - 1)
    plain, rest = single.filter(is_plain), single.filter(~is_plain)
    is_neat = text.str.contains(f"^{cell}(?:{mark}{cell})*$") & (outside == width - 1) & has_mark
    told = rest.with_columns(is_neat=is_neat)
    return (
        plain,
        told.filter("is_neat").drop("is_neat"),
        told.filter(~pl.col("is_neat")).drop("is_neat"),
    )


def _unquoted(texts: pl.Series, delimiter: str, width: int) -> pl.DataFrame:
    """The fields of lines whose quotation marks are well set."""
    if texts.is_empty():
        return _columns([], width)
    return pl.read_csv(
        "\n".join(texts.to_list()).encode(),
        has_header=False,
        separator=delimiter,
        infer_schema=False,
        new_columns=[f"field_{i}" for i in range(width)],
    )


def _fitted(records: Parsed, width: int) -> tuple[Parsed, Parsed]:
    """Records of the right width, and the others; a blank one is neither."""
    filled = [(at, cells) for at, cells in records if any(cell.strip() for cell in cells)]
    fitting = [(at, cells) for at, cells in filled if len(cells) == width]
    return fitting, [(at, cells) for at, cells in filled if len(cells) != width]


def _split_exact(texts: pl.Series, delimiter: str, width: int) -> pl.DataFrame:
    if width == 1:
        return texts.to_frame("field_0")
    return texts.str.split_exact(delimiter, width - 1).struct.unnest()


def _columns(rows: list[list[str]], width: int) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else ((),) * width
    return pl.DataFrame([pl.Series(f"field_{i}", c, pl.String) for i, c in enumerate(columns)])


def _at(records: Parsed) -> pl.Series:
    return pl.Series([at for at, _ in records], dtype=pl.UInt32)


def _named(head: Head, cells: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
    named = [(name, f"field_{i}") for i, name in enumerate(head.columns) if name]
    line = at.cast(pl.Int64).alias("line")
    return cells.select(line, *(pl.col(field).alias(name) for name, field in named))


def _found(told: list[tuple[int, str | None, str, str | None]]) -> pl.DataFrame:
    """FOUND of whole lines, with how each begins."""
    rows = [
        (None, line, None, text and text[:_EXCERPT], reason, about)
        for line, text, reason, about in told
    ]
    return pl.DataFrame(rows, schema=FOUND, orient="row")
