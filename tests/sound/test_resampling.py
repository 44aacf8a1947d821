"""Resampling against exact signals, SciPy and soxr."""

import math

import numpy as np
import pytest
import scipy.signal
import soxr
import tensorflow as tf

from mmkeras.sound import resample
from mmkeras.sound.resampling import reach_s

RNG = np.random.default_rng(0)


def resampled(rate: int, array: np.ndarray, new_rate: int) -> np.ndarray:
    return resample(tf.constant(array, tf.float32), rate, new_rate).numpy()


def decibels(signal: np.ndarray, noise: np.ndarray) -> float:
    return 10 * math.log10(np.mean(signal**2) / np.mean(noise**2))


RATES = [
    (8_000, 16_000),
    (11_025, 16_000),
    (22_050, 16_000),
    (32_000, 16_000),
    (44_100, 16_000),
    (48_000, 16_000),
    (96_000, 16_000),
    (16_000, 44_100),
    (48_000, 22_050),
]


@pytest.mark.parametrize(("rate", "new_rate"), RATES)
def test_a_sweep_keeps_its_place_after_resampling(rate, new_rate):
    seconds, top = 0.5, 0.43 * min(rate, new_rate)
    sweep = lambda hertz: scipy.signal.chirp(  # noqa: E731
        np.arange(int(seconds * hertz)) / hertz, 50, seconds, top
    )
    shown = resampled(rate, 0.9 * sweep(rate), new_rate)
    assert len(shown) == math.ceil(int(seconds * rate) * new_rate / rate)
    inner = slice(len(shown) // 20, -len(shown) // 20)
    exact = 0.9 * sweep(new_rate)[: len(shown)]
    shown = shown[: len(exact)]
    assert decibels(exact[inner], (shown - exact)[inner]) > 60
    # SciPy, with a kernel as long as this one's.
    common = math.gcd(rate, new_rate)
    up, down = new_rate // common, rate // common
    taps = scipy.signal.firwin(64 * max(up, down) + 1, 0.94 / max(up, down), window=("kaiser", 7.0))
    other = scipy.signal.resample_poly(0.9 * sweep(rate), up, down, window=taps)[: len(shown)]
    assert decibels(other[inner], (shown - other)[inner]) > 60


@pytest.mark.parametrize(("rate", "new_rate"), [(44_100, 16_000), (48_000, 8_000)])
def test_what_a_rate_cannot_hold_is_gone(rate, new_rate):
    moment = np.arange(rate // 2) / rate
    for hertz in np.linspace(0.51 * new_rate, 0.49 * rate, 5):
        tone = np.sin(2 * np.pi * hertz * moment)
        shown = resampled(rate, tone, new_rate)[new_rate // 20 : -new_rate // 20]
        assert decibels(tone, shown) > 60


@pytest.mark.parametrize("rate", [1_000, 8_004, 22_255, 44_101, 999_983])
def test_odd_rates_keep_pitch_and_speed(rate):
    tone = np.sin(2 * np.pi * 300 * np.arange(rate // 2) / rate)
    shown = resampled(rate, tone, 8_000)
    assert abs(len(shown) - 4_000) <= 1
    spectrum = np.abs(np.fft.rfft(shown * np.hanning(len(shown)), 2**20))
    assert abs(np.argmax(spectrum) * 8_000 / 2**20 / 300 - 1) < 6e-4
    # Nothing but the tone.
    inner, steps = shown[400:-400], np.arange(len(shown))[400:-400, None]
    turns = 2 * np.pi * np.argmax(spectrum) / 2**20 * steps
    basis = np.concatenate([np.sin(turns), np.cos(turns)], axis=1)
    rest = inner - basis @ np.linalg.lstsq(basis, inner)[0]
    assert decibels(inner, rest) > 50


def test_a_constant_stays_constant():
    shown = resampled(44_100, np.full(4_410, 0.5), 16_000)
    np.testing.assert_allclose(shown[100:-100], 0.5, atol=1e-6)


@pytest.mark.parametrize(("rate", "new_rate"), RATES)
def test_is_what_soxr_makes_of_a_band_limited_signal(rate, new_rate):
    """Noise of every frequency up to 0.85 of what both rates hold."""
    spectrum = np.fft.rfft(RNG.normal(size=rate))
    spectrum[int(0.85 * min(rate, new_rate) / 2) :] = 0
    noise = np.fft.irfft(spectrum, rate)
    noise *= 0.9 / np.abs(noise).max()
    expected = soxr.resample(noise, rate, new_rate, quality="HQ")
    shown = resampled(rate, noise, new_rate)
    assert len(shown) == len(expected) == new_rate
    inner = slice(new_rate // 20, -new_rate // 20)
    assert decibels(expected[inner], (shown - expected)[inner]) > 60


def test_depends_on_no_more_than_it_says():
    array = np.float32(RNG.uniform(-1, 1, 4_000))
    for rate, new_rate in ((8_000, 16_000), (44_100, 16_000), (8_000, 1_000)):
        reach = math.ceil(reach_s(rate, new_rate) * rate)
        whole = resampled(rate, array, new_rate)
        part = resampled(rate, array[: 2_000 + reach], new_rate)
        kept = 2_000 * new_rate // rate
        assert (whole[:kept] == part[:kept]).all()
