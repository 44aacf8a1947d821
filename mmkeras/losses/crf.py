"""The loss of a conditional random field: how improbable the true sequence of tags is."""

from typing import Any

from keras import ops

from mmkeras.layers.linear_chain import LinearChain


def crf_negative_log_likelihood(
    tags: Any, scores: Any, mask: Any, transitions: Any, starts: Any, ends: Any
) -> Any:
    """-log P(tags | scores) of a linear-chain conditional random field, of each sequence.

    Source: Lafferty et al. 2001, "Conditional Random Fields"; Lample et al. 2016, "Neural
    Architectures for Named Entity Recognition", section 2.2. It is computed as the logarithm of the
    sum of exp(score - true score) over all sequences, so that a sure model's small loss is not
    the difference of two large numbers.

    Args:
        tags: int [B, T], the true tags; at masked places anything, such as -1.
        scores: float [B, T, K], the logits of each position; at masked places anything.
        mask: bool [B, T], True = a position that counts. The others are skipped, wherever they
            stand: the chain goes from each position that counts to the next one that does.
        transitions: float [K, K], the score of tag j right after tag i; -inf or a large negative
            number forbids it.
        starts: float [K], the score of a sequence that begins with a tag.
        ends: float [K], the score of a sequence that ends with a tag.

    Returns:
        float32 [B]; 0 where no position counts.

    Raises:
        ValueError: a shape or the dtype of the mask is another.

    Example:

    >>> import numpy as np
    >>> scores = np.log([[[0.9, 0.1], [0.2, 0.8]]])
    >>> tags, mask = np.array([[0, 1]]), np.array([[True, True]])
    >>> free, never = np.zeros((2, 2)), np.array([[0.0, 0.0], [-np.inf, 0.0]])
    >>> [
    ...     round(float(crf_negative_log_likelihood(
    ...         tags, scores, mask, transitions, np.zeros(2), np.zeros(2))[0]), 4)
    ...     for transitions in (free, never)  # -log(0.9 * 0.8); -log(0.72 / (1 - 0.1 * 0.2))
    ... ]
    [0.3285, 0.3083]
    """
    chain = LinearChain.of(scores, mask, transitions, starts, ends)
    size = chain.scores.shape[-1]
    tags = ops.where(mask, ops.cast(tags, "int32"), 0)
    # The tags that count moved to the front: each one's forerunner is the one to its left.
    length = ops.shape(tags)[1]
    moved = ops.argsort(ops.arange(length) + ops.where(mask, 0, length), axis=1)
    in_a_row = ops.take_along_axis(tags, moved, axis=1)
    rank = ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1
    forerunner = ops.take_along_axis(in_a_row, ops.maximum(rank - 1, 0), axis=1)
    last = ops.take_along_axis(in_a_row, ops.maximum(rank[:, -1:], 0), axis=1)[:, 0]

    tags, forerunner = ops.transpose(tags), ops.transpose(forerunner)
    begun = ops.take(chain.starts, tags)
    came = ops.take(ops.reshape(chain.transitions, (-1,)), forerunner * size + tags)
    here = ops.take_along_axis(chain.scores, tags[..., None], axis=-1)[..., 0]
    true = here + ops.where(chain.first, begun, came)
    relative = chain.scores - ops.where(chain.counts, true, 0.0)[..., None]
    ended = ops.where(chain.occupied, ops.take(chain.ends, last), 0.0)
    return chain._replace(scores=relative).log_partition() - ended
