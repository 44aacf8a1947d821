"""Cells, maps and tokens are in one order."""

import numpy as np
import pytest

from mmkeras.layers.grids import cells, maps, needed_grids, tokens_of
from mmkeras.tokens import Layout

GRIDS = ((2, 3), (1, 2))


def test_the_cell_of_each_token():
    made = cells(GRIDS)
    assert made.shape == (8, 4)
    # Row 1, column 2 of the first grid; then the right half of the picture.
    np.testing.assert_allclose(made[5], [2 / 3, 1 / 2, 1, 1])
    np.testing.assert_allclose(made[7], [1 / 2, 0, 1, 1])


def test_maps_hold_what_their_cells_are():
    tokens = cells(GRIDS)[None]
    first, second = (np.array(each)[0] for each in maps(tokens, GRIDS))
    for map_, (rows, columns) in zip((first, second), GRIDS):
        for row in range(rows):
            for column in range(columns):
                np.testing.assert_allclose(map_[row, column, :2], [column / columns, row / rows])
    padded = np.pad(tokens, [(0, 0), (0, 3), (0, 0)])
    np.testing.assert_array_equal(tokens_of(maps(padded, GRIDS)), tokens)


def test_tokens_without_a_grid_are_refused():
    with pytest.raises(ValueError, match=r"field 'voice', whose encoder makes tokens that are no"):
        needed_grids({"voice": Layout(grids=())}, "voice", "ObjectDetection")
