"""The vocoder: what an untrained one makes, what masks hide, where it runs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmkeras.layers import LogMelSpectrogram, ShortTimeFourier, Vocoder, VocoderSize
from mmkeras.layers.vocoder import VocoderSpectrum

SMALL = {"sample_rate": 8_000, "frame_length": 200, "hop_length": 80, "num_mels": 20}
RNG = np.random.default_rng(0)


def vocoder(**changed):
    """With weights that matter."""
    layer = Vocoder(**SMALL | {"dim": 16, "depth": 2, "iterations": 3} | changed)
    layer.build((None, None, 20))
    layer.set_weights([w + RNG.normal(size=w.shape) / 10 for w in layer.get_weights()])
    return layer


def test_a_new_one_begins_with_griffin_and_lims_magnitudes():
    layer = Vocoder(**SMALL, dim=16, depth=2)
    log_mel = RNG.normal(size=(2, 9, 20)).astype("float32")
    spectrum = layer.spectrum(log_mel)
    expected = np.log(np.maximum(layer.griffin_lim.magnitude(log_mel), 1e-4))
    np.testing.assert_allclose(spectrum.log_magnitude, expected, atol=1e-4)
    assert not np.array(spectrum.turn).any()


def test_true_turns_make_a_truer_sound_than_none():
    time = np.arange(4_040) / 8_000
    # A gliding voice: where its harmonics are, a bin's phase turns by what it does not know itself.
    phase = 2 * np.pi * (150 * time + 60 * time**2)
    sound = sum(0.1 * np.cos(k * phase) for k in range(1, 12)).astype("float32")[None]
    fourier = ShortTimeFourier(200, 80)
    real, imaginary = map(np.array, fourier.spectrum(sound))
    true = real + 1j * imaginary
    middle = 2 * np.pi * np.arange(fourier.bins) * 80 / 256
    turn = np.pad(np.diff(np.angle(true), axis=1) - middle, [[0, 0], [1, 0], [0, 0]])
    log_magnitude = np.log(np.abs(true) + 1e-6).astype("float32")
    log_mel = LogMelSpectrogram(**SMALL)(sound)
    layer = Vocoder(**SMALL, dim=16, depth=0, iterations=4)

    def distance(turn):
        spectrum = VocoderSpectrum(log_magnitude, turn.astype("float32"))
        real, imaginary = map(np.array, fourier.spectrum(layer.waveform(log_mel, spectrum)))
        made = np.hypot(real, imaginary)
        return np.linalg.norm(made - np.abs(true)) / np.linalg.norm(true)

    assert distance(turn) < 0.7 * distance(0 * turn)


def test_mel_energies_are_kept_whatever_the_network_says():
    layer = vocoder()
    log_mel = RNG.normal(size=(1, 9, 20)).astype("float32")
    energy = np.exp(2 * np.array(layer.spectrum(log_mel).log_magnitude))
    raw = np.log(energy @ layer.griffin_lim.filters)
    fitted = np.array(layer.griffin_lim.magnitude(log_mel, energy)) ** 2
    kept = np.log(fitted @ layer.griffin_lim.filters)
    assert np.abs(kept - log_mel).mean() < 0.3 * np.abs(raw - log_mel).mean()


@settings(max_examples=25, deadline=None)
@given(hnp.arrays("float32", (2, 4, 20), elements=st.floats(width=32, allow_nan=False)))
def test_whatever_a_network_predicts_the_sound_is_finite(log_mel):
    made = np.array(vocoder(iterations=2)(log_mel))
    assert np.isfinite(made).all() and np.abs(made).max() < 1e4


def test_what_is_masked_is_silent_and_changes_nothing():
    layer = vocoder()
    log_mel = RNG.normal(size=(2, 9, 20)).astype("float32")
    mask = np.arange(9) < np.array([[5], [9]])
    made = np.array(layer(np.where(mask[..., None], log_mel, 1e9), mask))
    for row, frames in enumerate((5, 9)):
        alone = np.array(layer(log_mel[row : row + 1, :frames]))[0]
        np.testing.assert_allclose(made[row, : len(alone)], alone, atol=1e-4)
        assert not made[row, len(alone) :].any()


def test_in_a_graph_of_unknown_length_and_on_a_device(tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    layer = vocoder()
    log_mel = RNG.normal(size=(1, 12, 20)).astype("float32")
    expected = np.array(layer(log_mel))
    unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, None, 20])], autograph=False)
    np.testing.assert_allclose(unknown(log_mel), expected, atol=1e-3)
    assert tuple(layer(keras.Input((12, 20))).shape) == (None, expected.shape[1])

    given = keras.Input((12, 20), batch_size=1, name="log_mel")
    path = str(tmp_path / "vocoder.tflite")
    keras.Model({"log_mel": given}, {"waveform": layer(given)}).export(path, format="litert")
    runner = litert.Interpreter(path).get_signature_runner()
    np.testing.assert_allclose(runner(log_mel=log_mel)["waveform"], expected, atol=1e-3)


def test_configuration_comes_back():
    size = VocoderSize(dim=8, depth=1, kernel_size=3, iterations=2)
    layer = size.vocoder(SMALL)
    again = Vocoder.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert VocoderSize.from_config(size.get_config()) == size
    assert again(np.zeros((1, 3, 20), "float16")).dtype == "float32"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hop_length": 200}, r"hop_length must be 1 to frame_length - 1.*200 with frames of 200"),
        ({"dim": 0}, "dim must be at least 1"),
        ({"depth": -1}, "depth must be at least 0"),
        ({"kernel_size": 2}, "kernel_size must be odd and positive; got 2"),
    ],
)
def test_a_wrong_argument_is_named(changed, message):
    with pytest.raises(ValueError, match=message):
        Vocoder(**SMALL | changed)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_all_of_it_computes_in_full_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        made = Vocoder(8_000, 200, 80, 20, dim=16, depth=1, iterations=1)
        waveform = made(np.zeros((1, 9, 20), "float32"))
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(waveform.dtype) == "float32"
    assert {weight.dtype for weight in made.weights} == {"float32"}
    assert {layer.compute_dtype for layer in made._flatten_layers()} == {"float32"}


def test_an_even_kernel_is_refused_at_once():
    with pytest.raises(ValueError, match="kernel_size must be odd and positive; got 4"):
        VocoderSize(kernel_size=4)
