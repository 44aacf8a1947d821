"""Viterbi decoding: the best sequence of tags, where neighbours have a say in each other."""

from typing import Any

from keras import ops

from mmkeras.layers.argmax import argmax
from mmkeras.layers.linear_chain import LinearChain


def viterbi(scores: Any, mask: Any, transitions: Any, starts: Any, ends: Any) -> tuple[Any, Any]:
    """The sequence of tags with the highest score, and that score.

    Source: Viterbi 1967, "Error Bounds for Convolutional Codes".

    Args:
        scores: float [B, T, K], the logits of each position; at masked places anything.
        mask: bool [B, T], True = a position that counts. The others are skipped, wherever they
            stand: the chain goes from each position that counts to the next one that does.
        transitions: float [K, K], the score of tag j right after tag i; -inf or a large negative
            number forbids it.
        starts: float [K], the score of a sequence that begins with a tag.
        ends: float [K], the score of a sequence that ends with a tag.

    Returns:
        int32 [B, T], the tags, -1 at masked places; of equals, the lowest. And float32 [B], the
        score; 0 where no position counts.

    Raises:
        ValueError: a shape or the dtype of the mask is another.

    Example:

    >>> import numpy as np
    >>> scores = np.array([[[1.0, 0.0], [9.0, 9.0], [0.0, 2.0]]])
    >>> mask = np.array([[True, False, True]])
    >>> never = np.array([[0.0, -np.inf], [0.0, 0.0]])  # tag 1 right after tag 0
    >>> tags, score = viterbi(scores, mask, never, np.zeros(2), np.zeros(2))
    >>> np.array(tags).tolist(), np.array(score).tolist()
    ([[1, -1, 1]], [2.0])
    """
    chain = LinearChain.of(scores, mask, transitions, starts, ends)
    before, final = chain.forward(lambda ways: ops.max(ways, axis=-1))
    from_all = ops.transpose(chain.transitions)

    def step(t: Any, counts: Any, moves: Any, tag: Any) -> tuple[Any, Any]:
        origin = argmax(before[t] + ops.take(from_all, tag, axis=0))
        return ops.where(moves, origin, tag), ops.where(counts, tag, -1)

    _, tags = chain.backward(step, argmax(final))
    score = ops.where(chain.occupied, ops.max(final, axis=-1), 0.0)
    return ops.transpose(tags), score
