"""Ridge weights of all sensors at once, against one scikit-learn fit per sensor."""

import numpy as np
import pytest
from plants import SENSORS, plant
from sklearn.linear_model import Ridge

from models import neighbours
from models.neighbours import MEMORIES, RIDGE, ewma, learn_weights, predict


def scaled(rows):
    values = plant(rows, seed=5).select(SENSORS).to_numpy()
    return (values - values.mean(axis=0)) / values.std(axis=0)


@pytest.mark.parametrize("rows", [200, 3000])
def test_weights_equal_a_ridge_of_each_sensor_on_the_others(rows):
    z = scaled(rows)
    k = z.shape[1]
    weights = learn_weights(z)
    has_past = len(weights) > k
    assert has_past == (rows == 3000)
    past = [ewma(z, span, from_first=True) for span in MEMORIES] if has_past else []
    given = np.hstack([z, *past])
    alpha = RIDGE * len(z) + given.shape[1]
    expected = np.zeros_like(weights)
    for j in range(k):
        others = np.arange(given.shape[1]) % k != j
        fit = Ridge(alpha=alpha, fit_intercept=False).fit(given[:, others], z[:, j])
        expected[others, j] = fit.coef_
        assert predict(z, weights)[:, j] == pytest.approx(fit.predict(given[:, others]), abs=1e-9)
    assert weights == pytest.approx(expected, abs=1e-9)


def test_a_lone_sensor_has_no_neighbours():
    z = scaled(500)[:, :1]
    assert not learn_weights(z).any()
    assert not predict(z, learn_weights(z)).any()
    assert neighbours.residuals(z, learn_weights(z))[1].shape == z.shape
