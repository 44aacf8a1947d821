"""Of boxes that overlap, the best alone."""

from typing import Any, NamedTuple

from keras import ops

from mmkeras.layers.boxes import overlap


class Detections(NamedTuple):
    """The best boxes of each picture, best first, filled up with boxes of score 0.

    Attributes:
        boxes: float [B, M, 4].
        scores: float [B, M].
        classes: int32 [B, M].
    """

    boxes: Any
    scores: Any
    classes: Any


def non_maximum_suppression(
    boxes: Any,
    scores: Any,
    max_detections: int = 100,
    max_overlap: float = 0.6,
    candidates: int = 400,
) -> Detections:
    """Greedy suppression, class by class, of boxes that overlap a better one.

    Instead of going through the boxes one by one, it repeats one step for all of them, "a box is
    kept unless a kept one that is better overlaps it", until nothing changes; that is after few
    steps, and the result is that of the greedy rule (Zheng et al. 2020, "Enhancing Geometric
    Factors in Model Learning and Inference for Object Detection and Instance Segmentation", 3.3:
    Cluster-NMS). Shapes are static, and the operations built into every runtime.

    Args:
        boxes: float [B, T, 4].
        scores: float [B, T, K], in [0, 1]; a box may stand for several classes.
        max_detections: M.
        max_overlap: the intersection over union from which on the worse box is dropped.
        candidates: how many of the best scores are looked at.

    Example:

    >>> import numpy as np
    >>> boxes = np.array([[[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0, 0.5, 0.5]]], "float32")
    >>> best = non_maximum_suppression(boxes, np.array([[[0.9], [0.8], [0.7]]], "float32"), 3)
    >>> np.array(best.scores).round(2).tolist()
    [[0.8999999761581421, 0.699999988079071, 0.0]]
    """
    count, size = scores.shape[1:]
    candidates = min(candidates, count * size)
    flat = ops.reshape(scores, (-1, count * size))
    best, places = ops.top_k(flat, candidates)
    places = ops.cast(places, "int32")
    cell = places // size
    classes = places - cell * size
    chosen = ops.take_along_axis(boxes, cell[..., None], axis=1)
    # Boxes of different classes are moved apart.
    apart = chosen + 4.0 * ops.cast(classes, chosen.dtype)[..., None]
    over = overlap(apart[:, :, None], apart[:, None]) > max_overlap
    order = ops.arange(candidates)
    over = ops.cast(over & (order[:, None] < order[None]), "float32")

    def step(kept: Any, before: Any) -> tuple[Any, Any]:
        del before
        beaten = ops.einsum("bi,bij->bj", kept, over)
        return ops.cast(beaten < 0.5, "float32"), kept

    def changes(kept: Any, before: Any) -> Any:
        return ops.any(ops.not_equal(kept, before))

    everything = ops.ones_like(best)
    kept, _ = ops.while_loop(changes, step, (everything, ops.zeros_like(best)))
    best = best * kept
    best, order = ops.top_k(best, min(max_detections, candidates))
    order = ops.cast(order, "int32")
    found = Detections(
        ops.take_along_axis(chosen, order[..., None], axis=1),
        best,
        ops.take_along_axis(classes, order, axis=1),
    )
    missing = max_detections - min(max_detections, candidates)
    if not missing:
        return found
    return Detections(
        ops.pad(found.boxes, ((0, 0), (0, missing), (0, 0))),
        ops.pad(found.scores, ((0, 0), (0, missing))),
        ops.pad(found.classes, ((0, 0), (0, missing))),
    )
