"""The Conformer against NumPy, and that padding changes nothing."""

import keras
import numpy as np
import pytest

from mmkeras.layers import ConformerBlock, ConformerConvolution, FeedForward, MultiHeadAttention

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(3, 9, 8)).astype("float32")
LENGTHS = np.array([9, 5, 2])
MASK = np.arange(9) < LENGTHS[:, None]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normalised(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def by_hand(module, values):
    """Gulati et al. 2020, figure 2, for one sequence [T, D] without padding."""
    (a, a_bias), (b, b_bias) = module.expand.get_weights(), module.gate.get_weights()
    kernel, kernel_bias = module.depthwise.get_weights()
    hidden = (values @ a + a_bias) * sigmoid(values @ b + b_bias)
    half = module.kernel_size // 2
    padded = np.pad(hidden, [(half, half), (0, 0)])
    windows = [padded[t : t + module.kernel_size] for t in range(len(values))]
    hidden = normalised(np.stack([(w * kernel[:, :, 0]).sum(0) for w in windows]) + kernel_bias)
    c, c_bias = module.contract.get_weights()
    return (hidden * sigmoid(hidden)) @ c + c_bias


@pytest.mark.parametrize("kernel_size", [1, 3, 7])
def test_convolution_module_is_the_papers(kernel_size):
    module = ConformerConvolution(8, kernel_size)
    module.build(VALUES.shape)
    module.set_weights([RNG.normal(scale=0.5, size=w.shape) for w in module.get_weights()])
    module.norm.set_weights([np.ones(8), np.zeros(8)])
    garbage = np.where(MASK[..., None], VALUES, 1e3)
    actual = np.array(module(garbage, attention_mask=MASK))
    for row, length in enumerate(LENGTHS):
        expected = by_hand(module, VALUES[row, :length])
        np.testing.assert_allclose(actual[row, :length], expected, atol=1e-4)
        alone = module(VALUES[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], expected, atol=1e-4)


def block(**options):
    return ConformerBlock(
        FeedForward(8, 32, activation="silu"),
        MultiHeadAttention(8, num_heads=2),
        ConformerConvolution(8, kernel_size=3, **options),
    )


def test_block_is_equation_1():
    ours = block()
    actual = ours(VALUES)
    x = VALUES + 0.5 * np.array(ours.feed_forward(normalised(VALUES)))
    x = x + np.array(ours.attention(normalised(x)))
    x = x + np.array(ours.convolution(normalised(x)))
    x = x + 0.5 * np.array(ours.second_feed_forward(normalised(x)))
    np.testing.assert_allclose(actual, normalised(x), atol=1e-4)


def test_padding_changes_nothing():
    ours = block()
    garbage = np.where(MASK[..., None], VALUES, 1e3)
    actual = np.array(ours(garbage, attention_mask=MASK))
    for row, length in enumerate(LENGTHS):
        alone = ours(VALUES[row : row + 1, :length])
        np.testing.assert_allclose(actual[row, :length], alone[0], atol=1e-5)


def test_batch_statistics_are_those_of_real_tokens():
    results = []
    for mask, fill in ((MASK, 0.0), (MASK, 1e3)):
        keras.utils.set_random_seed(0)
        module = ConformerConvolution(8, 3, norm=keras.layers.BatchNormalization())
        values = np.where(MASK[..., None], VALUES, fill).astype("float32")
        result = np.array(module(values, attention_mask=mask, training=True))
        results.append((result[MASK], *module.norm.get_weights()))
    for clean, dirty in zip(*results):
        np.testing.assert_allclose(dirty, clean, atol=1e-4)


def test_bad_input():
    with pytest.raises(ValueError, match="kernel_size must be odd and positive; got 4"):
        ConformerConvolution(8, kernel_size=4)
