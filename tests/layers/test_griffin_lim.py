"""Waveforms from spectrograms, against librosa and against the algorithm written in NumPy."""

import keras
import librosa
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import nnls

from mmkeras import espeak
from mmkeras.layers import GriffinLim, LogMelSpectrogram

SPEECH = {"sample_rate": 16_000, "frame_length": 400, "hop_length": 160, "num_mels": 80}
SMALL = {"sample_rate": 8_000, "frame_length": 200, "hop_length": 80, "num_mels": 20}


def spectrum(waveform, parameters):
    """Complex [F, K], of one waveform."""
    length, hop = parameters["frame_length"], parameters["hop_length"]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, length)[::hop]
    return np.fft.rfft(frames * window, 2 ** int(np.ceil(np.log2(length))))


def convergence_db(found, magnitude):
    return 20 * np.log10(np.linalg.norm(np.abs(found) - magnitude) / np.linalg.norm(magnitude))


@pytest.fixture(scope="module")
def speech():
    said = [espeak.Utterance("red apple", "en-us+f2"), espeak.Utterance("old key", "en-us+m3")]
    return [speech[:8_000].astype("float32") / 32_768 for speech in espeak.speak_all(said)]


@pytest.mark.parametrize("iterations", [8, 32])
def test_the_phase_fits_as_well_as_librosas(speech, iterations):
    layer = GriffinLim(**SPEECH, iterations=iterations)
    for waveform in speech:
        log_mel = LogMelSpectrogram(**SPEECH)(waveform[None])
        magnitude = np.array(layer.magnitude(log_mel))[0]
        made = np.array(layer(log_mel))[0]
        assert len(made) == layer.num_samples(len(magnitude)) <= len(waveform)
        assert np.abs(made).max() < 1.2
        frames = {"n_fft": 512, "hop_length": 160, "win_length": 400, "center": False}
        theirs = librosa.griffinlim(
            magnitude.T, n_iter=iterations, momentum=0.99, random_state=0, **frames
        )
        reached = convergence_db(librosa.stft(theirs, **frames).T, magnitude)
        assert convergence_db(spectrum(made, SPEECH), magnitude) < reached + 0.5


def test_the_spectrogram_comes_back(speech):
    for waveform in speech:
        log_mel = np.array(LogMelSpectrogram(**SPEECH)(waveform[None]))
        again = np.array(LogMelSpectrogram(**SPEECH)(GriffinLim(**SPEECH)(log_mel)))
        loud = log_mel > log_mel.max() - np.log(1e4)  # What is 40 dB below is hardly heard.
        error_db = 10 / np.log(10) * (again - log_mel)[loud]
        assert np.sqrt(np.mean(error_db**2)) < 3.0


def test_magnitudes_are_closer_than_those_of_least_squares(speech):
    layer = GriffinLim(**SPEECH)
    for waveform in speech:
        true = np.abs(spectrum(waveform, SPEECH))
        log_mel = np.array(LogMelSpectrogram(**SPEECH)(waveform[None]))[0]
        energy = np.exp(log_mel.astype("float64"))
        pseudo = np.sqrt(np.maximum(energy @ np.linalg.pinv(layer.filters), 0))
        least = np.sqrt([nnls(layer.filters.T, frame)[0] for frame in energy])
        found = np.array(layer.magnitude(log_mel[None]))[0]
        bands = np.log(np.maximum(found**2 @ layer.filters, 1e-6))
        assert np.sqrt(np.mean((bands - log_mel) ** 2)) < 0.1
        mine, *others = (convergence_db(made, true) for made in (found, pseudo, least))
        assert mine < min(others) - 1.0


@pytest.mark.parametrize(
    ("frame_length", "hop_length"), [(200, 80), (256, 64), (201, 67), (64, 60)]
)
def test_is_the_algorithm_frame_by_frame(frame_length, hop_length):
    parameters = SMALL | {"frame_length": frame_length, "hop_length": hop_length}
    layer = GriffinLim(**parameters, iterations=3, momentum=0.7)
    noise = np.random.default_rng(0).normal(size=(1, 1_000)).astype("float32")
    log_mel = LogMelSpectrogram(**parameters)(noise)
    magnitude = np.array(layer.magnitude(log_mel)).astype("float64")[0]
    window = layer.fourier.window.astype("float64")

    def overlap_add(frames):
        total = np.zeros((len(frames) - 1) * hop_length + frame_length)
        for t, frame in enumerate(frames):
            total[t * hop_length :][:frame_length] += frame
        return total

    # As often as anywhere, were the sound longer.
    everywhere = overlap_add(np.tile(window**2, (20, 1)))[5 * hop_length : -5 * hop_length]
    seen = overlap_add(np.tile(window**2, (len(magnitude), 1)))
    seen = np.maximum(seen, 0.05 * everywhere.max())

    def waveform(spectra):
        frames = np.fft.irfft(spectra, layer.fourier.fft_length)[:, :frame_length]
        return overlap_add(frames * window) / seen

    turns = np.outer(np.arange(len(magnitude)) * hop_length, np.arange(magnitude.shape[1]))
    spectra, last = magnitude * np.exp(2j * np.pi * turns / layer.fourier.fft_length), 0
    for _ in range(3):
        made = spectrum(waveform(spectra), parameters)
        # The paper's own form: c = t + alpha (t - last t), of which the phase is taken.
        spectra = magnitude * np.exp(1j * np.angle(made + 0.7 * (made - last)))
        last = made
    expected = waveform(spectra)
    # Where a bin is nearly silent its phase hangs on the last digits.
    error = np.linalg.norm(np.array(layer(log_mel))[0] - expected) / np.linalg.norm(expected)
    assert error < 0.01


@settings(max_examples=25, deadline=None)
@given(hnp.arrays("float32", (2, 4, 20), elements=st.floats(width=32, allow_nan=False)))
def test_whatever_a_network_predicts_the_sound_is_finite(log_mel):
    layer = GriffinLim(**SMALL, iterations=2)
    made = np.array(layer(log_mel))
    assert np.isfinite(made).all() and np.abs(made).max() < 1e4


def test_what_is_masked_is_silent_and_changes_nothing():
    layer, draw = GriffinLim(**SMALL, iterations=4), np.random.default_rng(0)
    log_mel = draw.normal(size=(2, 9, 20)).astype("float32")
    mask = np.arange(9) < np.array([[5], [9]])
    made = np.array(layer(np.where(mask[..., None], log_mel, 1e9), mask))
    for row, frames in enumerate((5, 9)):
        alone = np.array(layer(log_mel[row : row + 1, :frames]))[0]
        np.testing.assert_allclose(made[row, : len(alone)], alone, atol=1e-4)
        assert not made[row, len(alone) :].any()


def test_in_a_graph_of_unknown_length_under_xla_and_on_a_device():
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    layer = GriffinLim(**SMALL, iterations=3)
    log_mel = np.random.default_rng(0).normal(size=(1, 12, 20)).astype("float32")
    expected = np.array(layer(log_mel))
    unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, None, 20])], autograph=False)
    compiled = tf.function(layer, jit_compile=True, autograph=False)
    for run in (unknown, compiled):
        np.testing.assert_allclose(run(log_mel), expected, atol=1e-3)
    assert tuple(layer(keras.Input((12, 20))).shape) == (None, expected.shape[1])

    module = tf.Module()
    module.layer = layer

    @tf.function(input_signature=[tf.TensorSpec([1, 12, 20], name="log_mel")], autograph=False)
    def vocode(log_mel):
        return {"waveform": layer(log_mel)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [vocode.get_concrete_function()], module
    )
    runner = litert.Interpreter(model_content=converter.convert()).get_signature_runner()
    np.testing.assert_allclose(runner(log_mel=log_mel)["waveform"], expected, atol=1e-3)


def test_configuration_comes_back_and_half_precision_is_refused():
    layer = GriffinLim(**SMALL, low_hz=50.0, iterations=7, momentum=0.5, dtype="mixed_float16")
    again = GriffinLim.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again(np.zeros((1, 3, 20), "float16")).dtype == "float32"
    assert again.num_samples(0) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hop_length": 200}, "hop_length must be 1 to frame_length - 1.*200 with frames of 200"),
        ({"iterations": -1}, "iterations must be 0 or more; got -1"),
        ({"momentum": 1.5}, "momentum must be 0 to 1; got 1.5"),
    ],
)
def test_a_wrong_argument_is_named(changed, message):
    with pytest.raises(ValueError, match=message):
        GriffinLim(**SMALL | changed)
