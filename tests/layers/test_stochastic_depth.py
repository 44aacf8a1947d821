"""Stochastic depth: how often, by how much, and only in training."""

import numpy as np
import pytest

from mmkeras.layers import StochasticDepth


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test_leaves_out_whole_samples_and_keeps_the_mean(rate):
    values = np.random.default_rng(0).normal(size=(8_000, 2, 3)).astype("float32") + 1
    result = np.array(StochasticDepth(rate, seed=0)(values, training=True))
    kept = result.any(axis=(1, 2))
    assert kept.mean() == pytest.approx(1 - rate, abs=0.02)
    np.testing.assert_allclose(result[kept], values[kept] / (1 - rate), rtol=1e-5)
    assert result.mean() == pytest.approx(values.mean(), rel=0.05)


def test_does_nothing_outside_of_training_or_at_rate_zero():
    values = np.ones((50, 3), "float32")
    np.testing.assert_array_equal(StochasticDepth(0.9)(values), values)
    still = StochasticDepth(0.0)
    np.testing.assert_array_equal(still(values, training=True), values)
    assert not still.variables


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_bad_input(rate):
    with pytest.raises(ValueError, match=rf"rate must be in \[0, 1\); got {rate}"):
        StochasticDepth(rate)
