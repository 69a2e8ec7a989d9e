"""What a sensor should read, given the others: ridge regression on their present and past."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from models.scaling import Floats

MEMORIES: Final = (8, 32, 128)
"""Spans (rows) of the smoothed neighbours: heat follows load with a lag."""

SETTLED_ROWS: Final = 128
"""Until so many rows are read, residuals weigh less: the neighbours' past is not known yet."""

RIDGE: Final = 0.01
"""Share of the rows added to the diagonal, besides one row per feature: tames neighbours that
tell the same story, and many neighbours seen in few rows."""

GRAM_ROWS: Final = 40_000
MOST_WITH_MEMORY: Final = 120
"""Above so many sensors the neighbours' past is left out, to bound the time of a fit."""

ROWS_PER_FEATURE: Final = 15
"""With fewer rows per feature than this the past is left out too: slow wanders of one day fit
each other by chance."""

BLOCK: Final = 1024
"""Products are taken in blocks of one shape: BLAS gives a row the same bits however many rows
follow it, which keeps scoring causal to the bit."""


def ewma(values: Floats, span: float, *, from_first: bool = False) -> Floats:
    """Exponentially weighted mean down the rows, alpha = 2 / (span + 1), from 0 or the first."""
    if not len(values):
        return values
    return _smooth(values, span, _from_first(values, span) * from_first)[0]


def _from_first(values: Floats, span: float) -> Floats:
    return values[:1] * (1.0 - 2.0 / (span + 1.0))


def _smooth(values: Floats, span: float, state: Floats) -> tuple[Floats, Floats]:
    """The mean down the rows and the state that the next rows carry on from."""
    alpha = 2.0 / (span + 1.0)
    smooth, after = lfilter([alpha], [1.0, alpha - 1.0], values, axis=0, zi=state)
    return np.asarray(smooth, dtype=np.float64), np.asarray(after, dtype=np.float64)


def learn_weights(z: Floats) -> Floats:
    """Ridge weights (features, k); a sensor never sees itself, nor its own past."""
    k = z.shape[1]
    if k < 2:
        return np.zeros((k, k))
    memory = k <= MOST_WITH_MEMORY and len(z) >= ROWS_PER_FEATURE * k * (1 + len(MEMORIES))
    step = max(1, len(z) // GRAM_ROWS)
    wanted = z[::step]
    spans = MEMORIES if memory else ()
    given = np.hstack([wanted, *(ewma(z, span, from_first=True)[::step] for span in spans)])
    gram = given.T @ given + np.eye(given.shape[1]) * (RIDGE * len(given) + given.shape[1])
    moment = given.T @ wanted
    own = np.arange(given.shape[1])[:, None] % k == np.arange(k)
    # Block inverse: leaving a sensor's own columns out needs no solve of its own.
    inverse = np.linalg.inv(gram)
    weights = inverse @ np.where(own, 0.0, moment)
    for j in range(k):
        mine = np.flatnonzero(own[:, j])
        bent = np.linalg.solve(inverse[np.ix_(mine, mine)], weights[mine, j])
        weights[:, j] -= inverse[:, mine] @ bent
    return np.where(own, 0.0, weights)


def predict(z: Floats, weights: Floats) -> Floats:
    """Expected deviations (n, k), bit for bit the same for a row whatever follows it."""
    if not weights.any():
        return np.zeros_like(z)
    spans = MEMORIES if len(weights) > z.shape[1] else ()
    expected = np.empty_like(z)
    padded = np.zeros((BLOCK, len(weights)))
    carried = [_from_first(z, span) for span in spans]
    for start in range(0, len(z), BLOCK):
        part = z[start : start + BLOCK]
        past = [_smooth(part, span, state) for span, state in zip(spans, carried, strict=True)]
        carried = [state for _, state in past]
        padded[: len(part)] = np.hstack([part, *(smooth for smooth, _ in past)])
        expected[start : start + len(part)] = (padded @ weights)[: len(part)]
    return expected


def residuals(z: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Deviations with holes filled by what the neighbours say, residuals (0 in holes), weights.

    Residuals are multiplied by their row's weight (n, 1): 1 once the neighbours' past is known.
    """
    hole = ~np.isfinite(z)
    whole = np.where(hole, 0.0, z)
    expected = predict(whole, weights)
    if hole.any():
        whole = np.where(hole, np.clip(expected, -3, 3), whole)
        expected = predict(whole, weights)
    settled = _settled(hole)[:, None]
    return whole, np.where(hole, 0.0, (whole - expected) * settled), settled


def _settled(hole: npt.NDArray[np.bool_]) -> Floats:
    """0 to 1 over the rows after the first, and after every row in which nothing is known."""
    rows = np.arange(1, len(hole) + 1)
    blank = np.maximum.accumulate(np.where(hole.all(axis=1), rows, 0))
    return np.asarray(np.square(np.minimum((rows - blank) / SETTLED_ROWS, 1.0)))
