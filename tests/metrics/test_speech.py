"""Measures of synthesised speech, against brute force, librosa and SciPy."""

import functools

import librosa
import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmkeras.metrics.speech import (
    duration_error,
    dynamic_time_warping,
    f0_error,
    mel_cepstral_distortion,
)


def least(distances):
    """The least sum over all ways, by recursion."""

    @functools.cache
    def to(row, column):
        if row == column == 0:
            return distances[0, 0]
        before = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
        ways = [to(*step) for step in before if min(step) >= 0]
        return distances[row, column] + min(ways)

    return to(distances.shape[0] - 1, distances.shape[1] - 1)


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(
        "float64",
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(0, 1e6),
    )
)
def test_the_way_is_the_shortest(distances):
    path = dynamic_time_warping(distances)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [side - 1 for side in distances.shape]
    steps = np.diff(path, axis=0)
    assert ((steps >= 0) & (steps <= 1)).all() and steps.any(axis=1).all()
    total = distances[path[:, 0], path[:, 1]].sum()
    assert total == pytest.approx(least(distances), rel=1e-12)


def test_distortion_is_the_formula_along_librosas_way():
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(30, 40)).cumsum(0), draw.normal(size=(41, 40)).cumsum(0)
    # SciPy's second cosine transform is 2 Σ x cos.
    cepstra = [scipy.fft.dct(x, type=2, axis=1)[:, 1:13] / 2 / 40 for x in (one, other)]
    total, path = librosa.sequence.dtw(cepstra[0].T, cepstra[1].T, metric="euclidean")
    made = mel_cepstral_distortion(one, other, num_cepstra=12)
    apart = cepstra[0][made.path[:, 0]] - cepstra[1][made.path[:, 1]]
    each = 10 / np.log(10) * np.sqrt(2 * (apart**2).sum(axis=1))
    assert made.distortion_db == pytest.approx(each.mean())
    assert each.sum() == pytest.approx(10 / np.log(10) * np.sqrt(2) * total[-1, -1])
    assert len(made.path) == len(path)


def test_it_is_in_decibels_and_neither_loudness_nor_tempo_count():
    draw = np.random.default_rng(0)
    speech = draw.normal(size=(20, 80))
    assert mel_cepstral_distortion(speech, speech).distortion_db == 0.0
    slow = speech.repeat([1, 3] * 10, axis=0) + 2.5
    assert mel_cepstral_distortion(slow, speech).distortion_db == pytest.approx(0.0, abs=1e-9)
    # An envelope of the cepstra that count: the distortion is its root mean square.
    envelope = scipy.fft.idct(np.pad(draw.normal(size=13), (1, 66)), type=2)
    decibels = 10 / np.log(10) * np.sqrt(np.mean(envelope**2))
    there = mel_cepstral_distortion(np.tile(envelope, (4, 1)), np.zeros((6, 80)))
    assert there.distortion_db == pytest.approx(decibels)


def test_durations_and_pitch_by_hand():
    assert duration_error([2, 4, 6], [4, 4, 2]) == {"mean_absolute": 2.0, "total_ratio": 1.2}
    path = np.array([[0, 0], [0, 1], [1, 2], [2, 2]])
    found = f0_error(np.array([200.0, 0.0, 100.0]), np.array([100.0, 0.0, 130.0]), path)
    assert found["rmse_hz"] == pytest.approx(np.sqrt((100**2 + 30**2) / 2))
    cents = 1200 * np.log2(100 / 130)
    assert found["rmse_cents"] == pytest.approx(np.sqrt((1200**2 + cents**2) / 2))
    assert found["voicing_error"] == 0.5
    silent = f0_error(np.zeros(3), np.array([0.0, 90.0, 0.0]))
    assert np.isnan(silent["rmse_hz"]) and silent["voicing_error"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: mel_cepstral_distortion(np.zeros((0, 80)), np.zeros((3, 80))), "synthesised must"),
        (lambda: mel_cepstral_distortion(np.ones((3, 80)), np.full((3, 80), np.nan)), "reference"),
        (lambda: mel_cepstral_distortion(np.ones((3, 20)), np.ones((3, 80))), "20 and 80 bands"),
        (lambda: mel_cepstral_distortion(*[np.ones((3, 13))] * 2), "1 to 12 for 13 bands; got 13"),
        (lambda: duration_error(np.ones(3), np.ones(4)), r"shapes \(3,\) and \(4,\)"),
        (lambda: duration_error(np.ones(3), np.zeros(3)), "0.0 in all"),
        (lambda: f0_error(np.ones(3), np.ones(4)), "hand in the path"),
        (lambda: f0_error(np.ones(3), np.ones(4), np.array([[3, 3]])), "does not fit 3 and 4"),
        (lambda: f0_error(np.ones(0), np.ones(0)), "0 pairs"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, why):
    with pytest.raises(ValueError, match=why):
        call()
