"""Decoder blocks against PyTorch's; token by token against all at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers import FeedForward, MultiHeadAttention, Residual, TransformerDecoderBlock

pytestmark = pytest.mark.filterwarnings("ignore:CUDA initialization")

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(2, 5, 8)).astype("float32")
SOURCE = RNG.normal(size=(2, 4, 8)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]], bool)
SOURCE_MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)


def block(cross=True, norm_first=True):
    return TransformerDecoderBlock(
        MultiHeadAttention(8, num_heads=2),
        FeedForward(8, 16, activation="relu"),
        MultiHeadAttention(8, num_heads=2) if cross else None,
        Residual(keras.layers.LayerNormalization(epsilon=1e-5), norm_first=norm_first),
    )


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_is_pytorchs_decoder_layer(from_torch, norm_first, masked):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.TransformerDecoderLayer(
        8, 2, 16, dropout=0.0, activation="relu", batch_first=True, norm_first=norm_first
    )
    ours = block(norm_first=norm_first)
    ours.build(VALUES.shape, SOURCE.shape)
    from_torch.randomise(theirs)
    from_torch.decoder_block(theirs, ours)
    later = torch.tensor(np.triu(np.ones((5, 5), bool), 1))
    x, s = (torch.tensor(part, requires_grad=True) for part in (VALUES, SOURCE))
    their_masks = our_masks = {}
    if masked:
        their_masks = {
            "tgt_key_padding_mask": torch.tensor(~MASK),
            "memory_key_padding_mask": torch.tensor(~SOURCE_MASK),
        }
        our_masks = {"attention_mask": MASK, "source_mask": SOURCE_MASK}
    expected = theirs(x, s, tgt_mask=later, **their_masks)
    weight = np.where(MASK[..., None], RNG.normal(size=VALUES.shape), 0).astype("float32")
    (expected * torch.tensor(weight)).sum().backward()
    inputs = [tf.constant(VALUES), tf.constant(SOURCE)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        actual = ours(*inputs, **our_masks)
        loss = tf.reduce_sum(actual * weight)
    weights = [ours.cross_attention.value.kernel.value, ours.feed_forward.contract.kernel.value]
    gradients = tape.gradient(loss, [*inputs, *weights])
    np.testing.assert_allclose(np.array(actual)[MASK], expected.detach().numpy()[MASK], atol=2e-5)
    value = theirs.multihead_attn.in_proj_weight.grad.numpy()[16:].T
    contract = theirs.linear2.weight.grad.numpy().T
    for ours_, theirs_ in zip(gradients, (x.grad.numpy(), s.grad.numpy(), value, contract)):
        np.testing.assert_allclose(ours_, theirs_, atol=1e-4)


@pytest.mark.parametrize("cross", [True, False])
@pytest.mark.parametrize("steps", [(1, 1, 1, 1, 1), (3, 1, 1), (2, 3), (5,)])
def test_token_by_token_is_all_at_once(cross, steps):
    layer = block(cross)
    given = (SOURCE,) if cross else ()
    masks = {"source_mask": SOURCE_MASK} if cross else {}
    expected = np.array(layer(VALUES, *given, **masks))
    cache = layer.initial_cache(2, 7, *given)
    made, start = [], 0
    for count in steps:
        part, cache = layer(VALUES[:, start : start + count], **masks, cache=cache)
        made.append(part)
        start += count
    np.testing.assert_allclose(np.concatenate(made, axis=1), expected, atol=1e-5)


def test_later_tokens_are_not_seen():
    layer = block()
    changed = VALUES.copy()
    changed[:, 3:] += 1
    before, after = layer(VALUES, SOURCE), layer(changed, SOURCE)
    np.testing.assert_allclose(before[:, :3], after[:, :3], atol=1e-6)
    assert np.abs(np.array(before - after)[:, 3:]).min() > 0


def test_bad_input():
    with pytest.raises(ValueError, match="needs a source"):
        block()(VALUES)
    layer = block()
    layer(VALUES, SOURCE)
    with pytest.raises(ValueError, match="source=None"):
        layer(VALUES)
    with pytest.raises(ValueError, match=r"source=\(2, 4, 8\)"):
        block(cross=False)(VALUES, SOURCE)
