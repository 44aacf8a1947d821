"""Boxes (x1, y1, x2, y2): how large they are, and how much they overlap."""

from typing import Any

from keras import ops


def area(boxes: Any) -> Any:
    """float [..., 4] to float [...]; 0 where a box is turned inside out."""
    sides = ops.relu(boxes[..., 2:] - boxes[..., :2])
    return sides[..., 0] * sides[..., 1]


def overlap(boxes: Any, others: Any) -> Any:
    """Intersection over union of boxes, float [..., 4] each, which may broadcast.

    Example:

    >>> import numpy as np
    >>> float(overlap(np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2])))
    0.3333333333333333
    """
    shared, union, _ = _parts(boxes, others)
    return shared / ops.maximum(union, _LEAST)


def generalised_overlap(boxes: Any, others: Any) -> Any:
    """Intersection over union, less the share of their hull that neither box fills.

    It is in (-1, 1], and tells boxes that do not touch how far apart they are.

    Source: Rezatofighi et al. 2019, "Generalized Intersection over Union".

    Args:
        boxes, others: float [..., 4], which may broadcast.

    Example:

    >>> import numpy as np
    >>> float(generalised_overlap(np.array([0.0, 0, 1, 1]), np.array([2.0, 0, 3, 1])))
    -0.3333333333333333
    """
    shared, union, hull = _parts(boxes, others)
    return shared / ops.maximum(union, _LEAST) - (hull - union) / ops.maximum(hull, _LEAST)


#: Keeps what has no area from a division by zero; far below one pixel of one million.
_LEAST = 1e-9


def _parts(boxes: Any, others: Any) -> tuple[Any, Any, Any]:
    """The areas of intersection, union and hull."""
    inner = ops.concatenate(
        [
            ops.maximum(boxes[..., :2], others[..., :2]),
            ops.minimum(boxes[..., 2:], others[..., 2:]),
        ],
        axis=-1,
    )
    outer = ops.concatenate(
        [
            ops.minimum(boxes[..., :2], others[..., :2]),
            ops.maximum(boxes[..., 2:], others[..., 2:]),
        ],
        axis=-1,
    )
    shared = area(inner)
    return shared, area(boxes) + area(others) - shared, area(outer)
