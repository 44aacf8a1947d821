"""Greedy decoding of connectionist temporal classification: the likeliest class of each step."""

from typing import Any, NamedTuple

from keras import ops


class CTCSequences(NamedTuple):
    """What was heard, and in which steps.

    Attributes:
        token_ids: int32 [B, T], classes from 1 up, 0 behind the last.
        lengths: int32 [B], how many there are.
        starts: int32 [B, T], the first step of each; 0 behind the last.
        ends: int32 [B, T], the step behind its last one.
        scores: float32 [B], the log-probability of the likeliest way.
    """

    token_ids: Any
    lengths: Any
    starts: Any
    ends: Any
    scores: Any


def ctc_greedy(logits: Any, mask: Any) -> CTCSequences:
    """The likeliest way through the steps; a class that goes on is heard once, class 0 never.

    All shapes are static where those of the logits are.

    Source: Graves et al. 2006, section 3.2, "best path decoding".

    Args:
        logits: float [B, T, K]; class 0 is "nothing heard".
        mask: bool [B, T], True = a step; the real ones come first.

    Example:

    >>> import numpy as np
    >>> logits = np.eye(3)[[1, 1, 0, 1, 2]][None].astype("float32")
    >>> heard = ctc_greedy(logits, np.ones((1, 5), bool))
    >>> np.array(heard.token_ids).tolist(), np.array(heard.ends).tolist()
    ([[1, 1, 2, 0, 0]], [[2, 4, 5, 0, 0]])
    """
    logits = ops.cast(logits, "float32")
    # Keras' argmax looks at the sign of zeros, by operations that LiteRT lacks.
    highest, best = ops.top_k(logits, 1)
    best = ops.where(mask, ops.cast(best[..., 0], "int32"), 0)
    likelihood = highest[..., 0] - ops.logsumexp(logits, axis=-1)
    before = ops.pad(best[:, :-1], [[0, 0], [1, 0]])
    behind = ops.pad(best[:, 1:], [[0, 0], [0, 1]])
    begins = ops.logical_and(best > 0, best != before)
    stops = ops.logical_and(best > 0, best != behind)
    size = ops.shape(best)[1]
    place = ops.cumsum(ops.cast(begins, "int32"), axis=1) - 1
    steps = ops.broadcast_to(ops.arange(size, dtype="int32")[None, :], ops.shape(best))

    def packed(values: Any, there: Any) -> Any:
        """Those that are there, one behind the other: at most one value belongs to each place."""
        chosen = ops.one_hot(ops.where(there, place, -1), size, dtype="float32")
        made = ops.einsum("bt,btp->bp", ops.cast(values, "float32"), chosen)
        return ops.cast(made, "int32")

    return CTCSequences(
        token_ids=packed(best, begins),
        lengths=ops.sum(ops.cast(begins, "int32"), axis=1),
        starts=packed(steps, begins),
        ends=packed(steps + 1, stops),
        scores=ops.sum(ops.where(mask, likelihood, 0.0), axis=1),
    )
