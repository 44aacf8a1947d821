"""Feed-forward layers against their formulas."""

import keras
import numpy as np
import pytest

from mmkeras.layers import FeedForward

VALUES = np.random.default_rng(0).normal(size=(2, 4, 8)).astype("float32")


def test_is_two_dense_layers():
    layer = FeedForward(dim=8, mlp_dim=16)
    actual = layer(VALUES)
    first, first_bias, second, second_bias = layer.get_weights()
    hidden = np.array(keras.activations.gelu(VALUES @ first + first_bias))
    np.testing.assert_allclose(actual, hidden @ second + second_bias, atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("relu", lambda x: np.maximum(x, 0)),
        (keras.activations.tanh, np.tanh),
    ],
)
def test_gated_is_shazeers_formula(activation, formula):
    layer = FeedForward(8, 16, activation=activation, gated=True, use_bias=False)
    actual = layer(VALUES)
    gate, expand, contract = (x.kernel.numpy() for x in (layer.gate, layer.expand, layer.contract))
    np.testing.assert_allclose(
        actual, (formula(VALUES @ gate) * (VALUES @ expand)) @ contract, atol=1e-5
    )
    assert len(layer.get_weights()) == 3


def test_dropout_is_for_training():
    layer = FeedForward(8, 16, dropout=0.5)
    assert (np.array(layer(VALUES, training=True)) == 0).mean() == pytest.approx(0.5, abs=0.25)
    assert np.array(layer(VALUES)).all()


def test_comes_back_from_its_configuration():
    layer = FeedForward(8, 16, 0.1, activation="silu", gated=True, use_bias=False)
    assert FeedForward.from_config(layer.get_config()).get_config() == layer.get_config()


def test_bad_input():
    with pytest.raises(ValueError, match="dim=8 and mlp_dim=0"):
        FeedForward(8, 0)
