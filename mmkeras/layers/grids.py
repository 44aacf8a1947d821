"""Tokens that are the cells of grids, as maps, and where in the picture the cells are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from mmkeras.tokens import Grids, Layout


def cells(grids: Sequence[tuple[int, int]]) -> np.ndarray:
    """The boxes of the cells of grids, in shares of width and height.

    Args:
        grids: (rows, columns) of each grid, whose cells share the picture evenly.

    Returns:
        float32 [T, 4], grid by grid and row by row, as tokens are.

    Example:

    >>> cells([(1, 2)]).tolist()
    [[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]]
    """
    made = []
    for rows, columns in grids:
        y, x = np.mgrid[:rows, :columns]
        corners = [x / columns, y / rows, (x + 1) / columns, (y + 1) / rows]
        made.append(np.stack(corners, axis=-1).reshape(-1, 4))
    return np.concatenate(made).astype("float32")


def maps(values: Any, grids: Sequence[tuple[int, int]]) -> list[Any]:
    """Tokens, float [B, T, D], as a map [B, H, W, D] of each grid; what is behind them is left out.

    Example:

    >>> [tuple(each.shape) for each in maps(np.zeros((2, 21, 8)), [(4, 4), (2, 2)])]
    [(2, 4, 4, 8), (2, 2, 2, 8)]
    """
    made, start = [], 0
    for rows, columns in grids:
        part = values[:, start : start + rows * columns]
        made.append(ops.reshape(part, (-1, rows, columns, values.shape[-1])))
        start += rows * columns
    return made


def tokens_of(maps: Sequence[Any]) -> Any:
    """Maps, [B, H, W, D] each, as tokens [B, T, D]; undoes `maps`."""
    flat = [ops.reshape(each, (-1, each.shape[1] * each.shape[2], each.shape[3])) for each in maps]
    return ops.concatenate(flat, axis=1)


def needed_grids(layouts: Mapping[str, Layout], field: str, task: str) -> Grids:
    """The grids of a field.

    Raises:
        ValueError: its tokens are no cells of a grid.

    Example:

    >>> needed_grids({"photo": Layout(grids=((2, 2),))}, "photo", "ObjectDetection")
    ((2, 2),)
    """
    grids = layouts.get(field, Layout()).grids
    if not grids:
        raise ValueError(
            f"{task} answers with places in field {field!r}, whose encoder makes tokens that are "
            "no cells of a grid; use a ViT or a VisionPyramid for it."
        )
    return grids
