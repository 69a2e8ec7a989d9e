"""Limits from held-out rows: the level that noise passes about once in a machine-week."""

from typing import Final

import numpy as np

from models.scaling import Floats, quantiles

BLOCK: Final = 64
"""Rows per block maximum: longer than most runs over a limit, short enough to have many."""

MARGIN: Final = 1.15
MARGIN_SHORT: Final = 0.12
"""On top of the return level, and more over the root of the training weeks: the folds of one day
have not seen another day. On a demo fleet 0.25 found 21 of 24 faults, 0.12 found 23, at 0.3 and 0.7
false alarms per machine-week."""

LEAST_SPREAD: Final = 0.3
"""Block maxima of normal noise spread by about this many sizes; fewer blocks may show less."""

WEEK_S: Final = 7 * 86_400
EULER: Final = 0.5772156649015329


def tail_scale(statistic: Floats, span: float) -> Floats:
    """Per column, the size that held-out noise has: RMS, or what its 99.5 % quantile implies.

    Widened where the span leaves few independent stretches to judge from.
    """
    size = np.abs(statistic)
    rms = np.sqrt(np.mean(np.square(size), axis=0))
    scale = np.maximum(rms, quantiles(size, [0.995])[0] / 2.81)
    independent = max(len(statistic) / (2.0 * span), 1.0)
    return np.asarray(np.maximum(scale, 1e-9) * (1.0 + 2.0 / np.sqrt(independent)))


def return_level(peaks: Floats, chances: float, weeks: float) -> Floats:
    """Gumbel return level per column, from block maxima of `peaks` (by moments), with a margin.

    `chances` are the rows in which the level may be passed once, `weeks` the machine-time that the
    peaks span. Never below the largest peak.
    """
    blocks = max(len(peaks) // BLOCK, 1)
    whole = peaks[: blocks * BLOCK]
    maxima = whole.reshape(blocks, -1, peaks.shape[1]).max(axis=1)
    beta = np.maximum(maxima.std(axis=0), LEAST_SPREAD) * np.sqrt(6.0) / np.pi
    location = maxima.mean(axis=0) - EULER * beta
    level = location + beta * np.log(max(chances / BLOCK, 2.0))
    margin = MARGIN + MARGIN_SHORT / np.sqrt(max(weeks, 0.02))
    return np.asarray(np.maximum(level, maxima.max(axis=0)) * margin)


def rows_per_week(seconds: Floats) -> float:
    """Rows in a week at the median step between rows; at 10 s where times say nothing."""
    steps = np.diff(seconds)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return WEEK_S / float(np.median(steps)) if len(steps) else WEEK_S / 10.0
