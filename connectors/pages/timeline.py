"""Lines over days as SVG: a band, a target, a forecast, and sparks for a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from markupsafe import Markup

from connectors.pages.charts import at, svg
from connectors.pages.numbers import MONTHS, number
from connectors.reports.figures import marks

PLOT: Final = 84.0
"""Per cent of the width that a line chart draws on; the rest is for the values at its end."""
TOP: Final = 14
HEIGHT: Final = 150
FOOT: Final = 20
APART: Final = 14
"""Pixels between two values written at the end of lines."""
MOST_MONTHS: Final = 6
SPARK: Final = 26

Point = tuple[date, float]
Band = tuple[date, float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its class in the style sheet, its points in order, how its last value is said."""

    name: str
    points: Sequence[Point]
    last: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The days and values between which a chart is drawn."""

    start: date
    end: date
    low: float
    high: float

    def x(self, day: date) -> float:
        """Share of the plot's width."""
        return (day - self.start).days / max((self.end - self.start).days, 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return TOP + HEIGHT * (1 - (value - self.low) / ((self.high - self.low) or 1.0))

    def path(self, points: Sequence[Point]) -> str:
        """Points in the units of the plot: thousandths of its width, pixels of its height."""
        return " ".join(f"{1000 * self.x(d):.1f},{self.y(v) - TOP:.1f}" for d, v in points)


def framed(
    lines: Sequence[Line], bands: Sequence[Band] = (), marked: Sequence[float] = ()
) -> Frame | None:
    """The frame that holds all of it, with a little air; null where there is nothing to hold."""
    days = [d for line in lines for d, _ in line.points] + [d for d, *_ in bands]
    values = [v for line in lines for _, v in line.points]
    values += [v for _, *both in bands for v in both]
    if not values:
        return None
    values += marked
    low, high = min(values), max(values)
    air = 0.06 * (high - low) or max(abs(high) * 0.05, 1e-9)
    bottom = 0.0 if 0 <= low < 0.35 * high else low - air
    return Frame(min(days), max(days), bottom, high + air)


def timeline(
    lines: Sequence[Line],
    label: str,
    *,
    bands: Sequence[Band] = (),
    target: float | None = None,
    since: date | None = None,
    factor: float = 1.0,
) -> Markup | None:
    """Lines over days, with a band, a dashed target, and a mark at `since` (a forecast's origin).

    `factor` turns values into what is written on the axis. None where there is no point at all.
    """
    frame = framed(lines, bands, [] if target is None else [target])
    if frame is None:
        return None
    under, over = _grid(frame, factor)
    body = [*under, *_plot(frame, lines, bands, since), *over]
    if target is not None:
        y = frame.y(target)
        body.append(
            Markup('<line class="aim dashed" x1="0" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
                at(PLOT / 100), y, y
            )
        )
    body += _ends(frame, lines)
    return svg("timeline", TOP + HEIGHT + FOOT, body, label)


def _plot(
    frame: Frame, lines: Sequence[Line], bands: Sequence[Band], since: date | None
) -> list[Markup]:
    inner = []
    if bands:
        edge = [(d, high) for d, _, high in bands] + [(d, low) for d, low, _ in reversed(bands)]
        inner.append(Markup('<polygon class="band" points="{}"/>').format(frame.path(edge)))
    if since is not None:
        x = 1000 * frame.x(since)
        inner.append(Markup('<path class="since" d="M{:.1f} 0V{}"/>').format(x, HEIGHT))
    inner += [
        Markup('<polyline class="line {}" points="{}"/>').format(line.name, frame.path(line.points))
        for line in lines
        if line.points
    ]
    return [
        Markup(
            '<svg x="0" y="{}" width="{}" height="{}" viewBox="0 0 1000 {}"'
            ' preserveAspectRatio="none">{}</svg>'
        ).format(TOP, at(PLOT / 100), HEIGHT, HEIGHT, Markup("").join(inner))
    ]


def _grid(frame: Frame, factor: float) -> tuple[list[Markup], list[Markup]]:
    """Lines, which go beneath the plot, and their numbers and days, which go over it."""
    values = marks(frame.low * factor, frame.high * factor, 4)
    fine = 0 if all(v == int(v) for v in values) else 1 if values[-1] - values[0] >= 0.5 else 2
    under, over = [], []
    for value in values:
        y = frame.y(value / factor)
        under.append(
            Markup('<line class="grid" x1="0" x2="{0}" y1="{1:.1f}" y2="{1:.1f}"/>').format(
                at(PLOT / 100), y
            )
        )
        over.append(
            Markup('<text class="tick halo" x="0" y="{:.1f}">{}</text>').format(
                y - 3, number(value, fine)
            )
        )
    over += [
        Markup('<text class="tick mid" x="{}" y="{}">{}</text>').format(
            at(PLOT / 100 * frame.x(when)), TOP + HEIGHT + FOOT - 4, text
        )
        for when, text in months(frame.start, frame.end)
    ]
    return under, over


def _ends(frame: Frame, lines: Sequence[Line]) -> list[Markup]:
    """The last value of each line beside it, none over another."""
    ends = ((frame.y(line.points[-1][1]), line) for line in lines if line.points and line.last)
    told = sorted(ends, key=lambda end: end[0])
    body, free = [], 0.0
    for y, line in told:
        written = max(y + 4, free)
        free = written + APART
        x = PLOT / 100 * frame.x(line.points[-1][0])
        body.append(
            Markup(
                '<circle class="point {0}" cx="{1}" cy="{2:.1f}" r="3"/>'
                '<text class="last {0}" x="{3}" y="{4:.1f}">{5}</text>'
            ).format(line.name, at(x), y, at(x + 0.012), written, line.last)
        )
    return body


def months(start: date, end: date) -> list[tuple[date, Markup]]:
    """First days of months to write beneath an axis, six or so, never at its very edge."""
    span = (end.year - start.year) * 12 + end.month - start.month
    every = next((n for n in (1, 2, 3, 6, 12, 24) if span / n <= MOST_MONTHS), 60)
    out: list[tuple[date, Markup]] = []
    for count in range(span + 1):
        month = start.year * 12 + start.month - 1 + count
        if ((month - start.year * 12) % every and every < 12) or (every >= 12 and month % every):
            continue
        when = date(month // 12, month % 12 + 1, 1)
        share = (when - start).days / max((end - start).days, 1)
        if 0.04 <= share <= 0.97:
            out.append((when, _month(when, is_first=not out)))
    return out


def _month(when: date, *, is_first: bool) -> Markup:
    zh, en = f"{when.month}月", MONTHS[when.month - 1]
    if is_first or when.month == 1:
        zh, en = f"{when:%Y-%m}", f"{en} {when.year}"
    return Markup('<tspan class="zh">{}</tspan><tspan class="en">{}</tspan>').format(zh, en)


def spark(values: Sequence[float | None], label: str) -> Markup:
    """A small line of equal steps from its lowest to its highest, broken where nothing is known."""
    known = [v for v in values if v is not None]
    if not known:
        return Markup("")
    bottom = min(known)
    spread = (max(known) - bottom) or 1.0
    wide = max(len(values) - 1, 1)
    runs: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(
                f"{1000 * place / wide:.1f},{3 + 20 * (1 - (value - bottom) / spread):.1f}"
            )
    drawn = [
        Markup('<polyline class="line" points="{}"/>').format(
            " ".join(run if len(run) > 1 else run * 2)
        )
        for run in runs
        if run
    ]
    inner = Markup(
        '<svg width="100%" height="{}" viewBox="0 0 1000 {}" preserveAspectRatio="none">{}</svg>'
    ).format(SPARK, SPARK, Markup("").join(drawn))
    return svg("spark", SPARK, [inner], label)
