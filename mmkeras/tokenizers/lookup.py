"""Lookup tables that live beside the graphs which read them."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def static_table(
    keys: Sequence[Any],
    values: Sequence[int],
    key_dtype: tf.DType,
    default: int,
    value_dtype: tf.DType = tf.int32,
) -> tf.lookup.StaticHashTable:
    """A table of integers, made outside of whatever is being traced.

    All traces share it so, and it stays beside the strings, which never leave the CPU.

    Args:
        keys: all different; there may be none.
        values: as many.
        key_dtype: `tf.string`, or `tf.int64` for keys that are not negative.
        default: the value of what is no key.
        value_dtype: int32 or int64.

    Example:

    >>> table = static_table(["a", "b"], [3, 4], tf.string, -1)
    >>> table.lookup(tf.constant(["b", "c"])).numpy()
    array([ 4, -1], dtype=int32)
    """
    if not len(keys):  # which TensorFlow refuses
        keys, values = ["" if key_dtype == tf.string else -1], [default]
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(keys, key_dtype), tf.constant(values, value_dtype)
            ),
            default_value=default,
        )
