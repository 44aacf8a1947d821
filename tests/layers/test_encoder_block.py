"""Encoder blocks against PyTorch's: outputs and gradients, both orders of norms, masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers import FeedForward, MultiHeadAttention, Residual, TransformerEncoderBlock

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:CUDA initialization")

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(2, 5, 8)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], bool)


def build(from_torch, norm_first):
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, activation="relu", batch_first=True, norm_first=norm_first
    )
    ours = TransformerEncoderBlock(
        MultiHeadAttention(8, num_heads=2),
        FeedForward(8, 16, activation="relu"),
        Residual(keras.layers.LayerNormalization(epsilon=1e-5), norm_first=norm_first),
    )
    ours.build((None, None, 8))
    from_torch.randomise(theirs)
    from_torch.encoder_block(theirs, ours)
    return theirs, ours


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("masked", ["nothing", "keys", "each query"])
def test_is_pytorchs_encoder_layer(from_torch, norm_first, masked):
    theirs, ours = build(from_torch, norm_first)
    given, expected_mask = None, {}
    if masked == "keys":
        given, expected_mask = MASK, {"src_key_padding_mask": torch.tensor(~MASK)}
    elif masked == "each query":
        causal = np.tril(np.ones((5, 5), bool))
        given, expected_mask = np.stack([causal] * 2), {"src_mask": torch.tensor(~causal)}
    x = torch.tensor(VALUES, requires_grad=True)
    expected = theirs.train()(x, **expected_mask)
    weight = np.where(MASK[..., None], RNG.normal(size=VALUES.shape), 0).astype("float32")
    (expected * torch.tensor(weight)).sum().backward()

    values = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(values)
        actual = ours(values, attention_mask=given)
        loss = tf.reduce_sum(actual * weight)
    kernels = [ours.attention.key.kernel.value, ours.feed_forward.expand.kernel.value]
    gradients = tape.gradient(loss, [values, *kernels])
    np.testing.assert_allclose(np.array(actual)[MASK], expected.detach().numpy()[MASK], atol=2e-5)
    np.testing.assert_allclose(gradients[0], x.grad.numpy(), atol=1e-4)
    key = theirs.self_attn.in_proj_weight.grad.numpy()[8:16]
    np.testing.assert_allclose(gradients[1], key.T, atol=1e-4)
    np.testing.assert_allclose(gradients[2], theirs.linear1.weight.grad.numpy().T, atol=1e-4)


def test_cross_attention_is_a_residual_step_too():
    ours = TransformerEncoderBlock(MultiHeadAttention(8, num_heads=2), FeedForward(8, 16))
    source = RNG.normal(size=(2, 3, 8)).astype("float32")
    actual = ours(VALUES, source=source)
    middle = VALUES + ours.attention(ours.attention_residual.before(VALUES), source=source)
    expected = middle + ours.feed_forward(ours.feed_forward_residual.before(middle))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_half_precision():
    policy = keras.DTypePolicy("mixed_bfloat16")
    keras.config.set_dtype_policy(policy)
    ours = TransformerEncoderBlock(MultiHeadAttention(8, num_heads=2), FeedForward(8, 16))
    assert ours(VALUES).dtype == "bfloat16"
    assert {weight.dtype for weight in ours.weights} == {"float32"}
