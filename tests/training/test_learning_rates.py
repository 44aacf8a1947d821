"""The finder finds where a known problem diverges, and leaves the model as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.training import learning_rates


def linear(optimizer):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, "mse")
    x = np.ones((64, 1), "float32")
    return model, tf.data.Dataset.from_tensor_slices((x, 3 * x)).batch(16)


def state_of(model):
    variables = (*model.variables, *model.optimizer.variables)
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def test_it_stops_where_gradient_descent_diverges():
    # The second derivative is 2: steps longer than 1 diverge, unless they have met the minimum.
    model, _ = linear(keras.optimizers.SGD())
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 1)).astype("float32")
    y = 3 * x + random.normal(size=(64, 1)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    found = learning_rates(model, data, 1e-3, 1e3, steps=200, smoothing=0.0)
    assert 0.02 < found.rates[int(np.argmin(found.losses))] < 1.1
    assert 0.5 < found.rates[-1] < 10
    assert found.suggestion == pytest.approx(found.rates[int(np.argmin(found.losses))] / 10)


def test_losses_are_those_of_single_steps():
    model, data = linear(keras.optimizers.SGD())
    weight = float(model.layers[0].kernel[0, 0])
    found = learning_rates(model, data, 1e-3, 1e-2, steps=5, smoothing=0.0)
    for rate, loss in zip(found.rates, found.losses):
        assert loss == pytest.approx((weight - 3) ** 2, rel=1e-3)
        weight -= rate * 2 * (weight - 3)


def test_the_model_is_as_before():
    model, data = linear(keras.optimizers.Adam(0.05))
    model.fit(data, epochs=2, verbose=0, shuffle=False)
    before = state_of(model)
    learning_rates(model, data, 1e-3, 1.0, steps=20)
    for old, new in zip(before, state_of(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_model_is_as_before_when_it_fails():
    def batches():
        for _ in range(5):
            yield np.ones((16, 1), "float32"), np.ones((16, 1), "float32")
        raise OSError("the disk is gone")

    spec = tf.TensorSpec((None, 1), "float32")
    data = tf.data.Dataset.from_generator(batches, output_signature=(spec, spec))
    model, _ = linear(keras.optimizers.Adam(0.05))
    model.optimizer.build(model.trainable_variables)
    before = state_of(model)
    with pytest.raises(tf.errors.UnknownError, match="the disk is gone"):
        learning_rates(model, data, 1e-3, 1.0, steps=20)
    for old, new in zip(before, state_of(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_first_loss_that_is_no_number_is_an_error():
    model, _ = linear(keras.optimizers.Adam(0.05))
    x = np.full((16, 1), np.nan, "float32")
    weight = float(model.layers[0].kernel[0, 0])
    with pytest.raises(ValueError, match=r"the first loss is not finite, at a rate of 0.001"):
        learning_rates(model, tf.data.Dataset.from_tensors((x, x)), 1e-3, 1.0, steps=20)
    assert float(model.layers[0].kernel[0, 0]) == weight


def test_what_it_cannot_do():
    model, data = linear(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)))
    with pytest.raises(ValueError, match="follows a schedule"):
        learning_rates(model, data)
    model, data = linear("sgd")
    with pytest.raises(ValueError, match="rates must grow"):
        learning_rates(model, data, 1.0, 0.1)
    with pytest.raises(ValueError, match="not compiled"):
        learning_rates(keras.Sequential([keras.layers.Dense(1)]), data)
