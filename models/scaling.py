"""Robust levels of sensors, per operating context."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Context = npt.NDArray[np.str_] | None

QUANTILE_ROWS: Final = 20_000
"""Quantiles are taken over at most about this many evenly spaced rows: exact enough, and quick."""

CONTEXT_ROWS: Final = 40
"""Rows of a context (a product) needed for a level of its own. A context unseen in training is
not judged for so many rows, then held against their median."""

LARGEST: Final = 20.0
"""Deviations are clipped here, so that one wild sensor does not drown its neighbours."""

APART: Final = 1.0
"""A context gets a level of its own where its median lies so many scales from the common one: a
few rows of a slowly wandering sensor are no level."""

CONSTANT_FLOOR: Final = 0.01
"""A sensor that was constant counts as moved beyond 1 % of its level (or 1e-6 around zero)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table as arrays: values (n, k), contexts (n) or None, times in seconds (n)."""

    values: Floats
    context: Context
    seconds: Floats

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, at: "slice | Mask | npt.NDArray[np.int64]") -> "Rows":
        context = None if self.context is None else self.context[at]
        return Rows(self.values[at], context, self.seconds[at])

    def of(self, sensors: Mask) -> "Rows":
        """The same rows with some of the sensors."""
        return Rows(np.ascontiguousarray(self.values[:, sensors]), self.context, self.seconds)


def matrix(frame: pl.DataFrame, sensors: list[str]) -> Floats:
    """Sensor columns as float64 (n, k); null, infinite and absent become NaN."""
    columns = [
        frame[s].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
        if s in frame.columns
        else np.full(frame.height, np.nan)
        for s in sensors
    ]
    stacked = np.column_stack(columns) if columns else np.empty((frame.height, 0))
    stacked = np.ascontiguousarray(stacked, dtype=np.float64)
    stacked[~np.isfinite(stacked)] = np.nan
    return stacked


def quantiles(values: Floats, shares: list[float]) -> Floats:
    """Quantiles per column, NaN left out (nearest lower rank); 0 for a column without values."""
    thinned = values[:: max(1, len(values) // QUANTILE_ROWS)]
    ranked = np.sort(thinned, axis=0)
    present = np.isfinite(thinned).sum(axis=0)
    at = np.floor(np.outer(shares, np.maximum(present - 1, 0))).astype(np.int64)
    if not len(ranked):
        return np.zeros((len(shares), values.shape[1]))
    return np.nan_to_num(np.take_along_axis(ranked, at, axis=0), nan=0.0)


@dataclass(frozen=True, slots=True)
class Levels:
    """Where sensors sit: `centre` (contexts + 1, k), the last row for all contexts together."""

    contexts: tuple[str, ...]
    centre: Floats
    scale: Floats
    constant: Mask
    silent: Mask

    def centre_rows(self, values: Floats, context: Context) -> Floats:
        """The centre to hold each row against (n, k); NaN where the row is not judged."""
        if context is None or not self.contexts:
            return np.broadcast_to(self.centre[-1], values.shape)
        rows = np.full(values.shape, np.nan)
        for name in np.unique(context):
            at = np.flatnonzero(context == name)
            if name in self.contexts:
                rows[at] = self.centre[self.contexts.index(name)]
            elif len(at) > CONTEXT_ROWS:
                first = values[at[:CONTEXT_ROWS]]
                rows[at[CONTEXT_ROWS:]] = self.apart(quantiles(first, [0.5])[0])
        return rows

    def apart(self, centre: Floats) -> Floats:
        """A context's centre where it clearly differs from the common one, else that."""
        common = self.centre[-1]
        return np.where(np.abs(centre - common) > APART * self.scale, centre, common)

    def deviations(self, values: Floats, context: Context) -> Floats:
        """Robust deviations from the centre, clipped; NaN where missing or not judged."""
        raw = (values - self.centre_rows(values, context)) / self.scale
        return np.clip(raw, -LARGEST, LARGEST)


def learn_levels(values: Floats, context: Context) -> Levels:
    """Median and MAD per sensor; the scale is taken around each context's own median.

    The floor against sensors that hardly move (MAD 0) is half the 99 % range, in normal units.
    """
    overall = quantiles(values, [0.5])[0]
    names: list[str] = []
    centres: list[Floats] = []
    if context is not None:
        for name in np.unique(context):
            at = context == name
            if at.sum() >= CONTEXT_ROWS:
                names.append(str(name))
                centres.append(quantiles(values[at], [0.5])[0])
    nothing = np.zeros(values.shape[1], dtype=np.bool_)
    levels = Levels(
        tuple(names), np.vstack([*centres, overall]), np.ones(values.shape[1]), nothing, nothing
    )
    off = values - levels.centre_rows(values, context)
    mad = 1.4826 * quantiles(np.abs(off), [0.5])[0]
    low, high = quantiles(off, [0.005, 0.995])
    scale = np.maximum(mad, (high - low) / 5.15 / 2)
    tiny = np.maximum(np.abs(overall) * 1e-9, 1e-12)
    spread = np.array([np.nanstd(c) if np.isfinite(c).any() else 0.0 for c in off.T])
    scale = np.where(scale > tiny, scale, spread)
    constant = (scale <= tiny) & np.isfinite(values).any(axis=0)
    scale = np.where(scale <= tiny, np.maximum(np.abs(overall) * CONSTANT_FLOOR, 1e-6), scale)
    own = Levels(levels.contexts, levels.centre, scale, constant, nothing)
    centre = np.vstack([*(own.apart(c) for c in levels.centre[:-1]), overall])
    return Levels(levels.contexts, centre, scale, constant, _silent(values))


def _silent(values: Floats) -> Mask:
    """Statuses: two values, or a constant 0 or 1.

    They tell the other sensors' story; of their own there is only how long they stand.
    """
    return np.array([_is_status(column[np.isfinite(column)]) for column in values.T], np.bool_)


def _is_status(known: Floats) -> bool:
    if not len(known):
        return False
    low, high = known.min(), known.max()
    return bool(np.isin(known, (low, high)).all()) and (low < high or low in (0.0, 1.0))
