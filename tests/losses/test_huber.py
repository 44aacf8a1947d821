"""Huber's loss against SciPy and Keras."""

import keras
import numpy as np
import pytest
import scipy.special

from mmkeras.losses import huber


@pytest.mark.parametrize("delta", [0.5, 1.0, 3.0])
def test_is_scipys_and_keras(delta):
    random = np.random.default_rng(0)
    target, prediction = random.normal(size=(2, 50)).astype("float32") * 3
    actual = np.array(huber(target, prediction, delta))
    np.testing.assert_allclose(
        actual, scipy.special.huber(delta, prediction - target), rtol=1e-4, atol=1e-6
    )
    theirs = keras.losses.Huber(delta, reduction=None)(target[:, None], prediction[:, None])
    np.testing.assert_allclose(actual, theirs, rtol=1e-4, atol=1e-6)
    assert actual.shape == (50,)
