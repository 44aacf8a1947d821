"""`RelativeBias` against T5's buckets, distance by distance."""

import math

import numpy as np
import pytest

from mmkeras.layers import RelativeBias


def bucket(distance, num_buckets, max_distance, bidirectional):
    """Raffel et al. 2020, section 2.1, for one distance (key - query)."""
    first = 0
    if bidirectional:
        num_buckets //= 2
        first = num_buckets if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    exact = num_buckets // 2
    if distance < exact:
        return first + distance
    # float32, as in the released models: some distances lie on a border.
    ratio = np.float32(math.log(np.float32(distance / exact))) / math.log(max_distance / exact)
    return first + min(exact + int(ratio * (num_buckets - exact)), num_buckets - 1)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("num_buckets, max_distance", [(32, 128), (16, 100), (8, 5)])
def test_each_distance_has_t5s_bucket(num_buckets, max_distance, bidirectional):
    layer = RelativeBias(2, num_buckets, max_distance, bidirectional)
    layer.build(None)
    layer.table.assign(np.arange(2 * num_buckets, dtype="float32").reshape(num_buckets, 2))
    size = 2 * max_distance
    bias = layer.at(0)
    actual = np.array(bias.block(bias.tensors, 0, size, 0, size))
    for query in (0, size // 2, size - 1):
        expected = [
            bucket(key - query, num_buckets, max_distance, bidirectional) for key in range(size)
        ]
        for head in range(2):
            np.testing.assert_array_equal(actual[0, head, query], 2 * np.array(expected) + head)


def test_a_block_is_cut_from_the_whole():
    layer = RelativeBias(2)
    layer.build(None)
    bias = layer.at(2)
    whole = np.array(bias.block(bias.tensors, 0, 10, 0, 12))
    np.testing.assert_array_equal(bias.block(bias.tensors, 3, 4, 5, 6), whole[:, :, 3:7, 5:11])


@pytest.mark.parametrize(
    "arguments",
    [{"num_heads": 0}, {"num_heads": 2, "num_buckets": 2}, {"num_heads": 2, "max_distance": 8}],
)
def test_refuses_too_few(arguments):
    with pytest.raises(ValueError, match="RelativeBias needs a head"):
        RelativeBias(**arguments)
