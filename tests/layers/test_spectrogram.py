"""The log-mel spectrogram against NumPy's Fourier transform, window by window, and librosa."""

import librosa
import numpy as np
import pytest
import scipy.signal

from mmkeras.layers import LogMelSpectrogram, mel_filters

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("frame_length", [200, 256, 201])
@pytest.mark.parametrize("samples", [256, 734, 1000])
def test_is_what_numpy_computes(frame_length, samples):
    layer = LogMelSpectrogram(8_000, frame_length, hop_length=80, num_mels=16)
    waveform = RNG.uniform(-1, 1, (2, samples)).astype("float32")
    window = scipy.signal.get_window("hann", frame_length)
    starts = range(0, samples - frame_length + 1, 80)
    frames = np.stack([waveform[:, s : s + frame_length] * window for s in starts], axis=1)
    energy = np.abs(np.fft.rfft(frames, layer.fft_length)) ** 2
    filters = mel_filters(16, layer.fft_length, 8_000, 20.0)
    expected = np.log(np.maximum(energy @ filters, 1e-6))
    actual = np.array(layer(waveform))
    assert actual.shape[1] == layer.num_frames(samples) == len(starts)
    np.testing.assert_allclose(actual, expected, atol=1e-3)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050])
def test_is_what_librosa_computes(rate):
    frame_length, hop = round(0.025 * rate), round(0.01 * rate)
    layer = LogMelSpectrogram(rate, frame_length, hop, num_mels=40)
    sweep = scipy.signal.chirp(np.arange(rate) / rate, 50, 1, 0.45 * rate)
    waveform = np.float32(0.5 * sweep + RNG.normal(scale=0.01, size=rate))
    # Windows stand in the middle of `fft_length` samples there.
    spare = layer.fft_length - frame_length
    energy = librosa.feature.melspectrogram(
        y=np.pad(waveform.astype(float), [spare // 2, spare - spare // 2]),
        sr=rate,
        n_fft=layer.fft_length,
        win_length=frame_length,
        hop_length=hop,
        center=False,
        power=2.0,
        n_mels=40,
        fmin=20.0,
        htk=True,
        norm=None,
    )
    actual = np.array(layer(waveform[None]))[0]
    np.testing.assert_allclose(actual, np.log(np.maximum(energy, 1e-6)).T, atol=1e-4)


def test_filters_are_triangles_on_the_mel_scale():
    filters = mel_filters(10, 512, 16_000, 100.0)
    hertz = np.linspace(0, 8_000, 257)
    edges = np.linspace(2595 * np.log10(1 + 100 / 700), 2595 * np.log10(1 + 8_000 / 700), 12)
    edges = 700 * (10 ** (edges / 2595) - 1)
    for m in range(10):
        expected = np.interp(hertz, edges[m : m + 3], [0.0, 1.0, 0.0])
        np.testing.assert_allclose(filters[:, m], expected, atol=1e-6)


def test_a_tone_is_loudest_in_its_band():
    layer = LogMelSpectrogram(8_000, 256, 80, 16)
    time = np.arange(800) / 8_000
    edges = np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 4_000 / 700), 18)
    for band in (4, 9, 14):
        hertz = 700 * (10 ** (edges[band + 1] / 2595) - 1)
        tone = np.sin(2 * np.pi * hertz * time).astype("float32")[None]
        assert set(np.array(layer(tone))[0].argmax(axis=1)) == {band}


def test_silence_is_finite_and_half_precision_is_refused():
    layer = LogMelSpectrogram(8_000, 200, 80, 16, dtype="mixed_float16")
    silence = np.array(layer(np.zeros((1, 400), "float32")))
    np.testing.assert_allclose(silence, np.log(1e-6), rtol=1e-5)
    assert silence.dtype == np.float32
