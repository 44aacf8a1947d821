"""Keras' measures of one class against the others, for targets that are class numbers too."""

from typing import Any

import keras
from keras import ops


class _ByClass(keras.metrics.Metric):
    """Makes class numbers what Keras asks for: 1 for the class, 0 for the others."""

    num_classes: int

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch.

        Args:
            y_true: int [B], classes, or float [B, K], 1 where a class applies.
            y_pred: float [B, K], probabilities.
            sample_weight: None, or float [B].
        """
        if len(y_true.shape) == 1:
            y_true = ops.one_hot(y_true, self.num_classes, dtype="float32")
        super().update_state(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="mmkeras")
class F1(_ByClass, keras.metrics.F1Score):
    """`keras.metrics.F1Score`, also for class numbers.

    A class that never occurs, in targets or predictions, has an F1 of 0 in the mean over classes.

    Args:
        num_classes: K.
        **kwargs: of `keras.metrics.F1Score`.

    Example:

    >>> import numpy as np
    >>> metric = F1(2, average="macro")
    >>> metric.update_state(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
    >>> round(float(metric.result()), 4)
    0.6667
    """

    def __init__(self, num_classes: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_classes = num_classes


@keras.saving.register_keras_serializable(package="mmkeras")
class AUC(_ByClass, keras.metrics.AUC):
    """`keras.metrics.AUC` of each class against the others, the mean over classes.

    Args:
        num_classes: K.
        **kwargs: of `keras.metrics.AUC`.

    Example:

    >>> import numpy as np
    >>> metric = AUC(2)
    >>> metric.update_state(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    >>> round(float(metric.result()), 4)
    1.0
    """

    def __init__(self, num_classes: int, **kwargs: Any):
        super().__init__(**{"multi_label": True, "num_labels": num_classes} | kwargs)
        self.num_classes = num_classes
