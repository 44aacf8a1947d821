"""`argmax` against NumPy's."""

import numpy as np

from mmkeras.layers.argmax import argmax


def test_is_numpys():
    scores = np.random.default_rng(0).integers(-2, 3, (50, 4, 5)) * np.float32(0.5)
    made = np.array(argmax(scores))
    assert made.dtype == np.int32
    np.testing.assert_array_equal(made, scores.argmax(axis=-1))


def test_minus_zero_is_zero():
    assert int(argmax(np.array([-0.0, 0.0, -1.0], "float32"))) == 0
    assert int(argmax(np.full(3, -np.inf, "float32"))) == 0
