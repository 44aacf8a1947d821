"""Cross-entropy of each sample, with label smoothing and class weights, or over a sequence."""

from typing import Any

from keras import ops


def cross_entropy(
    target: Any, logits: Any, label_smoothing: float = 0.0, class_weights: Any = None
) -> Any:
    """-Σ q log softmax(logits), q being the smoothed one-hot target.

    Source: label smoothing as in Szegedy et al. 2016, "Rethinking the Inception Architecture":
    q = (1 - ε) · one-hot + ε / K.

    Args:
        target: int [B], the true class, or float [B, K], shares of classes.
        logits: float [B, K].
        label_smoothing: ε, in [0, 1).
        class_weights: None, or K floats; a sample counts as much as its true class.

    Returns:
        float32 [B].

    Example:

    >>> import numpy as np
    >>> logits = np.log([[0.25, 0.75]])
    >>> round(float(cross_entropy(np.array([1]), logits)[0]), 4)  # -log(0.75)
    0.2877
    """
    classes = logits.shape[-1]
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"))
    expected = target if len(target.shape) == 2 else ops.one_hot(target, classes, dtype="float32")
    smoothed = (1.0 - label_smoothing) * expected + label_smoothing / classes
    loss = -ops.sum(smoothed * log_probabilities, axis=-1)
    if class_weights is not None:
        loss = loss * ops.sum(expected * ops.convert_to_tensor(class_weights, "float32"), axis=-1)
    return loss


def masked_cross_entropy(target: Any, logits: Any) -> Any:
    """The mean of -log softmax(logits)[target] over the places of each sample that have a target.

    Args:
        target: int [B, T], the true classes; -1 where nothing is asked.
        logits: float [B, S, K]; what one of `target` and `logits` is longer than the other is
            padding.

    Returns:
        float32 [B]; 0 where nothing is asked at all.

    Example:

    >>> import numpy as np
    >>> logits = np.log([[[0.25, 0.75], [0.5, 0.5]]])
    >>> round(float(masked_cross_entropy(np.array([[1, -1]]), logits)[0]), 4)  # -log(0.75)
    0.2877
    """
    logits = logits[:, : target.shape[1]]
    target = target[:, : ops.shape(logits)[1]]
    shape = ops.shape(target)
    losses = cross_entropy(
        ops.maximum(ops.reshape(target, (-1,)), 0), ops.reshape(logits, (-1, logits.shape[-1]))
    )
    asked = ops.cast(target >= 0, losses.dtype)
    total = ops.sum(ops.reshape(losses, shape) * asked, axis=1)
    return total / ops.maximum(ops.sum(asked, axis=1), 1.0)


def binary_cross_entropy(
    target: Any, logits: Any, label_smoothing: float = 0.0, class_weights: Any = None
) -> Any:
    """The mean over classes of each class's own binary cross-entropy, from logits.

    Args:
        target: float [B, K], 1 where the class applies.
        logits: float [B, K].
        label_smoothing: moves targets from 0 and 1 towards one half, by this share.
        class_weights: None, or K floats, one for each class's term.

    Returns:
        float32 [B].

    Example:

    >>> import numpy as np
    >>> loss = binary_cross_entropy(np.ones((1, 2), "float32"), np.zeros((1, 2), "float32"))
    >>> round(float(loss[0]), 4)  # -log(0.5)
    0.6931
    """
    logits = ops.cast(logits, "float32")
    target = ops.cast(target, "float32") * (1.0 - label_smoothing) + 0.5 * label_smoothing
    # max(x, 0) - x t + log(1 + exp(-|x|)): exact for logits of any size.
    terms = ops.relu(logits) - logits * target + ops.log1p(ops.exp(-ops.abs(logits)))
    if class_weights is not None:
        terms = terms * ops.convert_to_tensor(class_weights, "float32")
    return ops.mean(terms, axis=-1)
