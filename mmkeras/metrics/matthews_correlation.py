"""`MatthewsCorrelation`: accuracy that chance and uneven classes do not flatter."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class MatthewsCorrelation(keras.metrics.Metric):
    """The correlation of true and predicted classes: 1 if all are right, 0 if as by chance.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation
    coefficient", equation 8; of two classes, Matthews 1975.

    Args:
        num_classes: K.
        name: of the metric.
        dtype: of the counts.

    Raises:
        ValueError: there are fewer than two classes.

    Example:

    >>> import numpy as np
    >>> metric = MatthewsCorrelation(num_classes=2)
    >>> metric.update_state(np.array([1, 1, 1, 0]), np.eye(2)[[1, 0, 1, 1]])
    >>> float(metric.result())
    -0.333...
    """

    def __init__(self, num_classes: int, name: str = "mcc", dtype: Any = None):
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2; got {num_classes}.")
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.confusion = self.add_weight(
            shape=(num_classes, num_classes), initializer="zeros", name="confusion"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch.

        Args:
            y_true: int [B], the true classes, or float [B, K], shares of them, the largest of
                which counts.
            y_pred: float [B, K], probabilities or logits; the highest is the predicted class.
            sample_weight: None, or float [B]: as how many samples each counts.
        """
        if len(y_true.shape) == 2 and y_true.shape[1] == self.num_classes:
            y_true = ops.argmax(y_true, axis=-1)
        true = ops.one_hot(ops.reshape(y_true, (-1,)), self.num_classes, dtype=self.dtype)
        predicted = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_classes, dtype=self.dtype)
        if sample_weight is not None:
            weight = ops.cast(ops.convert_to_tensor(sample_weight), self.dtype)
            true = true * ops.reshape(weight, (-1, 1))
        self.confusion.assign_add(ops.matmul(ops.transpose(true), predicted))

    def result(self) -> Any:
        """float []; 0 where either side knows one class alone."""
        table = ops.divide_no_nan(self.confusion, ops.sum(self.confusion))
        # Each class against the rest, which is summed: as a difference it would lose its digits
        # where nearly all samples are of one class.
        rest = 1.0 - ops.eye(self.num_classes, dtype=self.dtype)
        right, wrong = ops.diagonal(table), table * rest
        actual, predicted = ops.sum(table, axis=1), ops.sum(table, axis=0)
        neither = ops.diagonal(ops.matmul(ops.matmul(rest, table), rest))
        covariance = ops.sum(right * neither - ops.sum(wrong, axis=1) * ops.sum(wrong, axis=0))
        spread = ops.sum(actual * ops.matmul(rest, actual[:, None])[:, 0])
        spread *= ops.sum(predicted * ops.matmul(rest, predicted[:, None])[:, 0])
        return ops.divide_no_nan(covariance, ops.sqrt(spread))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"num_classes": self.num_classes}
