"""The pitch of sounds whose pitch is known, and librosa's YIN."""

import librosa
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmkeras.layers import FundamentalFrequency, LogMelSpectrogram

RATE = 16_000
LENGTHS = {"sample_rate": RATE, "frame_length": 400, "hop_length": 160}
TIME = np.arange(RATE // 2) / RATE


def analysed(waveform, **options):
    """f0_hz and voiced, without the frames at the ends, which see silence around the sound."""
    f0_hz, voiced = FundamentalFrequency(**LENGTHS | options)(np.float32(waveform)[None])
    inner = slice(3, -3)
    return np.array(f0_hz)[0, inner], np.array(voiced)[0, inner]


@pytest.mark.parametrize("hertz", [61.0, 99.5, 123.4, 220.0, 331.7, 440.0, 495.0])
@pytest.mark.parametrize("amplitude", [0.9, 0.002])
def test_of_a_tone(hertz, amplitude):
    f0_hz, voiced = analysed(amplitude * np.sin(2 * np.pi * hertz * TIME + 1.0))
    assert voiced.all()
    np.testing.assert_allclose(f0_hz, hertz, rtol=2e-3)


@pytest.mark.parametrize("hertz", [80.0, 133.3, 251.0])
@pytest.mark.parametrize("harmonics", [(1, 2, 3, 4, 5), (2, 3, 4), (1, 3, 5, 7)])
def test_of_harmonics_even_without_the_fundamental(hertz, harmonics):
    draw = np.random.default_rng(0)
    sound = sum(np.sin(2 * np.pi * n * hertz * TIME + draw.uniform(0, 6)) for n in harmonics)
    sound = sound / len(harmonics) + draw.normal(scale=0.01, size=len(TIME))
    f0_hz, voiced = analysed(sound + 0.1)  # A microphone's offset changes nothing.
    assert voiced.all()
    np.testing.assert_allclose(f0_hz, hertz, rtol=0.01)


@pytest.mark.parametrize("frame_length", [400, 900])
def test_is_librosas_on_a_sweep(frame_length):
    low, high = 90.0, 400.0
    seconds = TIME[-1]
    phase = 2 * np.pi * (low * TIME + (high - low) * TIME**2 / (2 * seconds))
    sound = np.float32(sum(np.sin(n * phase) / n for n in range(1, 6)) / 3)
    options = LENGTHS | {"frame_length": frame_length}
    f0_hz, voiced = (np.array(part)[0] for part in FundamentalFrequency(**options)(sound[None]))
    assert len(f0_hz) == LogMelSpectrogram(**options, num_mels=8).num_frames(len(sound))
    # Of the same samples around the middles of the frames.
    length = 2 * 267 + 1
    early = (length - frame_length) // 2
    seen = np.pad(sound, max(early, 0))[max(-early, 0) :]
    theirs = librosa.yin(
        seen, fmin=60, fmax=500, sr=RATE, frame_length=length, hop_length=160, center=False
    )
    inner = slice(3, -3)
    assert voiced[inner].all()
    np.testing.assert_allclose(f0_hz[inner], theirs[: len(f0_hz)][inner], rtol=0.01)
    middles = (np.arange(len(f0_hz)) * 160 + frame_length / 2) / RATE
    true = low + (high - low) * middles / seconds
    np.testing.assert_allclose(f0_hz[inner], true[inner], rtol=0.01)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(8_000),
        np.full(8_000, 0.5),
        np.random.default_rng(0).normal(scale=0.2, size=8_000),
        5e-4 * np.sin(2 * np.pi * 220 * TIME),
    ],
    ids=["silence", "offset", "noise", "too quiet"],
)
def test_what_has_no_pitch(sound):
    f0_hz, voiced = analysed(sound)
    assert not voiced.any() and not f0_hz.any()


def test_frames_are_those_of_the_spectrogram():
    sound = np.where(TIME < 0.25, np.sin(2 * np.pi * 110 * TIME), np.sin(2 * np.pi * 300 * TIME))
    f0_hz, _ = FundamentalFrequency(**LENGTHS)(np.float32(sound)[None])
    middles = np.arange(len(f0_hz[0])) * 160 + 200
    expected = np.where(middles < 4_000, 110, 300)
    far = (np.abs(middles - 4_000) > 300) & (middles > 300) & (middles < 7_700)
    np.testing.assert_allclose(np.array(f0_hz)[0][far], expected[far], rtol=0.01)


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays("float32", (1, 700), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([100, 250, 700]),
)
def test_whatever_is_heard_frequencies_are_in_range(waveform, frame_length):
    layer = FundamentalFrequency(8_000, frame_length, 80, low_hz=70.0, high_hz=400.0)
    f0_hz, voiced = (np.array(part) for part in layer(waveform))
    assert f0_hz.shape == voiced.shape == (1, (700 - frame_length) // 80 + 1)
    assert not f0_hz[~voiced].any()
    assert ((f0_hz[voiced] > 65) & (f0_hz[voiced] < 450)).all()


def test_in_graphs_and_under_xla_each_row_for_itself():
    draw = np.random.default_rng(0)
    tones = [np.sin(2 * np.pi * hertz * TIME) for hertz in (100, 200)]
    sounds = np.float32([*tones, draw.uniform(-1, 1, len(TIME))])
    layer = FundamentalFrequency(**LENGTHS)
    expected = layer(sounds)
    unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, None])], autograph=False)
    for run in (unknown, tf.function(layer, jit_compile=True, autograph=False)):
        for part, other in zip(run(sounds), expected, strict=True):
            np.testing.assert_allclose(part, other, rtol=1e-3)
    for part, other in zip(layer(sounds[1:2]), expected, strict=True):
        np.testing.assert_allclose(part[0], other[1], rtol=1e-4)
    assert FundamentalFrequency.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("limits", [(0.0, 500.0), (500.0, 60.0), (60.0, 4_001.0)])
def test_limits_out_of_order_are_refused(limits):
    with pytest.raises(ValueError, match=r"at most a quarter of the sample rate, 4000.0 Hz; got"):
        FundamentalFrequency(**LENGTHS, low_hz=limits[0], high_hz=limits[1])
