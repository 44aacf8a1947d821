"""Reverberation against SciPy's convolution, and how fast a made room dies away."""

import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from mmkeras.sound import reverberate, room_response

RNG = np.random.default_rng(0)
REVERBERATE = tf.function(reverberate, input_signature=[tf.TensorSpec([None])] * 2)


@pytest.mark.parametrize("sizes", [(1_000, 300), (300, 1_000), (64, 64), (1, 1), (1, 7), (9, 1)])
def test_is_scipys_convolution_from_the_direct_sound_on(sizes):
    waveform, response = (np.float32(RNG.normal(size=size)) for size in sizes)
    direct = len(response) // 3
    response[direct] = -9.0
    expected = scipy.signal.fftconvolve(waveform, response)[direct : direct + len(waveform)]
    expected *= np.linalg.norm(waveform) / np.linalg.norm(expected)
    heard = REVERBERATE(waveform, response).numpy()
    np.testing.assert_allclose(heard, expected, atol=1e-5 * np.abs(expected).max())


def test_nothing_stays_nothing():
    assert REVERBERATE(np.zeros(0, "float32"), np.ones(5, "float32")).shape == (0,)
    assert not REVERBERATE(np.zeros(9, "float32"), np.ones(5, "float32")).numpy().any()
    assert not REVERBERATE(np.ones(9, "float32"), np.zeros(5, "float32")).numpy().any()


@pytest.mark.parametrize("reverb_s", [0.2, 1.5])
def test_a_room_dies_away_in_its_time(reverb_s):
    response = room_response(16_000, reverb_s, 7.0, tf.constant([1, 2])).numpy()
    direct, echoes = response[0], response[1:]
    assert direct == 1
    assert len(echoes) == round(16_000 * reverb_s)
    assert 10 * np.log10(1 / np.sum(echoes.astype(float) ** 2)) == pytest.approx(7, abs=1e-3)
    # The slope of the energy that is left, in decibels (Schroeder 1965), over its first 30.
    left = 10 * np.log10(np.cumsum(echoes[::-1].astype(float) ** 2)[::-1])
    within = left > left[0] - 30
    slope = np.polyfit(np.arange(len(left))[within] / 16_000, left[within], 1)[0]
    assert -60 / slope == pytest.approx(reverb_s, rel=0.1)


def test_the_shortest_room_is_one_echo():
    response = room_response(8_000, 1e-6, 0.0, tf.constant([1, 2])).numpy()
    np.testing.assert_allclose(np.abs(response), 1, rtol=1e-5)
