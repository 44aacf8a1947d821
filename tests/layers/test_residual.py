"""The residual connection: what stands where."""

import keras
import numpy as np
import pytest

from mmkeras.layers import Residual

RNG = np.random.default_rng(0)
VALUES, CHANGE = RNG.normal(size=(2, 2, 4, 8)).astype("float32")


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def rms_norm(x):
    return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-6)


@pytest.mark.parametrize("rms", [False, True])
def test_normalises_before_or_behind(rms):
    formula = rms_norm if rms else layer_norm
    for first in (True, False):
        norm = keras.layers.RMSNormalization() if rms else None
        residual = Residual(norm, norm_first=first)
        actual = residual(VALUES, CHANGE)
        before = residual.before(VALUES)
        np.testing.assert_allclose(before, formula(VALUES) if first else VALUES, atol=1e-5)
        total = VALUES + CHANGE
        np.testing.assert_allclose(actual, total if first else formula(total), atol=1e-5)


def test_scales_and_leaves_out_the_branch_alone():
    residual = Residual(factor=0.5, layer_scale=0.1)
    np.testing.assert_allclose(residual(VALUES, CHANGE), VALUES + 0.05 * CHANGE, atol=1e-6)
    many = np.ones((400, 1, 8), "float32")
    result = np.array(Residual(stochastic_depth=0.75)(many, many, training=True))
    assert set(result.ravel().tolist()) == {1.0, 5.0}
