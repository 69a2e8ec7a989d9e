"""What the clock says of a sensor: daily and weekly profiles, where held-out rows confirm them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.scaling import Floats

DAY_S: Final = 86_400.0
ORDERS: Final = {7: (1, 2, 3), 1: (1, 2, 3, 4, 6)}
"""Per length in days, harmonics: of the week beside those of the day, and the day's sidebands."""

SIDEBANDS: Final = (6, 8, 13, 15)
"""Harmonics of the week that let a Sunday's day differ from a Monday's."""

LEAST_CYCLES: Final = 3.0
LEAST_ROWS: Final = 6
"""Rows in a cycle, and cycles in the training rows, without which a profile is not tried."""

CONFIRMED: Final = 0.95
"""On held-out rows a profile must leave less than this of a sensor's size; else it has none."""

RIDGE: Final = 3.0
"""Rows added to the diagonal: a profile of few cycles stays modest."""

FIT_ROWS: Final = 50_000
PART: Final = 65_536
"""Rows whose features are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Season:
    """Weights (features, k) of the profiles and what they add up to; no days, no profile."""

    days: tuple[int, ...]
    weights: Floats
    level: Floats

    def of(self, seconds: Floats) -> Floats:
        """The profile at each time (n, k), in scales."""
        out = np.empty((len(seconds), self.weights.shape[1]))
        for at in range(0, len(seconds), PART):
            out[at : at + PART] = (
                features(seconds[at : at + PART], self.days) @ self.weights - self.level
            )
        return out


def none(sensors: int) -> Season:
    """No profile."""
    return Season((), np.zeros((0, sensors)), np.zeros(sensors))


def features(seconds: Floats, days: tuple[int, ...]) -> Floats:
    """Sines and cosines (n, m) of the clock; 0 where the time is unknown."""
    turns = [seconds / (length * DAY_S) * order for length in days for order in ORDERS[length]]
    if len(days) > 1:
        turns += [seconds / (7 * DAY_S) * order for order in SIDEBANDS]
    columns = [wave(2 * np.pi * turn) for turn in turns for wave in (np.sin, np.cos)]
    return np.nan_to_num(np.column_stack(columns)) if columns else np.zeros((len(seconds), 0))


def learn(seconds: Floats, z: Floats, folds: list[np.ndarray]) -> Season:
    """The profiles that held-out folds confirm; `z` (n, k) with NaN where unknown."""
    days = _tried(seconds, len(z))
    if not days:
        return none(z.shape[1])
    step = max(1, len(z) // FIT_ROWS)
    kept = np.arange(0, len(z), step)
    waves = features(seconds[kept], days)
    left, whole = np.zeros(z.shape[1]), np.zeros(z.shape[1])
    for fold in folds:
        inside = (kept >= fold[0]) & (kept <= fold[-1])
        weights = _solve(waves[~inside], z[kept[~inside]])
        own = z[kept[inside]]
        rest = own - waves[inside] @ weights
        left += np.nansum(np.square(rest - np.nanmean(rest, axis=0)), axis=0)
        whole += np.nansum(np.square(own - np.nanmean(own, axis=0)), axis=0)
    confirmed = left < CONFIRMED**2 * whole
    if not confirmed.any():
        return none(z.shape[1])
    weights = _solve(waves, z[kept]) * confirmed
    return Season(days, weights, waves.mean(axis=0) @ weights)


def _tried(seconds: Floats, rows: int) -> tuple[int, ...]:
    known = seconds[np.isfinite(seconds)]
    span = float(known[-1] - known[0]) / DAY_S if len(known) else 0.0
    return tuple(
        length
        for length in ORDERS
        if span >= LEAST_CYCLES * length and rows * length >= LEAST_ROWS * span
    )


def _solve(waves: Floats, z: Floats) -> Floats:
    """Ridge weights without the level: a profile says how, not how high."""
    centred = waves - waves.mean(axis=0)
    off = np.nan_to_num(z - np.nanmean(z, axis=0))
    gram = centred.T @ centred + RIDGE * np.eye(waves.shape[1])
    return np.asarray(np.linalg.solve(gram, centred.T @ off))
