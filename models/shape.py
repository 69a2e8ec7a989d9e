"""How unlike all windows of the training rows the latest window of a sensor is: k-means."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.cluster import KMeans

from models.scaling import Floats, Mask

WIDTHS: Final = (8, 32)
"""Rows of a window: a short shape and a long one."""

POINTS: Final = 8
"""Means that a window is told by, however wide it is: noise within a point counts less."""

MOST_CENTRES: Final = 40
ROWS_PER_CENTRE: Final = 24
"""A centre for so many training windows, at most MOST_CENTRES."""

LEAST_ROWS: Final = 200
"""In a fold of fewer rows nothing recurs."""

LEAST_SIZE: Final = 0.3
SMALLEST: Final = 0.02
"""A centre's usual distance is at least this share of what all windows have, and so many scales."""

FIT_WINDOWS: Final = 1_500
PART: Final = 1_024
"""Rows a product is taken of at a time, always so many: BLAS then gives a row the same bits."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Centres (k, c, POINTS + 1) of the windows of each sensor, one array per width.

    The last number of a centre is how far its own training windows lie from it. Sensors without
    recurring shapes have NaN for centres.
    """

    widths: tuple[int, ...]
    centres: tuple[Floats, ...]

    def of(self, columns: slice) -> "Shapes":
        """Of some sensors."""
        return Shapes(self.widths, tuple(centres[columns] for centres in self.centres))

    def distances(self, whole: Floats, width: int) -> Floats:
        """Distance (n, k) of the window that ends at each row to the nearest centre; 0 before.

        RMS over its points, in usual distances of that centre: a quiet mode tells less noise.
        """
        return _distances(whole, width, self.centres[self.widths.index(width)])


def windows(whole: Floats, width: int) -> Floats:
    """POINTS means of each window that ends at a row, from row width - 1 on: (m, k, POINTS)."""
    each = width // POINTS
    summed = np.concatenate([np.zeros((1, whole.shape[1])), np.cumsum(whole, axis=0)])
    means = (summed[each:] - summed[:-each]) / each
    count = len(whole) - width + 1
    if count < 1:
        return np.empty((0, whole.shape[1], POINTS))
    return np.stack([means[i * each : i * each + count] for i in range(POINTS)], axis=-1)


def widths_for(rows: int) -> tuple[int, ...]:
    """The widths that a fold of so many rows has windows enough of."""
    return tuple(w for w in WIDTHS if rows >= max(8 * w, LEAST_ROWS))


def learn_shapes(whole: Floats, shaped: Mask, widths: tuple[int, ...]) -> Shapes:
    """Centres from evenly spaced training windows; the same rows give the same centres."""
    return Shapes(widths, tuple(_centres(whole, w, shaped) for w in widths))


def _centres(whole: Floats, width: int, shaped: Mask) -> Floats:
    own = windows(whole[:, shaped], width)
    thinned = own[:: max(1, len(own) // FIT_WINDOWS)]
    count = int(np.clip(len(thinned) // ROWS_PER_CENTRE, 1, MOST_CENTRES))
    centres = np.full((whole.shape[1], count, POINTS + 1), np.nan)
    for j, one in zip(np.flatnonzero(shaped), np.moveaxis(thinned, 1, 0), strict=True):
        some = min(count, len(np.unique(one, axis=0)))
        found = KMeans(some, n_init=1, max_iter=40, random_state=0).fit(one)
        centres[j] = _with_sizes(found, one)[np.minimum(np.arange(count), some - 1)]
    return centres


def _with_sizes(found: KMeans, one: Floats) -> Floats:
    """Centres with the usual distance of their windows, at least LEAST_SIZE of all windows'."""
    off = one - found.cluster_centers_[found.labels_]
    far = np.sqrt(np.mean(np.square(off), axis=1))
    least = max(LEAST_SIZE * float(np.quantile(far, 0.75)), SMALLEST)
    sizes = [float(np.mean(far[found.labels_ == c])) for c in range(found.n_clusters)]
    return np.column_stack([found.cluster_centers_, np.maximum(sizes, least)])


def _distances(whole: Floats, width: int, centres: Floats) -> Floats:
    out = np.zeros(whole.shape)
    padded = np.zeros((PART, POINTS))
    for j in np.flatnonzero(np.isfinite(centres[:, 0, 0])):
        own = windows(whole[:, [j]], width)[:, 0]
        points, usual = centres[j, :, :POINTS], centres[j, :, POINTS]
        size = np.square(points).sum(axis=-1)
        for at in range(0, len(own), PART):
            part = own[at : at + PART]
            padded[: len(part)] = part
            near = size - 2.0 * (padded @ points.T)[: len(part)]
            nearest = near.argmin(axis=1)
            least = near.min(axis=1) + np.square(part).sum(axis=1)
            begin = at + width - 1
            far = np.sqrt(np.maximum(least, 0.0) / POINTS)
            out[begin : begin + len(part), j] = far / usual[nearest]
    return out
