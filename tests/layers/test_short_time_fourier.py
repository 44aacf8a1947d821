"""The Fourier transforms of frames against NumPy's and `LogMelSpectrogram`, and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.layers import LogMelSpectrogram, ShortTimeFourier

NOISE = np.random.default_rng(0).normal(size=(2, 1_000)).astype("float32")


@pytest.mark.parametrize(("length", "hop"), [(200, 80), (256, 64), (201, 67), (64, 60)])
def test_is_numpys_transform_of_each_frame(length, hop):
    fourier = ShortTimeFourier(length, hop)
    waveform = NOISE[:, : fourier.num_samples(9 if length < 250 else 5)]
    frames = np.lib.stride_tricks.sliding_window_view(waveform, length, axis=1)[:, ::hop]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    expected = np.fft.rfft(frames * window, fourier.fft_length)
    real, imaginary = fourier.spectrum(waveform)
    assert real.shape == (*frames.shape[:2], fourier.bins)
    np.testing.assert_allclose(real, expected.real, atol=1e-3)
    np.testing.assert_allclose(imaginary, expected.imag, atol=1e-3)


def test_frames_are_those_of_the_spectrogram():
    mels = LogMelSpectrogram(8_000, frame_length=200, hop_length=80, num_mels=20)
    fourier = ShortTimeFourier(200, 80)
    waveform = NOISE[:, :840]
    real, imaginary = map(np.array, fourier.spectrum(waveform))
    expected = np.log(np.maximum((real**2 + imaginary**2) @ mels.filters, 1e-6))
    np.testing.assert_allclose(mels(waveform), expected, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 80), st.data())
def test_the_way_back_is_the_least_squares_one(length, data):
    hop = data.draw(st.integers(1, length - 1))
    frames = data.draw(st.integers(1, 6))
    fourier = ShortTimeFourier(length, hop)
    random = np.random.default_rng(length)
    spectra = np.fft.rfft(random.normal(size=(frames, fourier.fft_length)))
    matrix = np.zeros((frames, length, fourier.num_samples(frames)))
    window = fourier.window.astype("float64")
    for t in range(frames):
        matrix[t, :, t * hop : t * hop + length] = np.diag(window)
    # The waveform whose windowed frames are nearest, wherever windows tell enough of a sample.
    wanted = np.fft.irfft(spectra, fourier.fft_length)[:, :length]
    flat = matrix.reshape(frames * length, -1)
    best = np.linalg.lstsq(flat, wanted.ravel(), rcond=None)[0]
    told = (flat**2).sum(axis=0)
    steady = sum((window[s::hop] ** 2).sum() * (np.arange(hop) == s) for s in range(hop)).max()
    made = np.array(
        fourier.waveform(spectra.real[None].astype("float32"), spectra.imag[None].astype("float32"))
    )[0]
    sure = told > 0.06 * steady
    np.testing.assert_allclose(made[sure], best[sure], atol=1e-4, rtol=1e-3)


def test_tones_keep_their_phase_however_long_they_sound():
    cosine, sine = ShortTimeFourier(200, 80).tones(100_000)
    exact = np.exp(2j * np.pi * ((99_999 * 80 * np.arange(129)) % 256) / 256)
    np.testing.assert_allclose(np.array(cosine)[-1] + 1j * np.array(sine)[-1], exact, atol=1e-5)


def test_frames_have_to_overlap():
    with pytest.raises(ValueError, match=r"hop_length must be 1 to frame_length - 1.* 64 with"):
        ShortTimeFourier(64, 64)
