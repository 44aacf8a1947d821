"""How far predicted classes of pixels are from the true ones."""

from typing import Any

from keras import ops


def segmentation_loss(
    target: Any, logits: Any, class_weights: Any = None, dice_weight: float = 1.0
) -> Any:
    """Cross-entropy of the labelled pixels, and 1 - Dice of the classes in the picture.

    Dice is 2 |p q| / (|p| + |q|), p being the probabilities of a class and q its true pixels: it
    weighs a small object as much as a large one. The mean is that of the classes which the mask
    holds.

    Source: Milletari et al. 2016, "V-Net", equation 3, for each class.

    Args:
        target: int [B, H, W], the class of each pixel; below 0 where nobody knows it.
        logits: float [B, H, W, K].
        class_weights: None, or K floats: how much a pixel of each class counts in the
            cross-entropy.
        dice_weight: how much Dice counts beside the cross-entropy.

    Returns:
        float32 [B]; 0 where no pixel is labelled.

    Example:

    >>> import numpy as np
    >>> logits = np.zeros((1, 1, 2, 2), "float32")
    >>> round(float(segmentation_loss(np.array([[[0, -1]]]), logits, dice_weight=0.0)[0]), 4)
    0.6931
    """
    known = ops.cast(target >= 0, "float32")
    logits = ops.cast(logits, "float32")
    one_hot = ops.one_hot(ops.maximum(target, 0), logits.shape[-1], dtype="float32")
    one_hot = one_hot * known[..., None]
    cross_entropy = -ops.sum(one_hot * ops.log_softmax(logits), axis=-1)
    weight = known
    if class_weights is not None:
        weight = ops.sum(one_hot * ops.convert_to_tensor(class_weights, "float32"), axis=-1)
    count = ops.sum(weight, axis=(1, 2))
    loss = ops.sum(cross_entropy * weight, axis=(1, 2)) / ops.maximum(count, 1e-6)
    if not dice_weight:
        return loss
    probabilities = ops.softmax(logits) * known[..., None]
    both = ops.sum(probabilities * one_hot, axis=(1, 2))
    sizes = ops.sum(probabilities, axis=(1, 2)) + ops.sum(one_hot, axis=(1, 2))
    there = ops.cast(ops.any(one_hot > 0, axis=(1, 2)), "float32")
    apart = (1.0 - 2.0 * both / ops.maximum(sizes, 1e-6)) * there
    dice = ops.sum(apart, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)
    return loss + dice_weight * dice
