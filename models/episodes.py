"""From scores to events: on-delay, hysteresis, off-delay. Causal."""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.scaling import Floats

ON_WINDOW: Final = 6
ON_ROWS: Final = 4
"""An event starts once so many of the last ON_WINDOW rows are over the limit."""

OFF_LEVEL: Final = 0.8
OFF_ROWS: Final = 30
"""It ends after so many rows in a row below OFF_LEVEL: a score that dithers is one event."""


def event_ids(
    score: Floats,
    *,
    on_window: int = ON_WINDOW,
    on_rows: int = ON_ROWS,
    off_rows: int = OFF_ROWS,
) -> npt.NDArray[np.int64]:
    """Number of the event each row is in (1, 2, ...), 0 outside; depends on no later row."""
    over = np.concatenate([[0], np.cumsum(score > 1.0)])
    rows = np.arange(1, len(score) + 1)
    on = np.flatnonzero(over[rows] - over[np.maximum(rows - on_window, 0)] >= on_rows)
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
