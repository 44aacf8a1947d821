"""Transformer blocks: what they are made of, and that masks reach the attention."""

import keras
import numpy as np

from mmkeras.layers import FeedForward, TransformerBlock, TransformerStack

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(2, 4, 8)).astype("float32")
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)


def test_block_is_two_residual_steps():
    block = TransformerBlock(dim=8, num_heads=2, mlp_dim=16)
    source = RNG.normal(size=(2, 5, 8)).astype("float32")
    actual = block(VALUES, source=source)
    middle = VALUES + block.attention(block.attention_norm(VALUES), source=source)
    expected = middle + block.feed_forward.contract(
        block.feed_forward.expand(block.feed_forward_norm(middle))
    )
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_feed_forward_is_two_dense_layers():
    layer = FeedForward(dim=8, mlp_dim=16)
    actual = layer(VALUES)
    first, first_bias, second, second_bias = layer.get_weights()
    hidden = np.array(keras.activations.gelu(VALUES @ first + first_bias))
    np.testing.assert_allclose(actual, hidden @ second + second_bias, atol=1e-5)


def test_masked_tokens_are_not_seen():
    stack = TransformerStack(dim=8, depth=2, num_heads=2, mlp_dim=16)
    expected = np.array(stack(VALUES, attention_mask=MASK))
    garbage = np.where(MASK[..., None], VALUES, 1e3)
    actual = np.array(stack(garbage, attention_mask=MASK))
    np.testing.assert_allclose(actual[MASK], expected[MASK], atol=1e-5)
    for row, length in enumerate(MASK.sum(axis=1)):
        alone = stack(VALUES[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], expected[row, :length], atol=1e-5)


def test_order_of_tokens_does_not_matter_without_positions():
    stack = TransformerStack(dim=8, depth=1, num_heads=2, mlp_dim=16)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        np.array(stack(VALUES))[:, order], stack(VALUES[:, order]), atol=1e-5
    )


def test_dropout_is_for_training():
    stack = TransformerStack(dim=8, depth=1, num_heads=2, mlp_dim=16, dropout=0.5)
    calm = np.array(stack(VALUES, training=False))
    np.testing.assert_array_equal(stack(VALUES, training=False), calm)
    assert np.abs(np.array(stack(VALUES, training=True)) - calm).max() > 0.01
