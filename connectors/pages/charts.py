"""Charts as SVG in percentages of their width: text keeps its size on a phone and on paper."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from markupsafe import Markup


def at(share: float) -> str:
    """A place along the width, from a share of it."""
    return f"{100 * min(max(share, 0.0), 1.0):.2f}%"


def shape(name: str, left: float, right: float, y: float, height: float) -> Markup:
    """A rectangle between two shares of the width."""
    left, right = (min(max(one, 0.0), 1.0) for one in (left, right))
    return Markup('<rect class="{}" x="{}" y="{:g}" width="{}" height="{:g}"/>').format(
        name, at(left), y, f"{100 * max(right - left, 0.0):.2f}%", height
    )


def tick(name: str, share: float, y: float, height: float) -> Markup:
    """A thin upright mark."""
    return Markup('<line class="{0}" x1="{1}" x2="{1}" y1="{2:g}" y2="{3:g}"/>').format(
        name, at(share), y, y + height
    )


def svg(name: str, height: int, body: Iterable[Markup], label: str | None = None) -> Markup:
    """An SVG as wide as its place; without a label it is hidden from a screen reader."""
    said = (
        Markup('aria-hidden="true"')
        if label is None
        else Markup('role="img" aria-label="{}"').format(label)
    )
    title = Markup("") if label is None else Markup("<title>{}</title>").format(label)
    return Markup('<svg class="{}" width="100%" height="{}" {}>{}{}</svg>').format(
        name, height, said, title, Markup("").join(body)
    )


def meter(
    value: float | None,
    lower: float | None = None,
    upper: float | None = None,
    target: float | None = None,
    claimed: float | None = None,
) -> Markup:
    """A bar of a share: its value, hatched what is not known, a ring for what is claimed."""
    body = [shape("track", 0, 1, 4, 10)]
    if value is not None:
        low = value if lower is None else min(lower, value)
        high = value if upper is None else max(upper, value)
        body += [shape("fill", 0, low, 4, 10), shape("fill faint", low, value, 4, 10)]
        if high > low:
            body.append(shape("hatch", low, high, 4, 10))
        body.append(tick("end", value, 3, 12))
    if claimed is not None:
        body.append(Markup('<circle class="claimed" cx="{}" cy="9" r="4.5"/>').format(at(claimed)))
    if target is not None:
        body.append(tick("aim", target, 0, 18))
    return svg("meter", 18, body)


def stack(parts: Sequence[tuple[str, int]], most: int) -> Markup:
    """Counts side by side as parts of a bar, as long as their sum is of `most`."""
    body, left = [shape("track", 0, 1, 3, 12)], 0
    for name, count in parts:
        if count:
            body.append(shape(name, left / max(most, 1), (left + count) / max(most, 1), 3, 12))
            left += count
    return svg("stack", 18, body)


def diverging(value: float | None, most: float) -> Markup:
    """A bar to the right of the middle for a gain, to the left for a loss."""
    body = [tick("grid", 0.5, 0, 18)]
    if value is not None:
        end = 0.5 + 0.5 * value / (most or 1.0)
        name = "gain" if value >= 0 else "loss"
        body.append(shape(name, min(0.5, end), max(0.5, end), 4, 10))
    return svg("diverging", 18, body)


def waterfall(then: float, steps: Sequence[float], now: float) -> Markup:
    """From one share to another by steps, each beneath the one before and beginning where it ended.

    The scale ends a quarter of its reach beyond the outermost share.
    """
    places = [then]
    for step in steps:
        places.append(places[-1] + step)
    low, high = min(*places, now), max(*places, now)
    air = 0.25 * (high - low) or 0.01
    low, high = low - air, high + air

    def share(value: float) -> float:
        return (value - low) / (high - low)

    body = [tick("grid", share(then), 0, 30), tick("grid", share(places[-1]), 0, 30)]
    for place, (start, end) in enumerate(pairwise(places)):
        name = "gain" if end >= start else "loss"
        body.append(shape(name, share(min(start, end)), share(max(start, end)), 3 + 9 * place, 7))
    return svg("waterfall", 30, body)


def quartiles(
    own: float | None,
    q1: float | None,
    median: float,
    q3: float | None,
    ends: tuple[float, float],
) -> Markup:
    """Where an enterprise is among its peers: their middle half if told, median, its own mark."""
    low, high = ends

    def share(value: float) -> float:
        return (value - low) / ((high - low) or 1.0)

    body = [shape("track", 0, 1, 10, 2)]
    if q1 is not None and q3 is not None:
        body.append(shape("half", share(q1), share(q3), 5, 12))
    body.append(tick("median", share(median), 3, 16))
    if own is not None:
        body.append(
            Markup('<svg class="own" x="{}" y="11"><path d="M0-7 6 0 0 7-6 0z"/></svg>').format(
                at(share(own))
            )
        )
    return svg("quartiles", 22, body)


@dataclass(frozen=True, slots=True)
class Span:
    """A phase: planned from and to, really from and to (null: not yet)."""

    name: str
    planned: tuple[date | None, date | None]
    real: tuple[date | None, date | None]


def gantt(spans: Sequence[Span], start: date, end: date, today: date, label: str) -> Markup:
    """Phases on one row: outlines as planned, filled as they went, and today."""
    days = max((end - start).days, 1)

    def x(day: date) -> float:
        return (day - start).days / days

    body = []
    for span in spans:
        first, last = span.planned
        if first and last:
            body.append(shape(f"plan {span.name}", x(first), x(last), 3, 5))
        entered, left = span.real
        if entered and entered <= today:
            until = min(left or today, today)
            body.append(
                shape(f"real {span.name}", x(entered), x(max(until, entered + timedelta(3))), 10, 9)
            )
    body.append(tick("today", x(today), 0, 22))
    return svg("gantt", 22, body, label)


def both(zh: str, en: str) -> str:
    """A label for a screen reader: it hears both."""
    return f"{zh} / {en}"
