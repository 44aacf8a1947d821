"""MFCC against SciPy's cosine transform and librosa."""

import keras
import librosa
import numpy as np
import pytest
import scipy.fft

from mmkeras.layers import MFCC

FRAMES = np.random.default_rng(0).normal(size=(2, 7, 40)).astype("float32")


@pytest.mark.parametrize("count", [1, 13, 40])
def test_is_scipys_cosine_transform(count):
    expected = scipy.fft.dct(FRAMES, type=2, norm="ortho")[..., :count]
    layer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(MFCC(count)))
    actual = np.array(layer(FRAMES))
    assert actual.shape == (2, 7, count) == tuple(layer.compute_output_shape(FRAMES.shape))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_is_what_librosa_makes_of_decibels():
    expected = librosa.feature.mfcc(S=FRAMES[0].T * 10 / np.log(10), n_mfcc=13, htk=True)
    actual = np.array(MFCC(13)(FRAMES))[0]
    np.testing.assert_allclose(actual, expected.T * np.log(10) / 10, atol=1e-5)


def test_refuses_more_coefficients_than_bands_and_none():
    with pytest.raises(ValueError, match="num_coefficients is 41, and there are only 40 mel bands"):
        MFCC(41).build(FRAMES.shape)
    with pytest.raises(ValueError, match="at least 1; got 0"):
        MFCC(0)
