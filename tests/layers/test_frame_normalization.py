"""Normalisation of frames against NumPy's mean and deviation of what is no padding."""

import keras
import numpy as np
import pytest

from mmkeras.layers import GlobalNormalization, UtteranceNormalization

RNG = np.random.default_rng(0)
FRAMES = RNG.normal(5, 3, size=(3, 9, 4)).astype("float32")
LENGTHS = [9, 4, 0]
MASK = np.arange(9) < np.array(LENGTHS)[:, None]
# What is masked may be anything.
PADDED = np.where(MASK[..., None], FRAMES, np.inf)


def copied(layer):
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))


def test_utterances_are_normalised_each_by_itself():
    actual = np.array(copied(UtteranceNormalization(epsilon=1e-8))(PADDED, MASK))
    for i, length in enumerate(LENGTHS[:2]):
        kept = FRAMES[i, :length]
        expected = (kept - kept.mean(axis=0)) / kept.std(axis=0)
        np.testing.assert_allclose(actual[i, :length], expected, atol=1e-5)
    assert not actual[~MASK].any()


def test_a_constant_utterance_becomes_zero_in_half_precision_as_well():
    layer = UtteranceNormalization(dtype="float16")
    constant = np.full((1, 5, 2), 300, "float16")
    actual = np.array(layer(constant, np.ones((1, 5), bool)))
    assert actual.dtype == np.float16
    assert not actual.any()


def test_a_dataset_is_normalised_as_one():
    layer = copied(GlobalNormalization.adapt([(PADDED[:1], MASK[:1]), (PADDED[1:], MASK[1:])]))
    kept = FRAMES[MASK]
    np.testing.assert_allclose(layer.mean, kept.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(layer.std, kept.std(axis=0), rtol=1e-5)
    expected = (FRAMES - kept.mean(axis=0)) / kept.std(axis=0)
    np.testing.assert_allclose(np.array(layer(FRAMES)), expected, atol=1e-4)


def test_a_band_that_never_changes_is_not_stretched():
    frames = FRAMES.copy()
    frames[..., 2] = 1.5
    layer = GlobalNormalization.adapt([(frames, MASK)])
    assert (layer.mean[2], layer.std[2]) == (1.5, 1.0)


def test_refuses_what_are_no_statistics():
    with pytest.raises(ValueError, match="hold no frame"):
        GlobalNormalization.adapt([(FRAMES, np.zeros((3, 9), bool))])
    with pytest.raises(ValueError, match="as many numbers; got 2 and 1"):
        GlobalNormalization([0, 0], [1])
    with pytest.raises(ValueError, match="above 0; the least is 0"):
        GlobalNormalization([0, 0], [1, 0])
