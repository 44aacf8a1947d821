"""Keras' accuracies of classes, for targets that are shares of classes too."""

from typing import Any

import keras
from keras import ops


class _OfShares(keras.metrics.Metric):
    """Takes the class of the largest share for the true one."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch.

        Args:
            y_true: int [B], classes, or float [B, K], shares of classes.
            y_pred: float [B, K], probabilities.
            sample_weight: None, or float [B].
        """
        if len(y_true.shape) == 2:
            y_true = ops.argmax(y_true, axis=-1)
        super().update_state(y_true, ops.cast(y_pred, "float32"), sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class Accuracy(_OfShares, keras.metrics.SparseCategoricalAccuracy):
    """`keras.metrics.SparseCategoricalAccuracy`, also for shares.

    Example:

    >>> import numpy as np
    >>> metric = Accuracy()
    >>> metric.update_state(np.array([[0.3, 0.7]]), np.array([[0.1, 0.9]]))
    >>> metric.update_state(np.array([0]), np.array([[0.1, 0.9]]))
    >>> float(metric.result())
    0.5
    """


@keras.saving.register_keras_serializable(package="mmkeras")
class TopAccuracy(_OfShares, keras.metrics.SparseTopKCategoricalAccuracy):
    """`keras.metrics.SparseTopKCategoricalAccuracy`, also for shares.

    Example:

    >>> import numpy as np
    >>> metric = TopAccuracy(k=2)
    >>> metric.update_state(np.array([0, 2]), np.array([[0.3, 0.5, 0.2], [0.3, 0.5, 0.2]]))
    >>> float(metric.result())
    0.5
    """
