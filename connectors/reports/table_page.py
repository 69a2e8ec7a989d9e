"""Writes the page of one judged table: a self-contained HTML file, Chinese and English."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from connectors.reports import figures, overview, words
from connectors.reports.figures import Span, number
from connectors.reports.overview import Shade
from connectors.reports.stamps import StampAxis, Stamps
from connectors.reports.view import contributor

HIGH: Final = 3.0
MEDIUM: Final = 1.5
"""Times the limit: what colours an event. It is no priority: what is at stake is not known here."""

LISTED: Final = 8
"""Names that a sentence lists; the rest are counted."""

UNITS: Final = {
    1.0: ("秒", "seconds"),
    1e3: ("毫秒", "milliseconds"),
    1e6: ("微秒", "microseconds"),
    1e9: ("纳秒", "nanoseconds"),
}
"""What numeric times are taken as, by how many are a second."""

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("connectors.reports", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a page tells of a table.

    scores: `time, score` per row, in order; time may be null.
    events: `event_id start end rows peak_score signals contributors`; `end` null while not over,
        `contributors` null where an event is counted only.
    courses: `event_id sensor unit time seen low high`, event_id as text.
    leads: per explained event, how long before it its charts begin.
    notes: what the model says of itself.
    unjudged: what of the table was not judged, in Chinese and English.
    """

    name: str
    model: str
    sensors: int
    scores: pl.DataFrame
    events: pl.DataFrame
    courses: pl.DataFrame
    leads: Mapping[int, timedelta]
    notes: Sequence[str]
    unjudged: Sequence[tuple[str, str]]
    stamps: Stamps


def write_page(path: Path | str, judged: Judged, lang: str = "zh") -> Path:
    """Writes the page, replacing the file at once; `lang` is the language shown first."""
    known = judged.scores.filter(pl.col("time").is_not_null())
    axis = StampAxis(known["time"][0], known["time"][-1], judged.stamps)
    rows = judged.events.sort("peak_score", "event_id", descending=[True, False]).to_dicts()
    told = [_event(e, judged, axis) for e in rows if e["contributors"] is not None]
    shades = [
        Shade(e["event_id"], e["start"], e["end"] or axis.end, e["contributors"] is not None)
        for e in rows
    ]
    highest = known["score"].max()
    page = _ENVIRONMENT.get_template("table_page.html.j2").render(
        judged=judged,
        lang=lang,
        rows=f"{judged.scores.height:,}",
        period=judged.stamps.span(axis.start, axis.end),
        events=told,
        count=len(rows),
        lasting=sum(e["end"] is None for e in rows),
        highest=number(highest if isinstance(highest, float) else None),
        strip=overview.strip(known, axis, shades, f"{judged.name}: score"),
        unit=UNITS.get(judged.stamps.per_s or 0.0),
        notes=[words.note(note) for note in judged.notes],
    )
    target = Path(path)
    part = target.with_name(target.name + ".part")
    part.write_text(page, encoding="utf-8", newline="\n")
    part.replace(target)
    return target


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, many of them counted."""
    more = f", … (+{len(names) - LISTED})" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _event(event: Mapping[str, Any], judged: Judged, table: StampAxis) -> dict[str, Any]:
    stamps, number_ = judged.stamps, event["event_id"]
    start, end = event["start"], event["end"] or table.end
    lead = judged.leads[number_]
    axis = StampAxis(max(start - lead, table.start), min(end + lead / 2, table.end), stamps)
    about = [_contributor(c, stamps.near(c["began"], start)) for c in event["contributors"]]
    courses = judged.courses.filter(pl.col("event_id") == str(number_))
    panels = [
        (c["title"], trace)
        for c in about
        if (trace := courses.filter(pl.col("sensor") == c["sensor"])).height > 1
    ]
    over = _over(judged.scores, axis)
    label = f"{judged.name} {number_}: {', '.join(c['sensor'] for c in about)}"
    return {
        **event,
        "level": _level(event["peak_score"]),
        "peak": number(event["peak_score"]),
        "start": stamps.at(start),
        "span": stamps.span(start, end),
        "length": _length((end - start).total_seconds()),
        "is_over": event["end"] is not None,
        "contributors": about,
        "lead": about[0] if about else None,
        "chart": figures.chart(panels, axis, (start, end), over, label) if panels else None,
    }


def _contributor(c: Mapping[str, Any], began: str) -> dict[str, Any]:
    """As in the anomaly report, save that a stranger's column keeps its name."""
    name = c["sensor"]
    return contributor(c) | {"name": (name, name), "title": escape(name), "began": began}


def _over(scores: pl.DataFrame, axis: StampAxis) -> list[Span]:
    """Where the score is over the limit: such rows up to the next, closer than a pixel as one."""
    pixel = (axis.end - axis.start) / (figures.WIDTH - figures.LEFT - figures.RIGHT)
    known = scores.filter(pl.col("time").is_between(axis.start, axis.end))
    usual = known["time"].diff().median()
    most = 2 * usual if isinstance(usual, timedelta) else pixel
    until = pl.min_horizontal(pl.col("time").shift(-1), pl.col("time") + max(most, pixel))
    over = known.with_columns(until=until.fill_null(pl.col("time"))).filter(pl.col("score") > 1.0)
    apart = (pl.col("time") - pl.col("until").cum_max().shift(1) > pixel).fill_null(value=False)
    runs = over.group_by(run=apart.cum_sum(), maintain_order=True).agg(
        pl.first("time"), pl.max("until")
    )
    return [(start, end, "stopped") for start, end in runs.select("time", "until").iter_rows()]


def _level(peak: float) -> str:
    return "high" if peak >= HIGH else "medium" if peak >= MEDIUM else "low"


def _length(seconds: float) -> tuple[str, str]:
    """A length in the unit that a person would say it in."""
    units = ((86_400, "天", "d"), (3_600, "小时", "h"), (60, "分钟", "min"), (0, "秒", "s"))
    size, zh, en = next(u for u in units if seconds >= 2 * u[0])
    value = number(round(seconds / (size or 1), 1))
    return f"{value} {zh}", f"{value} {en}"
