"""`Merges`: byte-pair merging of many words at once, exactly as one merge after the other."""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.tokenizers.characters import shifted
from mmkeras.tokenizers.lookup import static_table

#: The rank of a pair that is never merged.
NEVER = np.iinfo("int32").max


class Merges:
    """Joins neighbouring symbols of words, the pair of the lowest rank first, the left one first.

    One merge after the other would take as many steps as a word has symbols. A step here joins
    every pair that no earlier merge can touch: whatever reaches the right symbol `r` of a pair
    before it is joined must be a merge `(r, s)` of lower rank, and `s`, where it is not there yet,
    must be made by merges of lower rank still, within the length of the longest `s` that any merge
    joins to `r`. So a pair goes at once if it has the lowest rank within that distance, on both
    sides. Steps are thus few, even for a word of a million symbols.

    Args:
        pairs: int64 [M, 3], left, right and joined symbol of each merge, in the order of rank.
        lengths: int [V], how many first symbols each symbol is made of.

    Example:

    >>> merges = Merges(np.array([[0, 1, 2], [2, 2, 3]]), np.array([1, 1, 2, 4]))
    >>> symbols, words = merges(tf.constant([0, 1, 0, 1, 1, 0]), tf.constant([0, 0, 0, 0, 0, 1]))
    >>> symbols.numpy().tolist(), words.numpy().tolist()
    ([3, 1, 0], [0, 0, 1])
    """

    def __init__(self, pairs: np.ndarray, lengths: np.ndarray):
        left, right, self._joined = pairs.T
        self._stride = len(lengths) + 1
        self._keys = self._key(left, right)
        # How far from a symbol, in first symbols, a merge with its neighbour may reach.
        self._reach_right = np.zeros(len(lengths), "int32")
        self._reach_left = np.zeros(len(lengths), "int32")
        np.maximum.at(self._reach_right, left, lengths[right])
        np.maximum.at(self._reach_left, right, lengths[left])
        farthest = int(max(self._reach_right.max(initial=1), self._reach_left.max(initial=1)))
        self._level = np.log2(np.arange(farthest + 1).clip(1)).astype("int32")
        # Merges that make a symbol which a merge of lower rank joins further, as no training makes
        # them often: a pair of such a rank has to wait for its turn in the whole word.
        used = np.full(len(lengths), NEVER, "int64")
        for side in (left, right):
            np.minimum.at(used, side, np.arange(len(pairs)))
        self._waits = used[self._joined] < np.arange(len(pairs))

    def _key(self, left: Any, right: Any) -> Any:
        """One number for a pair; that of an unknown symbol (-1) and another is no merge's."""
        return left * self._stride + right + 1

    @functools.cached_property
    def table(self) -> tf.lookup.StaticHashTable:
        """The key of a pair to its rank."""
        return static_table(self._keys, np.arange(len(self._keys)), tf.int64, NEVER)

    def __call__(self, symbols: tf.Tensor, words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Merges until no pair is left.

        Args:
            symbols: int32 [N], the first symbols of all words; -1 is one that no merge knows.
            words: int32 [N], the word each belongs to, ascending.

        Returns:
            The joined symbols and their words, int32 [P] each.
        """
        symbols, words, _ = tf.while_loop(
            lambda symbols, words, ranks: tf.reduce_any(ranks < NEVER),
            self._step,
            (symbols, words, self._ranks(symbols, words)),
            shape_invariants=(tf.TensorShape([None]),) * 3,
            parallel_iterations=1,
        )
        return symbols, words

    def _ranks(self, symbols: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """The rank of each symbol with the next one: int32 [N]."""
        wide = tf.cast(symbols, tf.int64)
        ranks = self.table.lookup(self._key(wide, shifted(wide, -1, -1)))
        return tf.where(words == shifted(words, -1, -1), ranks, NEVER)

    def _step(
        self, symbols: tf.Tensor, words: tf.Tensor, ranks: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Joins every pair that has the lowest rank as far as it could matter."""
        chosen = self._chosen(symbols, words, ranks)
        joined = tf.gather(tf.constant(self._joined, tf.int32), tf.gather(ranks, chosen))
        symbols = tf.tensor_scatter_nd_update(symbols, chosen[:, None], joined)
        gone = tf.scatter_nd(chosen[:, None] + 1, tf.ones_like(chosen), tf.shape(words, tf.int64))
        kept = tf.where(gone == 0)[:, 0]
        symbols, words = tf.gather(symbols, kept), tf.gather(words, kept)
        return symbols, words, self._ranks(symbols, words)

    def _chosen(self, symbols: tf.Tensor, words: tf.Tensor, ranks: tf.Tensor) -> tf.Tensor:
        """The places (int64, ascending) of the pairs to join now; no two of them overlap."""
        size = tf.size(symbols)
        pairs = tf.where(ranks < NEVER)[:, 0]
        place, rank = tf.cast(pairs, tf.int32), tf.gather(ranks, pairs)
        counts = tf.math.bincount(words)
        ends = tf.cumsum(counts)
        word = tf.gather(words, pairs)
        end = tf.gather(ends, word)
        begin = end - tf.gather(counts, word)

        # The lowest rank of the 1, 2, 4, ... pairs from each place on.
        lowest = [ranks]
        for level in range(int(self._level[-1])):
            lowest.append(tf.minimum(lowest[-1], shifted(lowest[-1], -(1 << level), NEVER)))
        lowest = tf.concat(lowest, axis=0)

        def within(start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
            level = tf.gather(self._level, count)
            start = tf.minimum(start, size - 1)
            last = tf.maximum(start + count - tf.bitwise.left_shift(1, level), 0)
            least = tf.minimum(
                tf.gather(lowest, level * size + start), tf.gather(lowest, level * size + last)
            )
            return tf.where(count > 0, least, NEVER)

        right = tf.gather(self._reach_right, tf.gather(symbols, pairs + 1))
        left = tf.gather(self._reach_left, tf.gather(symbols, pairs))
        right = tf.minimum(right, end - 1 - place)
        left = tf.minimum(left, place - begin)
        before, after = within(place - left, left), within(place + 1, right)
        free = (rank <= after) & (rank <= before)
        if self._waits.any():
            # int64: the rank, and the place in it.
            order = tf.cast(rank, tf.int64) * tf.cast(size, tf.int64) + pairs
            next_ = tf.math.unsorted_segment_min(order, word, tf.size(counts))
            free &= ~tf.gather(self._waits, rank) | (order == tf.gather(next_, word))
        # Of a row of equal pairs that overlap, such as those of "aaaa", every other one, once it is
        # settled where the row begins.
        places = tf.boolean_mask(pairs, free)
        new = places != shifted(places, 1, -2) + 1
        begins = tf.boolean_mask(places, new)
        settled = tf.gather(ranks, tf.maximum(begins - 1, 0)) != tf.gather(ranks, begins)
        row = tf.cumsum(tf.cast(new, tf.int32)) - 1
        even = (places - tf.gather(begins, row)) % 2 == 0
        return tf.boolean_mask(places, even & tf.gather(settled | (begins == 0), row))
