"""Checkpointing: the same numbers, also with dropout, from activations that are not kept."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers import Size, checkpointed

VALUES = np.random.default_rng(0).normal(size=(2, 4, 8)).astype("float32")
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)


def stacks():
    made = []
    for checkpoint in (False, True):
        keras.utils.set_random_seed(3)
        stack = Size(8, 2, 2, 16).stack(0.3, stochastic_depth=0.3, checkpoint=checkpoint)
        stack(VALUES)
        made.append(stack)
    return made


def gradients(stack):
    values = tf.constant(VALUES)
    weights = [weight.value for weight in stack.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = stack(values, attention_mask=MASK, training=True)
        loss = tf.reduce_sum(tf.square(result) * VALUES)
    return result, tape.gradient(loss, [values, *weights])


@pytest.mark.parametrize("wrap", ["eager", "graph", "xla"])
def test_values_and_gradients_are_the_same_with_dropout(wrap):
    results = []
    for stack in stacks():
        run = gradients
        if wrap != "eager":
            run = tf.function(gradients, jit_compile=wrap == "xla")
        first = run(stack)
        results.append([*tf.nest.flatten((first, run(stack)))])
        # Two steps leave out different units.
        assert np.abs(np.array(first[0]) - results[-1][len(results[-1]) // 2]).max() > 1e-3
    for plain, again in zip(*results):
        np.testing.assert_allclose(again, plain, atol=2e-5)


def test_statistics_move_once():
    layers = [keras.layers.BatchNormalization() for _ in range(2)]
    for layer in layers:
        layer.build(VALUES.shape)
    with tf.GradientTape() as tape:
        result = checkpointed(layers[0], tf.constant(VALUES), training=True)
    tape.gradient(result, layers[0].gamma.value)
    layers[1](VALUES, training=True)
    for one, other in zip(*(layer.get_weights() for layer in layers)):
        np.testing.assert_allclose(one, other, atol=1e-6)


TRAIN = """
import keras
import numpy as np
from mmkeras.layers import Size

x = np.random.default_rng(0).normal(size=(4, 3, 8)).astype("float32")
histories = []
for checkpoint in (False, True):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3, 8))
    stack = Size(8, 2, 2, 16).stack(0.3, checkpoint=checkpoint)
    model = keras.Model(inputs, stack(inputs))
    model.compile("adam", "mse")
    histories.append(model.fit(x, x**2, epochs=3, verbose=0).history["loss"])
np.testing.assert_allclose(*histories, rtol=1e-4)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_fit_learns_the_same(backend, in_backend):
    in_backend(backend, TRAIN)
