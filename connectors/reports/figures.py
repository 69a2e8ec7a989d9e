"""Charts as SVG: a signal with its expected band, the event shaded, states as a ribbon beneath."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor, log10
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl
from markupsafe import Markup, escape

from connectors.reports.words import ACTIVITIES
from pipelines import days

ZONE: Final = ZoneInfo(days.ZONE)
WIDTH: Final = 860
LEFT: Final = 64
RIGHT: Final = 14
PANEL: Final = 96
HEAD: Final = 20
RIBBON: Final = 12
MOST_POINTS: Final = 300
"""A polyline holds fewer points than this: pages stay light, print stays sharp."""

MOST_DIGITS: Final = 6
PAUSE: Final = 6
"""A line breaks where a step is over so many median steps."""

TICKS_MIN: Final = (5, 10, 15, 30, 60, 120, 180, 240, 360)

Span = tuple[datetime, datetime, str]


@dataclass(frozen=True, slots=True)
class Axis:
    """Time on the x axis, between two instants."""

    start: datetime
    end: datetime

    def x(self, time: datetime) -> float:
        """Pixels from the left, cut to the panel."""
        share = (time - self.start) / max(self.end - self.start, timedelta(seconds=1))
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> Iterator[datetime]:
        """Round local times, six to twelve of them."""
        minutes = (self.end - self.start).total_seconds() / 60
        every = next((t for t in TICKS_MIN if minutes / t <= 10), 720)
        midnight = self.start.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        first = -(-(self.start - midnight) // timedelta(minutes=every))
        at = midnight + first * timedelta(minutes=every)
        while at <= self.end:
            yield at
            at += timedelta(minutes=every)

    def labels(self) -> Iterator[tuple[datetime, str]]:
        """The ticks and what is written beneath them."""
        return ((tick, f"{tick.astimezone(ZONE):%H:%M}") for tick in self.ticks())


def chart(
    traces: Sequence[tuple[Markup, pl.DataFrame]],
    axis: Axis,
    window: tuple[datetime, datetime],
    ribbon: Sequence[Span],
    label: str,
) -> Markup:
    """Panels one below the other, one per (title, trace), over a common time axis.

    A trace has `time, seen, low, high`; `label` tells a screen reader what is shown.
    """
    parts: list[Markup] = []
    top = 0
    for title, trace in traces:
        parts.append(_panel(title, _light(trace), axis, window, top))
        top += HEAD + PANEL + 8
    parts.append(_ribbon(ribbon, axis, window, top))
    parts.append(times(axis, top + RIBBON + 14))
    height = top + RIBBON + 20
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, label, Markup("").join(parts)
    )


def activity(episode: dict[str, Any]) -> str:
    """The colour of an episode: what a person on the floor would call it."""
    mode, state = episode["operation_mode"], episode["item_state"]
    if episode["quality"] == "unknown" or state is None:
        return "unknown"
    if mode == 1:
        return "maintenance"
    if mode == 2:
        return "setup"
    if state == 3 and mode == 3:
        return "producing"
    return "stopped" if state == 1 or mode == 3 else "idle"


def spans(episodes: pl.DataFrame, axis: Axis) -> list[Span]:
    """Episodes within the axis as coloured spans; touching ones of one colour are one."""
    out: list[Span] = []
    for episode in episodes.sort("start").iter_rows(named=True):
        start, end = max(episode["start"], axis.start), min(episode["end"] or axis.end, axis.end)
        if start >= end:
            continue
        what = activity(episode)
        if out and out[-1][2] == what and out[-1][1] >= start:
            out[-1] = (out[-1][0], end, what)
        else:
            out.append((start, end, what))
    return out


def _panel(
    title: Markup, trace: pl.DataFrame, axis: Axis, window: tuple[datetime, datetime], top: int
) -> Markup:
    low, high = _bounds(trace)
    y0 = top + HEAD

    def y(value: float) -> float:
        return round(y0 + PANEL * (1 - (value - low) / (high - low)), 1)

    body = [
        Markup('<text x="0" y="{}" class="title">{}</text>').format(top + 13, title),
        rect("window", axis.x(window[0]), y0, axis.x(window[1]), PANEL),
        *_bands(trace, axis, y),
        *_lines(trace, axis, y),
        Markup('<path class="frame" d="M{0} {1}V{2}H{3}"/>').format(
            LEFT, y0, y0 + PANEL, WIDTH - RIGHT
        ),
    ]
    ticks = marks(low, high)
    apart = ticks[1] - ticks[0] if len(ticks) > 1 else 0.0
    body.extend(
        Markup('<text x="{}" y="{}" class="tick end">{}</text>').format(
            LEFT - 6, y(value) + 4, number(value, round(apart, 10))
        )
        for value in ticks
    )
    return Markup("").join(body)


def _bounds(trace: pl.DataFrame) -> tuple[float, float]:
    """Range of what is seen and expected, with a little air."""
    values = pl.concat([trace["seen"], trace["low"], trace["high"]]).drop_nulls().drop_nans()
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    air = 0.08 * (high - low) or max(abs(high) * 0.05, 0.5)
    return float(low) - air, float(high) + air


def marks(low: float, high: float, about: int = 3) -> list[float]:
    """Round values within the range, `about` so many."""
    rough = (high - low) / about
    power = 10.0 ** int(f"{rough:e}".split("e")[1])
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough)
    first = -(-low // step)
    return [round(i * step, 10) for i in range(int(first), int(high // step) + 1)]


def number(value: float | None, apart: float = 0.0) -> str:
    """Three significant digits, no exponent for everyday sizes.

    More where the reader must see a difference of `apart` (398.4 beside 397.9, not 398 and 398).
    """
    if value is None:
        return "—"
    if value == 0 or 0.001 <= abs(value) < 1e7:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
        if apart > 0:
            digits = max(digits, min(MOST_DIGITS, -floor(log10(apart))))
        text = f"{value:.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text in ("-0", "") else text
    return f"{value:.2e}"


def _pieces(trace: pl.DataFrame, needed: list[str]) -> Iterator[list[dict[str, Any]]]:
    """Runs of rows without a pause in which the needed columns are known."""
    step = trace["time"].diff().median()
    piece: list[dict[str, Any]] = []
    for row in trace.iter_rows(named=True):
        known = all(row[c] is not None and row[c] == row[c] for c in needed)
        assert step is None or isinstance(step, timedelta)
        paused = bool(piece and step and row["time"] - piece[-1]["time"] > PAUSE * step)
        if piece and (paused or not known):
            yield piece
            piece = []
        if known:
            piece.append(row)
    if piece:
        yield piece


def _lines(trace: pl.DataFrame, axis: Axis, y: Callable[[float], float]) -> Iterator[Markup]:
    for piece in _pieces(trace, ["seen"]):
        points = " ".join(f"{axis.x(r['time'])},{y(r['seen'])}" for r in piece)
        yield Markup('<polyline class="seen" points="{}"/>').format(points)


def _bands(trace: pl.DataFrame, axis: Axis, y: Callable[[float], float]) -> Iterator[Markup]:
    for piece in _pieces(trace, ["low", "high"]):
        above = [f"{axis.x(r['time'])},{y(r['high'])}" for r in piece]
        below = [f"{axis.x(r['time'])},{y(r['low'])}" for r in reversed(piece)]
        yield Markup('<polygon class="band" points="{}"/>').format(" ".join(above + below))


def _ribbon(
    ribbon: Sequence[Span], axis: Axis, window: tuple[datetime, datetime], top: int
) -> Markup:
    body = [rect("bare", LEFT, top, WIDTH - RIGHT, RIBBON)]
    body.extend(rect(what, axis.x(start), top, axis.x(end), RIBBON) for start, end, what in ribbon)
    body.extend(
        Markup('<path class="edge" d="M{} {}V{}"/>').format(axis.x(edge), top - 3, top + RIBBON)
        for edge in window
    )
    return Markup("").join(body)


def times(axis: Axis, y: int) -> Markup:
    """The labels of the time axis, their foot at y."""
    return Markup("").join(
        Markup('<text x="{}" y="{}" class="tick mid">{}</text>').format(axis.x(tick), y, text)
        for tick, text in axis.labels()
    )


def rect(name: str, left: float, top: float, right: float, height: float) -> Markup:
    """A rectangle of a class of the style sheet, never too thin to be seen."""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        name, left, top, round(max(right - left, 0.6), 1), height
    )


def _light(trace: pl.DataFrame) -> pl.DataFrame:
    every = -(-trace.height // (MOST_POINTS - 1))
    return trace.sort("time").gather_every(every) if every > 1 else trace.sort("time")


def legend() -> list[tuple[str, str, str]]:
    """Colours of the ribbon: class, zh, en."""
    return [(name, str(escape(zh)), str(escape(en))) for name, (zh, en) in ACTIVITIES.items()]
