"""LayerScale against its formula."""

import numpy as np

from mmkeras.layers import LayerScale

VALUES = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")


def test_is_a_product_of_each_channel():
    layer = LayerScale(0.25)
    np.testing.assert_allclose(layer(VALUES), 0.25 * VALUES)
    layer.set_weights([np.array([1.0, -2.0, 0.0])])
    np.testing.assert_allclose(layer(VALUES), VALUES * [1.0, -2.0, 0.0])


def test_half_precision_stays():
    layer = LayerScale(0.25, dtype="mixed_bfloat16")
    assert layer(VALUES).dtype == "bfloat16"
    assert LayerScale.from_config(layer.get_config()).initial == 0.25
