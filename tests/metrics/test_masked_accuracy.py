"""How often the likeliest class is right, by counting."""

import numpy as np
import pytest

from mmkeras.metrics import MaskedAccuracy


@pytest.mark.parametrize(("more_targets", "more_scores"), [(0, 0), (2, 0), (0, 2)])
def test_counts_the_places_that_have_a_target(more_targets, more_scores):
    random = np.random.default_rng(0)
    target, scores = random.integers(-1, 3, (6, 5)), random.normal(size=(6, 5, 3))
    weight = np.array([1.0, 2.0, 0.0, 1.0, 0.5, 1.0])
    right = total = 0.0
    for row, likeliest, counts in zip(target, scores.argmax(-1), weight):
        right += counts * np.sum((likeliest == row) & (row >= 0))
        total += counts * np.sum(row >= 0)
    metric = MaskedAccuracy()
    metric.update_state(
        np.pad(target, [(0, 0), (0, more_targets)], constant_values=-1),
        np.pad(scores, [(0, 0), (0, more_scores), (0, 0)]),
        sample_weight=weight,
    )
    assert float(metric.result()) == pytest.approx(right / total, rel=1e-5)
