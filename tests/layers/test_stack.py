"""Transformer stacks: masks reach the attention, and what is saved comes back."""

import keras
import numpy as np
import pytest

from mmkeras.layers import (
    ConformerBlock,
    ConformerConvolution,
    FeedForward,
    MultiHeadAttention,
    Residual,
    Size,
    TransformerEncoderBlock,
    TransformerStack,
)

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(2, 4, 8)).astype("float32")
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
SIZE = Size(dim=8, depth=2, num_heads=2, mlp_dim=16)


def test_masked_tokens_are_not_seen():
    stack = SIZE.stack()
    expected = np.array(stack(VALUES, attention_mask=MASK))
    garbage = np.where(MASK[..., None], VALUES, 1e3)
    actual = np.array(stack(garbage, attention_mask=MASK))
    np.testing.assert_allclose(actual[MASK], expected[MASK], atol=1e-5)
    for row, length in enumerate(MASK.sum(axis=1)):
        alone = stack(VALUES[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], expected[row, :length], atol=1e-5)


def test_order_of_tokens_does_not_matter_without_positions():
    stack = SIZE.stack()
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        np.array(stack(VALUES))[:, order], stack(VALUES[:, order]), atol=1e-5
    )


def test_dropout_is_for_training():
    stack = SIZE.stack(dropout=0.5)
    calm = np.array(stack(VALUES, training=False))
    np.testing.assert_array_equal(stack(VALUES, training=False), calm)
    assert np.abs(np.array(stack(VALUES, training=True)) - calm).max() > 0.01


def test_stochastic_depth_grows_with_depth():
    blocks = Size(8, 5, 2, 16).stack(stochastic_depth=0.2).blocks
    rates = [block.feed_forward_residual.stochastic_depth.rate for block in blocks]
    np.testing.assert_allclose(rates, [0.0, 0.05, 0.1, 0.15, 0.2])


def test_without_blocks_the_normalisation_is_left():
    stack = Size(8, 0, 2, 16).stack()
    expected = (VALUES - VALUES.mean(-1, keepdims=True)) / VALUES.std(-1, keepdims=True)
    np.testing.assert_allclose(stack(VALUES), expected, atol=1e-3)


@pytest.mark.parametrize("conformer", [False, True])
def test_comes_back_from_a_file(conformer, tmp_path):
    residual = Residual(
        keras.layers.RMSNormalization(), norm_first=False, layer_scale=0.1, stochastic_depth=0.1
    )
    feed_forward = FeedForward(8, 16, activation="silu", gated=True, use_bias=False)
    parts = [MultiHeadAttention(8, num_heads=2)]
    if conformer:
        convolution = ConformerConvolution(8, 3, norm=keras.layers.BatchNormalization())
        block = ConformerBlock(feed_forward, *parts, convolution, residual)
    else:
        block = TransformerEncoderBlock(*parts, feed_forward, residual)
    inputs = keras.Input((4, 8))
    model = keras.Model(inputs, TransformerStack(8, [block], checkpoint=True)(inputs))
    model.set_weights([RNG.normal(size=w.shape) ** 2 for w in model.get_weights()])
    model.save(tmp_path / "stack.keras")
    loaded = keras.saving.load_model(tmp_path / "stack.keras")
    np.testing.assert_allclose(loaded(VALUES), model(VALUES), atol=1e-6)
    assert loaded.layers[-1].checkpoint
