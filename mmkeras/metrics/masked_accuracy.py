"""`MaskedAccuracy`: how often the likeliest class is right, where one is asked for."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class MaskedAccuracy(keras.metrics.Mean):
    """The share of places with a target whose likeliest class is the target.

    Args:
        name: of the metric.
        dtype: of its weights.

    Example:

    >>> import numpy as np
    >>> metric = MaskedAccuracy()
    >>> metric.update_state(np.array([[1, 0, -1]]), np.array([[[0.0, 1], [0, 1], [0, 1]]]))
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str = "masked_accuracy", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch.

        Args:
            y_true: int [B, T], the classes; -1 where a place does not count.
            y_pred: float [B, S, K], scores of the classes; what one of the two is longer than the
                other is padding.
            sample_weight: None, or float [B].
        """
        y_pred = ops.convert_to_tensor(y_pred)[:, : y_true.shape[1]]
        target = ops.convert_to_tensor(y_true)[:, : ops.shape(y_pred)[1]]
        right = ops.cast(ops.argmax(y_pred, axis=-1), target.dtype) == target
        weight = ops.cast(target >= 0, "float32")
        if sample_weight is not None:
            weight = weight * ops.cast(sample_weight, "float32")[:, None]
        super().update_state(ops.cast(right, "float32"), weight)
