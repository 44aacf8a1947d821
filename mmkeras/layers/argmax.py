"""`argmax` of the operations that every runtime has."""

from typing import Any

from keras import ops


def argmax(scores: Any) -> Any:
    """Where the last axis is highest; of equals, the lowest index.

    `ops.argmax` tells 0.0 from -0.0 by their bits, for which LiteRT has no operation.

    Args:
        scores: float [..., K], without NaN.

    Returns:
        int32 [...].

    Example:

    >>> import numpy as np
    >>> np.array(argmax(np.array([[0.0, 2.0, 2.0], [-0.0, 0.0, -1.0]]))).tolist()
    [1, 0]
    """
    size = ops.shape(scores)[-1]
    highest = ops.equal(scores, ops.max(scores, axis=-1, keepdims=True))
    return ops.min(ops.where(highest, ops.arange(size, dtype="int32"), size), axis=-1)
