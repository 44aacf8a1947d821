"""Masks of lengths, however many places there are."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers.lengths import up_to


@pytest.mark.parametrize("size", [1, 511, 512, 513, 1024, 2000])
def test_true_up_to_the_length(size):
    lengths = np.unique(
        np.clip([0, 1, 511, 512, 513, 1023, 1024, size - 1, size, size + 7], 0, None)
    )
    expected = np.arange(size)[None] < lengths[:, None]
    assert np.array_equal(up_to(lengths.astype("int32"), size), expected)


def test_a_size_that_is_not_known_before():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)])
    def mask(lengths, size):
        return up_to(lengths, size)

    made = mask(tf.constant([0, 600]), tf.constant(700))
    assert np.array_equal(made, np.arange(700)[None] < np.array([[0], [600]]))


def test_no_place_is_a_constant_of_its_own():
    """What an exported model would have to carry with it."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def mask(lengths):
        return up_to(lengths, 100_000)

    graph = mask.get_concrete_function().graph
    constants = [op for op in graph.get_operations() if op.type in ("Const", "Range")]
    assert max(op.outputs[0].shape.num_elements() or 0 for op in constants) <= 512
