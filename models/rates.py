"""Counts per slice against a usual rate: how rare, how long already, how much slower. Causal."""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.stats import nbinom

from models.production import Slices
from models.scaling import Floats

SLICE_MIN: Final = 5.0
RARE: Final = 1e-5
"""Chance, under the training day, of a window this bad. A machine-week has 2,016 slices, each the
end of two windows that overlap their neighbours': far less than one false alarm a week."""

CREEPING: Final = (1.5, 2.5)
"""Times the usual rate that `crept` is quickest for."""

CREPT: Final = 7.0
"""Log likelihood ratio that makes a finding: noise has it once in e**7 slices (4 days) at most."""

SURE: Final = 2.0
"""Deviations above what the training day shows that its rate may be."""

LATELY: Final = 24
FULL: Final = 1.3
"""Limits that `crept` gathers at most: what is over is forgotten within hours."""

STILL: Final = 0.3
"""The long window counts only while the short one shows this much: else an event would outlast
its cause by hours."""


def worst(rare: Callable[[int], Floats], windows: tuple[int, int]) -> Floats:
    """The short window's score, or the long one's while the short one still shows something.

    `rare` gives the score per slice of a window of so many slices.
    """
    score = rare(windows[0])
    return np.where(score >= STILL, np.maximum(score, rare(windows[1])), score)


def crept(
    count: Floats, exposure: Floats, usual: float, usual_exposure: float, dispersion: float
) -> Floats:
    """Evidence gathered per slice that the rate is CREEPING times the usual one, over its limit.

    A CUSUM of log likelihood ratios of Poisson counts (Lucas 1985), of the rate that the training
    day allows (SURE deviations above what it shows), never above FULL; while the last LATELY slices
    still show half of it.
    """
    if not usual_exposure:
        return np.zeros(len(count))
    rate = (usual + SURE * np.sqrt((usual + 1.0) * dispersion)) / usual_exposure
    limit = CREPT
    most = np.zeros(len(count))
    for times in CREEPING:
        gains = (count * np.log(times) - rate * exposure * (times - 1.0)) / dispersion
        sums, held = np.empty(len(count)), 0.0
        for i, gain in enumerate(gains):
            held = min(max(held + gain, 0.0), FULL * limit)
            sums[i] = held
        seen, due = trailing(count, LATELY), rate * trailing(exposure, LATELY)
        most = np.maximum(most, np.where(seen > due * (1.0 + times) / 2.0, sums / limit, 0.0))
    return most


def slowdown(s: Slices, pace: float, window: int) -> Floats:
    """Share of the usual pace lost over the window; NaN where it hardly produced."""
    spent = trailing(s.producing_s, window)
    enough = (spent > 0.4 * window * SLICE_MIN * 60) & (pace > 0)
    usual = np.where(enough, spent * max(pace, 1e-9), 1.0)
    return np.where(enough, 1.0 - trailing(s.ideal_s, window) / usual, np.nan)


def surprise(
    count: Floats, exposure: Floats, usual: float, usual_exposure: float, dispersion: float
) -> Floats:
    """Log of the chance of so many or more over log RARE: 1 is the limit.

    Counts are negative binomial given the training day (a gamma-Poisson prediction), so a short
    training day widens the limit by itself; `dispersion` thins counts that come in bursts.
    """
    r = usual / dispersion + 0.5
    p = usual_exposure / (usual_exposure + np.maximum(exposure, 1e-9))
    tail = nbinom.logsf(np.ceil(count / dispersion) - 1, r, p)
    return np.where(exposure > 0, np.maximum(tail, -700.0) / np.log(RARE), 0.0)


def trailing(values: Floats, window: int) -> Floats:
    """Sum of this and the `window` - 1 slices before."""
    summed = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(1, len(values) + 1)
    return np.asarray(summed[at] - summed[np.maximum(at - window, 0)])


def dispersion_index(counts: Floats, producing_s: Floats, window: int) -> float:
    """Variance over mean of counts per producing window, at least 1 (scrap by lots: more)."""
    whole = len(counts) // window * window
    sums = counts[:whole].reshape(-1, window).sum(axis=1)
    sums = sums[producing_s[:whole].reshape(-1, window).sum(axis=1) > 0]
    return max(float(sums.var() / sums.mean()), 1.0) if sums.sum() > 0 else 1.0
