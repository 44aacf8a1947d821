"""Intervals hold what they say: 95 of 100 cover the truth."""

import numpy as np

from mmkeras.evaluation.estimate import interval, resamples, undefined


def test_resamples_draw_as_many_each_equally_often():
    drawn = resamples(50, 4_000)
    assert drawn.shape == (4_000, 50) and (drawn.sum(axis=1) == 50).all()
    # Each sample once on average, with the variance of a multinomial: 1 - 1/50.
    assert abs(drawn.mean() - 1) < 1e-9
    assert abs(drawn.var(axis=0).mean() - 0.98) < 0.02


def test_intervals_cover_the_truth():
    random = np.random.default_rng(0)
    for truth in (0.5, 0.8):
        covered = 0
        for trial in range(400):
            right = random.random(120) < truth
            means = resamples(120, 300, trial) @ right / 120
            estimate = interval(right.mean(), means, 120)
            covered += estimate.low <= truth <= estimate.high
        # Of a binomial with 0.95, three deviations; the percentile bootstrap is a little narrow.
        assert 0.91 <= covered / 400 <= 0.985, covered


def test_standard_error_is_that_of_the_mean():
    values = np.random.default_rng(1).normal(size=400)
    means = resamples(400, 4_000) @ values / 400
    error = values.std() / np.sqrt(400)
    assert abs(interval(values.mean(), means, 400).error / error - 1) < 0.05


def test_what_is_undefined_is_said():
    assert undefined(3, "no sample is dog").value is None
    assert str(interval(float("nan"), np.array([]), 3)) == "undefined"
    assert interval(0.5, np.array([np.nan, np.nan]), 3).low is None
    assert str(interval(0.5, np.array([]), 3)) == "0.5000"
