"""Draws that firm_years.toml asks for: ranges, shares, and noise that lasts."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from connectors.simulator.seeds import stream

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Range = Sequence[float]


@cache
def table() -> Mapping[str, Any]:
    """The committed file of magnitudes."""
    path = Path(__file__).with_name("firm_years.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


class Draw:
    """Random numbers of one named thing, in the file's terms."""

    def __init__(self, seed: int, *names: object) -> None:
        self.rng = stream(seed, "firm_years", *names)

    def within(self, bounds: Range) -> float:
        """Uniform."""
        return float(self.rng.uniform(bounds[0], bounds[1]))

    def log_within(self, bounds: Range) -> float:
        """Log-uniform."""
        return math.exp(self.rng.uniform(math.log(bounds[0]), math.log(bounds[1])))

    def days(self, bounds: Range) -> int:
        """A whole number, both bounds included."""
        return int(self.rng.integers(int(bounds[0]), int(bounds[1]) + 1))

    def chance(self, share: float) -> bool:
        """True in `share` of cases."""
        return bool(self.rng.random() < share)

    def count(self, per_year: float, days: int) -> int:
        """Poisson, over so many days."""
        return int(self.rng.poisson(per_year * days / 365.0))

    def pick(self, shares: Mapping[str, float]) -> str:
        """A name, by its share."""
        return str(self.rng.choice(list(shares), p=list(shares.values())))

    def lasting(self, deviation: float, autocorrelation: float, count: int) -> Floats:
        """A stationary first-order autoregression of so many steps."""
        steps = self.rng.normal(0.0, deviation, count)
        kept = math.sqrt(1.0 - autocorrelation**2)
        for n in range(1, count):
            steps[n] = autocorrelation * steps[n - 1] + kept * steps[n]
        return steps

    def weekly(self, deviation: float, autocorrelation: float, days: int, offset: int) -> Floats:
        """`lasting` by week, held for the days of it; the first day has weekday `offset`."""
        weeks = self.lasting(deviation, autocorrelation, days // 7 + 2)
        return np.repeat(weeks, 7)[offset : offset + days]


def between(days: int, first: int, last: int) -> slice:
    """Days first to last, cut to what there is."""
    return slice(min(max(first, 0), days), min(max(last + 1, 0), days))


def rise(days: int, first: int, length: int, start: float) -> Floats:
    """1 but for a straight rise from `start` to 1 over the `length` days from `first` on."""
    share = (np.arange(days) - first + 1) / max(length, 1)
    risen = start + (1.0 - start) * np.clip(share, 0.0, 1.0)
    return np.where(np.arange(days) >= first, risen, 1.0)
