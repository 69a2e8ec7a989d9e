"""Small deviations of known place and size, put into a machine's held-out rows, and who finds them.

They stand in for faults, of which a plant keeps no record: the same for every model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import polars as pl

from models.detector import Detector
from models.scaling import Floats

SIZES: Final = (1.0, 2.0, 3.0, 4.0)
"""Deviations put in, in robust deviations of the signal on the held-out days."""

SHAPES: Final = ("step", "ramp")

TRIALS: Final = 48
"""Six of each size and shape: one more or less is 2 % of power."""

LENGTH: Final = 60

APART: Final = 60
"""Rows that a deviation lasts, and rows after it before the next."""

LEAST_HELD_OUT: Final = LENGTH + APART
"""Rows of a day that can hold one deviation."""

TAIL: Final = 0.1
"""Share of held-out rows whose ratios tell how far a signal will come within a week."""

ROWS_AS_ONE: Final = 30
"""Rows that pass a level together: averages of them follow each other slowly."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One deviation: of which signal, step or ramp, its size, and the rows from `at` to `until`."""

    sensor: str
    shape: str
    size: float
    at: int
    until: int


Round: TypeAlias = tuple[pl.DataFrame, list[Trial]]


def rounds(rows: pl.DataFrame, seed: int) -> Iterator[Round]:
    """(rows with deviations, what was put in), a scoring each.

    At most TRIALS deviations, of one signal each and LENGTH rows long; in one round no signal
    twice, so that what one leaves behind is not found as another.
    """
    sensors = _spreads(rows)
    slots = min((rows.height - APART) // LEAST_HELD_OUT, len(sensors))
    if slots < 1:
        return
    rng = np.random.default_rng(seed)
    kinds = [(shape, size) for size in SIZES for shape in SHAPES] * (TRIALS // 8)
    turns = -(-TRIALS // len(sensors))
    names = [name for _ in range(turns) for name in rng.permutation(list(sensors))]
    signs = rng.choice((-1.0, 1.0), TRIALS)
    for first in range(0, TRIALS, slots):
        put_in, out = list[Trial](), rows
        for slot, number in enumerate(range(first, min(first + slots, TRIALS))):
            name, (shape, size) = str(names[number]), kinds[number]
            if name in {one.sensor for one in put_in}:
                continue
            at = APART + slot * ((rows.height - APART) // slots)
            trial = Trial(name, shape, size, at, at + LENGTH)
            out = _with(out, trial, float(signs[number]) * sensors[name])
            put_in.append(trial)
        yield out, put_in


def found(
    detector: Detector,
    changed: pl.DataFrame,
    put_in: Sequence[Trial],
    clean: Floats,
    limits: Floats,
) -> list[tuple[Trial, int | None]]:
    """Each trial with the rows until its signal passed its limit; null where it never did.

    Rows on which the signal is over its limit as it was do not count.
    """
    if detector.base is None:
        return [(trial, None) for trial in put_in]
    over = (detector.ratios(changed)[0] > limits) & (clean <= limits)
    told = []
    for trial in put_in:
        hits: list[int] = []
        if trial.sensor in detector.sensors:
            j = detector.sensors.index(trial.sensor)
            hits = np.flatnonzero(over[trial.at : trial.until, j]).tolist()
        told.append((trial, hits[0] if hits else None))
    return told


def kept_promise(ratios: Floats, rows_per_day: float) -> Floats:
    """Per signal the ratio that is passed once a machine-week by all signals together, at least 1.

    `ratios` (n, k) are of rows as they were. The tail is taken as exponential: its chance to pass a
    level falls e-fold with every mean excess over the 90 % quantile.
    """
    if not ratios.size:
        return np.ones(ratios.shape[1])
    start = np.quantile(ratios, 1 - TAIL, axis=0)
    over = np.maximum(ratios - start, 0.0)
    excess = over.sum(axis=0) / np.maximum((over > 0).sum(axis=0), 1)
    chances = TAIL * 7 * rows_per_day * ratios.shape[1] / ROWS_AS_ONE
    return np.asarray(np.maximum(start + excess * np.log(max(chances, 1.0)), 1.0))


def _with(rows: pl.DataFrame, trial: Trial, unit: float) -> pl.DataFrame:
    """The rows with one deviation of `size` units on one signal."""
    values = rows[trial.sensor].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    course = np.linspace(0.0, 1.0, LENGTH) if trial.shape == "ramp" else np.ones(LENGTH)
    values[trial.at : trial.until] += trial.size * unit * course
    return rows.with_columns(pl.Series(trial.sensor, values).fill_nan(None))


def _spreads(rows: pl.DataFrame) -> dict[str, float]:
    """Robust deviation of each signal that varies, around the median of its product."""
    found = {}
    numeric = [n for n, kind in rows.schema.items() if kind.is_numeric()]
    for name in numeric:
        value = pl.col(name).cast(pl.Float64)
        off = value - (value.median().over("product_id") if "product_id" in rows.columns else 0.0)
        known = rows.select(off.alias(name)).to_series().drop_nulls().drop_nans().to_numpy()
        spread = _spread(known) if len(known) >= LENGTH else 0.0
        if spread > 0:
            found[name] = spread
    return found


def _spread(values: Floats) -> float:
    """The standard deviation of a normal signal whose 10 % and 90 % quantiles are these.

    A median of deviations would be next to nothing where a signal mostly stands at one value.
    """
    low, high = np.quantile(values, [0.1, 0.9])
    return float(high - low) / 2.563
