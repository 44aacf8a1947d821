"""Losses of spectra against NumPy, frame by frame."""

import numpy as np
import pytest

from mmkeras.layers import ShortTimeFourier
from mmkeras.losses import log_magnitude_error, turn_error

RNG = np.random.default_rng(0)


def test_log_magnitudes_count_where_frames_do():
    magnitude = np.exp(RNG.normal(size=(2, 3, 5))).astype("float32")
    predicted = RNG.normal(size=(2, 3, 5)).astype("float32")
    magnitude[0, 0, 0], predicted[0, 0, 0] = 0.0, -30.0  # Both silent.
    mask = np.array([[True, True, False], [True, False, False]])
    error = np.array(log_magnitude_error(magnitude, predicted, mask))
    logs = np.abs(np.log(np.maximum(magnitude, 1e-2)) - np.maximum(predicted, np.log(1e-2)))
    np.testing.assert_allclose(error, [logs[0, :2].mean(), logs[1, 0].mean()], rtol=1e-5)


@pytest.mark.parametrize("hop", [16, 23])
def test_turns_are_differences_of_angles(hop):
    fourier = ShortTimeFourier(64, hop)
    sound = RNG.normal(size=(2, fourier.num_samples(6))).astype("float32")
    real, imaginary = map(np.array, fourier.spectrum(sound))
    spectra = real + 1j * imaginary
    turn = RNG.normal(size=real.shape).astype("float32")
    mask = np.arange(6) < np.array([[6], [3]])
    middle = 2 * np.pi * np.arange(33) * hop / 64
    true = np.angle(spectra[:, 1:]) - np.angle(spectra[:, :-1]) - middle
    weights = np.abs(spectra[:, 1:] * spectra[:, :-1]) ** 0.25 * mask[:, 1:, None]
    wrong = 1 - np.cos(turn[:, 1:] - true)
    expected = (wrong * weights).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
    np.testing.assert_allclose(turn_error(real, imaginary, turn, mask, hop), expected, rtol=1e-4)
    right = np.pad(true, [[0, 0], [1, 0], [0, 0]]).astype("float32") + 2 * np.pi
    assert np.abs(turn_error(real, imaginary, right, mask, hop)).max() < 1e-4
    silent = turn_error(0 * real, 0 * imaginary, turn, mask, hop)
    assert np.array(silent).tolist() == [0.0, 0.0]
