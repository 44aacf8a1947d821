"""Positions against the formula of Vaswani et al. 2017, section 3.5."""

import math

import numpy as np
import pytest

from mmkeras.layers import LearnedPositions, SinusoidalPositions, sinusoids


def test_sinusoids_are_their_formula():
    table = sinusoids(20, 8)
    for t in range(20):
        for i in range(4):
            angle = t / 10_000 ** (2 * i / 8)
            assert table[t, i] == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[t, 4 + i] == pytest.approx(math.cos(angle), abs=1e-6)
    with pytest.raises(ValueError, match="got 7"):
        sinusoids(3, 7)


@pytest.mark.parametrize("layer", [LearnedPositions(5), SinusoidalPositions(5)])
def test_are_added_from_the_first_place_on(layer):
    long = np.array(layer(np.zeros((2, 5, 8), "float32")))
    np.testing.assert_array_equal(long[0], long[1])
    ones = np.ones((1, 3, 8), "float32")
    np.testing.assert_allclose(layer(ones)[0], 1 + long[0, :3], atol=1e-6)
    assert len({tuple(place) for place in long[0].tolist()}) == 5


def test_a_longer_sequence_is_refused():
    with pytest.raises(ValueError, match="6 tokens is longer than max_length=5"):
        LearnedPositions(5)(np.zeros((1, 6, 8), "float32"))
