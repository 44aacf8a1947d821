"""Which cells learn which object, and how well each should say so."""

from typing import Any, NamedTuple

from keras import ops

from mmkeras.layers.boxes import overlap

#: Decides between cells while no prediction overlaps anything yet; below every real alignment.
_CLOSENESS = 1e-25


class Assignment(NamedTuple):
    """What each of T cells should answer.

    Attributes:
        boxes: float [B, T, 4], of the cell's object; any box where it has none.
        scores: float [B, T, K], 0 but for the class of the cell's object.
        weight: float [B, T], the score of the cell's object, 0 where it has none.
    """

    boxes: Any
    scores: Any
    weight: Any


def task_aligned(
    cells: Any,
    logits: Any,
    boxes: Any,
    true_boxes: Any,
    true_classes: Any,
    candidates: int = 10,
    alpha: float = 1.0,
    beta: float = 6.0,
) -> Assignment:
    """The cells whose answers are best in class and place at once learn an object.

    How well a cell t answers object n is a = s^α · u^β, s being its score for the class of n, and u
    the overlap of its box with that of n. Of the cells whose centre is in the object (or that hold
    its centre, for objects smaller than a cell) the `candidates` with the largest a learn it; a
    cell that two objects claim learns the one it overlaps more. The score to be learned is a,
    scaled for each object so that its largest is the object's largest u.

    Source: Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection", section 3.2. All
    shapes are static.

    Args:
        cells: float [T, 4].
        logits: float [B, T, K].
        boxes: float [B, T, 4], as predicted.
        true_boxes: float [B, N, 4].
        true_classes: int [B, N], -1 where there is no object.
        candidates: the most cells that learn an object.
        alpha, beta: α and β.
    """
    count, size = logits.shape[1], logits.shape[2]
    there = true_classes >= 0
    cells = ops.convert_to_tensor(cells, "float32")
    centres = (cells[:, :2] + cells[:, 2:]) / 2
    middles = (true_boxes[..., :2] + true_boxes[..., 2:]) / 2
    allowed = _inside(centres[None, None], true_boxes[:, :, None])
    allowed = allowed | _inside(middles[:, :, None], cells[None, None])
    allowed = allowed & there[:, :, None]

    overlaps = overlap(true_boxes[:, :, None], boxes[:, None])
    wanted = ops.one_hot(ops.maximum(true_classes, 0), size, dtype="float32")
    # [B, N, K] · [B, T, K]: each cell's score for the class of each object.
    scores = ops.einsum("bnk,btk->bnt", wanted, ops.sigmoid(logits))
    alignment = scores**alpha * overlaps**beta
    nearness = 1.0 / (1.0 + ops.sum((centres[None, None] - middles[:, :, None]) ** 2, axis=-1))
    ranked = ops.where(allowed, alignment + _CLOSENESS * nearness, -1.0)
    least = ops.top_k(ranked, min(candidates, count))[0][..., -1:]
    claimed = ops.cast(allowed & (ranked >= least), "float32")

    # Where several objects claim a cell: the one it overlaps most, the first of equals.
    claim = claimed * (1.0 + overlaps)
    best = ops.max(claim, axis=1, keepdims=True)
    owned = claimed * ops.cast(claim >= best, "float32")
    owned = owned * ops.cast(ops.cumsum(owned, axis=1) <= 1.0, "float32")

    aligned = alignment * owned
    largest = ops.max(aligned, axis=2, keepdims=True)
    reached = ops.max(overlaps * owned, axis=2, keepdims=True)
    target = aligned / ops.maximum(largest, 1e-30) * reached
    return Assignment(
        boxes=ops.einsum("bnt,bnc->btc", owned, true_boxes),
        scores=ops.einsum("bnt,bnk->btk", target, wanted),
        weight=ops.sum(target, axis=1),
    )


def _inside(points: Any, boxes: Any) -> Any:
    """bool [...]: whether points, float [..., 2], are in boxes, float [..., 4]."""
    return ops.all((points >= boxes[..., :2]) & (points <= boxes[..., 2:]), axis=-1)
