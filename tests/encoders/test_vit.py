"""`ViT`: its patches, against NumPy, and the sizes it refuses."""

import numpy as np
import pytest

from mmkeras.encoders import ViT
from mmkeras.layers import Size

SIZE = Size(dim=16, depth=0, num_heads=2, mlp_dim=32)
PIXELS = np.random.default_rng(0).normal(size=(1, 8, 12, 3)).astype("float32")


@pytest.mark.parametrize("stem", ["patch", "convolution"])
def test_a_token_for_each_patch(stem):
    tokens = ViT(8, 12, patch_size=4, stem=stem, stack=SIZE.stack())(
        {"pixels": PIXELS, "present": np.array([True])}
    )
    assert tuple(tokens.values.shape) == (1, 6, 16)
    assert np.array(tokens.mask).all()


def test_patches_are_a_dense_layer_in_reading_order():
    encoder = ViT(8, 12, patch_size=4, stem="patch", stack=SIZE.stack())
    values = np.array(encoder({"pixels": PIXELS, "present": np.array([True])}).values)[0]
    kernel, bias = encoder.stem[0].get_weights()
    patches = [PIXELS[0, y : y + 4, x : x + 4].ravel() for y in (0, 4) for x in (0, 4, 8)]
    summed = np.stack(patches) @ kernel.reshape(-1, 16) + bias
    summed += encoder.positions.get_weights()[0].reshape(-1, 16)
    centred = summed - summed.mean(axis=1, keepdims=True)
    expected = centred / np.sqrt(centred.var(axis=1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(values, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"patch_size": 5}, "patch_size=5, height=8, width=12"),
        ({"patch_size": 4, "stem": "steam"}, "'steam'"),
        ({"patch_size": 1}, "patch_size of 2, 4, 8"),
    ],
)
def test_refuses_what_does_not_fit(arguments, says):
    with pytest.raises(ValueError, match=says):
        ViT(8, 12, **arguments, stack=SIZE.stack())


def test_other_sizes_get_interpolated_positions():
    """A plane of positions stays a plane: where cells are, not how many, decides."""
    encoder = ViT(64, 96, patch_size=4, stem="patch", stack=SIZE.stack())
    encoder.build({"pixels": (None, 64, 96, 3), "present": (None,)})
    y, x = (np.mgrid[:16, :24] + 0.5) / np.array([16, 24])[:, None, None]
    encoder.positions.set_weights([np.stack([x + 2 * y] * 16, -1)])
    larger = encoder.resized(128, 128, name="larger")
    assert larger.grids == ((32, 32),)
    assert larger.name == "larger"
    y, x = (np.mgrid[:32, :32] + 0.5) / 32
    made = larger.positions.get_weights()[0]
    np.testing.assert_allclose(made[4:-4, 4:-4, 0], (x + 2 * y)[4:-4, 4:-4], atol=2e-3)
    for one, other in zip(encoder.stem[0].get_weights(), larger.stem[0].get_weights()):
        np.testing.assert_array_equal(one, other)
    pixels = np.random.default_rng(0).normal(size=(2, 128, 128, 3)).astype("float32")
    tensors = {"pixels": pixels, "present": np.array([True, False])}
    # The same without a new encoder.
    np.testing.assert_allclose(larger(tensors).values, encoder(tensors).values, atol=1e-4)


def test_an_encoder_without_weights_is_not_resized():
    with pytest.raises(ValueError, match="no weights yet"):
        ViT(8, 12, patch_size=4, stack=SIZE.stack()).resized(16, 16)
