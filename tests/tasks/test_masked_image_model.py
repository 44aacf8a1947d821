"""Hidden patches: what is blank, what is to be guessed, and what pretraining hands over."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.encoders import ViT
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Image
from mmkeras.sources import Table
from mmkeras.tasks import MaskedImageModel
from mmkeras.tokens import Layout

IMAGE = Image(size=(24, 32))
TASK = MaskedImageModel.of(IMAGE, patch_size=8, share=0.5)


def prepared(seed):
    pixels = np.random.default_rng(0).normal(size=(24, 32, 3)).astype("float32")
    inputs = {"image": {"pixels": tf.constant(pixels), "present": tf.constant(True)}}
    inputs, target = TASK.prepare(inputs, TASK.target(tf.constant("")), tf.constant([seed, 1]))
    return pixels, inputs["image"]["pixels"].numpy(), target.numpy()


@pytest.mark.parametrize("seed", range(5))
def test_hidden_patches_are_blank_and_the_target_is_what_was_there(seed):
    pixels, shown, target = prepared(seed)
    assert target[..., -1].sum() == 6
    for row in range(3):
        for column in range(4):
            place = np.s_[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            patch = pixels[place].ravel()
            expected = (patch - patch.mean()) / np.sqrt(patch.var() + 1e-2)
            np.testing.assert_allclose(target[row, column, :-1], expected, atol=1e-4)
            if target[row, column, -1]:
                assert not shown[place].any()
            else:
                np.testing.assert_array_equal(shown[place], pixels[place])


def test_the_loss_looks_at_hidden_patches_alone():
    _, _, target = prepared(0)
    guess = target[None, ..., :-1].copy()
    guess[:, target[..., -1] == 0] = 99.0
    guess[:, target[..., -1] == 1] += 2.0
    assert float(TASK.loss(target[None], {"patches": guess})[0]) == pytest.approx(4.0, rel=1e-5)


def test_every_patch_is_hidden_as_often_as_the_others():
    share = np.mean([prepared(seed)[2][..., -1] for seed in range(200)], axis=0)
    np.testing.assert_allclose(share, 0.5, atol=0.13)


def test_pretraining_needs_no_labels_and_hands_over_its_encoder():
    random = np.random.default_rng(0)
    y, x = np.mgrid[:24, :32]
    rows = [
        {"image": np.uint8(127 + 120 * np.sin((a * x + b * y) / 8 + c))}
        for a, b, c in random.uniform(-1, 1, (64, 3)) * [1, 1, 3]
    ]
    image = Image(size=(24, 32), channels=1, min_crop=1.0, flip=False, jitter=0.0)
    stack = Size(dim=32, depth=2, num_heads=2, mlp_dim=64).stack()
    encoder = ViT(24, 32, patch_size=8, stack=stack, dropout=0.0)
    task = MaskedImageModel.of(image, patch_size=8, share=0.5)
    model = mm.MultimodalModel(
        {"image": image}, {"guess": task}, encoders={"image": encoder}, fusion=Late(32)
    )
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    data = model.pipeline(Table(rows), batch_size=32)
    losses = model.fit(
        data.repeat(), steps_per_epoch=60, epochs=2, shuffle=False, verbose=0
    ).history["loss"]
    assert losses[-1] < 0.6  # To guess the mean of each patch gives 1.
    answers = mm.MultimodalModel(
        {"image": image},
        {"kind": mm.Classification(["a", "b"])},
        encoders={"image": encoder},
        fusion=Late(32),
    )
    before = [weight.copy() for weight in encoder.get_weights()]
    answers.answer(rows[0])
    for one, other in zip(before, encoder.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="patch_size must divide"):
        MaskedImageModel.of(IMAGE, patch_size=7)
    with pytest.raises(ValueError, match="share must hide some of 12 patches"):
        MaskedImageModel.of(IMAGE, share=0.01)
    with pytest.raises(ValueError, match=r"are a grid of \(3, 4\), but the finest .* \(6, 8\)"):
        TASK.head("guess", {"image": Layout(grids=((6, 8),))})
    with pytest.raises(TypeError, match="takes no label"):
        TASK.encode("cat")
