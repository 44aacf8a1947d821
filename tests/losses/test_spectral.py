"""Losses of spectra against NumPy, frame by frame."""

import numpy as np
import pytest

from mmkeras.layers import ShortTimeFourier
from mmkeras.losses import log_magnitude_error, multi_resolution_stft, turn_error

RNG = np.random.default_rng(0)


def magnitudes(sound, length, hop):
    """[F, K], of frames that begin before the sound, until all of it was seen."""
    count = -(-(len(sound) + length) // hop) + 1
    padded = np.zeros((count - 1) * hop + length)
    padded[length : length + len(sound)] = sound
    window = np.hanning(length + 1)[:-1]
    frames = [padded[t * hop : t * hop + length] * window for t in range(count)]
    return np.abs(np.fft.rfft(frames, 2 ** int(np.ceil(np.log2(length)))))


def yamamoto(true, made, length, hop):
    true, made = magnitudes(true, length, hop), magnitudes(made, length, hop)
    convergence = np.linalg.norm(true - made) / np.linalg.norm(true)
    begins = np.arange(len(true)) * hop - length
    logs = np.log(np.maximum(true, 1e-2)) - np.log(np.maximum(made, 1e-2))
    return convergence, np.abs(logs).mean(axis=1), begins


@pytest.mark.parametrize("resolutions", [((64, 20),), ((60, 12), (120, 24), (24, 5))])
def test_multi_resolution_stft_is_numpys(resolutions):
    target, waveform = RNG.normal(size=(2, 3, 500)).astype("float32")
    lengths = np.array([500, 300, 1])
    loss = np.array(multi_resolution_stft(target, waveform, lengths, resolutions))
    for row, length in enumerate(lengths):
        inside = np.arange(500) < length
        expected = []
        for frame, hop in resolutions:
            convergence, logs, begins = yamamoto(
                target[row] * inside, waveform[row] * inside, frame, hop
            )
            expected.append(convergence + logs[begins < length].mean())
        assert loss[row] == pytest.approx(np.mean(expected), rel=2e-3)


def test_multi_resolution_stft_is_torchs_inside_the_sound():
    torch = pytest.importorskip("torch")
    target, waveform = RNG.normal(size=(2, 1_000)).astype("float32")
    # Ends of silence, so that no frame is cut.
    target, waveform = (np.pad(sound, 200) for sound in (target, waveform))
    spectra = [
        torch.stft(
            torch.tensor(sound),
            128,
            32,
            128,
            torch.hann_window(128),
            center=False,
            return_complex=True,
        ).abs()
        for sound in (target, waveform)
    ]
    convergence = torch.linalg.norm(spectra[0] - spectra[1]) / torch.linalg.norm(spectra[0])
    length = np.array([1_400])
    logs = [spectrum.clamp(min=1e-2).log() for spectrum in spectra]
    # 200 samples in front are no whole number of hops: frames lie elsewhere, and means are near.
    expected = float(convergence + (logs[0] - logs[1]).abs().sum() / 65 / 44)
    loss = np.array(multi_resolution_stft(target[None], waveform[None], length, ((128, 32),)))
    assert loss[0] == pytest.approx(expected, rel=0.1)


def test_what_is_behind_the_length_changes_nothing():
    target, waveform = RNG.normal(size=(2, 1, 500)).astype("float32")
    inside = np.arange(500) < 300
    loss = multi_resolution_stft(target, waveform, [300], ((64, 20),))
    hidden = multi_resolution_stft(target * inside, waveform * inside, [300], ((64, 20),))
    np.testing.assert_array_equal(loss, hidden)
    assert float(multi_resolution_stft(target, waveform, [0], ((64, 20),))[0]) < 1e-3


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
