"""How much boxes overlap, against counting cells of a raster."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmkeras.layers.boxes import area, generalised_overlap, overlap

SIDE = 12
CORNER = st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))


@st.composite
def boxes(draw):
    x1, y1 = draw(CORNER)
    return [x1, y1, draw(st.integers(x1 + 1, SIDE)), draw(st.integers(y1 + 1, SIDE))]


def raster(box):
    filled = np.zeros((SIDE, SIDE), bool)
    filled[box[1] : box[3], box[0] : box[2]] = True
    return filled


@given(boxes(), boxes())
def test_overlaps_are_shares_of_cells(one, other):
    a, b = raster(one), raster(other)
    rows, columns = np.nonzero(a | b)
    hull = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    expected = (a & b).sum() / (a | b).sum()
    given_ = np.array(one, "float32"), np.array(other, "float32")
    assert float(area(given_[0])) == a.sum()
    assert float(overlap(*given_)) == pytest.approx(expected, abs=1e-6)
    apart = (hull - (a | b).sum()) / hull
    assert float(generalised_overlap(*given_)) == pytest.approx(expected - apart, abs=1e-6)


def test_a_box_turned_inside_out_has_no_area():
    assert float(area(np.array([3.0, 0, 1, 2], "float32"))) == 0
    assert float(overlap(np.zeros(4, "float32"), np.zeros(4, "float32"))) == 0
