"""Changes of levels, each against what Pillow does."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from mmkeras.rand_augment import CHANGES, rand_augment

RANDOM = np.random.default_rng(0)
Y, X = np.mgrid[:40, :50]
PICTURE = np.stack([30 + 3 * X, 200 - 4 * Y, 60 + X + Y], -1) + RANDOM.integers(0, 20, (40, 50, 3))
PICTURE = PICTURE.clip(0, 255).astype("uint8")
LEVELS = tf.constant(PICTURE / np.float32(255))
AMOUNT = 0.4
PILLOW = {
    "auto_contrast": lambda picture, sign: ImageOps.autocontrast(picture),
    "equalize": lambda picture, sign: ImageOps.equalize(picture),
    "posterize": lambda picture, sign: ImageOps.posterize(picture, 8 - round(4 * AMOUNT)),
    "solarize": lambda picture, sign: ImageOps.solarize(picture, round(255 * (1 - AMOUNT))),
    "brightness": lambda p, sign: ImageEnhance.Brightness(p).enhance(1 + sign * AMOUNT),
    "contrast": lambda p, sign: ImageEnhance.Contrast(p).enhance(1 + sign * AMOUNT),
    "colour": lambda p, sign: ImageEnhance.Color(p).enhance(1 + sign * AMOUNT),
    "sharpness": lambda p, sign: ImageEnhance.Sharpness(p).enhance(1 + sign * AMOUNT),
}


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("name", CHANGES)
def test_is_what_pillow_does(name, sign):
    made = CHANGES[name](LEVELS, tf.constant(AMOUNT), tf.constant(sign)).numpy() * 255
    expected = np.array(PILLOW[name](Image.fromarray(PICTURE), sign), "float32")
    # Pillow cuts to whole levels in between.
    assert np.abs(made - expected).max() <= 2.0


def test_changes_are_drawn_evenly_and_from_the_seed_alone():
    run = tf.function(lambda seed: rand_augment(LEVELS, 1, AMOUNT, seed))
    made = [run(tf.constant([seed, 0])).numpy() for seed in range(200)]
    np.testing.assert_array_equal(made[3], run(tf.constant([3, 0])))
    stretched = CHANGES["auto_contrast"](LEVELS, tf.constant(0.0), tf.constant(1.0)).numpy()
    share = np.mean([np.abs(one - stretched).max() < 1e-5 for one in made])
    assert 0.06 < share < 0.2  # 1 in 8
    for one in made:
        assert one.min() >= 0
        assert one.max() <= 1


def test_several_changes_follow_each_other():
    one = rand_augment(LEVELS, 1, AMOUNT, tf.constant([5, 0])).numpy()
    three = rand_augment(LEVELS, 3, AMOUNT, tf.constant([5, 0])).numpy()
    assert one.shape == three.shape == PICTURE.shape
    assert np.abs(one - three).max() > 0.01


def test_a_flat_picture_stays_finite():
    for change in CHANGES.values():
        made = change(tf.fill([5, 5, 3], 0.5), tf.constant(0.3), tf.constant(1.0)).numpy()
        assert np.isfinite(made).all()
