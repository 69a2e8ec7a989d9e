"""The events of a judged table, as a person reads them: from, to, peak, signals and their course.

Every event is listed; the most severe are explained, for explaining one takes its rows again.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from models import clock
from models.errors import TableError
from models.explain import described, traces
from models.schemas import CONTRIBUTOR, TRACES
from models.table import Scored
from pipelines.schemas import TIME

MOST_EXPLAINED: Final = 40
CHARTED: Final = 3
"""Signals of an event that a chart is made of."""

LEAD_STEPS: Final = 60
"""A chart begins so many steps of the table before its event, or half the event's length."""

TABLE_EVENTS: Final = pl.Schema(
    {
        "event_id": pl.Int64(),
        "start": TIME,
        "end": TIME,
        "rows": pl.Int64(),
        "peak_score": pl.Float64(),
        "signals": pl.List(pl.String()),
        "contributors": pl.List(CONTRIBUTOR),
        "first_row": pl.Int64(),
        "last_row": pl.Int64(),
    }
)
"""Events as `Detector.score` numbers them, from the first row to the last one over the limit.

`end` is null while the event is not over; `contributors` where it was not explained, and `signals`
are then those of its highest row. Rows count from 0, `last_row` is one of the event."""


@dataclass(frozen=True, slots=True)
class TableEvents:
    """Events (TABLE_EVENTS) in order of time, the courses of their signals (TRACES), row times."""

    events: pl.DataFrame
    courses: pl.DataFrame
    times: pl.Series
    lead: dict[int, timedelta]


def instants(times: pl.Series) -> pl.Series:
    """Times of a table as UTC; numbers as seconds (`models.clock`) from 1970, naive ones as UTC."""
    if not times.dtype.is_numeric():
        known = times.cast(pl.Datetime("us", getattr(times.dtype, "time_zone", None)))
        zoned = getattr(known.dtype, "time_zone", None)
        return known.dt.convert_time_zone("UTC") if zoned else known.dt.replace_time_zone("UTC")
    seconds = clock.seconds(times, clock.unit(times)[0])
    ticks = pl.Series(times.name, np.round(seconds * 1e6), nan_to_null=True)
    return ticks.cast(pl.Int64).cast(TIME)


def table_events(scored: Scored, name: str, most: int = MOST_EXPLAINED) -> TableEvents:
    """Lists the events of a table (`name`, for errors) and explains the `most` most severe.

    Raises:
        TableError: no row has a time.
    """
    times = instants(scored.rows[scored.detector.time])
    if times.null_count() == len(times):
        raise TableError(name, "no row has a time", "without one there is nothing to draw or list")
    events = _listed(scored.scores, times)
    severe = events.sort("peak_score", "event_id", descending=[True, False]).head(most)
    # Of numbers explain.py knows no distance, and of unknown times no order.
    rows = scored.rows.with_columns(
        times.forward_fill().backward_fill().alias(scored.detector.time)
    )
    found = described(scored.detector, rows, scored.scores, severe["event_id"].to_list())
    about = pl.DataFrame({"event_id": severe["event_id"], "contributors": found["contributors"]})
    by_id = events.drop("contributors").join(
        about, on="event_id", how="left", maintain_order="left"
    )
    named = pl.col("contributors").list.eval(pl.element().struct.field("sensor"))
    explained = by_id.with_columns(
        signals=pl.when(pl.col("contributors").list.len() > 0).then(named).otherwise("signals")
    ).select(TABLE_EVENTS.names())
    lead = _leads(explained, times)
    return TableEvents(explained, _courses(scored, rows, explained, lead), times, lead)


def _listed(scores: pl.DataFrame, times: pl.Series) -> pl.DataFrame:
    """The events that the scores number, unexplained (TABLE_EVENTS)."""
    known = times.forward_fill().backward_fill()
    row, last = pl.col("row"), pl.last("row")
    is_over = last < scores.height - 1
    until = pl.when(is_over).then(row.filter(pl.col("score") > 1.0).last()).fill_null(last)
    blamed = pl.col("contributors").sort_by("score").last()
    listed = (
        scores.select("event_id", "score", "contributors", row=pl.int_range(pl.len()))
        .filter(pl.col("event_id").is_not_null())
        .group_by("event_id", maintain_order=True)
        .agg(
            pl.max("score").alias("peak_score"),
            blamed.list.eval(pl.element().struct.field("sensor")).alias("signals"),
            pl.first("row").alias("first_row"),
            until.alias("last_row"),
            is_over.alias("is_over"),
        )
    )
    end = pl.lit(known.gather(listed["last_row"]))
    return listed.select(
        "event_id",
        known.gather(listed["first_row"]).alias("start"),
        pl.when("is_over").then(end).alias("end"),
        (pl.col("last_row") - pl.col("first_row") + 1).alias("rows"),
        "peak_score",
        "signals",
        pl.lit(None, dtype=TABLE_EVENTS["contributors"]).alias("contributors"),
        "first_row",
        "last_row",
    ).cast(TABLE_EVENTS)


def _leads(events: pl.DataFrame, times: pl.Series) -> dict[int, timedelta]:
    """How long before each explained event its charts begin."""
    usual = times.drop_nulls().diff().drop_nulls()
    step = usual.filter(usual > timedelta(0)).median() or timedelta(seconds=1)
    assert isinstance(step, timedelta)
    last = times.drop_nulls()[-1]
    return {
        e["event_id"]: max(LEAD_STEPS * step, ((e["end"] or last) - e["start"]) / 2)
        for e in events.filter(pl.col("contributors").is_not_null()).iter_rows(named=True)
    }


def _courses(
    scored: Scored, rows: pl.DataFrame, events: pl.DataFrame, leads: dict[int, timedelta]
) -> pl.DataFrame:
    """Of each explained event the first CHARTED signals (TRACES)."""
    parts = [pl.DataFrame(schema=TRACES)]
    for number, lead in leads.items():
        one = events.filter(pl.col("event_id") == number).with_columns(
            pl.col("event_id").cast(pl.String), pl.col("signals").list.head(CHARTED)
        )
        parts.append(traces(scored.detector, rows, one, before=lead))
    return pl.concat(parts)


def as_written(found: TableEvents, scored: Scored) -> list[dict[str, Any]]:
    """The events for a file, in order of time; times are the table's own, as written there.

    `event_id, start, end, is_over, rows, peak_score, signals, contributors`; `end` is None while
    the event is not over, `contributors` where it was not explained.
    """
    written = scored.written
    filled = found.times.forward_fill().backward_fill()

    def told(contributor: dict[str, Any]) -> dict[str, Any]:
        began = written[int(filled.search_sorted(contributor["began"], "left"))]
        return {k: v for k, v in contributor.items() if k != "unit"} | {"began": _plain(began)}

    return [
        {
            "event_id": e["event_id"],
            "start": _plain(written[e["first_row"]]),
            "end": None if e["end"] is None else _plain(written[e["last_row"]]),
            "is_over": e["end"] is not None,
            "rows": e["rows"],
            "peak_score": e["peak_score"],
            "signals": e["signals"],
            "contributors": e["contributors"] and [told(c) for c in e["contributors"]],
        }
        for e in found.events.iter_rows(named=True)
    ]


def _plain(value: object) -> object:
    """A time as JSON can hold it."""
    return value.isoformat() if isinstance(value, date) else value
