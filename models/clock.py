"""The times of a table: in order, and in seconds."""

from typing import Final

import numpy as np
import polars as pl

from models.errors import ModelError
from models.scaling import Floats

LATEST_S: Final = 4.1e9
"""Numeric times above this (the year 2099 in seconds) are of a smaller unit."""

UNITS_PER_S: Final = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}


def in_order(frame: pl.DataFrame, time: str, error: type[ModelError], culprit: str) -> None:
    """Raises at the first row whose time is before the one above it; unknown times are passed."""
    if time not in frame.columns:
        return
    known = frame[time].is_not_null()
    times = frame[time].filter(known)
    back = (times < times.shift(1)).fill_null(value=False).arg_true()
    if len(back):
        row = int(known.arg_true()[int(back[0])]) + 1
        raise error(culprit, f"times run backwards at row {row}", "sort the table by time")


def unit(times: pl.Series) -> tuple[float, tuple[str, ...]]:
    """Numbers per second, and a note where they were taken as a smaller unit; 1 for datetimes."""
    if not times.dtype.is_numeric():
        return 1.0, ()
    numbers = times.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    largest = np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)
    fits = (u for u in UNITS_PER_S.items() if largest / u[1] <= LATEST_S)
    name, per_s = next(fits, ("nanoseconds", 1e9))
    note = f"{times.name}: numbers beyond the year 2099 in seconds, taken as {name}"
    return per_s, (note,) if per_s > 1 else ()


def seconds(times: pl.Series, per_s: float = 1.0) -> Floats:
    """Times (n) in seconds; NaN where unknown, or where they are no times."""
    if times.dtype == pl.Datetime or times.dtype == pl.Date:
        ticks = times.cast(pl.Datetime("us")).to_physical().cast(pl.Float64)
        return ticks.fill_null(float("nan")).to_numpy() / 1e6
    if times.dtype.is_numeric():
        return times.cast(pl.Float64).fill_null(float("nan")).to_numpy() / per_s
    return np.full(len(times), np.nan)
