"""`VisionPyramid`: its grids, what its cells see, and the sizes it refuses."""

import numpy as np
import pytest

from mmkeras.encoders import VisionPyramid
from mmkeras.layers import Size
from mmkeras.layers.grids import maps

SIZE = Size(dim=16, depth=1, num_heads=2, mlp_dim=32)


def test_cells_of_all_grids_finest_first():
    encoder = VisionPyramid(32, 64, strides=(4, 8, 16), stack=SIZE.stack())
    pixels = np.random.default_rng(0).normal(size=(2, 32, 64, 3)).astype("float32")
    tokens = encoder({"pixels": pixels, "present": np.array([True, False])})
    assert encoder.grids == ((8, 16), (4, 8), (2, 4))
    assert tuple(tokens.values.shape) == (2, 128 + 32 + 8, 16)
    assert np.array(tokens.mask).all(axis=1).tolist() == [True, False]


def test_a_cell_sees_what_is_there():
    """Without the Transformer, a change in a corner changes the cells of that corner most."""
    keras_size = Size(dim=16, depth=0, num_heads=2, mlp_dim=32)
    encoder = VisionPyramid(64, 64, strides=(4, 8), stack=keras_size.stack())
    pixels = np.zeros((1, 64, 64, 3), "float32")
    changed = pixels.copy()
    changed[:, 40:56, 8:24] = 1
    present = np.array([True])
    before = encoder({"pixels": pixels, "present": present}).values
    after = encoder({"pixels": changed, "present": present}).values
    for map_ in maps(np.abs(np.array(after) - np.array(before)), encoder.grids):
        strength = np.array(map_)[0].mean(-1)
        side = strength.shape[0] / 64
        row, column = np.unravel_index(strength.argmax(), strength.shape)
        assert 36 * side <= row <= 60 * side
        assert 4 * side <= column <= 28 * side
        assert strength[0, -1] < 1e-6


@pytest.mark.parametrize(
    ("strides", "says"),
    [
        ((8, 32), r"each twice the one before"),
        ((1, 2), r"powers of two from 2 up"),
        ((3, 6), r"powers of two"),
        ((), r"powers of two"),
        ((32, 64), r"must divide height and width; got height=32, width=64"),
    ],
)
def test_refuses_what_does_not_fit(strides, says):
    with pytest.raises(ValueError, match=says):
        VisionPyramid(32, 64, strides=strides, stack=SIZE.stack())


def test_absent_pictures_change_nothing_in_training():
    encoder = VisionPyramid(32, 32, strides=(4, 8), stack=SIZE.stack(), dropout=0.0)
    pixels = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    alone = encoder({"pixels": pixels, "present": np.array([True])}, training=True).values
    many = np.concatenate([pixels, np.zeros((7, 32, 32, 3), "float32")])
    present = np.arange(8) == 0
    among = encoder({"pixels": many, "present": present}, training=True).values
    np.testing.assert_allclose(among[0], alone[0], atol=2e-3)
