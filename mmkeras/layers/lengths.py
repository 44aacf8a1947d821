"""Lengths of padded sequences as masks."""

from typing import Any

from keras import ops


def up_to(length: Any, size: Any) -> Any:
    """bool [B, size]: True at the first `length` (int32 [B]) places of each row.

    Example:

    >>> import numpy as np
    >>> np.array(up_to(np.array([1, 3], "int32"), 3)).tolist()
    [[True, False, False], [True, True, True]]
    """
    return ops.arange(size, dtype="int32")[None, :] < length[:, None]
