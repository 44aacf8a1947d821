"""`Trie`: which of many strings begin at places of a text."""

import functools
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from mmkeras.tokenizers.characters import CODE_POINTS, CharacterTable
from mmkeras.tokenizers.lookup import static_table

_CODE_BITS = 21


class Trie:
    """A tree of strings, walked from many places of a text at once, one character a step.

    Args:
        strings: all different, none empty; a string's number is its place among them.

    Example:

    >>> trie = Trie(["a", "ab"])
    >>> codes = tf.constant([ord(c) for c in "aab"])
    >>> trie.matches(codes, tf.range(3), tf.constant([3, 3, 3])).numpy().tolist()
    [[0, 0, -1], [-1, 1, -1]]
    """

    def __init__(self, strings: Iterable[str]):
        self._children: dict[int, int] = {}
        numbers = [-1]
        for number, string in enumerate(strings):
            node = 0
            for character in string:
                key = node << _CODE_BITS | ord(character)
                node = self._children.setdefault(key, len(numbers))
                if node == len(numbers):
                    numbers.append(-1)
            numbers[node] = number
        self._numbers = np.array(numbers, "int32")
        # Most walks end at the first step or the second one.
        first = np.full(CODE_POINTS, -1, "int64")
        goes_on = np.zeros(len(numbers), bool)
        for key, child in self._children.items():
            parent, code = divmod(key, 1 << _CODE_BITS)
            goes_on[parent] = True
            if parent == 0:
                first[code] = child
        self._first = CharacterTable.of(first)
        self._goes_on = goes_on

    @functools.cached_property
    def table(self) -> tf.lookup.StaticHashTable:
        """Node and character to the next node; -1 for none."""
        return static_table(list(self._children), list(self._children.values()), tf.int64, -1)

    def matches(self, codes: tf.Tensor, places: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
        """The strings that begin at each place.

        Args:
            codes: int32 [N].
            places: int32 [P], where strings are asked for.
            ends: int32 [P], before which place of the text each has to end; behind `places`.

        Returns:
            int32 [K, P], the number of the string of 1, 2, ... K characters at each place, K being
            the length of the longest one found, or 1; negative for none.
        """

        def arrived(number, node, length, found):
            alive = tf.where(node >= 0)[:, 0]
            number, node = tf.gather(number, alive), tf.gather(node, alive)
            row = tf.tensor_scatter_nd_update(
                tf.fill(tf.shape(places), -1), number[:, None], tf.gather(self._numbers, node)
            )
            more = tf.gather(self._goes_on, node)
            more &= tf.gather(places, number) + length + 1 < tf.gather(ends, number)
            return (
                tf.boolean_mask(number, more),
                tf.boolean_mask(node, more),
                length + 1,
                found.write(length, row),
            )

        def step(number, node, length, found):
            code = tf.gather(codes, tf.gather(places, number) + length)
            key = tf.cast(node, tf.int64) * (1 << _CODE_BITS) + tf.cast(code, tf.int64)
            return arrived(number, self.table.lookup(key), length, found)

        size = tf.size(places)
        rows = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
        *_, rows = tf.while_loop(
            lambda number, *_: tf.size(number) > 0,
            step,
            arrived(tf.range(size), self._first(tf.gather(codes, places)), 0, rows),
            shape_invariants=(*(tf.TensorShape([None]),) * 2, tf.TensorShape([]), None),
            parallel_iterations=1,
        )
        return rows.stack()
