"""Measures of scores row by row: balanced accuracy and VUS-PR; point-adjusted F1 is not offered.

Point adjustment counts a whole fault as found once one of its rows is: a score of pure chance wins
by it. By events, and with false alarms beside, speaks `models.evaluate`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.scaling import Floats

Bools = npt.NDArray[np.bool_]

MOST_BUFFER: Final = 100
LENGTHS: Final = 11
"""Buffer lengths that VUS is averaged over, evenly spaced from 0 to L."""

THRESHOLDS: Final = 250
"""As in the authors' own code: more make no difference to the second digit."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows inside and outside of faults, alarmed on or not; counts of several frames add up."""

    hit: int
    missed: int
    false: int
    calm: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.hit + other.hit,
            self.missed + other.missed,
            self.false + other.false,
            self.calm + other.calm,
        )

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the shares of faulty rows alarmed on and of other rows left alone.

        Null where there are no rows of one sort. Always-alarm and never-alarm have 0.5.
        """
        faulty, sound = self.hit + self.missed, self.false + self.calm
        return (self.hit / faulty + self.calm / sound) / 2 if faulty and sound else None


def counts(alarm: Bools, faulty: Bools) -> Counts:
    """Rows counted for `Counts.balanced_accuracy`."""
    return Counts(
        int((alarm & faulty).sum()),
        int((~alarm & faulty).sum()),
        int((alarm & ~faulty).sum()),
        int((~alarm & ~faulty).sum()),
    )


def buffer_length(faulty: Bools) -> int:
    """The L of VUS: the median length of the faults, at most MOST_BUFFER rows."""
    first, last = _spans(faulty)
    return int(min(np.median(last - first + 1), MOST_BUFFER)) if len(first) else 0


def vus_pr(score: Floats, faulty: Bools, longest: int | None = None) -> float | None:
    """Volume under the surface of precision, recall and buffer length (Paparrizos et al. 2022).

    The mean of range-AUC-PR over buffer lengths from 0 to `longest` rows (default `buffer_length`);
    higher scores are more anomalous; null where no row is faulty.
    """
    if not faulty.any():
        return None
    lengths = np.linspace(0, buffer_length(faulty) if longest is None else longest, LENGTHS)
    ordered = np.sort(score)[::-1]
    thresholds = ordered[np.linspace(0, len(score) - 1, THRESHOLDS).astype(np.int64)]
    # How many rows each threshold takes, ties together.
    taken = len(score) - np.searchsorted(ordered[::-1], thresholds, side="left")
    order = np.argsort(-score, kind="stable")
    areas = [
        _range_area(
            score, buffered(faulty, int(length)), int(faulty.sum()), thresholds, taken, order
        )
        for length in np.unique(lengths.astype(np.int64))
    ]
    return float(np.mean(areas))


def buffered(faulty: Bools, length: int) -> Floats:
    """Labels from 0 to 1: around each fault they fall as sqrt(1 - distance / length).

    Half a length to either side; where slopes of two faults meet they add up, to 1 at most.
    """
    label = faulty.astype(np.float64)
    half = length // 2
    slope = np.sqrt(1.0 - np.arange(1, half + 1) / max(length, 1))
    for first, last in zip(*_spans(faulty), strict=True):
        before, after = min(half, int(first)), min(half, len(label) - 1 - int(last))
        label[first - before : first] += slope[:before][::-1]
        label[last + 1 : last + 1 + after] += slope[:after]
    return np.minimum(label, 1.0)


def _range_area(
    score: Floats,
    label: Floats,
    faulty_rows: int,
    thresholds: Floats,
    taken: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
) -> float:
    """Range-AUC-PR: recall times the share of faults touched, precision stepwise."""
    hit = np.cumsum(label[order])[taken - 1]
    recall = np.minimum(hit / ((faulty_rows + label.sum()) / 2), 1.0)
    first, last = _spans(label > 0)
    peaks = np.sort(np.maximum.reduceat(np.append(score, -np.inf), _edges(first, last))[::2])
    touched = 1.0 - np.searchsorted(peaks, thresholds, side="left") / len(peaks)
    precision = hit / taken
    return float(np.sum(np.diff(recall * touched, prepend=0.0) * precision))


def _spans(inside: Bools) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First and last rows of the runs of true."""
    steps = np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8))
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1


def _edges(first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.stack([first, last + 1], axis=1).ravel()
