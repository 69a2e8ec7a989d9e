"""What generators of plants share: the shape of a case, noise, profiles of faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.signal import lfilter

Floats = npt.NDArray[np.float64]

FAULTS: Final = {
    "start": pl.Datetime("us", "UTC"),
    "end": pl.Datetime("us", "UTC"),
    "kind": pl.String(),
    "magnitude": pl.Float64(),
    "signals": pl.List(pl.String),
}
"""A fault: first and last row of it, how far its strongest signal goes in in-state robust
deviations (null where it has no size: a replay, a reading that stands still), signals touched."""


@dataclass(frozen=True, slots=True)
class Plant:
    """One machine: rows to learn from, rows to judge, and what is wrong in those (FAULTS)."""

    name: str
    case: str
    train: pl.DataFrame
    test: pl.DataFrame
    faults: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by rows of the test: from `start` up to and without `end`."""

    kind: str
    start: int
    end: int
    magnitude: float | None
    signals: Sequence[str]


def frame(start: datetime, step: timedelta, columns: Mapping[str, Floats]) -> pl.DataFrame:
    """Columns behind a `timestamp` (UTC) with even steps."""
    rows = len(next(iter(columns.values())))
    times = pl.datetime_range(
        start, start + step * (rows - 1), step, time_unit="us", time_zone="UTC", eager=True
    )
    return pl.DataFrame({"timestamp": times} | {n: np.asarray(v) for n, v in columns.items()})


def fault_table(test: pl.DataFrame, faults: Sequence[Fault]) -> pl.DataFrame:
    """Faults by row as FAULTS, with the times of the test."""
    at = test["timestamp"]
    rows = [(at[f.start], at[f.end - 1], f.kind, f.magnitude, list(f.signals)) for f in faults]
    return pl.DataFrame(rows, schema=FAULTS, orient="row")


def split(whole: pl.DataFrame, train_rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first rows to learn from, the rest to judge."""
    return whole.head(train_rows), whole.slice(train_rows)


def wander(rng: np.random.Generator, rows: int, memory: float, size: float) -> Floats:
    """Stationary first-order noise: `memory` rows to forget, `size` its standard deviation."""
    keep = float(np.exp(-1.0 / memory))
    shocks = rng.normal(0.0, size * np.sqrt(1 - keep * keep), rows)
    shocks[0] = rng.normal(0.0, size)
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks), dtype=np.float64)


def lagged(values: Floats, memory: float) -> Floats:
    """First-order lag, settled at the first value."""
    keep = float(np.exp(-1.0 / memory))
    out, _ = lfilter([1 - keep], [1.0, -keep], values, zi=[keep * values[0]])
    return np.asarray(out, dtype=np.float64)


def spikes(rng: np.random.Generator, rows: int, chance: float, size: float) -> Floats:
    """Odd single readings of either sign: bad contacts, not faults."""
    odd = rng.random(rows) < chance
    return np.where(odd, rng.normal(0, size, rows) + size * rng.choice([-1, 1], rows), 0.0)


def rounded(values: Floats, step: float) -> Floats:
    """What a converter of this resolution reads."""
    return np.asarray(np.round(np.round(values / step) * step, 9), dtype=np.float64)


def robust(values: Floats) -> float:
    """Robust deviation: 1.4826 times the median distance from the median."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A size whose logarithm is uniform: small ones are as common as large ones."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def profile(rows: int, start: int, end: int, rise: int, fall: int) -> Floats:
    """0 before, up to 1 over `rise` rows from `start`, down over `fall` rows from `end`."""
    at = np.arange(rows, dtype=np.float64)
    up = np.clip((at - start + 1) / max(rise, 1), 0, 1)
    down = np.clip((at - end + 1) / max(fall, 1), 0, 1)
    return np.asarray(np.minimum(up, 1 - down), dtype=np.float64)
