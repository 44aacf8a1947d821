"""Rotary positions against complex numbers, of which they are the product."""

import keras
import numpy as np
import pytest

from mmkeras.layers import GridRotaryPositions, RotaryPositions

RNG = np.random.default_rng(0)
HEADS = RNG.normal(size=(2, 6, 3, 8)).astype("float32")


def turned(heads, positions, base):
    """Su et al. 2021, equation 14: pair i of token t times e^(i · t · base^(-2i/D))."""
    first, second = np.split(heads.astype("float64"), 2, axis=-1)
    half = first.shape[-1]
    angles = np.asarray(positions)[:, None] * base ** (-2 * np.arange(half) / (2 * half))
    pairs = (first + 1j * second) * np.exp(1j * angles)[:, None]
    return np.concatenate([pairs.real, pairs.imag], axis=-1)


@pytest.mark.parametrize("base, scale, offset", [(10_000.0, 1.0, 0), (500.0, 4.0, 7)])
def test_turns_by_the_formula(base, scale, offset):
    actual = RotaryPositions(base, scale)(HEADS, offset=offset)
    expected = turned(HEADS, (offset + np.arange(6)) / scale, base)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_patches_turn_with_row_and_column():
    actual = np.array(GridRotaryPositions(width=3, base=100.0)(HEADS))
    by_row = turned(HEADS[..., :4], [0, 0, 0, 1, 1, 1], 100.0)
    by_column = turned(HEADS[..., 4:], [0, 1, 2, 0, 1, 2], 100.0)
    np.testing.assert_allclose(actual, np.concatenate([by_row, by_column], -1), atol=1e-5)


def test_products_depend_on_distance_alone():
    layer = RotaryPositions()
    query, key = HEADS[:, :1], HEADS[:, 1:2]
    near, far = (
        np.sum(
            np.array(layer(query, offset=start)) * np.array(layer(key, offset=start + 5)), axis=-1
        )
        for start in (0, 900)
    )
    np.testing.assert_allclose(near, far, atol=1e-3)


def test_half_precision_tells_far_positions_apart():
    layer = RotaryPositions(dtype="bfloat16")
    heads = keras.ops.cast(HEADS, "bfloat16")
    actual = keras.ops.cast(layer(heads, offset=100_000), "float32")
    expected = turned(HEADS, 100_000 + np.arange(6), 10_000.0)
    np.testing.assert_allclose(actual, expected, atol=0.06)


@pytest.mark.parametrize("layer", [RotaryPositions(), GridRotaryPositions(width=3)])
def test_pairs_need_an_even_number_of_channels(layer):
    with pytest.raises(ValueError, match="heads have 7"):
        layer(HEADS[..., :7])


def test_refuses_what_cannot_be_an_angle():
    for arguments in ({"base": 0.0}, {"scale": -1.0}):
        with pytest.raises(ValueError, match="must be above 0"):
            RotaryPositions(**arguments)
    with pytest.raises(ValueError, match="width must be at least 1"):
        GridRotaryPositions(width=0)
