"""`Segmentation`: the most probable way to cut words into pieces, for many words at once."""

import numpy as np
import tensorflow as tf

from mmkeras.tokenizers.trie import Trie

# A word of more characters is also cut where no piece stands across, which finds the same pieces
# (but for ties, which rounding decides), and after so many characters at the latest, where the
# search would take too long.
_LONG, _LONGEST = 512, 4_096
# How much worse than the worst piece an unknown character is, as in SentencePiece.
_PENALTY = 10.0


class Segmentation:
    """Viterbi's algorithm over the unigram probabilities of pieces.

    Kudo, "Subword Regularization: Improving Neural Network Translation Models with Multiple
    Subword Candidates" (arXiv:1804.10959). Of equal ways, the one that ends in the longer piece
    is taken, as in SentencePiece.

    Args:
        pieces: `(piece, number, log probability)`, the numbers not negative.

    Example:

    >>> segmentation = Segmentation([("a", 0, -1.0), ("b", 1, -1.0), ("ab", 2, -1.5)])
    >>> codes = tf.constant([ord(c) for c in "abba?"])
    >>> numbers, lengths, words = segmentation(codes, tf.constant([0, 0, 0, 1, 1]))
    >>> numbers.numpy().tolist(), lengths.numpy().tolist(), words.numpy().tolist()
    ([2, 1, 0, -1], [2, 1, 1, 1], [0, 0, 1, 1])
    """

    def __init__(self, pieces: list[tuple[str, int, float]]):
        self.trie = Trie((piece, place) for place, (piece, _, _) in enumerate(pieces))
        self._numbers = np.array([*(number for _, number, _ in pieces), -1], "int32")
        scores = [score for _, _, score in pieces]
        # Of what is no piece, and of what is an unknown character.
        self._scores = np.array([*scores, min(scores, default=0.0) - _PENALTY], "float64")

    def __call__(
        self, codes: tf.Tensor, words: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Cuts words into pieces.

        Args:
            codes: int32 [N], the characters of all words.
            words: int32 [N], the word each belongs to, ascending from 0 without gaps.

        Returns:
            The numbers of the pieces, -1 for one unknown character; how many characters each
            covers; and the word each is of, int32 [P] each.
        """
        counts = tf.math.bincount(words)
        ends = tf.cumsum(counts)
        begin, end = tf.gather(ends - counts, words), tf.gather(ends, words)
        found = self.trie.matches(codes, end)
        starts = _stretches(found, begin, end)
        scores = self._ending(found, starts)
        taken = _backward(starts, _forward(scores, starts))
        lasts = tf.where(taken > 0)[:, 0]
        lengths = tf.gather(taken, lasts)
        first = tf.cast(lasts, tf.int32) - lengths + 1
        place = tf.gather_nd(found, tf.stack([first, lengths - 1], axis=1))
        place = tf.where(place < 0, len(self._numbers) - 1, place)
        return tf.gather(self._numbers, place), lengths, tf.gather(words, lasts)

    def _ending(self, found: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        """The log probability of the piece of K, ... 2, 1 characters that ends at each place.

        float64 [N, K]; minus infinity where there is none within the stretch.
        """
        size, longest = tf.shape(found)[0], tf.shape(found)[1]
        lengths = tf.range(longest, 0, -1)
        first = tf.range(size)[:, None] - lengths + 1
        inside = (
            first >= tf.repeat(starts, tf.concat([starts[1:], [size]], axis=0) - starts)[:, None]
        )
        piece = tf.gather(tf.reshape(found, [-1]), tf.maximum(first, 0) * longest + lengths - 1)
        unknown = (piece < 0) & (lengths == 1)
        score = tf.gather(self._scores, tf.where(piece < 0, len(self._scores) - 1, piece))
        return tf.where(inside & ((piece >= 0) | unknown), score, -np.inf)


def _stretches(found: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """int32 [S]: where stretches of characters begin that are searched by themselves."""
    place, lengths = tf.range(tf.size(begin)), tf.range(1, tf.shape(found)[1] + 1)
    longest = tf.reduce_max(tf.where(found >= 0, lengths, 1), axis=1)
    # How many pieces begin before a place and go on there.
    ending = tf.math.bincount(place + longest, minlength=tf.size(begin))[: tf.size(begin)]
    across = tf.cumsum(tf.cast(place > 0, tf.int32) - ending)
    inside = place - begin
    cut = (end - begin > _LONG) & ((across == 0) | (inside % _LONGEST == 0))
    return tf.cast(tf.where((inside == 0) | cut)[:, 0], tf.int32)


def _forward(scores: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
    """int32 [N]: the length of the last piece of the best way to cut a stretch up to each place."""
    size, longest = tf.shape(scores)[0], tf.shape(scores)[1]
    lengths = tf.range(longest, 0, -1)
    ends = tf.concat([starts[1:], [size]], axis=0)

    # The best sums stand behind one 0 for each stretch.
    def step(place, slot, end, best, taken):
        sums = tf.gather(scores, place) + tf.gather(best, tf.maximum(slot[:, None] - lengths, 0))
        way = tf.argmax(sums, axis=1, output_type=tf.int32)
        best = tf.tensor_scatter_nd_update(best, slot[:, None], tf.reduce_max(sums, axis=1))
        taken = tf.tensor_scatter_nd_update(taken, place[:, None], longest - way)
        more = tf.where(place + 1 < end)[:, 0]
        place, slot = tf.gather(place + 1, more), tf.gather(slot + 1, more)
        return place, slot, tf.gather(end, more), best, taken

    slots = starts + tf.range(1, tf.size(starts) + 1)
    best = tf.zeros([size + tf.size(starts)], tf.float64)
    state = (starts, slots, ends, best, tf.zeros([size], tf.int32))
    return tf.while_loop(
        lambda place, *_: tf.size(place) > 0,
        step,
        state,
        shape_invariants=(tf.TensorShape([None]),) * len(state),
        parallel_iterations=1,
    )[-1]


def _backward(starts: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """int32 [N]: at the last character of each piece of the best way its length, elsewhere 0."""
    size = tf.size(lengths)

    def step(place, start, taken):
        length = tf.gather(lengths, place)
        taken = tf.tensor_scatter_nd_update(taken, place[:, None], length)
        place -= length
        more = tf.where(place >= start)[:, 0]
        return tf.gather(place, more), tf.gather(start, more), taken

    state = (tf.concat([starts[1:], [size]], axis=0) - 1, starts, tf.zeros([size], tf.int32))
    return tf.while_loop(
        lambda place, *_: tf.size(place) > 0,
        step,
        state,
        shape_invariants=(tf.TensorShape([None]),) * len(state),
        parallel_iterations=1,
    )[-1]
