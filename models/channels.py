"""The ways in which a sensor can leave its normal: level, residual, jump, noise, frozen, moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from models.neighbours import ewma, learn_weights, residuals
from models.scaling import Floats, Levels, learn_levels

SPANS: Final = (4, 16, 64, 256, 1024)
"""EWMA spans in rows: short for jumps and bursts, long for wear and drift."""

ADAPT_BLOCK: Final = 32
"""Rows between two steps of the slow baseline."""

HOLD: Final = 3.0
"""A sensor whose blocks run further off than this many usual block sizes stops adapting, alone."""

DRIFTING: Final = 1.5
"""A sensor drifts when its training folds lie further apart than this many scales within them."""

QUIET: Final = 1e-3
"""Mean squared step (in scales) below which a sensor is not told from one still quieter."""

FROZEN_ROWS: Final = 20
"""No run of equal values shorter than this is a finding, whatever the training rows say."""

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
RUN_WEIGHT: Final = 0.4
"""Weight of the newest block in the run that is held against HOLD: about four blocks long."""

FASTEST_FOLLOW: Final = 0.5
LEAST_BLOCK: Final = 0.05
"""A baseline takes at most half a block's offset; blocks spread by at least so much of a scale."""

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
class Slow:
    """A baseline that follows a sensor slowly: start (k), rate per block (k), usual block size."""

    start: Floats
    rate: Floats
    usual: Floats

    def follow(self, deviations: Floats) -> tuple[Floats, Floats]:
        """Deviations less the baseline, and the baseline after the last row.

        Causal: a block is held against what the blocks before it left.
        """
        out = np.empty_like(deviations)
        baseline, run = self.start.copy(), np.zeros_like(self.start)
        for at in range(0, len(deviations), ADAPT_BLOCK):
            block = deviations[at : at + ADAPT_BLOCK]
            out[at : at + ADAPT_BLOCK] = block - baseline
            if len(block) == ADAPT_BLOCK:
                off = block.mean(axis=0) - baseline
                run = run + RUN_WEIGHT * (off - run)
                baseline = baseline + np.where(np.abs(run) > HOLD * self.usual, 0, self.rate * off)
        return out, baseline


def learn_slow(deviations: Floats, folds: int) -> Slow:
    """How fast a baseline may follow: over the length of the training rows.

    16 times faster for sensors that drift within them; those start where the training rows end.
    """
    parts = np.array_split(deviations, folds)
    means = np.array([p.mean(axis=0) for p in parts])
    blocks = max(len(deviations) // ADAPT_BLOCK, 1)
    by_block = deviations[: blocks * ADAPT_BLOCK].reshape(blocks, -1, deviations.shape[1])
    block_means = by_block.mean(axis=1) if len(deviations) >= ADAPT_BLOCK else means
    home = np.array_split(block_means, folds) if blocks >= folds else [block_means]
    within = np.sqrt(np.mean([np.mean((b - b.mean(axis=0)) ** 2, axis=0) for b in home], axis=0))
    inside = np.sqrt(np.mean([p.var(axis=0) for p in parts], axis=0))
    drifting = np.std(means, axis=0) > DRIFTING * np.maximum(inside, 1e-9)
    rate = np.where(drifting, 16.0, 1.0) * ADAPT_BLOCK / max(len(deviations), 1)
    tail = deviations[-max(len(deviations) // 32, 1) :].mean(axis=0)
    start = np.where(drifting, tail, 0.0)
    return Slow(start, np.minimum(rate, FASTEST_FOLLOW), np.maximum(within, LEAST_BLOCK))


@dataclass(frozen=True, slots=True)
class Baseline:
    """What normal is: levels, neighbours, slow baselines, runs of equal values."""

    levels: Levels
    weights: Floats
    level_slow: Slow
    residual_slow: Slow
    noise: Floats
    longest_run: Floats


def learn(
    values: Floats,
    context: npt.NDArray[np.str_] | None,
    folds: int,
    coupled: npt.NDArray[np.bool_] | None = None,
) -> Baseline:
    """Everything that one set of training rows says; `coupled` leaves sensors without weights."""
    levels = learn_levels(values, context)
    z = levels.deviations(values, context)
    z[:, levels.constant] = 0.0
    weights = learn_weights(np.nan_to_num(z))
    if coupled is not None:
        weights = weights * coupled
    whole, rest, settled = residuals(z, weights)
    judged = (np.isfinite(z) & ~levels.constant).sum(axis=0)
    longest = np.array([float(run_lengths(v[:, None]).max(initial=0)) for v in values.T])
    # A run over a tenth of the rows: a switch or a setpoint, whose standing still says little.
    longest = np.where(longest > 0.1 * np.maximum(judged, 1), np.inf, longest)
    noise = np.median(_noise(rest, settled, np.full(rest.shape[1], QUIET)), axis=0)
    return Baseline(
        levels, weights, learn_slow(whole, folds), learn_slow(rest, folds), noise, longest
    )


def run_lengths(values: Floats) -> npt.NDArray[np.int64]:
    """Length of the run of equal values up to each row; 0 where the value is missing."""
    rows = np.arange(len(values))[:, None]
    fresh = np.ones(values.shape, dtype=np.bool_)
    fresh[1:] = values[1:] != values[:-1]
    began = np.maximum.accumulate(np.where(fresh, rows, 0), axis=0)
    return np.where(np.isfinite(values), rows - began + 1, 0)


def spans_for(rows: int) -> tuple[int, ...]:
    """The spans that a fold of so many rows can judge."""
    return tuple(s for s in SPANS if s <= max(rows // 6, SPANS[0]))


def order(spans: tuple[int, ...]) -> list[tuple[str, int]]:
    """(kind, span) of every channel, in the order of `channels` and of a model's limits."""
    by_span = [(kind, span) for span in spans for kind in ("level", "residual")]
    return [*by_span, ("jump", JUMP_SPAN), ("noise", NOISE_SPAN)]


def channels(
    base: Baseline, whole: Floats, rest: Floats, settled: Floats, spans: tuple[int, ...]
) -> Iterator[tuple[str, int, Floats]]:
    """(kind, span, statistic (n, k)) one at a time, from what `residuals` gives."""
    level, _ = base.level_slow.follow(whole)
    del whole
    residual, _ = base.residual_slow.follow(rest)
    for kind, span in order(spans):
        if kind == "jump":
            yield kind, span, ewma(rest, FASTEST) - _later(ewma(rest, span), 2 * FASTEST)
        elif kind == "noise":
            yield kind, span, _noise(rest, settled, np.exp(base.noise)) - base.noise
        else:
            yield kind, span, ewma(level if kind == "level" else residual, span)


def frozen(base: Baseline, values: Floats) -> Floats:
    """Run of equal values over its limit.

    Nothing where most sensors stand still together: then it is the data that stopped.
    """
    limit = np.maximum(FROZEN_FACTOR * base.longest_run, FROZEN_ROWS)
    limit = np.where(base.levels.constant, np.inf, limit)
    ratio = np.minimum(run_lengths(values) / limit, MOST_FROZEN)
    able = int(np.isfinite(limit).sum())
    stopped = (ratio > STANDING).sum(axis=1) > 0.5 * able
    if able > 1:
        ratio[stopped] = np.minimum(ratio[stopped], BELOW_LIMIT)
    return ratio


def moved(base: Baseline, z: Floats) -> Floats:
    """How far a sensor that was constant has moved of late, in floors; 0 for all others."""
    out = np.zeros_like(z)
    at = np.flatnonzero(base.levels.constant)
    if len(at):
        off = np.nan_to_num(z[:, at])
        out[:, at] = np.minimum(np.abs(off - ewma(off, MOVED_SPAN)), MOST_MOVED)
    return out


def _noise(rest: Floats, settled: Floats, usual: Floats) -> Floats:
    """Logarithm of the mean squared step over NOISE_SPAN rows: louder or quieter than usual.

    It starts from `usual`, and rows count by their weight: a start is not quiet.
    """
    steps = np.diff(rest, axis=0, prepend=rest[:1])
    np.square(steps, out=steps)
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
