"""From scores to events: on-delay, hysteresis, off-delay. Causal."""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.scaling import Floats

ON_WINDOW: Final = 4
ON_ROWS: Final = 3
"""An event starts once so many of the last ON_WINDOW rows are over the limit."""

EVIDENCE: Final = 1.0
"""And once so much lies over the limit in all: a score of 3 in a row, of 1.2 in five."""

MOST_EVIDENCE: Final = 2.0
LEAST_EVIDENCE: Final = -0.5
"""What one row adds at most, and takes away at most."""

OFF_LEVEL: Final = 0.8
OFF_ROWS: Final = 15
"""It ends after so many rows in a row below OFF_LEVEL: a score that dithers is one event."""


def event_ids(
    score: Floats,
    *,
    on_window: int = ON_WINDOW,
    on_rows: int = ON_ROWS,
    off_rows: int = OFF_ROWS,
    evidence: float = EVIDENCE,
) -> npt.NDArray[np.int64]:
    """Number of the event each row is in (1, 2, ...), 0 outside; depends on no later row."""
    over = np.concatenate([[0], np.cumsum(score > 1.0)])
    rows = np.arange(1, len(score) + 1)
    enough = over[rows] - over[np.maximum(rows - on_window, 0)] >= on_rows
    on = np.flatnonzero(enough & (weighed(score) >= evidence))
    loud = np.concatenate([[0], np.cumsum(score >= OFF_LEVEL)])
    quiet = (rows >= off_rows) & (loud[rows] == loud[np.maximum(rows - off_rows, 0)])
    off = np.flatnonzero(quiet)
    ids = np.zeros(len(score), dtype=np.int64)
    at, number = 0, 0
    while (i := int(np.searchsorted(on, at))) < len(on):
        start, number = int(on[i]), number + 1
        j = int(np.searchsorted(off, start + 1))
        end = int(off[j]) if j < len(off) else len(score)
        ids[start:end] = number
        at = end + 1
    return ids


def weighed(score: Floats) -> Floats:
    """Sum of what lies over the limit and under it, never below 0 (a CUSUM; Page 1954)."""
    summed = np.cumsum(np.clip(score - 1.0, LEAST_EVIDENCE, MOST_EVIDENCE))
    return np.asarray(summed - np.minimum(np.minimum.accumulate(summed), 0.0))


def sustained(score: Floats) -> Floats:
    """The ON_ROWS-th largest of the last ON_WINDOW scores: how high a limit starts no event."""
    lead = np.concatenate([np.zeros(ON_WINDOW - 1), score])
    near = np.lib.stride_tricks.sliding_window_view(lead, ON_WINDOW)
    return np.asarray(np.partition(near, ON_WINDOW - ON_ROWS, axis=1)[:, ON_WINDOW - ON_ROWS])
