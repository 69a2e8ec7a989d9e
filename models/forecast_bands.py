"""Intervals from what a method's own back-test missed by: conformal, wider with the horizon."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm, t

from models.scaling import Floats

COVERAGES: Final = (0.8, 0.95)
LEAST_PAIRS: Final = 3
TIE: Final = 1e-9
LEAST_NEAR: Final = 7
WALK: Final = 0.5**0.5
LEAST_DEGREES: Final = 1.5
"""Blocks of residuals that a quantile is trusted with at least: below, it would be without end."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Half widths on the link's scale, (coverages, days ahead from 1)."""

    widths: Floats

    def at(self, coverage: float) -> Floats:
        """Half widths of one nominal coverage."""
        return np.asarray(self.widths[COVERAGES.index(coverage)])


def bands(missed: Floats, origins: np.ndarray, horizons: np.ndarray, days: int) -> Bands:
    """Half widths for 1 to `days` days ahead, from residuals (origins, horizons), NaN if unknown.

    Absolute residuals over the usual one of their horizon are pooled, and their quantile taken
    (split conformal, Lei et al. 2018). Origins overlap: the quantile is widened as Student's t is
    over the normal, by how many horizons fit into the back-test.
    """
    usual = usual_miss(missed, horizons, max(days, int(horizons.max(initial=1))))
    share = np.abs(missed) / np.maximum(usual[horizons - 1], 1e-12)[None, :]
    pooled = np.sort(share[np.isfinite(share) & (usual[horizons - 1] > 0)[None, :]])
    span = float(origins[-1] - origins[0] + 1) if len(origins) else 1.0
    degrees = np.maximum(span / np.arange(1, days + 1), LEAST_DEGREES)
    usual, widths = usual[:days], []
    for coverage in COVERAGES:
        quantile = _quantile(pooled, coverage)
        widened = t.ppf(0.5 + coverage / 2, degrees) / norm.ppf(0.5 + coverage / 2)
        widths.append(np.maximum.accumulate(usual * quantile * widened))
    return Bands(np.maximum.accumulate(np.array(widths), axis=0))


def held_out_coverage(
    missed: Floats, origins: np.ndarray, horizons: np.ndarray, judging_from: int, days: int
) -> dict[float, float | None]:
    """Share of held-out values inside, by nominal coverage: each origin's bands are from before it.

    Horizons up to `days`; null where no origin judges.
    """
    hits: dict[float, list[bool]] = {coverage: [] for coverage in COVERAGES}
    at = origins[:, None] + horizons[None, :]
    far = int(horizons.max())
    for i in np.flatnonzero(origins >= judging_from):
        judged = np.isfinite(missed[i]) & (horizons <= days)
        if not judged.any():
            continue
        past = origins < origins[i]
        known = np.where(at <= origins[i], missed, np.nan)[past]
        own = bands(known, origins[past], horizons, far)
        for coverage in COVERAGES:
            width = own.at(coverage)[horizons - 1]
            hits[coverage] += list((np.abs(missed[i]) <= width + TIE)[judged])
    return {one: float(np.mean(hit)) if hit else None for one, hit in hits.items()}


def smoothness(missed: Floats, horizons: np.ndarray) -> float:
    """Do misses keep their sign along the horizon (1: a wrong slope), or wander (0: a random walk)?

    From the correlation of misses of an origin at one horizon and at twice as far: a random walk's
    is the root of a half.
    """
    own, other = [], []
    for i, near in enumerate(horizons):
        j = int(np.abs(horizons - 2 * near).argmin())
        if near >= LEAST_NEAR and abs(horizons[j] - 2 * near) <= near / 5:
            pair = np.isfinite(missed[:, i]) & np.isfinite(missed[:, j])
            size = (
                np.sqrt((missed[pair][:, [i, j]] ** 2).mean(axis=0)) if pair.any() else np.zeros(2)
            )
            if size.all():
                own.append(missed[pair, i] / size[0])
                other.append(missed[pair, j] / size[1])
    if not own:
        return 0.0
    alike = float((np.concatenate(own) * np.concatenate(other)).mean())
    return float(np.clip((alike - WALK) / (1.0 - WALK), 0.0, 1.0))


def usual_miss(missed: Floats, horizons: np.ndarray, days: int) -> Floats:
    """Mean absolute residual for 1 to `days` ahead, never less than at a nearer day.

    Beyond the last horizon with LEAST_PAIRS it grows as a random walk's.
    """
    known = np.isfinite(missed)
    enough = known.sum(axis=0) >= LEAST_PAIRS
    if not enough.any():
        return np.zeros(days)
    mean = np.where(known, np.abs(np.nan_to_num(missed)), 0.0).sum(axis=0)[enough]
    mean = np.maximum.accumulate(mean / known.sum(axis=0)[enough])
    ahead = np.arange(1, days + 1)
    last = horizons[enough][-1]
    inside = np.interp(np.minimum(ahead, last), horizons[enough], mean)
    return np.asarray(inside * np.sqrt(np.maximum(ahead / last, 1.0)))


def _quantile(pooled: Floats, coverage: float) -> float:
    """The conformal quantile: one rank beyond the share."""
    if not len(pooled):
        return 0.0
    rank = min(int(np.ceil((len(pooled) + 1) * coverage)), len(pooled))
    return float(pooled[rank - 1])
