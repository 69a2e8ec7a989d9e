"""The ways in which a sensor can leave its normal: level, residual, jump, noise, frozen, moved."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from models import shape
from models.neighbours import ewma, learn_weights, residuals
from models.scaling import LARGEST, Floats, Levels, Mask, Rows, learn_levels
from models.season import Season
from models.shape import Shapes
from models.slow import Slow, learn_slow
from models.subspace import learn_modes

SPANS: Final = (4, 16, 64, 256, 1024)
"""EWMA spans in rows: short for jumps and bursts, long for wear and drift."""

PAUSE: Final = 3.0
"""Usual steps between two rows from which on there was a pause."""

QUIET: Final = 1e-3
"""Mean squared step (in scales) below which a sensor is not told from one still quieter."""

FROZEN_ROWS: Final = 20
"""No run of equal values shorter than this is a finding, whatever the training rows say."""

LEAST_SWITCHES: Final = 20
"""A status that switches less often in training may stand for as long as it likes."""

FROZEN_FACTOR: Final = 3.0
"""A run is a finding from so many times the longest of the training rows: another day has
longer ones."""

MOST_FROZEN: Final = 3.0
MOST_MOVED: Final = 1.5
"""Ratios are capped here: a sensor that stands still, or a setpoint that was moved, is one finding
however long or far, and does not outweigh a signal that is far out."""

STANDING: Final = 0.5
"""A sensor half-way to its own limit counts as standing; over half of them so, the data stopped."""

BELOW_LIMIT: Final = 0.9
MOVED_SPAN: Final = 128
"""A sensor that was constant and moved is a finding until about so many rows have passed."""

FASTEST: Final = 4
"""Rows of the mean that a jump is seen in: enough to outlast one odd value, few enough for the
first minute."""

JUMP_SPAN: Final = 16
"""Rows of the mean, twice FASTEST rows earlier, that a jump is held against."""

NOISE_SPAN: Final = 64
"""Rows over which the size of steps is averaged: a sensor that turns loud or quiet."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What normal is: levels, the clock's part, neighbours, slow baselines, shapes, runs."""

    levels: Levels
    season: Season
    weights: Floats
    level_slow: Slow
    residual_slow: Slow
    noise: Floats
    longest_run: Floats
    switches: Floats
    step_s: float
    shapes: Shapes

    def deviations(self, rows: Rows) -> Floats:
        """Robust deviations less what the clock says (n, k); NaN where missing or not judged."""
        z = self.levels.deviations(rows.values, rows.context)
        if self.season.days:
            z = np.clip(z - self.season.of(rows.seconds), -LARGEST, LARGEST)
        return z

    def filled(self, z: Floats) -> Floats:
        """Deviations without single odd values, constants at 0, holes at what was last known."""
        return carried(steadied(np.where(self.levels.constant & np.isfinite(z), 0.0, z)))

    def split(self, z: Floats, seconds: Floats) -> tuple[Floats, Floats, Floats]:
        """Deviations less their slow baselines, residuals (both 0 in holes), weights of the rows.

        A row after a pause weighs nothing: its step from the row before it says nothing.

        Neighbours are asked about the deviations themselves: drifts they share are a coupling.
        """
        hole, filled = np.isnan(z), self.filled(z)
        _, rest, settled = residuals(np.where(hole, np.nan, filled), self.weights)
        settled[1:][np.diff(seconds) > PAUSE * self.step_s] = 0.0
        return np.where(hole, 0.0, self.level_slow.follow(filled)[0]), rest, settled


@dataclass(frozen=True, slots=True)
class Choice:
    """What the training rows said which methods are for: per sensor (k).

    `neighbours`: ridge weights explain it held out; `modes`: the subspace does so better; `shaped`:
    its windows, `widths` rows wide, recur.
    """

    neighbours: Mask
    modes: Mask
    shaped: Mask
    widths: tuple[int, ...] = ()


def learn(rows: Rows, season_: Season, choice: Choice | None = None) -> Baseline:
    """Everything that one set of training rows says; without a choice, by neighbours alone."""
    levels = learn_levels(rows.values, rows.context)
    none = shape.Shapes((), ())
    nothing = np.zeros(rows.values.shape[1])
    still = Slow(nothing, nothing, nothing, nothing, nothing + 1.0, nothing[None] + 1.0, 1, 32)
    base = Baseline(
        levels,
        season_,
        nothing,
        still,
        still,
        nothing,
        nothing,
        nothing,
        usual_step_s(rows.seconds),
        none,
    )
    z = base.deviations(rows)
    filled = base.filled(z)
    slow = learn_slow(filled)
    early = slow.from_here(filled[: max(len(filled) // 8, 1)])
    weights = learn_all_weights(np.where(np.isnan(z), 0.0, filled), choice)
    whole, rest, settled = replace(base, weights=weights, level_slow=early).split(z, rows.seconds)
    judged = (np.isfinite(z) & ~levels.constant).sum(axis=0)
    longest = np.array([float(run_lengths(v[:, None]).max(initial=0)) for v in rows.values.T])
    # A run over a tenth of the rows: a switch or a setpoint, whose standing still says little.
    longest = np.where(longest > 0.1 * np.maximum(judged, 1), np.inf, longest)
    switches = np.count_nonzero(np.nan_to_num(np.diff(rows.values, axis=0)), axis=0) * 1.0
    noise = np.median(_noise(rest, settled, np.full(rest.shape[1], QUIET)), axis=0)
    if choice is not None and choice.widths:
        none = shape.learn_shapes(whole, choice.shaped, choice.widths)
    return replace(
        base, weights=weights, level_slow=slow, residual_slow=learn_slow(rest), noise=noise,
        longest_run=longest, switches=switches, shapes=none,
    )  # fmt: skip


def learn_all_weights(z: Floats, choice: Choice | None) -> Floats:
    """Ridge weights of the sensors that neighbours explain, modes' of those they explain better."""
    if choice is None:
        return learn_weights(z)
    if not (choice.neighbours | choice.modes).any():
        return np.zeros((z.shape[1], z.shape[1]))
    by_ridge = (choice.neighbours & ~choice.modes).any()
    weights = learn_weights(z) * (choice.neighbours & ~choice.modes) if by_ridge else 0.0
    if choice.modes.any():
        modes = learn_modes(z) * choice.modes
        if by_ridge:
            assert isinstance(weights, np.ndarray)
            modes = np.vstack([modes, np.zeros((len(weights) - len(modes), z.shape[1]))])
        weights = weights + modes
    return np.asarray(weights)


def run_lengths(values: Floats) -> npt.NDArray[np.int64]:
    """Length of the run of equal values up to each row; 0 where the value is missing."""
    rows = np.arange(len(values))[:, None]
    fresh = np.ones(values.shape, dtype=np.bool_)
    fresh[1:] = values[1:] != values[:-1]
    began = np.maximum.accumulate(np.where(fresh, rows, 0), axis=0)
    return np.where(np.isfinite(values), rows - began + 1, 0)


def spans_for(rows: int) -> tuple[int, ...]:
    """The spans that a fold of so many rows can judge."""
    return tuple(s for s in SPANS if s <= max(rows // 5, SPANS[0]))


def order(spans: tuple[int, ...], widths: tuple[int, ...]) -> list[tuple[str, int]]:
    """(kind, span) of every channel, in the order of `channels` and of a model's limits."""
    by_span = [(kind, span) for span in spans for kind in ("level", "residual")]
    shapes = [("shape", width) for width in widths]
    return [*by_span, ("jump", JUMP_SPAN), ("noise", NOISE_SPAN), *shapes]


@dataclass(frozen=True, slots=True)
class Parts:
    """What channels are made of: `Baseline.split`, and residuals less their slow baselines."""

    whole: Floats
    rest: Floats
    residual: Floats
    settled: Floats

    @classmethod
    def of(cls, base: Baseline, z: Floats, seconds: Floats) -> "Parts":
        """Of deviations."""
        whole, rest, settled = base.split(z, seconds)
        return cls(whole, rest, base.residual_slow.follow(rest)[0], settled)

    def some(self, columns: slice) -> "Parts":
        """Of some sensors, each array in one piece."""
        whole, rest, residual = (
            np.ascontiguousarray(part[:, columns])
            for part in (self.whole, self.rest, self.residual)
        )
        return Parts(whole, rest, residual, self.settled)


def channels(
    base: Baseline,
    parts: Parts,
    spans: tuple[int, ...],
    caps: Floats | None = None,
    columns: slice = slice(None),
) -> Iterator[tuple[str, int, Floats]]:
    """(kind, span, statistic (n, k)) one at a time; the arrays are the taker's own.

    Averages take rows up to `caps` (c, k), so that what was far out does not ring for long. Of the
    sensors in `columns` alone, if asked: `parts` and `caps` are theirs.
    """
    whole, rest, settled = parts.whole, parts.rest, parts.settled
    usual, shapes = base.noise[columns], base.shapes.of(columns)
    largest = {
        kind: np.abs(given).max(axis=0, initial=0.0)
        for kind, given in (("level", whole), ("residual", parts.residual))
    }
    for i, (kind, span) in enumerate(order(spans, shapes.widths)):
        if kind == "jump":
            yield kind, span, ewma(rest, FASTEST) - _later(ewma(rest, span), 2 * FASTEST)
        elif kind == "noise":
            cap = np.inf if caps is None else np.exp(usual + caps[i] / 2)
            yield kind, span, _noise(rest, settled, np.exp(usual), cap) - usual
        elif kind == "shape":
            yield kind, span, shapes.distances(whole, span)
        else:
            given = whole if kind == "level" else parts.residual
            if caps is not None and not (largest[kind] <= caps[i]).all():
                given = np.clip(given, -caps[i], caps[i])
            yield kind, span, ewma(given, span)


def frozen(base: Baseline, values: Floats) -> Floats:
    """Run of equal values over its limit.

    Nothing where most sensors stand still together: then it is the data that stopped.
    """
    often = base.longest_run > FROZEN_ROWS / FROZEN_FACTOR
    limit = np.maximum(np.where(often, 3.0, 1.0) * FROZEN_FACTOR * base.longest_run, FROZEN_ROWS)
    rare = base.levels.silent & (base.switches < LEAST_SWITCHES)
    limit = np.where(base.levels.constant | rare, np.inf, limit)
    ratio = np.minimum(run_lengths(values) / limit, MOST_FROZEN)
    able = int(np.isfinite(limit).sum())
    stopped = (ratio > STANDING).sum(axis=1) > 0.5 * able
    if able > 1:
        ratio[stopped] = np.minimum(ratio[stopped], BELOW_LIMIT)
    return ratio


def moved(base: Baseline, z: Floats) -> Floats:
    """How far a sensor that was constant has moved of late, in floors; 0 for all others."""
    out = np.zeros_like(z)
    at = np.flatnonzero(base.levels.constant & ~base.levels.silent)
    if len(at):
        off = np.nan_to_num(z[:, at])
        out[:, at] = np.minimum(np.abs(off - ewma(off, MOVED_SPAN)), MOST_MOVED)
    return out


def _noise(rest: Floats, settled: Floats, usual: Floats, cap: Floats | float = np.inf) -> Floats:
    """Logarithm of the mean squared step over NOISE_SPAN rows: louder or quieter than usual.

    It starts from `usual`, and rows count by their weight: a start is not quiet.
    """
    steps = np.diff(rest, axis=0, prepend=rest[:1])
    np.square(steps, out=steps)
    np.minimum(steps, cap, out=steps)
    steps *= settled > 0
    alpha = 2.0 / (NOISE_SPAN + 1.0)

    def mean(values: Floats, start: Floats) -> Floats:
        smooth, _ = lfilter([alpha], [1.0, alpha - 1.0], values, axis=0, zi=start * (1 - alpha))
        return np.asarray(smooth, dtype=np.float64)

    power = mean(steps, usual[None, :]) / mean(np.square(settled), np.ones((1, 1)))
    return np.asarray(np.log(np.maximum(power, QUIET)), dtype=np.float64)


def _later(values: Floats, rows: int) -> Floats:
    """The values of `rows` rows ago, 0 before."""
    out = np.zeros_like(values)
    if len(values) > rows:
        out[rows:] = values[:-rows]
    return out


def carried(z: Floats) -> Floats:
    """The last known value in every hole (n, k), 0 before the first."""
    hole = np.isnan(z)
    if not hole.any():
        return z
    rows = np.where(hole, 0, np.arange(len(z))[:, None])
    last = np.take_along_axis(z, np.maximum.accumulate(rows, axis=0), axis=0)
    return np.nan_to_num(last)


def steadied(z: Floats) -> Floats:
    """The median of each row and the two before it (n, k): one odd value is none."""
    if len(z) < 3:
        return z
    first, second, third = z[:-2], z[1:-1], z[2:]
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.vstack([z[:2], np.where(np.isnan(third), np.nan, np.fmax(low, np.fmin(high, third)))])


def usual_step_s(seconds: Floats) -> float:
    """Median time between rows in s; infinite where times say nothing."""
    steps = np.diff(seconds)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(steps)) if len(steps) else float("inf")
