"""Attention, whole and in chunks, against PyTorch: every mask, eager, in a graph and under XLA."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers import (
    ALiBi,
    AttentionMask,
    RelativeBias,
    dot_product_attention,
    plain_attention,
)
from mmkeras.layers.attention_bias import DenseBias
from mmkeras.layers.chunked_attention import chunked_attention

BATCH, LENGTH, HEADS, SHARED, DIM, WIDTH = 2, 21, 4, 2, 8, 6
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(BATCH, LENGTH, HEADS, DIM)).astype("float32")
KEY = RNG.normal(size=(BATCH, LENGTH, SHARED, DIM)).astype("float32")
VALUE = RNG.normal(size=(BATCH, LENGTH, SHARED, WIDTH)).astype("float32")
UPSTREAM = RNG.normal(size=(BATCH, LENGTH, HEADS, WIDTH)).astype("float32")
BIAS = RNG.normal(size=(1, HEADS, LENGTH, LENGTH)).astype("float32")
KEYS = RNG.random((BATCH, LENGTH)) < 0.7
KEYS[1] = False
SEGMENTS = np.sort(RNG.integers(0, 3, (BATCH, LENGTH)), axis=1).astype("int32")
DENSE = RNG.random((BATCH, HEADS, LENGTH, LENGTH)) < 0.6
AGO = np.arange(LENGTH)[:, None] - np.arange(LENGTH)[None]
MASKS = {
    "none": (None, AGO < LENGTH),
    "keys": (AttentionMask(keys=KEYS), KEYS[:, None, None]),
    "causal": (AttentionMask(causal=True), AGO >= 0),
    "window": (AttentionMask(window=5), abs(AGO) < 5),
    "all by position": (
        AttentionMask(causal=True, window=4, keys=KEYS),
        (AGO >= 0) & (AGO < 4) & KEYS[:, None, None],
    ),
    "segments": (
        AttentionMask(query_segments=SEGMENTS),
        SEGMENTS[:, None, :, None] == SEGMENTS[:, None, None],
    ),
    "dense": (DENSE, DENSE),
}


def of_torch(allowed, soft_cap):
    """The result, and the gradients of query, key, value and, with a soft cap, bias."""
    torch = pytest.importorskip("torch")
    query, key, value, bias = (
        torch.tensor(part, requires_grad=True) for part in (QUERY, KEY, VALUE, BIAS)
    )
    group = HEADS // SHARED
    allowed = torch.tensor(np.broadcast_to(allowed, DENSE.shape).copy())
    parts = (query, key.repeat_interleave(group, 2), value.repeat_interleave(group, 2))
    parts = tuple(part.transpose(1, 2) for part in parts)
    if soft_cap is None:
        # PyTorch gives NaN where nothing is allowed; there, everything is, and counts nothing.
        some = allowed.any(-1, keepdim=True)
        attend = torch.nn.functional.scaled_dot_product_attention
        result = attend(*parts, attn_mask=allowed | ~some) * some
    else:
        scores = parts[0] @ parts[1].transpose(-1, -2) / DIM**0.5
        scores = soft_cap * torch.tanh(scores / soft_cap) + bias
        weights = torch.softmax(scores.masked_fill(~allowed, -1e30), -1)
        result = (weights * allowed.any(-1, keepdim=True)) @ parts[2]
    result = result.transpose(1, 2)
    result.backward(torch.tensor(UPSTREAM))
    used = (query, key, value) if soft_cap is None else (query, key, value, bias)
    return [result.detach().numpy(), *(part.grad.numpy() for part in used)]


def of_ours(mask, soft_cap, chunk, compiled=None):
    def run(query, key, value, bias):
        given = None if soft_cap is None else DenseBias(bias)
        with tf.GradientTape() as tape:
            used = [query, key, value] if soft_cap is None else [query, key, value, bias]
            tape.watch(used)
            if chunk is None:
                result = dot_product_attention(
                    query, key, value, mask, bias=given, soft_cap=soft_cap, chunked=False
                )
            else:
                result = chunked_attention(
                    query,
                    key,
                    value,
                    AttentionMask.of(mask),
                    given,
                    DIM**-0.5,
                    soft_cap,
                    dropout=0.0,
                    seed=None,
                    chunk=chunk,
                )
        return [result, *tape.gradient(result, used, output_gradients=UPSTREAM)]

    if compiled is not None:
        run = tf.function(run, **compiled)
    return [part.numpy() for part in run(*map(tf.constant, (QUERY, KEY, VALUE, BIAS)))]


UNKNOWN = [tf.TensorSpec((None, None, *part.shape[2:])) for part in (QUERY, KEY, VALUE)]
UNKNOWN.append(tf.TensorSpec((1, HEADS, None, None)))
MODES = {
    "plain": {"chunk": None},
    "eager": {"chunk": 8},
    "graph": {"chunk": 8, "compiled": {}},
    "three chunks": {"chunk": 7, "compiled": {}},
    "xla": {"chunk": 8, "compiled": {"jit_compile": True}},
    "unknown lengths": {"chunk": 8, "compiled": {"input_signature": UNKNOWN}},
}


@pytest.mark.filterwarnings("ignore:CUDA initialization")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("soft_cap", [None, 2.0])
@pytest.mark.parametrize("name", MASKS)
def test_is_pytorchs_in_value_and_gradient(name, soft_cap, mode):
    mask, allowed = MASKS[name]
    expected = of_torch(allowed, soft_cap)
    actual = of_ours(mask, soft_cap, **MODES[mode])
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_as_exact_as_its_inputs(dtype):
    parts = [keras.ops.cast(part, dtype) for part in (QUERY, KEY, VALUE)]
    mask = AttentionMask(causal=True)
    exact = dot_product_attention(*(keras.ops.cast(p, "float32") for p in parts), mask)
    result = chunked_attention(*parts, mask, None, DIM**-0.5, None, 0.0, None, chunk=8)
    assert result.dtype == dtype
    difference = keras.ops.cast(result, "float32") - exact
    assert (
        float(keras.ops.max(keras.ops.abs(difference))) < {"float16": 4e-3, "bfloat16": 3e-2}[dtype]
    )


def test_gradient_is_the_slope_also_of_what_dropout_leaves():
    query, key, value = (tf.constant(part[:, :9]) for part in (QUERY, KEY, VALUE))
    direction = [tf.constant(RNG.normal(size=part.shape), tf.float32) for part in (query, key)]
    mask = AttentionMask(causal=True)

    def loss(step):
        parts = [part + step * along for part, along in zip((query, key), direction)]
        made = chunked_attention(*parts, value, mask, None, 0.3, None, 0.5, [1, 2], chunk=4)
        return tf.reduce_sum(made * UPSTREAM[:, :9])

    step = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(step)
        result = loss(step)
    slope = (loss(0.01) - loss(-0.01)) / 0.02
    np.testing.assert_allclose(tape.gradient(result, step), slope, rtol=5e-3)


def test_dropout_keeps_the_mean_and_its_rate():
    value = tf.eye(LENGTH, batch_shape=[BATCH])[:, :, None].numpy().repeat(SHARED, axis=2)
    made = [
        chunked_attention(
            0 * QUERY, 0 * KEY, value, AttentionMask(), None, 1.0, None, 0.4, [seed, 0], chunk=8
        )
        for seed in range(30)
    ]
    assert np.mean(np.equal(made, 0)) == pytest.approx(0.4, abs=0.02)
    assert np.mean(made) == pytest.approx(1 / LENGTH, rel=0.03)


@pytest.mark.parametrize("layer", [ALiBi(HEADS), RelativeBias(HEADS, num_buckets=8)])
def test_a_bias_by_position_is_the_same_in_chunks(layer):
    layer.build(None)
    results = []
    for chunk in (None, 8):
        with tf.GradientTape() as tape:
            bias = layer.at(3)
            if chunk is None:
                made = dot_product_attention(QUERY, KEY, VALUE, bias=bias, chunked=False)
            else:
                mask = AttentionMask()
                parts = map(tf.constant, (QUERY, KEY, VALUE))
                made = chunked_attention(
                    *parts, mask, bias, DIM**-0.5, None, 0.0, None, chunk=chunk
                )
            loss = tf.reduce_sum(made * UPSTREAM)
        weights = [weight.value for weight in layer.trainable_variables]
        changes = [tf.convert_to_tensor(change) for change in tape.gradient(loss, weights)]
        results.append([made.numpy(), *changes])
    for plain, chunked in zip(*results, strict=True):
        np.testing.assert_allclose(chunked, plain, atol=2e-5)


def test_long_sequences_are_computed_in_chunks_unless_asked_otherwise():
    """LiteRT's runtime fails at the loop over chunks."""
    length = 1_600
    parts = [RNG.normal(size=(1, length, 1, 4)).astype("float32") for _ in range(3)]
    specs = [tf.TensorSpec(part.shape) for part in parts]
    results = []
    for is_plain in (False, True):
        function = tf.function(lambda *p: dot_product_attention(*p), input_signature=specs)
        with plain_attention() if is_plain else contextlib.nullcontext():
            graph = function.get_concrete_function().graph
        assert any("While" in node.type for node in graph.get_operations()) != is_plain
        results.append(function(*parts))
    np.testing.assert_allclose(*results, atol=2e-5)
