"""Losses weighed by uncertainty: Kendall's likelihood, and where its minimum lies."""

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from mmkeras.losses import uncertainty_weighted


@pytest.mark.parametrize("loss", [0.01, 1.0, 30.0])
def test_the_best_variance_is_twice_the_loss(loss):
    found = scipy.optimize.minimize_scalar(
        lambda s: float(uncertainty_weighted(np.float64(loss), np.float64(s))), bounds=(-10, 10)
    )
    assert found.x == pytest.approx(np.log(2 * loss), abs=1e-3)
    assert found.fun == pytest.approx((1 + np.log(2 * loss)) / 2, abs=1e-6)


def test_of_half_squared_errors_it_is_the_likelihood_of_a_normal_distribution():
    error, deviation = np.linspace(-3, 3, 7), 1.7
    made = uncertainty_weighted(error**2 / 2, np.log(np.full(7, deviation**2)))
    expected = -scipy.stats.norm.logpdf(error, scale=deviation) - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(made, expected, rtol=1e-6)
