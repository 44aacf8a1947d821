"""Greedy decoding of connectionist temporal classification: the likeliest class of each frame."""

from typing import Any, NamedTuple

from keras import ops

from mmkeras.layers.argmax import argmax


class CTCSequences(NamedTuple):
    """The tokens that were found, and when.

    Attributes:
        token_ids: int32 [B, T], moved to the front, 0 behind them.
        lengths: int32 [B]: number of tokens.
        starts: int32 [B, T]: the first frame of each token; 0 where there is none.
        ends: int32 [B, T]: one past the last frame of each token; 0 where there is none.
        scores: float32 [B]: the log-probability of the best class at each frame, summed up.
    """

    token_ids: Any
    lengths: Any
    starts: Any
    ends: Any
    scores: Any


def ctc_greedy(logits: Any, mask: Any) -> CTCSequences:
    """The labels of the likeliest way to label the frames one by one ("best path").

    Equal neighbours are one token, and blanks, class 0, are none. That is not always the likeliest
    sequence of tokens, whose ways are many; `ctc_beam` looks for that.

    Source: Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented
    Sequence Data with Recurrent Neural Networks", section 3.2.

    Args:
        logits: float [B, T, K], class 0 the blank; where masked anything, NaN too.
        mask: bool [B, T], True = a frame that counts; those stand in front.

    Example:

    >>> import numpy as np
    >>> logits = np.eye(3)[[[0, 2, 2, 0, 2, 1, 1]]]
    >>> found = ctc_greedy(logits, np.array([[True] * 6 + [False]]))
    >>> for part in found[:4]:
    ...     print(np.array(part).tolist())
    [[2, 2, 1, 0, 0, 0, 0]]
    [3]
    [[1, 4, 5, 0, 0, 0, 0]]
    [[3, 5, 6, 0, 0, 0, 0]]
    """
    mask = ops.convert_to_tensor(mask)
    logits = ops.where(mask[..., None], ops.cast(logits, "float32"), 0.0)
    best = ops.where(mask, argmax(logits), 0)
    length = ops.shape(best)[1]
    padded = ops.pad(best, ((0, 0), (1, 1)))
    spoken = best > 0
    # The first frame of the n-th token belongs to the n-th last frame.
    firsts = ops.logical_and(spoken, ops.not_equal(best, padded[:, :-2]))
    lasts = ops.logical_and(spoken, ops.not_equal(best, padded[:, 2:]))
    frames = ops.arange(length, dtype="int32")
    starts, ends = (ops.sort(ops.where(where, frames, length), axis=1) for where in (firsts, lasts))
    there = starts < length
    token_ids = ops.take_along_axis(best, ops.where(there, starts, 0), axis=1)
    gain = ops.max(logits, axis=-1) - ops.logsumexp(logits, axis=-1)
    return CTCSequences(
        token_ids=ops.where(there, token_ids, 0),
        lengths=ops.sum(ops.cast(there, "int32"), axis=1),
        starts=ops.where(there, starts, 0),
        ends=ops.where(there, ends + 1, 0),
        scores=ops.sum(ops.where(mask, gain, 0.0), axis=1),
    )
