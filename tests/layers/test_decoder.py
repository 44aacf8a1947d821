"""Stacks of decoder blocks: caches of all blocks, checkpointing, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers import (
    FeedForward,
    MultiHeadAttention,
    TransformerDecoder,
    TransformerDecoderBlock,
)

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(2, 4, 8)).astype("float32")
SOURCE = RNG.normal(size=(2, 3, 8)).astype("float32")


def decoder(cross=True, checkpoint=False, dropout=0.0):
    def attention():
        return MultiHeadAttention(8, num_heads=2, dropout=dropout)

    return TransformerDecoder(
        [
            TransformerDecoderBlock(
                attention(), FeedForward(8, 16, dropout), attention() if cross else None
            )
            for _ in range(2)
        ],
        keras.layers.RMSNormalization(),
        checkpoint=checkpoint,
    )


@pytest.mark.parametrize("wrap", ["eager", "graph", "xla"])
def test_token_by_token_is_all_at_once(wrap):
    layer = decoder()
    expected = layer(VALUES, SOURCE)

    def run(values, source):
        cache, made = layer.initial_cache(2, 4, source), []
        for t in range(4):
            part, cache = layer(values[:, t : t + 1], cache=cache)
            made.append(part)
        return tf.concat(made, axis=1)

    if wrap != "eager":
        run = tf.function(run, jit_compile=wrap == "xla")
    np.testing.assert_allclose(run(VALUES, SOURCE), expected, atol=1e-5)


def test_checkpointing_gives_the_same_gradients():
    results = []
    for checkpoint in (False, True):
        keras.utils.set_random_seed(0)
        layer, source = decoder(checkpoint=checkpoint, dropout=0.3), tf.constant(SOURCE)
        layer(VALUES, source)
        mask = np.array([[1, 1, 0], [1, 1, 1]], bool)
        with tf.GradientTape() as tape:
            tape.watch(source)
            result = layer(VALUES, source, source_mask=mask, training=True)
            loss = tf.reduce_sum(result**2)
        weights = [weight.value for weight in layer.trainable_variables]
        results.append([result, *tape.gradient(loss, [source, *weights])])
    for plain, again in zip(*results):
        np.testing.assert_allclose(again, plain, atol=2e-5)


def test_comes_back_from_a_file(tmp_path):
    inputs = keras.Input((None, 8)), keras.Input((None, 8))
    model = keras.Model(inputs, decoder()(*inputs))
    model.save(tmp_path / "decoder.keras")
    loaded = keras.saving.load_model(tmp_path / "decoder.keras")
    np.testing.assert_allclose(loaded([VALUES, SOURCE]), model([VALUES, SOURCE]), atol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match=r"at least one decoder block; got \[\]"):
        TransformerDecoder([])
