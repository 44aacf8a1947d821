"""Huber loss of each sample."""

from typing import Any

from keras import ops


def huber(target: Any, prediction: Any, delta: float = 1.0) -> Any:
    """Half the squared error up to `delta`, linear beyond, so that outliers do not rule.

    Source: Huber 1964, "Robust Estimation of a Location Parameter".

    Args:
        target: float [B].
        prediction: float [B].
        delta: the error at which the square turns into a line.

    Returns:
        float32 [B].

    Example:

    >>> import numpy as np
    >>> np.array(huber(np.array([0.0, 0.0]), np.array([0.5, 3.0]))).tolist()
    [0.125, 2.5]
    """
    error = ops.abs(ops.cast(prediction, "float32") - ops.cast(target, "float32"))
    inner = ops.minimum(error, delta)
    return 0.5 * ops.square(inner) + delta * (error - inner)
