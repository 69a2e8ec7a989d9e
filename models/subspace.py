"""What a sensor should read, given the few modes in which all sensors move: PCA."""

from typing import Final

import numpy as np
from sklearn.decomposition import PCA

from models.scaling import Floats

FIT_ROWS: Final = 40_000
MOST_MODES: Final = 24
SELF_KNOWN: Final = 0.95
"""A mode that one sensor has for itself says nothing of it; its own share is taken off up to so
much."""


def learn_modes(z: Floats) -> Floats:
    """Weights (k, k) that expect each sensor from all others through the modes; diagonal 0.

    As many modes as leave the smallest deviations when each sensor is left out of its own
    expectation (PRESS).
    """
    k = z.shape[1]
    most = min(k - 1, len(z) // 3, MOST_MODES)
    if k < 3 or most < 1:
        return np.zeros((k, k))
    rows = z[:: max(1, len(z) // FIT_ROWS)]
    # The whole covariance, exactly: randomised solvers draw numbers.
    parts = PCA(n_components=most, svd_solver="covariance_eigh").fit(rows).components_
    gram = rows.T @ rows
    tried = [_leaving_out(parts[:count]) for count in _counts(most)]
    left = [float(_press(gram, weights)) for weights in tried]
    return tried[int(np.argmin(left))]


def _counts(most: int) -> list[int]:
    return sorted({min(c, most) for c in (1, 2, 3, 4, 6, 8, 12, 16, 24)})


def _leaving_out(parts: Floats) -> Floats:
    """The projection with each sensor's own reading left out of its expectation."""
    whole = parts.T @ parts
    own = np.minimum(np.diag(whole), SELF_KNOWN)
    weights = whole / (1.0 - own)[None, :]
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


def _press(gram: Floats, weights: Floats) -> Floats:
    """Sum of squares of z - z @ weights, from z'z alone."""
    rest = np.eye(len(gram)) - weights
    return np.asarray(np.trace(rest.T @ gram @ rest))
