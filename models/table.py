"""The detector on any table: CSV or Parquet in, model or score table out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from models import clock, detector
from models.detector import Detector
from models.errors import TableError

TIME_NAMES: Final = ("timestamp", "time", "datetime", "date", "ts", "source_time")
SHOWN: Final = 40
"""Characters of a bad cell that an error quotes."""

MOST_NAMED: Final = 8
"""Columns that an error names."""

HEAD_BYTES: Final = 65_536
"""More than any header line: where so much has no line end, none will come."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A judged table: its rows in order, their times as they are written there, the scores.

    `rows` has the detector's name for the time column; `scores` is what `Detector.score` gives,
    `unknown` names columns that the model does not know.
    """

    detector: Detector
    rows: pl.DataFrame
    written: pl.Series
    scores: pl.DataFrame
    unknown: tuple[str, ...] = ()


def fit_file(train: Path | str, model: Path | str) -> Detector:
    """Fits a detector on a table and saves it; the detector's `notes` are for the reader."""
    frame, time = read_table(train)
    clock.in_order(frame, time, TableError, str(train))
    fitted = detector.fit(frame, time=time)
    fitted.save(model)
    return fitted


def score_file(model: Path | str, data: Path | str, out: Path | str) -> pl.DataFrame:
    """Scores a table and writes CSV (contributors as JSON) or Parquet, by the name of `out`.

    `timestamp` is the table's own, as it is written there, so that the two join again.
    """
    return write_scores(scored_table(model, data), out)


def scored_table(model: Path | str, data: Path | str) -> Scored:
    """Scores a table.

    Raises:
        ModelFileError: no model, or one of another schema.
        TableError: as `read_table`; times that run backwards; none of the model's sensors.
    """
    fitted = detector.load(model)
    raw = _read(Path(data))
    time = _time_column(raw, data, fitted.time)
    rows = _numbers(_with_times(raw, time, data), time, data)
    if time != fitted.time:
        rows = rows.rename({time: fitted.time})
    clock.in_order(rows, fitted.time, TableError, str(data))
    if not set(fitted.sensors) & set(rows.columns):
        wanted = ", ".join(fitted.sensors[:MOST_NAMED])
        more = ", ..." if len(fitted.sensors) > MOST_NAMED else ""
        raise TableError(data, "holds none of the model's sensors", f"expected {wanted}{more}")
    known = {fitted.time, fitted.context, *fitted.sensors}
    unknown = tuple(c for c in rows.columns if c not in known)
    return Scored(fitted, rows, raw[time], fitted.score(rows), unknown)


def write_scores(scored: Scored, out: Path | str) -> pl.DataFrame:
    """Writes what `score_file` writes, and returns it."""
    table = scored.scores.with_columns(timestamp=scored.written)
    target = Path(out)
    if target.suffix == ".parquet":
        table.write_parquet(target)
        return table
    listed = [json.dumps(c, ensure_ascii=False) for c in table["contributors"].to_list()]
    table.with_columns(contributors=pl.Series(listed, dtype=pl.String)).write_csv(target)
    return table


def read_table(path: Path | str, time: str | None = None) -> tuple[pl.DataFrame, str]:
    """A table with one time column and numeric sensor columns, and the time column's name.

    The time column is the one named `time`; else one with a time dtype, else one whose text parses
    as times (of several, the one named like TIME_NAMES), else one named like TIME_NAMES.

    Raises:
        TableError: unreadable, no time column, or text where a number belongs.
    """
    frame = _read(Path(path))
    name = _time_column(frame, path, time)
    return _numbers(_with_times(frame, name, path), name, path), name


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
        _no_bare_returns(path)
        separator = max(",;\t", key=head.count)
        frame = pl.read_csv(path, separator=separator, infer_schema_length=None)
        # Polars leaves doubled quotes in names of columns, though not in cells.
        return frame.rename({c: c.replace('""', '"') for c in frame.columns if '""' in c})
    except (OSError, UnicodeDecodeError, PolarsError) as problem:
        why = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise TableError(path, why, "expected a CSV or Parquet file") from problem


def _no_bare_returns(path: Path) -> None:
    with path.open("rb") as file:
        begin = file.read(HEAD_BYTES)
    if b"\r" in begin and b"\n" not in begin:
        raise TableError(path, "its lines end in CR alone", "save it with LF or CRLF line ends")


def _time_column(frame: pl.DataFrame, path: Path | str, wanted: str | None) -> str:
    if wanted in frame.columns:
        return str(wanted)
    named = [c for name in TIME_NAMES for c in frame.columns if c.strip().lower() == name]
    ranked = [*named, *(c for c in frame.columns if c not in named)]
    temporal = [c for c in ranked if frame[c].dtype in (pl.Datetime, pl.Date)]
    texts = (c for c in ranked if frame[c].dtype == pl.String)
    if found := temporal or [c for c in texts if _parses(frame[c])] or named:
        return found[0]
    raise TableError(path, "no time column", f"name one of {', '.join(TIME_NAMES[:3])}")


def _parses(texts: pl.Series) -> bool:
    return _parsed(texts.head(20)).null_count() == 0


def _parsed(texts: pl.Series) -> pl.Series:
    """Text as UTC times; null where it is none."""
    try:
        return texts.str.to_datetime(strict=False, time_zone="UTC", time_unit="us")
    except PolarsError:
        return pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us", "UTC"))


def _with_times(frame: pl.DataFrame, name: str, path: Path | str) -> pl.DataFrame:
    dtype = frame[name].dtype
    if dtype != pl.String:
        if not (dtype.is_numeric() or dtype in (pl.Datetime, pl.Date)):
            raise TableError(path, f"column {name!r} is {dtype}", "expected times or numbers")
        return frame
    times = _parsed(frame[name])
    bad = frame.filter(times.is_null() & frame[name].is_not_null())
    if bad.height:
        raise TableError(
            path, f"column {name!r} has {bad[name][0][:SHOWN]!r}", "expected times as ISO 8601"
        )
    return frame.with_columns(times)


def _numbers(frame: pl.DataFrame, time: str, path: Path | str) -> pl.DataFrame:
    """Text columns become numbers where every cell is one; else one line names the cell."""
    for name in frame.columns:
        column = frame[name]
        if name == time or column.dtype.is_numeric() or column.dtype == pl.Boolean:
            continue
        if column.dtype != pl.String:
            if column.dtype.is_nested() or column.null_count() < len(column):
                raise TableError(path, f"column {name!r} is {column.dtype}", "drop the column")
            frame = frame.with_columns(column.cast(pl.Float64))
            continue
        numbers = column.str.strip_chars().replace("", None).cast(pl.Float64, strict=False)
        wrong = (
            numbers.is_null() & column.is_not_null() & (column.str.strip_chars() != "")
        ).arg_true()
        if len(wrong):
            row = int(wrong[0])
            raise TableError(
                path,
                f"column {name!r} row {row + 1} has {column[row][:SHOWN]!r}, not a number",
                "correct the cell or drop the column",
            )
        frame = frame.with_columns(numbers)
    return frame
