"""From a judged table to what people read: the events file, and the page with its charts."""

import json
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from connectors.reports.stamps import Stamps
from connectors.reports.table_page import Judged, listed, write_page
from models import clock
from models.table import Scored
from models.table_events import TableEvents, as_written, table_events

DATES_FROM_S: Final = 946_684_800
"""Numeric times that all lie after 2000 are seconds since 1970; others count from wherever."""


def explained(scored: Scored, data: Path) -> TableEvents:
    """Lists the events of a table and explains the most severe."""
    return table_events(scored, str(data))


def write_events(found: TableEvents, scored: Scored, path: Path) -> None:
    """One row per event, as CSV with lists as JSON, or as a JSON list."""
    rows = as_written(found, scored)
    if path.suffix.lower() == ".json":
        text = json.dumps(rows, ensure_ascii=False, indent=1, default=str)
        path.write_text(text + "\n", encoding="utf-8", newline="\n")
        return
    flat = [
        row
        | {name: json.dumps(row[name], ensure_ascii=False) for name in ("signals", "contributors")}
        for row in rows
    ]
    pl.DataFrame(flat, schema=EVENT_COLUMNS, strict=False).write_csv(path)


EVENT_COLUMNS: Final = {
    "event_id": pl.Int64(),
    "start": pl.String(),
    "end": pl.String(),
    "is_over": pl.Boolean(),
    "rows": pl.Int64(),
    "peak_score": pl.Float64(),
    "signals": pl.String(),
    "contributors": pl.String(),
}
"""Of the events file, times as the table writes them."""


def write_plot(
    found: TableEvents, scored: Scored, name: str, model: str, path: Path, lang: str
) -> None:
    """The page of the table."""
    judged = Judged(
        name=name,
        model=model,
        sensors=len(scored.detector.sensors),
        scores=pl.DataFrame({"time": found.times, "score": scored.scores["score"]}),
        events=found.events,
        courses=found.courses,
        leads=found.lead,
        notes=scored.detector.notes,
        unjudged=unjudged(scored),
        stamps=stamps(scored.written, found.times),
    )
    write_page(path, judged, lang)


def stamps(written: pl.Series, times: pl.Series) -> Stamps:
    """How this table writes its times."""
    steps = times.drop_nulls().diff().drop_nulls()
    usual = steps.filter(steps > timedelta(0)).median()
    step_s = usual.total_seconds() if isinstance(usual, timedelta) else 1.0
    if written.dtype.is_numeric():
        earliest = times.min()
        if isinstance(earliest, datetime) and earliest.timestamp() < DATES_FROM_S:
            return Stamps(per_s=clock.unit(written)[0], step_s=step_s)
        return Stamps(step_s=step_s, named="UTC")
    zone, named = _zone(written)
    return Stamps(zone=zone, step_s=step_s, named=named)


def _zone(written: pl.Series) -> tuple[tzinfo, str]:
    """The zone that the table's times are written in, and its name where they name one."""
    if named := getattr(written.dtype, "time_zone", None):
        return ZoneInfo(named), named
    first = written.drop_nulls().first()
    try:
        offset = datetime.fromisoformat(first.strip()).tzinfo if isinstance(first, str) else None
    except ValueError:
        offset = None
    return (offset, str(offset)) if offset else (UTC, "")


def unjudged(scored: Scored) -> list[tuple[str, str]]:
    """What of the table was not judged, in Chinese and English."""
    rows, sensors = scored.rows, scored.detector.sensors
    known = [s for s in sensors if s in rows.columns]
    missing = [s for s in sensors if s not in rows.columns]
    empty = [s for s in known if rows[s].null_count() == rows.height]
    blank = rows.select(pl.all_horizontal(pl.col(known).is_null())).to_series().sum()
    timeless = rows[scored.detector.time].null_count()
    said = [
        (missing, "表中没有的信号：", "signals that the table does not have: "),
        (empty, "表中全为空的信号：", "signals without a value in the table: "),
        (scored.unknown, "模型不认识的列：", "columns that the model does not know: "),
    ]
    notes = [(zh + listed(names), en + listed(names)) for names, zh, en in said if names]
    if blank:
        notes.append((f"{blank} 行没有任何数值", f"{blank} rows without any value"))
    if timeless:
        notes.append(
            (f"{timeless} 行没有时间，未画入图中", f"{timeless} rows without a time are not drawn")
        )
    return notes
