"""Indicator series as a district has them, invented: what is known on a day, and what comes after.

Seeds below 400 are to develop with, 401 to 409 for published figures alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Random = np.random.Generator

AHEAD: Final = 365
"""Days that each series goes on after its origin."""

NEW_YEARS: Final = [
    date(2022, 2, 1), date(2023, 1, 22), date(2024, 2, 10), date(2025, 1, 29), date(2026, 2, 17),
    date(2027, 2, 6), date(2028, 1, 26),
]  # fmt: skip
"""First days of the lunar year."""


@dataclass(frozen=True, slots=True)
class Case:
    """One series: `known` up to its origin, `truth` of the AHEAD days after it."""

    kind: str
    seed: int
    scale: str
    known: pl.DataFrame
    truth: Floats
    target: float
    comparator: str


def cases(seed: int) -> list[Case]:
    """One case of every kind."""
    return [_case(kind, seed, at) for at, kind in enumerate(KINDS)]


def _case(kind: str, seed: int, at: int) -> Case:
    random = np.random.default_rng([seed, at])
    make, scale, shortest, longest = KINDS[kind]
    n = int(random.integers(shortest, longest))
    origin = date(2026, 11, 21) + timedelta(days=int(random.integers(-200, 100)))
    days = [origin + timedelta(days=i) for i in range(1 - n, AHEAD + 1)]
    values, units = make(random, days, n)
    if scale == "count":
        values = np.maximum(np.round(values), 0.0)
    if scale == "share":
        values = np.clip(values, 0.0, 100.0)
    known = values[:n].copy()
    if kind == "revised":
        late = int(random.integers(3, 6))
        known[-late:] *= 1.0 - np.linspace(0.01, 0.08, late)
    frame = pl.DataFrame({"day": days[:n], "value": known})
    if units is not None:
        frame = frame.with_columns(
            numerator=pl.Series(np.round(known / 100 * units)).cast(pl.Int64),
            denominator=pl.lit(units, pl.Int64),
        )
    now = float(known[-1])
    truth = values[n:]
    comparator = "gt" if scale == "share" else "ge"
    later = float(np.quantile(truth, random.uniform(0.3, 1.0)))
    target = later if later > now else now + float(np.std(known[-60:])) + 1e-3
    return Case(kind, seed, scale, frame, truth, target, comparator)


Made = tuple[Floats, int | None]


def _noise(random: Random, n: int, sd: float, memory: float = 0.0) -> Floats:
    """An AR(1) process of standard deviation `sd`."""
    steps = random.normal(0.0, sd * np.sqrt(1 - memory**2), n)
    out = np.empty(n)
    last = random.normal(0.0, sd)
    for i, step in enumerate(steps):
        last = memory * last + step
        out[i] = last
    return out


def _week(random: Random, days: list[date], size: float) -> Floats:
    """Lower at the weekend, and no weekday quite like another."""
    profile = random.normal(0.0, 0.15, 7) * size
    profile[5:] -= size * random.uniform(0.5, 1.5, 2)
    return np.array([profile[day.weekday()] for day in days])


def _festival(random: Random, days: list[date], depth: float) -> Floats:
    """A dip from some days before the new year until a fortnight after."""
    out = np.zeros(len(days))
    for new_year in NEW_YEARS:
        before, after = random.integers(4, 8), random.integers(10, 17)
        own = depth * random.uniform(0.8, 1.2)
        for i, day in enumerate(days):
            off = (day - new_year).days
            if -before <= off < 0:
                out[i] -= own * (off + before + 1) / (before + 1)
            elif 0 <= off <= after:
                out[i] -= own * (1.0 - max(0.0, off - 6) / (after - 5))
    return out


def _logistic(random: Random, n: int, total: int) -> Floats:
    ceiling = random.uniform(70, 97)
    middle = random.uniform(0.3, 1.1) * n
    width = random.uniform(60, 200)
    return np.asarray(ceiling / (1 + np.exp(-(np.arange(total) - middle) / width)))


def adoption(random: Random, days: list[date], n: int) -> Made:
    """Units that come one by one along an S-curve, and seldom leave."""
    units = int(random.integers(200, 2000))
    chance = _logistic(random, n, len(days)) / 100
    threshold = np.sort(random.uniform(0, 1, units))
    joined = np.searchsorted(threshold, chance)
    left = np.cumsum(random.random(len(days)) < 0.03)
    return np.clip((joined - left * 0.5) / units * 100, 0, 100), units


def revised(random: Random, days: list[date], n: int) -> Made:
    """Adoption whose last days are not all in yet on the origin."""
    return adoption(random, days, n)


def weekly(random: Random, days: list[date], n: int) -> Made:
    level = random.uniform(40, 75) + np.linspace(0, random.uniform(-5, 8), len(days))
    return level + _week(random, days, 6) + _noise(random, len(days), 1.5, 0.5), None


def festival(random: Random, days: list[date], n: int) -> Made:
    level = random.uniform(500, 3000) * np.exp(np.linspace(0, random.uniform(0, 0.3), len(days)))
    shape = 1 + _week(random, days, 0.08) + _festival(random, days, random.uniform(0.3, 0.6))
    return level * shape * (1 + _noise(random, len(days), 0.02)), None


def steps(random: Random, days: list[date], n: int) -> Made:
    """A park joins, a platform closes: the level jumps at random."""
    jumps = np.where(random.random(len(days)) < 1 / 70, random.normal(0, 6, len(days)), 0.0)
    return random.uniform(40, 70) + np.cumsum(jumps) + _noise(random, len(days), 0.4), None


def few_units(random: Random, days: list[date], n: int) -> Made:
    units = int(random.integers(12, 40))
    chance = np.clip(_logistic(random, n, len(days)) / 100, 0.02, 0.98)
    state = random.random(units) < chance[0]
    out = np.empty(len(days))
    for i, one in enumerate(chance):
        moved = random.random(units) < 0.04
        state = np.where(moved, random.random(units) < one, state)
        out[i] = state.sum() / units * 100
    return out, units


def flat(random: Random, days: list[date], n: int) -> Made:
    """A count that hardly ever changes."""
    changes = np.where(random.random(len(days)) < 1 / 250, random.choice([-1, 1, 1], len(days)), 0)
    return random.integers(3, 12) + np.cumsum(changes).astype(float), None


def random_walk(random: Random, days: list[date], n: int) -> Made:
    """What nothing can forecast."""
    return 50 + np.cumsum(random.normal(0, random.uniform(0.1, 0.5), len(days))), None


def terminals(random: Random, days: list[date], n: int) -> Made:
    """A count that grows in batches, ever more slowly."""
    pace = random.uniform(20, 200) * np.exp(-np.arange(len(days)) / random.uniform(300, 1500))
    batches = random.poisson(pace / 10, len(days)) * 10.0
    return random.uniform(1000, 20000) + np.cumsum(batches), None


def ratio(random: Random, days: list[date], n: int) -> Made:
    """An OEE: it goes back to where it was."""
    level = random.uniform(45, 75)
    return level + _noise(random, len(days), 2.5, 0.7) + _week(random, days, 1.0), None


def yearly(random: Random, days: list[date], n: int) -> Made:
    """Energy: a year's wave, and a week's."""
    turn = 2 * np.pi * np.array([day.timetuple().tm_yday for day in days]) / 365.25
    wave = random.uniform(0.03, 0.08) * np.cos(turn - random.uniform(0, 6.28))
    return 1.35 + wave + _week(random, days, 0.01) + _noise(random, len(days), 0.008, 0.5), None


def young(random: Random, days: list[date], n: int) -> Made:
    """Six to twelve weeks of an indicator that was introduced lately."""
    return weekly(random, days, n)


KINDS: Final[dict[str, tuple[Callable[[Random, list[date], int], Made], str, int, int]]] = {
    "adoption": (adoption, "share", 250, 900),
    "revised": (revised, "share", 250, 900),
    "weekly": (weekly, "share", 180, 700),
    "festival": (festival, "count", 450, 1100),
    "steps": (steps, "share", 250, 800),
    "few_units": (few_units, "share", 250, 800),
    "flat": (flat, "count", 200, 800),
    "random_walk": (random_walk, "share", 250, 900),
    "terminals": (terminals, "count", 250, 900),
    "ratio": (ratio, "share", 200, 800),
    "yearly": (yearly, "number", 780, 1300),
    "young": (young, "share", 42, 84),
}
"""Generator, scale, and the shortest and longest that is known."""
