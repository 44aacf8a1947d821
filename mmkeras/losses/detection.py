"""How far predicted boxes and classes are from the objects of each picture."""

from typing import Any

from keras import ops

from mmkeras.layers.boxes import generalised_overlap
from mmkeras.layers.task_alignment import task_aligned


def detection_loss(
    cells: Any,
    logits: Any,
    boxes: Any,
    true_boxes: Any,
    true_classes: Any,
    crowd: Any,
    box_weight: float = 2.0,
) -> Any:
    """Binary cross-entropy of classes, with the aligned scores as targets, and 1 - GIoU of boxes.

    Both are sums over cells, boxes weighted by the score to be learned, divided by the mean sum of
    such scores in the pictures of the batch that hold objects, so that a picture counts as much as
    there is to be learned of it. Cells in a crowd that learn no object count for nothing.

    Source: Feng et al. 2021, "TOOD", section 3.2; see `task_aligned`.

    Args:
        cells: float [T, 4].
        logits: float [B, T, K].
        boxes: float [B, T, 4], as predicted.
        true_boxes: float [B, N, 4].
        true_classes: int [B, N], -1 where there is no object, or one of a crowd.
        crowd: bool [B, N], which boxes hold a crowd.
        box_weight: how much boxes count beside classes.

    Returns:
        float32 [B].
    """
    logits, boxes, true_boxes = (ops.cast(part, "float32") for part in (logits, boxes, true_boxes))
    assigned = task_aligned(
        cells,
        ops.stop_gradient(logits),
        ops.stop_gradient(boxes),
        true_boxes,
        true_classes,
    )
    assigned = type(assigned)(*map(ops.stop_gradient, assigned))
    cells = ops.convert_to_tensor(cells, "float32")
    centres = (cells[:, :2] + cells[:, 2:]) / 2
    hidden = ops.all(
        (centres > true_boxes[:, :, None, :2]) & (centres < true_boxes[:, :, None, 2:]), axis=-1
    )
    hidden = ops.any(hidden & crowd[:, :, None], axis=1) & (assigned.weight <= 0)
    # max(x, 0) - x t + log(1 + exp(-|x|)): exact for logits of any size.
    terms = ops.relu(logits) - logits * assigned.scores + ops.log1p(ops.exp(-ops.abs(logits)))
    classes = ops.sum(ops.where(hidden[..., None], 0.0, terms), axis=(1, 2))
    # A cell without an object has any box.
    goal = ops.where(assigned.weight[..., None] > 0, assigned.boxes, boxes)
    apart = 1.0 - generalised_overlap(boxes, ops.stop_gradient(goal))
    places = ops.sum(apart * assigned.weight, axis=1)
    # Of the pictures that hold objects: others may be without a label, and count elsewhere or not.
    sums = ops.sum(assigned.weight, axis=1)
    holding = ops.sum(ops.cast(sums > 0, "float32"))
    learned = ops.maximum(ops.sum(sums) / ops.maximum(holding, 1.0), 1.0)
    return (classes + box_weight * places) / learned
