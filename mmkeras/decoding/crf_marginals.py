"""Marginals: how probable each tag is at each position, all sequences of tags considered."""

from typing import Any

from keras import ops

from mmkeras.layers.linear_chain import LinearChain


def crf_marginals(scores: Any, mask: Any, transitions: Any, starts: Any, ends: Any) -> Any:
    """P(tag at each position | scores) of a linear-chain conditional random field.

    Source: Lafferty et al. 2001, "Conditional Random Fields", by the forward-backward algorithm.

    Args:
        scores: float [B, T, K], the logits of each position; at masked places anything.
        mask: bool [B, T], True = a position that counts. The others are skipped, wherever they
            stand: the chain goes from each position that counts to the next one that does.
        transitions: float [K, K], the score of tag j right after tag i; -inf or a large negative
            number forbids it.
        starts: float [K], the score of a sequence that begins with a tag.
        ends: float [K], the score of a sequence that ends with a tag.

    Returns:
        float32 [B, T, K]; each position that counts sums to 1, the others are 0.

    Raises:
        ValueError: a shape or the dtype of the mask is another.

    Example:

    >>> import numpy as np
    >>> scores, mask = np.zeros((1, 2, 2)), np.array([[True, True]])
    >>> never = np.array([[0.0, -np.inf], [0.0, 0.0]])  # tag 1 right after tag 0
    >>> marginals = crf_marginals(scores, mask, never, np.zeros(2), np.zeros(2))
    >>> np.array(marginals, "float64").round(4).tolist()
    [[[0.3333, 0.6667], [0.6667, 0.3333]]]
    """
    chain = LinearChain.of(scores, mask, transitions, starts, ends)
    # What all tags of a position share has no part in it, and would cost digits in the sums.
    chain = chain._replace(scores=chain.scores - ops.max(chain.scores, axis=-1, keepdims=True))
    tags, _ = chain.posterior(*chain.forward(lambda ways: ops.logsumexp(ways, axis=-1)))
    return ops.transpose(tags, (1, 0, 2))
