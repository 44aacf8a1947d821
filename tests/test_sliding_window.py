"""Large pictures: windows cover them, and find what is too small once all is made smaller."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmkeras as mm
from mmkeras.encoders import VisionPyramid
from mmkeras.fusions import Late
from mmkeras.sliding_window import _starts, segment_large

CLASSES = ["ground", "red", "green"]


@given(st.integers(1, 500), st.integers(1, 100), st.floats(0, 0.9))
def test_windows_cover_every_pixel_and_overlap_enough(length, side, overlap):
    starts = _starts(length, side, overlap)
    covered = np.zeros(length, bool)
    for start in starts:
        assert 0 <= start <= max(length - side, 0)
        covered[start : start + side] = True
    assert covered.all()
    if len(starts) > 1:
        assert max(np.diff(starts)) <= max(side * (1 - overlap), 1) + 1


def scene(random, height, width, count):
    array = random.integers(0, 60, (height, width, 3)).astype("uint8")
    mask = np.zeros((height, width), "uint8")
    for _ in range(count):
        y, x = random.integers(0, height - 8), random.integers(0, width - 8)
        kind = random.integers(1, 3)
        array[y : y + 8, x : x + 8] = 0
        array[y : y + 8, x : x + 8, kind - 1] = 255
        mask[y : y + 8, x : x + 8] = kind
    return array, mask


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    pairs = [scene(random, 32, 32, 4) for _ in range(16)]
    rows = [{"image": image, "mask": mask} for image, mask in pairs]
    image = mm.Image(size=32, mean=0.5, std=0.5)
    size = mm.layers.Size(dim=16, depth=0, num_heads=2, mlp_dim=32)
    made = mm.MultimodalModel(
        {"image": image},
        {"mask": mm.SemanticSegmentation(CLASSES, size=32)},
        encoders={"image": VisionPyramid.for_modality(image, size, strides=(2, 4))},
        fusion=Late(16),
    )
    made.compile(optimizer=keras.optimizers.Adam(0.01))
    data = made.pipeline(mm.sources.Table(rows), batch_size=16)
    made.fit(data.repeat(60), verbose=0, shuffle=False)
    return made


def overlap(answer, mask):
    pairs = [(answer["mask"]["mask"], mask)]
    return mm.metrics.segmentation_scores(pairs, CLASSES)["mIoU"]


def test_sees_what_is_too_small_for_the_model(model):
    array, mask = scene(np.random.default_rng(1), 130, 170, 40)
    in_windows = segment_large(model, array)
    assert in_windows["mask"]["mask"].shape == mask.shape
    assert sum(in_windows["mask"]["shares"].values()) == pytest.approx(1)
    assert overlap(in_windows, mask) > 0.8
    assert overlap(in_windows, mask) > overlap(model.answer({"image": array}), mask) + 0.1


def test_a_picture_of_one_window_is_answered_as_such(model):
    array, _ = scene(np.random.default_rng(2), 32, 32, 3)
    here, there = segment_large(model, array), model.answer({"image": array})
    np.testing.assert_array_equal(here["mask"]["mask"], there["mask"]["mask"])


def test_other_models_are_refused(model):
    with pytest.raises(ValueError, match="overlap must be in"):
        segment_large(model, np.zeros((8, 8, 3), "uint8"), overlap=1.0)
    other = mm.MultimodalModel(
        {"text": mm.Text.tiny()}, {"kind": mm.Classification(["a", "b"])}, size="tiny"
    )
    with pytest.raises(ValueError, match="one field, an Image"):
        segment_large(other, np.zeros((8, 8, 3), "uint8"))
