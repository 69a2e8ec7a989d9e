"""Limits from held-out rows: the level that noise passes about once in a machine-week."""

from typing import Final

import numpy as np

from models.scaling import Floats, quantiles

BLOCK: Final = 64
"""Rows per block maximum: longer than most runs over a limit, short enough to have many."""

MARGIN: Final = 1.1
"""On top of the return level: tomorrow is no fold. On the exam's first development seed 1.05 found
56 of 82 faults and 33 false events, 1.15 found 55 and 23."""

LEAST_SPREAD: Final = 0.3
"""Block maxima of normal noise spread by about this many sizes; fewer blocks may show less."""

LEAST_SPREAD_2: Final = 1.5
"""The same of their squares."""

NORMAL_TAIL: Final = 3.1
"""99.5 % quantiles of normal sizes lie 2.81 sizes out; up to this a tail counts as normal."""

FOLDS: Final = 5
"""Stretches that are held against each other."""

FURTHEST: Final = 100.0
"""No tail is extrapolated further than to this many times its rows."""

LEAST_LIMIT: Final = 3.0
"""Sizes: no limit lies lower, however still the held-out rows were."""

FARTHEST: Final = 2.5
"""No limit lies further than this many times the largest held-out value: 2 found 9 of 10 faults of
a drifting rig of 400 training rows, with a false alarm in 6 of 10 runs; 3 found 7, with 3 of 10."""

LEAST_SIZE: Final = 0.05
"""What varies by less than this share of a sensor's scale is not told from standing still."""

WIDENED: Final = 2.0
"""Sizes that a single independent stretch may be wrong by."""

FORGOTTEN: Final = 1 / np.e
MEMORY_ROWS: Final = 20_000

WEEK_S: Final = 7 * 86_400
EULER: Final = 0.5772156649015329


def tail_scale(statistic: Floats) -> Floats:
    """Per column, the size that held-out noise has: RMS, or what its 99.5 % quantile implies."""
    size = np.abs(statistic)
    rms = np.sqrt(np.mean(np.square(size), axis=0))
    return np.asarray(np.maximum(np.maximum(rms, quantiles(size, [0.995])[0] / 2.81), LEAST_SIZE))


def widening(statistic: Floats, span: float) -> Floats:
    """What a limit is multiplied by per column for the few independent stretches it was seen in.

    A stretch is twice the span, or twice what the column itself remembers.
    """
    independent = np.maximum(len(statistic) / (2.0 * np.maximum(span, memory(statistic))), 1.0)
    return np.asarray(1.0 + WIDENED / np.sqrt(independent))


def memory(statistic: Floats) -> Floats:
    """Rows (k) after which a column has forgotten: correlation below 1/e, at lags 1, 2, 4, ..."""
    rows = statistic[:MEMORY_ROWS]
    power = np.maximum(np.mean(np.square(rows), axis=0), 1e-18)
    out = np.ones(statistic.shape[1])
    lag = 1
    while lag < len(rows) // 3:
        alike = np.mean(rows[lag:] * rows[:-lag], axis=0) / power > FORGOTTEN
        out = np.where(alike & (out == lag), 2.0 * lag, out)
        lag *= 2
    return out


def return_level(
    peaks: Floats,
    often: float,
    widened: Floats | float = 1.0,
    *,
    calm: float = 1.0,
    least: float = LEAST_LIMIT,
) -> Floats:
    """The level per column that noise passes once in `often` rows, `widened`.

    Never below the largest peak, and at most FARTHEST times it: what is bounded stays so.
    """
    largest = peaks.max(axis=0)
    level = np.minimum(_level(peaks, often, calm) * widened, FARTHEST * largest)
    return np.asarray(np.maximum(level, np.maximum(largest, least)))


def _level(peaks: Floats, often: float, calm: float) -> Floats:
    """Gumbel return level by moments of block maxima.

    Of columns whose tail is no heavier than a normal one's the squares are extrapolated, of others
    the peaks themselves.
    """
    blocks = max(len(peaks) // BLOCK, 1)
    maxima = peaks[: blocks * BLOCK].reshape(blocks, -1, peaks.shape[1]).max(axis=1)
    rms = np.sqrt(np.mean(np.square(peaks), axis=0))
    light = quantiles(peaks, [0.995])[0] < NORMAL_TAIL * rms
    return np.where(
        light,
        np.sqrt(_gumbel(np.square(maxima), calm * LEAST_SPREAD_2, often)),
        _gumbel(maxima, calm * LEAST_SPREAD, often),
    )


def _gumbel(maxima: Floats, least: float, often: float) -> Floats:
    spread = np.maximum(maxima.std(axis=0), least * np.minimum(maxima.mean(axis=0), 1.0))
    beta = spread * np.sqrt(6.0) / np.pi
    location = maxima.mean(axis=0) - EULER * beta
    return np.asarray(location + beta * np.log(max(often / BLOCK, 2.0)))


def surprise(peaks: Floats, often: float, calm: float) -> float:
    """How far the worst of FOLDS stretches passes what the others let expect; at least 1."""
    parts = np.array_split(peaks, FOLDS)
    if len(parts[0]) < BLOCK:
        return 1.0
    passed = [
        float(part.max())
        / float(_level(np.concatenate(parts[:i] + parts[i + 1 :]), often, calm)[0])
        for i, part in enumerate(parts)
    ]
    return max(1.0, *passed)


def chances(rows: int, per_week: float) -> float:
    """Rows in which noise may pass a limit once: a week's, at most FURTHEST times the rows seen."""
    return min(per_week, FURTHEST * rows)


def rows_per_week(seconds: Floats) -> float:
    """Rows in a week at the median step between rows; at 10 s where times say nothing."""
    steps = np.diff(seconds)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return WEEK_S / float(np.median(steps)) if len(steps) else WEEK_S / 10.0
