"""`Segmentation`: the most probable way to cut words into pieces, for many words at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mmkeras.tokenizers.chains import reached
from mmkeras.tokenizers.characters import runs
from mmkeras.tokenizers.trie import Trie

# The characters of a longer word are searched in stretches of so many, all stretches at once.
_STRETCH = 512
# Sums that differ by less are taken for the same where a stretch is joined to the next one.
_SAME = 1e-9


class Segmentation:
    """Viterbi's algorithm over the unigram probabilities of pieces.

    Kudo, "Subword Regularization: Improving Neural Network Translation Models with Multiple
    Subword Candidates" (arXiv:1804.10959). Of equal ways, the one that ends in the longer piece
    is taken, as in SentencePiece and in the `tokenizers` package.

    Args:
        pieces: all different.
        scores: the log probability of each.
        unknown_score: that of one character which is no piece.

    Example:

    >>> segmentation = Segmentation(["a", "b", "ab"], [-1.0, -1.0, -1.5], -11.5)
    >>> codes = tf.constant([ord(c) for c in "abba?"])
    >>> pieces, lengths, words = segmentation(codes, tf.constant([0, 3, 5]))
    >>> pieces.numpy().tolist(), lengths.numpy().tolist(), words.numpy().tolist()
    ([2, 1, 0, -1], [2, 1, 1, 1], [0, 0, 1, 1])
    """

    def __init__(self, pieces: Sequence[str], scores: Sequence[float], unknown_score: float):
        self.trie = Trie(pieces)
        # That of what is no piece comes last.
        self._scores = np.array([*scores, -np.inf], "float64")
        self._unknown_score = np.float64(unknown_score)
        self._stretch = max(_STRETCH, 2 * max(map(len, pieces), default=1))

    def __call__(
        self, codes: tf.Tensor, splits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Cuts words into pieces.

        Args:
            codes: int32 [N], the characters of all words, one after the other.
            splits: int32 [W + 1], where each word begins, and N; no word is empty.

        Returns:
            The pieces, -1 for one unknown character; how many characters each covers; and the word
            each is of, int32 [P] each.
        """
        size, counts = splits[-1], splits[1:] - splits[:-1]
        order, sizes = _stretches(splits, self._stretch)
        word, _ = runs(counts)
        ends = tf.gather(splits[1:], tf.gather(word, order.places))
        found = self.trie.matches(codes, order.places, ends)
        at = order.places[:, None]
        taken = tf.scatter_nd(at, self._forward(found, order, sizes), [size])
        # From the end of each word back to the end of the piece before.
        place = tf.range(size)
        before = place - taken
        begin = tf.gather(splits, word)
        backwards = tf.where(before < begin, size, size - 1 - before)[::-1]
        last = tf.scatter_nd(splits[1:, None] - 1, tf.ones_like(counts), [size])
        lasts = tf.cast(tf.where(reached(last[::-1] > 0, backwards)[::-1])[:, 0], tf.int32)
        lengths = tf.gather(taken, lasts)
        column = tf.gather(tf.scatter_nd(at, place, [size]), lasts - lengths + 1)
        pieces = tf.gather(tf.reshape(found, [-1]), (lengths - 1) * size + column)
        return pieces, lengths, tf.gather(word, lasts)

    def _forward(self, found: tf.Tensor, order: "_Order", sizes: tf.Tensor) -> tf.Tensor:
        """The length of the last piece of the best way to cut a word up to each place: int32 [N].

        A stretch begins with what pieces reach into it from the one before, which is not known
        when all stretches are searched at once. What is best soon depends on what stands near
        alone, so that it is guessed, and the search repeated until the guesses come true.
        """
        scores = tf.gather(self._scores, tf.where(found < 0, len(self._scores) - 1, found))
        alone = tf.where(found[:1] < 0, self._unknown_score, scores[:1])
        scores = tf.concat([alone, scores[1:]], axis=0)
        longest, stretches = tf.shape(scores)[0], tf.size(order.later)
        offsets = tf.cumsum(sizes, exclusive=True)
        lengths = tf.range(1, longest + 1)[:, None]

        def step(number, best, taken, written):
            # [K, S]: the best sums of ways that end 0, 1, ... K - 1 characters ahead, and how
            # long the last pieces of these ways are.
            size, offset = sizes[number], offsets[number]
            best, taken = best[:, :size], taken[:, :size]
            sums = best[:1] + scores[:, offset : offset + size]
            nothing = tf.fill([1, size], tf.constant(-np.inf, tf.float64))
            best = tf.concat([best[1:], nothing], axis=0)
            taken = tf.concat([taken[1:], tf.zeros([1, size], tf.int32)], axis=0)
            # Of equals the earlier one, whose last piece is the longer one, stays.
            better = sums > best
            taken = tf.where(better, lengths, taken)
            return number + 1, tf.maximum(sums, best), taken, written.write(number, taken[0])

        def search(best, taken, *_):
            count = tf.size(sizes)
            # One more row, since TensorFlow joins no less than one.
            written = tf.TensorArray(tf.int32, count + 1, element_shape=[None], infer_shape=False)
            written = written.write(count, tf.zeros([0], tf.int32))
            _, last, reaching, written = tf.while_loop(
                lambda number, *_: number < count,
                step,
                (0, best, taken, written),
                shape_invariants=(tf.TensorShape([]), *(tf.TensorShape([None, None]),) * 2, None),
                parallel_iterations=1,
            )
            # What the stretches begin with behind those that are searched to their ends.
            before = tf.minimum(order.before, tf.shape(last)[1] - 1)
            given = tf.gather(last - last[:1], before, axis=1)
            given = tf.where(order.later, given, best)
            reaching = tf.where(order.later, tf.gather(reaching, before, axis=1), taken)
            same = (given == best) | (tf.abs(given - best) < _SAME)
            # How far a piece reaches back does not matter where none does.
            same &= (reaching == taken) | (given == -np.inf)
            return given, reaching, written.concat(), tf.reduce_all(same)

        nothing = tf.fill([longest - 1, stretches], tf.constant(-np.inf, tf.float64))
        best = tf.concat([tf.zeros([1, stretches], tf.float64), nothing], axis=0)
        *_, taken, _ = tf.while_loop(
            lambda best, taken, written, known: ~known,
            search,
            (best, tf.zeros([longest, stretches], tf.int32), tf.zeros_like(order.places), False),
            shape_invariants=(
                *(tf.TensorShape([None, None]),) * 2,
                tf.TensorShape([None]),
                tf.TensorShape([]),
            ),
            parallel_iterations=1,
        )
        return taken


class _Order(NamedTuple):
    """Characters in the order in which they are searched: the first ones of all stretches first.

    Attributes:
        places: int32 [N].
        later: bool [S], whether a stretch, the longest ones coming first, continues a word.
        before: int32 [S], which stretch it continues.
    """

    places: tf.Tensor
    later: tf.Tensor
    before: tf.Tensor


def _stretches(splits: tf.Tensor, longest: int) -> tuple[_Order, tf.Tensor]:
    """How words (int32 [W + 1], where they begin) are searched, and int32 [T]: the stretches.

    How many stretches have more than 0, 1, ... T - 1 characters.
    """
    counts = (splits[1:] - splits[:-1] + longest - 1) // longest
    word, number = runs(counts)
    starts = tf.gather(splits, word) + number * longest
    sizes = tf.minimum(tf.gather(splits, word + 1) - starts, longest)
    rank = tf.argsort(sizes, direction="DESCENDING", stable=True)
    starts, later = tf.gather(starts, rank), tf.gather(number, rank) > 0
    place_of = tf.scatter_nd(rank[:, None], tf.range(tf.size(rank)), tf.shape(rank))
    before = tf.gather(place_of, tf.maximum(rank - 1, 0))
    active = tf.size(rank) - tf.cumsum(tf.math.bincount(sizes))[:-1]
    step, row = runs(active)
    return _Order(tf.gather(starts, row) + step, later, before), active
