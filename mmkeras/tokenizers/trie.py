"""`Trie`: which of many strings begin at every place of a text."""

import functools
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from mmkeras.tokenizers.lookup import static_table

_CODE_BITS = 21


class Trie:
    """A tree of strings, walked from all places of a text at once, one character a step.

    Args:
        strings: `(string, number)`, the numbers not negative.

    Example:

    >>> trie = Trie([("a", 7), ("ab", 8)])
    >>> codes = tf.constant([ord(c) for c in "aab"])
    >>> trie.matches(codes, tf.constant([3, 3, 3])).numpy().tolist()
    [[7, -1], [7, 8], [-1, -1]]
    """

    def __init__(self, strings: Iterable[tuple[str, int]]):
        self._children: dict[int, int] = {}
        numbers = [-1]
        for string, number in strings:
            node = 0
            for character in string:
                key = node << _CODE_BITS | ord(character)
                node = self._children.setdefault(key, len(numbers))
                if node == len(numbers):
                    numbers.append(-1)
            numbers[node] = number
        self._numbers = np.array(numbers, "int32")

    @functools.cached_property
    def table(self) -> tf.lookup.StaticHashTable:
        """Node and character to the next node; -1 for none."""
        return static_table(list(self._children), list(self._children.values()), tf.int64, -1)

    def matches(self, codes: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
        """The strings at each place.

        Args:
            codes: int32 [N].
            ends: int32 [N], before which place a string that begins at each place has to end.

        Returns:
            int32 [N, K], the number of the string of 1, 2, ... K characters that begins at each
            place, K being the length of the longest one found, or 1; negative for none.
        """
        size = tf.size(codes)

        def step(place, node, length, found):
            code = tf.cast(tf.gather(codes, place + length), tf.int64)
            node = self.table.lookup(tf.cast(node, tf.int64) * (1 << _CODE_BITS) + code)
            alive = tf.where(node >= 0)[:, 0]
            place, node = tf.gather(place, alive), tf.gather(node, alive)
            column = tf.tensor_scatter_nd_update(
                tf.fill([size], -1), place[:, None], tf.gather(self._numbers, node)
            )
            found = found.write(length, column)
            more = tf.where(place + length + 1 < tf.gather(ends, place))[:, 0]
            return tf.gather(place, more), tf.gather(node, more), length + 1, found

        columns = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
        *_, columns = tf.while_loop(
            lambda place, node, length, found: (tf.size(place) > 0) | (length < 1),
            step,
            (tf.range(size), tf.zeros([size], tf.int32), 0, columns),
            shape_invariants=(*(tf.TensorShape([None]),) * 2, tf.TensorShape([]), None),
            parallel_iterations=1,
        )
        return tf.transpose(columns.stack())
