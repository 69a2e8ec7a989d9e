"""The score of a whole table in one strip: the highest of each pixel, so that no peak is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log1p
from typing import Final

import polars as pl
from markupsafe import Markup

from connectors.reports.figures import LEFT, RIGHT, WIDTH, Axis, number, rect, times

HEIGHT: Final = 110
TOP: Final = 22
LEAST_TOP: Final = 2.0
"""The scale reaches at least so many times the limit: quiet tables shall look quiet."""

THINNEST: Final = 2.5
"""Pixels that an event takes at least."""

LABEL: Final = 20
"""Pixels that the number of an event takes."""

PAUSE_STEPS: Final = 20
PAUSE_PIXELS: Final = 3
"""The line breaks where nothing was read for so many usual steps and so many pixels."""

MARKS: Final = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, slots=True)
class Shade:
    """An event on the strip: its number, from, to, and whether the page tells more of it."""

    number: int
    start: datetime
    end: datetime
    is_told: bool


def peaks(scores: pl.DataFrame, axis: Axis) -> pl.DataFrame:
    """The highest score of each pixel: `run, x, score`; runs are broken by pauses.

    `scores` has `time, score` in order of time. No more rows than pixels and pauses together.
    """
    wide_s = max((axis.end - axis.start).total_seconds(), 1.0) / (WIDTH - LEFT - RIGHT)
    known = scores.filter(pl.col("time").is_between(axis.start, axis.end))
    step = known["time"].diff().median()
    usual = step if isinstance(step, timedelta) else timedelta(0)
    pause = max(PAUSE_STEPS * usual, PAUSE_PIXELS * timedelta(seconds=wide_s))
    offset = (pl.col("time") - axis.start).dt.total_microseconds() / 1e6
    return (
        known.with_columns(
            run=(pl.col("time").diff() > pause).fill_null(value=False).cum_sum(),
            x=LEFT + (offset / wide_s).floor().clip(0, WIDTH - LEFT - RIGHT),
        )
        .group_by("run", "x", maintain_order=True)
        .agg(pl.max("score"))
    )


def strip(scores: pl.DataFrame, axis: Axis, shades: Sequence[Shade], label: str) -> Markup:
    """The strip as SVG: score on a logarithmic scale, limit at 1, events shaded and numbered.

    `shades` come most severe first: where numbers would overlap the more severe is written.
    """
    drawn = peaks(scores, axis)
    highest = drawn["score"].max() if drawn.height else None
    most = max(LEAST_TOP, 1.15 * float(highest) if isinstance(highest, int | float) else 0.0)

    def y(score: float) -> float:
        return round(TOP + HEIGHT * (1 - log1p(score) / log1p(most)), 1)

    body = [
        *(_shade(s, axis) for s in shades),
        *_lines(drawn, y(0.0), [y(s) for s in drawn["score"]]),
        Markup('<path class="limit" d="M{} {}H{}"/>').format(LEFT, y(1.0), WIDTH - RIGHT),
        Markup('<path class="frame" d="M{0} {1}V{2}H{3}"/>').format(
            LEFT, TOP, TOP + HEIGHT, WIDTH - RIGHT
        ),
        *(
            Markup('<text x="{}" y="{}" class="tick end">{}</text>').format(
                LEFT - 6, y(mark) + 4, number(mark)
            )
            for mark in MARKS
            if mark <= most
        ),
        *_numbers(shades, axis),
        times(axis, TOP + HEIGHT + 15),
    ]
    return Markup(
        '<svg class="strip" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, TOP + HEIGHT + 22, label, Markup("").join(body))


def _shade(shade: Shade, axis: Axis) -> Markup:
    left, right = axis.x(shade.start), axis.x(shade.end)
    middle = (left + right) / 2
    left, right = min(left, middle - THINNEST / 2), max(right, middle + THINNEST / 2)
    return rect("window", round(left, 1), TOP, round(right, 1), HEIGHT)


def _lines(drawn: pl.DataFrame, foot: float, heights: Sequence[float]) -> Iterator[Markup]:
    placed = drawn.with_columns(y=pl.Series(heights, dtype=pl.Float64))
    for part in placed.partition_by("run", maintain_order=True):
        points = " ".join(f"{x:g},{y}" for x, y in part.select("x", "y").iter_rows())
        if part.height == 1:
            x, y = part.row(0, named=True)["x"], part.row(0, named=True)["y"]
            yield Markup('<path class="seen" d="M{:g} {}V{}"/>').format(x, foot, y)
        else:
            yield Markup('<polyline class="seen" points="{}"/>').format(points)


def _numbers(shades: Sequence[Shade], axis: Axis) -> Iterator[Markup]:
    taken: list[float] = []
    for shade in shades:
        x = round((axis.x(shade.start) + axis.x(shade.end)) / 2, 1)
        if any(abs(x - other) < LABEL for other in taken):
            continue
        taken.append(x)
        text = Markup('<text x="{}" y="{}" class="tick mid">{}</text>').format(
            x, TOP - 7, shade.number
        )
        told = Markup('<a href="#event-{}">{}</a>').format(shade.number, text)
        yield told if shade.is_told else text
