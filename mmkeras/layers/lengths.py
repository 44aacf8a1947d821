"""Lengths of padded sequences as masks."""

from typing import Any

from keras import ops

#: Beyond so many places they are counted by two digits, of which the lower goes up to this.
_DIGIT = 512


def up_to(length: Any, size: Any) -> Any:
    """bool [B, size]: True at the first `length` (int32 [B]) places of each row.

    Example:

    >>> import numpy as np
    >>> np.array(up_to(np.array([1, 3], "int32"), 3)).tolist()
    [[True, False, False], [True, True, True]]
    """
    if not isinstance(size, int) or size <= _DIGIT:
        return ops.arange(size, dtype="int32")[None, :] < length[:, None]
    # An exported model would hold every number as a constant: those of a minute's samples take
    # four megabytes. Two digits are compared instead, and never made one number.
    rows = -(-size // _DIGIT)
    length = ops.cast(length, "int32")[:, None, None]
    high = ops.arange(rows, dtype="int32")[None, :, None]
    low = ops.arange(_DIGIT, dtype="int32")[None, None, :]
    whole, rest = length // _DIGIT, length % _DIGIT
    inside = ops.logical_or(high < whole, ops.logical_and(ops.equal(high, whole), low < rest))
    return ops.reshape(inside, (-1, rows * _DIGIT))[:, :size]
