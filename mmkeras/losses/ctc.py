"""Connectionist temporal classification: a text of which it is not known when each piece is heard.

Source: Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented Sequence
Data with Recurrent Neural Networks".
"""

from typing import Any

from keras import ops


def ctc_loss(logits: Any, mask: Any, labels: Any) -> Any:
    """-log of the probability of all ways to spread each label over its steps.

    Class 0 is "nothing heard"; between two equal pieces it is needed. A label that does not fit its
    steps (see `alignable`) has loss 0 and no gradient: its true loss, infinity, would spoil the
    weights. A label without a piece is the one that hears nothing throughout.

    Args:
        logits: float [B, T, K].
        mask: bool [B, T], True = a step; the real ones come first.
        labels: int [B, L], classes from 1 up, 0 behind the last.

    Returns:
        float32 [B], in nats.

    Example:

    >>> import numpy as np
    >>> logits = np.log(np.array([[[0.5, 0.5], [0.5, 0.5]]], "float32"))
    >>> loss = ctc_loss(logits, np.ones((1, 2), bool), np.array([[1]]))
    >>> float(np.exp(-np.array(loss)[0]).round(4))  # 1-, -1 and 11: three of four ways
    0.75
    """
    labels = ops.cast(labels, "int32")
    fits = alignable(mask, labels)
    # What does not fit, or has no step, is computed as nothing heard in one step.
    labels = ops.where(fits[:, None], labels, 0)
    pieces = ops.sum(ops.cast(labels > 0, "int32"), axis=1)
    steps = ops.sum(ops.cast(mask, "int32"), axis=1)
    logits = ops.cast(logits, "float32")
    loss = ops.ctc_loss(labels, logits, pieces, ops.maximum(steps, 1), mask_index=0)
    return ops.where(fits & (steps > 0), loss, 0.0)


def alignable(mask: Any, labels: Any) -> Any:
    """Which labels have no more pieces, and nothings between equal ones, than there are steps.

    Args:
        mask: bool [B, T], True = a step.
        labels: int [B, L], classes from 1 up, 0 behind the last.

    Returns:
        bool [B].

    Example:

    >>> import numpy as np
    >>> labels = np.array([[1, 2], [1, 1]])
    >>> np.array(alignable(np.ones((2, 2), bool), labels)).tolist()
    [True, False]
    """
    labels = ops.cast(labels, "int32")
    twice = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] > 0)
    needed = ops.sum(ops.cast(labels > 0, "int32"), axis=1)
    needed = needed + ops.sum(ops.cast(twice, "int32"), axis=1)
    return needed <= ops.sum(ops.cast(mask, "int32"), axis=1)
