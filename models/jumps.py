"""Jumps of several series at once, and their sum, each in the spread it has had so far. Causal."""

from typing import Final

import numpy as np

from models.scaling import Floats

BEFORE: Final = 24
LEAST_BEFORE: Final = 4
"""Slots that a jump is measured from, and how many of them must be known."""

LEAST_AT_ONCE: Final = 2
"""Series that must be known at once for their sum to be."""

LEAST: Final = 24
"""Jumps, or sums, that must be known for their spread to be: two hours of production."""

OPEN: Final = 1.2
"""One deviation of a spread by medians, times the root of the number of values."""

LONE: Final = 0.9
"""Spread of the sum from which machines seem to move together by themselves, every day."""

MOST: Final = 6.0
"""What one machine may bring: a sum over the limit needs several."""

ANEW: Final = 12
"""Slots between two estimates of spread."""


def sums(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Of slots x machines: the sum in its spreads (t), and the machines' jumps in theirs (t, m).

    NaN where fewer than half are known, or than LEAST_AT_ONCE, or their spreads are not yet.
    """
    jump = jumps(values, window)
    z = jump / _spread_so_far(jump, window)
    known = np.isfinite(z)
    count = known.sum(axis=1)
    total = np.where(known, np.clip(z, -MOST, MOST), 0.0).sum(axis=1) / np.sqrt(
        np.maximum(count, 1)
    )
    total = np.where(count >= max(LEAST_AT_ONCE, values.shape[1] / 2), total, np.nan)
    usual = _spread_so_far(total[:, None], window)[:, 0]
    least = _spread_so_far(total[:, None], window, -OPEN)[:, 0]
    return total / np.where(least > LONE, usual, 1.0), z


def jumps(values: Floats, window: int) -> Floats:
    """Mean of the last `window` slots less that of the BEFORE in front of them (t, m).

    Where less than all is known of both it counts by what independent noise makes of so few; NaN
    where nothing is known of the window, or fewer than LEAST_BEFORE slots before it.
    """
    after, known = _trailing(values, window)
    before, seen = _trailing(values, BEFORE)
    before = np.vstack([np.full((window, values.shape[1]), np.nan), before[:-window]])
    seen = np.vstack([np.zeros((window, values.shape[1])), seen[:-window]])
    enough = (known >= 1) & (seen >= LEAST_BEFORE)
    # a mean of fewer slots is noisier
    noise = 1 / np.maximum(known, 1) + 1 / np.maximum(seen, 1)
    fewer = np.sqrt((1 / window + 1 / BEFORE) / noise)
    return np.asarray(np.where(enough, (after - before) * fewer, np.nan))


def _trailing(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean of what is known of the last `window` slots, and how many of them are (t, m)."""
    known = np.isfinite(values)
    lead = np.zeros((1, values.shape[1]))
    summed = np.cumsum(np.vstack([lead, np.where(known, values, 0.0)]), axis=0)
    counted = np.cumsum(np.vstack([lead, known]), axis=0)
    rows = np.arange(1, len(values) + 1)
    since = np.maximum(rows - window, 0)
    seen = counted[rows] - counted[since]
    mean = (summed[rows] - summed[since]) / np.maximum(seen, 1)
    return np.where(seen > 0, mean, np.nan), seen


def _spread_so_far(values: Floats, window: int, left_open: float = OPEN) -> Floats:
    """What is usual ANEW slots before each, anew every ANEW (t, m): of each machine or of all.

    1.4826 medians around 0, the larger of a machine's own and that of all of them, and larger by
    what so few independent values leave open. NaN where fewer than LEAST are known.
    """
    found = np.full(values.shape, np.nan)
    for at in range(2 * ANEW, len(values), ANEW):
        past = np.abs(values[: at - ANEW])  # what has just begun is not yet usual
        known = np.isfinite(past).sum(axis=0)
        enough = known >= LEAST
        if enough.any():
            apart = known[enough].sum() / window
            own = 1.4826 * np.nanmedian(past[:, enough], axis=0)
            all_of = 1.4826 * np.nanmedian(past[:, enough])
            found[at : at + ANEW, enough] = np.maximum(own, all_of) * (
                1 + left_open / np.sqrt(apart)
            )
    return np.asarray(np.where(found > 0, found, np.nan))
