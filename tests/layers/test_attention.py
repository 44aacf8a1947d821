"""Attention against its formula in NumPy and against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.layers import AttentionMask, MultiHeadAttention, dot_product_attention
from mmkeras.layers.chunked_attention import chunked_attention

RNG = np.random.default_rng(0)


def random(*shape):
    return RNG.normal(size=shape).astype("float32")


def reference(query, key, value, mask=None):
    """Vaswani et al. 2017, equation 1, head by head in float64."""
    result = np.zeros((*query.shape[:3], value.shape[-1]))
    for b in range(query.shape[0]):
        for n in range(query.shape[2]):
            q, k, v = (x[b, :, n].astype("float64") for x in (query, key, value))
            weights = np.exp(q @ k.T / np.sqrt(q.shape[-1]))
            if mask is not None:
                weights = weights * mask[b, n]
            total = weights.sum(axis=-1, keepdims=True)
            result[b, :, n] = np.divide(weights, total, where=total > 0, out=0 * weights) @ v
    return result


def test_is_its_formula_and_keras_own():
    query, key, value = random(2, 3, 4, 8), random(2, 5, 4, 8), random(2, 5, 4, 8)
    mask = RNG.random((2, 4, 3, 5)) < 0.6
    mask[..., 0] = True
    for seen in (None, mask):
        actual = np.array(dot_product_attention(query, key, value, seen))
        np.testing.assert_allclose(actual, reference(query, key, value, seen), atol=1e-5)
        keras_own = keras.ops.dot_product_attention(query, key, value, mask=seen)
        np.testing.assert_allclose(actual, keras_own, atol=1e-5)


def test_a_query_without_keys_gets_zeros_in_value_and_gradient():
    query, key, value = (tf.constant(random(1, 2, 1, 4)) for _ in range(3))
    mask = np.array([[[[False, False], [True, False]]]])
    with tf.GradientTape() as tape:
        tape.watch([query, key, value])
        result = dot_product_attention(query, key, value, mask)
        loss = tf.reduce_sum(tf.square(result))
    assert not result[0, 0].numpy().any()
    np.testing.assert_allclose(result[0, 1], value[0, 0], atol=1e-6)
    to_query, to_key, to_value = tape.gradient(loss, [query, key, value])
    assert not to_query[0, 0].numpy().any()
    assert not to_key[0, 1].numpy().any() and not to_value[0, 1].numpy().any()
    assert all(np.isfinite(g).all() for g in (to_query, to_key, to_value))


@pytest.mark.parametrize("scale", [1e3, 1e18])
def test_large_scores_stay_finite(scale):
    query, key, value = scale * random(1, 2, 1, 4), random(1, 3, 1, 4), random(1, 3, 1, 4)
    assert np.isfinite(dot_product_attention(query, key, value)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_gives_its_own_dtype(dtype):
    parts = [random(1, 4, 2, 8) for _ in range(3)]
    result = dot_product_attention(*(keras.ops.cast(part, dtype) for part in parts))
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    np.testing.assert_allclose(keras.ops.cast(result, "float32"), reference(*parts), atol=0.05)


def test_errors():
    good = random(1, 2, 1, 4)
    with pytest.raises(ValueError, match=r"\(1, 2, 4\)"):
        dot_product_attention(good[:, :, 0], good, good)
    with pytest.raises(ValueError, match=r"bool \[B, S\].*got float32 \(1, 1, 2, 2\)"):
        dot_product_attention(good, good, good, np.ones((1, 1, 2, 2), "float32"))
    with pytest.raises(ValueError, match="num_heads=3 and dim=8"):
        MultiHeadAttention(dim=8, num_heads=3)


@pytest.mark.parametrize("cross", [False, True])
def test_layer_is_keras_multi_head_attention(cross):
    query, source = random(2, 3, 8), random(2, 5, 6)
    source = source if cross else query
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]], bool)[:, : source.shape[1]]
    ours = MultiHeadAttention(dim=8, num_heads=2)
    ours(query, source=source)
    theirs = keras.layers.MultiHeadAttention(num_heads=2, key_dim=4)
    theirs(query, source)
    heads = []
    for name in ("query", "key", "value"):
        kernel, bias = getattr(ours, name).get_weights()
        bias = random(*bias.shape)
        getattr(ours, name).set_weights([kernel, bias])
        heads += [kernel.reshape(-1, 2, 4), bias.reshape(2, 4)]
    kernel, bias = ours.output_projection.get_weights()
    theirs.set_weights([*heads, kernel.reshape(2, 4, 8), bias])
    for seen, wide in ((mask, mask[:, None]), (np.repeat(mask[:, None], 3, axis=1),) * 2):
        np.testing.assert_allclose(
            ours(query, source=source if cross else None, attention_mask=seen),
            theirs(query, source, attention_mask=wide),
            atol=1e-5,
        )


@settings(max_examples=80, deadline=None)
@given(
    batch=st.integers(1, 2),
    length=st.integers(1, 12),
    num_keys=st.integers(1, 12),
    heads=st.sampled_from([(1, 1), (4, 2), (3, 1)]),
    dims=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seen=st.floats(0, 1),
    causal=st.booleans(),
    chunk=st.none() | st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_is_its_formula_for_any_shape_and_mask(
    batch, length, num_keys, heads, dims, seen, causal, chunk, seed
):
    draw = np.random.default_rng(seed)
    (num_heads, shared), (dim, width) = heads, dims
    shapes = (length, num_heads, dim), (num_keys, shared, dim), (num_keys, shared, width)
    query, key, value = (draw.normal(size=(batch, *s)).astype("float32") for s in shapes)
    dense = draw.random((batch, num_heads, length, num_keys)) < seen
    mask = AttentionMask(dense=dense, causal=causal)
    allowed = dense & (np.tri(length, num_keys, dtype=bool) if causal else True)
    repeated = (x.repeat(num_heads // shared, axis=2) for x in (key, value))
    expected = reference(query, *repeated, allowed)
    if chunk is None:
        actual = dot_product_attention(query, key, value, mask)
    else:
        parts = map(tf.constant, (query, key, value))
        scale = dim**-0.5
        actual = chunked_attention(*parts, mask, None, scale, None, 0.0, None, chunk=chunk)
    np.testing.assert_allclose(actual, expected, atol=2e-5)
