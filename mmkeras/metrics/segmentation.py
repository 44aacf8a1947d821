"""How well the pixels of pictures are classified."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def segmentation_scores(
    pairs: Iterable[tuple[np.ndarray, np.ndarray]], classes: Sequence[str]
) -> dict[str, Any]:
    """Intersection over union of each class over all pictures together, and the share of pixels.

    Args:
        pairs: (answered, true) class numbers, uint8 [h, w] each, of every picture; pixels whose
            true number no class has, such as 255, are left out.
        classes: the names.

    Returns:
        `mIoU`: the mean over the classes that occur; `pixel_accuracy`; and `iou_by_class`, NaN for
        a class that neither occurs nor is answered.

    Raises:
        ValueError: a mask is of another size than its answer.

    Example:

    >>> true = np.array([[0, 0, 1, 255]], "uint8")
    >>> scores = segmentation_scores([(np.array([[0, 1, 1, 0]], "uint8"), true)], ["a", "b"])
    >>> scores["mIoU"], scores["iou_by_class"]
    (0.5, {'a': 0.5, 'b': 0.5})
    """
    size = len(classes)
    # Rows are true classes; what is answered beyond the classes is wrong, and stands last.
    confusion = np.zeros((size, size + 1), np.int64)
    for answered, true in pairs:
        if answered.shape != true.shape:
            raise ValueError(f"a mask of {true.shape} does not fit its answer of {answered.shape}.")
        known = true < size
        row, column = true[known].astype(int), np.minimum(answered[known], size).astype(int)
        confusion += np.bincount(row * (size + 1) + column, minlength=confusion.size).reshape(
            confusion.shape
        )
    right = np.diag(confusion)
    union = confusion.sum(axis=1) + confusion[:, :size].sum(axis=0) - right
    with np.errstate(invalid="ignore"):
        overlap = right / union
        accuracy = float(right.sum() / np.float64(confusion.sum()))
    return {
        "mIoU": float(np.nanmean(overlap)) if union.any() else float("nan"),
        "pixel_accuracy": accuracy,
        "iou_by_class": dict(zip(classes, overlap.tolist())),
    }


@keras.saving.register_keras_serializable(package="mmkeras")
class MeanOverlap(keras.metrics.Metric):
    """`mIoU` of `segmentation_scores`, while a model is trained: at the size that it learns.

    Args:
        num_classes: K.

    Example:

    >>> metric = MeanOverlap(2)
    >>> metric.update_state(np.array([[[0, 1]]]), np.array([[[[2.0, 1.0], [2.0, 1.0]]]]))
    >>> float(metric.result())
    0.25
    """

    def __init__(self, num_classes: int, name: str = "mIoU", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.confusion = self.add_variable(
            shape=(num_classes, num_classes), initializer="zeros", name="confusion"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts pixels.

        Args:
            y_true: int [B, H, W], below 0 where nobody knows the class.
            y_pred: float [B, H, W, K], anything that is highest for the class answered.
            sample_weight: float [B].
        """
        known = ops.cast(y_true >= 0, "float32")
        if sample_weight is not None:
            known = known * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1, 1))
        true = ops.one_hot(ops.maximum(y_true, 0), self.num_classes) * known[..., None]
        answered = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_classes)
        flat = (-1, self.num_classes)
        counted = ops.matmul(ops.transpose(ops.reshape(true, flat)), ops.reshape(answered, flat))
        self.confusion.assign_add(ops.cast(counted, self.confusion.dtype))

    def result(self) -> Any:
        """The mean over the classes that occur or are answered; 0 where there are none."""
        right = ops.diagonal(self.confusion)
        union = ops.sum(self.confusion, axis=0) + ops.sum(self.confusion, axis=1) - right
        there = ops.cast(union > 0, "float32")
        return ops.sum(right / ops.maximum(union, 1e-6)) / ops.maximum(ops.sum(there), 1.0)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | {"num_classes": self.num_classes}
