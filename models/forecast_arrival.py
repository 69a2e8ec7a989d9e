"""When a target will be reached: on how many simulated paths, by which day."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from scipy.stats import norm

from models.forecast_scale import Link
from models.scaling import Floats
from pipelines.verdicts import COMPARE

PATHS: Final = 1_000
SEED: Final = 20_250_101
"""The same for every series: the same series gives the same days."""
EARLIEST, MEDIAN, LATEST = 0.1, 0.5, 0.9
NEAR_FULL: Final = 0.05
"""How near 100 % is 100 %, where nobody says of how many units: it prints as 100.0."""
RECENT: Final = 180


@dataclass(frozen=True, slots=True)
class Arrival:
    """Days by which a tenth, half and nine tenths of the paths are there; null: later than all."""

    earliest: date | None
    median: date | None
    latest: date | None
    chance_within: float


def arrival(paths: Floats, now: float, target: float, comparator: str, origin: date) -> Arrival:
    """First days on which paths (paths, days ahead from 1) satisfy the comparator, unrounded.

    Already satisfied by `now`: the origin.
    """
    if is_reached(np.array([now]), now, target, comparator)[0]:
        return Arrival(origin, origin, origin, 1.0)
    there = is_reached(paths, now, target, comparator)
    first = np.sort(np.where(there.any(axis=1), there.argmax(axis=1) + 1, paths.shape[1] + 1))
    days = [_day(first, share, paths.shape[1], origin) for share in (EARLIEST, MEDIAN, LATEST)]
    return Arrival(days[0], days[1], days[2], float(there.any(axis=1).mean()))


def _day(first: np.ndarray, share: float, days: int, origin: date) -> date | None:
    at = int(first[int(np.ceil(share * len(first))) - 1])
    return origin + timedelta(days=at) if at <= days else None


def is_reached(values: Floats, now: float, target: float, comparator: str) -> np.ndarray:
    """Which values satisfy the comparator; of eq, which have come from `now` to it or past it."""
    if comparator == "eq":
        return np.asarray(values >= target if now < target else values <= target)
    return np.asarray(COMPARE[comparator](values, target))


def paths(
    center: Floats, half_widths: Floats, coverage: float, noise: float, smooth: float, link: Link,
    units: float | None,
) -> Floats:  # fmt: skip
    """PATHS simulated courses (paths, days), in the unit.

    About the forecast on the link's scale go each day's own `noise` and an error whose spread by
    each day is that of the interval of nominal `coverage`: for the share `smooth` of its variance
    one slope for the whole course, for the rest a random walk.
    """
    spread = half_widths / norm.ppf(0.5 + coverage / 2)
    own = min(noise, float(spread[0]))
    walked = np.maximum.accumulate(np.maximum(np.square(spread) - own**2, 0.0))
    steps = np.sqrt(np.diff(walked, prepend=0.0) * (1.0 - smooth))
    random = np.random.default_rng(SEED)
    half = random.normal(size=(3, PATHS // 2, len(center)))
    drawn = np.concatenate([half, -half], axis=1)  # antithetic: the median is the forecast's own
    slope = drawn[2, :, :1] * np.sqrt(walked * smooth)
    linked = center + slope + np.cumsum(drawn[0] * steps, axis=1) + drawn[1] * own
    values = link.told(link.back(linked), units)
    if link.scale == "share" and not units:
        values = np.where(values >= 100.0 - NEAR_FULL, 100.0, values)
    return values


def daily_noise(x: Floats) -> float:
    """Standard deviation of what is gone the next day: minus the covariance of following changes.

    The nugget of a random walk that is seen with noise; of the last RECENT days.
    """
    changes = np.diff(x[-RECENT:])
    pairs = changes[1:] * changes[:-1]
    pairs = pairs[np.isfinite(pairs)]
    return float(np.sqrt(max(0.0, -pairs.mean()))) if len(pairs) else 0.0
