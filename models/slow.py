"""Baselines that follow a sensor slowly, as fast as its own training rows ask for."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.scaling import Floats

BLOCKS: Final = 48
SHORTEST_BLOCK: Final = 8
LONGEST_BLOCK: Final = 32
"""Rows between two steps of a baseline: a 48th of the training rows, within these."""

WAYS: Final = (
    (np.inf, False), (1.0, False), (0.25, False), (0.25, True), (0.0625, False), (0.0625, True),
)  # fmt: skip
"""Ways to follow: how long a baseline remembers, in lengths of the training rows (infinite: it
stands still), and whether it goes on as it went."""

WORTH: Final = 1.3
"""A later way must make the blocks' offsets this much smaller: what follows fast forgets what is
wrong."""

FASTEST: Final = 0.5
"""A baseline takes at most half of a block's offset."""

TREND: Final = 0.25
"""Share of what the baseline takes that its trend takes."""

DAMPED: Final = 0.98
"""A trend fades by this each block: what warms up does not warm for ever."""

DELAY: Final = 4
"""Blocks that a baseline waits before it follows: what has just begun may be a fault."""

HOLD: Final = 3.0
"""A sensor whose blocks lie further off than this many usual offsets stops adapting, alone."""

LEAST_OFFSET: Final = 0.05
"""Offsets of blocks spread by at least so much of a scale."""

ACCEPTED: Final = BLOCKS
"""After so many blocks off its baseline a sensor has a new one: so long were the training rows, or
longer."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Baselines of k sensors, moved once per block of `rows` rows.

    `start` and `slope` where they stand; `rate` and `trend` how they follow; `usual` offset of a
    block; `growth` (a, k) how much larger offsets are usual 2**a blocks after the last look.
    """

    start: Floats
    slope: Floats
    rate: Floats
    trend: Floats
    usual: Floats
    growth: Floats
    accepted: int
    rows: int

    def follow(self, deviations: Floats) -> tuple[Floats, "Slow"]:
        """Deviations less the baseline, over what has grown usual; and where it stands afterwards.

        Causal: a block is held against what the blocks before it left.
        """
        baseline, grown, after = self._walked(deviations)
        return (deviations - baseline) / grown, after

    def path(self, deviations: Floats) -> Floats:
        """The baseline at each row (n, k)."""
        return self._walked(deviations)[0]

    def _walked(self, deviations: Floats) -> tuple[Floats, Floats, "Slow"]:
        baseline, grown = np.empty_like(deviations), np.empty_like(deviations)
        walk = _Walk(self)
        for at in range(0, len(deviations), self.rows):
            block = slice(at, at + self.rows)
            baseline[block], grown[block] = walk.baseline, walk.grown()
            if at + self.rows <= len(deviations):
                walk.take(deviations[block].mean(axis=0))
        return baseline, grown, replace(self, start=walk.baseline, slope=walk.slope)

    def from_here(self, deviations: Floats) -> "Slow":
        """The same, for those that move started at the mean of these rows."""
        if not len(deviations):
            return self
        return replace(self, start=np.where(self.rate > 0, deviations.mean(axis=0), self.start))


class _Walk:
    """Baselines on their way through the blocks."""

    def __init__(self, slow: Slow) -> None:
        self.slow, self.baseline, self.slope = slow, slow.start.copy(), slow.slope.copy()
        self.age = np.zeros(len(slow.start), dtype=np.int64)
        self.recent: list[Floats] = []
        self.at = np.arange(len(slow.start))

    def grown(self) -> Floats:
        """How much larger offsets are usual by now (k)."""
        steps = np.minimum(np.log2(self.age + 1).astype(np.int64), len(self.slow.growth) - 1)
        return np.asarray(self.slow.growth[steps, self.at])

    def take(self, mean: Floats) -> None:
        """Go on by one block, whose mean is known now."""
        slow = self.slow
        off = np.abs(mean - self.baseline)
        held = off > HOLD * slow.usual * self.grown()
        self.recent = [*self.recent[-DELAY:], mean]
        late = self.recent[0] if len(self.recent) > DELAY else self.baseline
        error = np.where(held, 0.0, late - self.baseline)
        settled = ~held & (self.age > 0) & (off > HOLD * slow.usual)
        settled |= self.age >= slow.accepted
        self.age = np.where(held & ~settled, self.age + 1, 0)
        self.slope = DAMPED * self.slope + slow.trend * slow.rate * error
        self.baseline = self.baseline + self.slope + slow.rate * error
        if settled.any():
            near = np.mean(self.recent, axis=0)
            self.baseline = np.where(settled, near, self.baseline)
            self.slope = np.where(settled, 0.0, self.slope)


def learn_slow(deviations: Floats) -> Slow:
    """Per sensor the first of WAYS that leaves the blocks' offsets about as small as any does.

    A baseline that moves starts where the training rows end.
    """
    rows = int(np.clip(len(deviations) // BLOCKS, SHORTEST_BLOCK, LONGEST_BLOCK))
    count = max(len(deviations) // rows, 1)
    k = deviations.shape[1]
    means = deviations[: count * rows].reshape(count, -1, k).mean(axis=1)
    ways = [_followed(means, memory * len(deviations) / rows, trend) for memory, trend in WAYS]
    sizes = np.array([_rms(offsets) for offsets, _, _ in ways])
    chosen = np.argmax(sizes <= WORTH * np.maximum(sizes.min(axis=0), LEAST_OFFSET), axis=0)
    at = np.arange(k)
    baselines = np.array([baseline for _, baseline, _ in ways])[chosen, :, at].T
    slopes = np.array([slope for _, _, slope in ways])[chosen, :, at].T
    usual = np.maximum(sizes[chosen, at], LEAST_OFFSET)
    rates = np.array([_rate(memory * len(deviations) / rows) for memory, _ in WAYS])[chosen]
    return Slow(
        np.where(chosen > 0, baselines[-1], 0.0),
        np.where(chosen > 0, slopes[-1], 0.0),
        rates,
        TREND * np.array([trend for _, trend in WAYS])[chosen],
        usual,
        _growth(means, baselines, slopes, usual, chosen > 0),
        max(ACCEPTED, count),
        rows,
    )


def _rate(blocks: float) -> float:
    return min(2.0 / (blocks + 1.0), FASTEST) if np.isfinite(blocks) else 0.0


def _followed(means: Floats, memory: float, trend: bool) -> tuple[Floats, Floats, Floats]:
    """Offsets of block means, after the first quarter, and baselines and slopes after each."""
    rate = _rate(memory)
    baseline = means[: max(len(means) // 8, 1)].mean(axis=0) if rate else np.zeros(means.shape[1])
    slope = np.zeros_like(baseline)
    offsets, baselines, slopes = (np.empty_like(means) for _ in range(3))
    for i, mean in enumerate(means):
        offsets[i] = mean - baseline
        error = means[max(i - DELAY, 0)] - baseline
        slope = DAMPED * slope + (TREND * rate * error if trend else 0.0)
        baseline = baseline + slope + rate * error
        baselines[i], slopes[i] = baseline, slope
    return offsets[len(means) // 4 :], baselines, slopes


def _growth(
    means: Floats, baselines: Floats, slopes: Floats, usual: Floats, moves: np.ndarray
) -> Floats:
    """How much larger offsets are, 1, 2, 4, ... blocks after the baseline was last moved (a, k)."""
    begin, grown = len(means) // 4, [np.ones(means.shape[1])]
    ahead = 1
    while begin + ahead < len(means) - 8:
        faded = (1 - DAMPED**ahead) / (1 - DAMPED)
        guess = baselines[begin : -ahead - 1] + slopes[begin : -ahead - 1] * faded
        grown.append(_rms(means[begin + 1 + ahead :] - guess) / usual)
        ahead *= 2
    # Beyond what was seen, as a wander would go on.
    grown += [grown[-1] * 2.0 ** (0.5 * n) for n in range(1, 12 - len(grown))]
    return np.where(moves, np.maximum.accumulate(np.array(grown), axis=0), 1.0)


def _rms(offsets: Floats) -> Floats:
    return np.asarray(np.sqrt(np.mean(np.square(offsets), axis=0)))
