"""`ALiBi` against the slopes that its paper prints."""

import numpy as np
import pytest

from mmkeras.layers import ALiBi


@pytest.mark.parametrize(
    "num_heads, expected",
    [
        # Press et al. 2022, section 3: 1/2 to 1/2^8 for 8 heads, the interpolated ones for 16.
        (8, [2.0**-i for i in range(1, 9)]),
        (16, [2.0 ** (-i / 2) for i in range(1, 17)]),
        # Their released code: those of 8 heads, then every second of 16.
        (12, [*(2.0**-i for i in range(1, 9)), *(2.0 ** -(i + 0.5) for i in range(4))]),
        (1, [2.0**-8]),
    ],
)
def test_scores_fall_by_the_papers_slopes(num_heads, expected):
    bias = np.array(ALiBi(num_heads).at(0).block((), 0, 4, 0, 4))
    distances = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    np.testing.assert_allclose(bias[0], -np.multiply.outer(expected, distances), rtol=1e-6)


def test_a_block_is_cut_from_the_whole():
    bias = ALiBi(3).at(2)
    whole = np.array(bias.block((), 0, 10, 0, 12))
    np.testing.assert_array_equal(bias.block((), 3, 4, 5, 6), whole[:, :, 3:7, 5:11])


def test_needs_a_head():
    with pytest.raises(ValueError, match="num_heads must be at least 1; got 0"):
        ALiBi(0)
