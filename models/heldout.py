"""What a detector's channels say of rows that its models never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models import channels as ch
from models.channels import Baseline, Choice
from models.neighbours import SETTLED_ROWS
from models.scaling import Floats, Rows
from models.season import Season

FOLDS: Final = 5

MOST_ROWS: Final = 16_000
"""Rows of a fold that are judged, its middle: more say little more of a tail, and cost as much."""

LEAD: Final = 0.05
"""Share of the training rows before a fold that its baselines settle on, at least SETTLED_ROWS."""

MOST_LEAD: Final = 3_000

Fold = npt.NDArray[np.int64]


def folds_of(rows: int) -> list[Fold]:
    """Contiguous folds: neighbours in time know each other, so they are held out together."""
    return np.array_split(np.arange(rows), FOLDS)


def leave(rows: Rows, fold: Fold) -> Rows:
    """The rows without a fold."""
    keep = np.ones(len(rows), dtype=np.bool_)
    keep[fold] = False
    return rows[keep]


Judged = tuple[Baseline, Floats, Floats, Floats, int]
"""A baseline, what its `split` says of a fold after a lead-in, how many rows to leave out."""


def judged(base: Baseline, rows: Rows, fold: Fold) -> Judged:
    """A fold by a model that never saw it, which settles on the rows before it, as at scoring.

    The table's first rows never settle and are left out.
    """
    lead = int(np.clip(LEAD * len(rows), SETTLED_ROWS, MOST_LEAD))
    spare = max(len(fold) - MOST_ROWS, 0) // 2
    begin = int(fold[0]) + spare
    first = max(begin - lead, 0)
    out = max(begin, min(lead, SETTLED_ROWS)) - first
    part = rows[first : int(fold[-1]) + 1 - spare]
    z = base.deviations(part)
    base = replace(base, level_slow=base.level_slow.from_here(base.filled(z)[:out]))
    whole, rest, settled = base.split(z, part.seconds)
    return (
        replace(base, residual_slow=base.residual_slow.from_here(rest[:out])),
        whole, rest, settled, out,
    )  # fmt: skip


def explained(rows: Rows, folds: Sequence[Fold], season: Season) -> tuple[Floats, Floats, Floats]:
    """Held-out sums of squares (k): deviations, what neighbours leave of them, what modes do."""
    k = rows.values.shape[1]
    sums = np.zeros((3, k))
    every = np.ones(k, dtype=np.bool_)
    none = ~every
    choices = (Choice(every, none, none), Choice(none, every, none))
    for fold in folds:
        kept = leave(rows, fold)
        for at, choice in enumerate(choices):
            _, whole, rest, _, lead = judged(ch.learn(kept, season, choice), rows, fold)
            sums[0] += np.square(whole[lead:]).sum(axis=0) / 2
            sums[1 + at] += np.square(rest[lead:]).sum(axis=0)
    return sums[0], sums[1], sums[2]


def statistics(
    rows: Rows, folds: Sequence[Fold], season: Season, choice: Choice, spans: tuple[int, ...]
) -> Iterator[tuple[str, int, Floats]]:
    """Kind, span and statistic (n, k) of one channel at a time, held out."""
    leads, parts = [], []
    for fold in folds:
        base, whole, rest, settled, lead = judged(
            ch.learn(leave(rows, fold), season, choice), rows, fold
        )
        leads.append(lead)
        residual = base.residual_slow.follow(rest)[0]
        parts.append(ch.channels(base, ch.Parts(whole, rest, residual, settled), spans))
        del whole, rest, residual
    for channel in zip(*parts, strict=True):
        held = [s[lead:] for lead, (_, _, s) in zip(leads, channel, strict=True)]
        yield channel[0][0], channel[0][1], np.vstack(held)
