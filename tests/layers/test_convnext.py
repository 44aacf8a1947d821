"""ConvNeXt blocks over time: the block in NumPy, and what masks hide."""

import numpy as np
import pytest
from scipy.special import erf

from mmkeras.layers import ConvNeXtBlock

RNG = np.random.default_rng(0)


def test_is_the_papers_block():
    block = ConvNeXtBlock(dim=6, mlp_dim=10, kernel_size=3, initial_scale=0.5)
    values = RNG.normal(size=(2, 5, 6)).astype("float32")
    made = block(values)
    block.set_weights([RNG.normal(size=w.shape) for w in block.get_weights()])
    made = np.array(block(values))
    kernel, bias = block.depthwise.get_weights()
    padded = np.pad(values, [[0, 0], [1, 1], [0, 0]])
    mixed = sum(padded[:, i : i + 5] * kernel[i, :, 0] for i in range(3)) + bias
    gamma, beta = block.norm.get_weights()
    centred = mixed - mixed.mean(-1, keepdims=True)
    normal = centred / np.sqrt(mixed.var(-1, keepdims=True) + 1e-6) * gamma + beta
    hidden = normal @ block.expand.get_weights()[0] + block.expand.get_weights()[1]
    hidden = 0.5 * hidden * (1 + erf(hidden / np.sqrt(2)))
    hidden = hidden @ block.contract.get_weights()[0] + block.contract.get_weights()[1]
    expected = values + block.scale.get_weights()[0] * hidden
    # Keras' GELU is the one with the error function, or its usual approximation.
    np.testing.assert_allclose(made, expected, atol=0.02)


def test_masked_tokens_and_ends_change_nothing():
    block = ConvNeXtBlock(dim=4, mlp_dim=8, initial_scale=1.0)
    values = RNG.normal(size=(1, 9, 4)).astype("float32")
    mask = np.arange(9)[None] < 5
    made = np.array(block(np.where(mask[..., None], values, 1e6), mask))
    np.testing.assert_allclose(made[:, :5], block(values[:, :5]), atol=1e-5)


def test_configuration_comes_back():
    block = ConvNeXtBlock(4, 8, kernel_size=5, initial_scale=0.3)
    assert ConvNeXtBlock.from_config(block.get_config()).get_config() == block.get_config()
    with pytest.raises(ValueError, match="kernel_size must be odd and positive; got 4"):
        ConvNeXtBlock(4, 8, kernel_size=4)
