"""Gaps are found where there are some, and seldom where there are none."""

import numpy as np
import pytest
from scipy import stats

from mmkeras.evaluation.gaps import _ranks, gaps, largest_difference


def losses_and_groups(seed, size=300):
    random = np.random.default_rng(seed)
    voices = random.choice(["anna", "ben", "eva", "tom"], size).astype(object)
    places = random.choice(["north", "south"], size).astype(object)
    return random.exponential(size=size), {"voice": voices, "place": places}


def test_a_planted_gap_is_found_and_named_every_time():
    for seed in range(20):
        losses, groups = losses_and_groups(seed)
        losses = losses + 0.8 * (groups["voice"] == "eva")
        found = [gap for gap in gaps({"task": losses}, groups, seed=seed) if gap.alarm]
        assert found and (found[0].slice, found[0].group) == ("voice", "eva")


def test_without_a_gap_there_is_seldom_an_alarm():
    alarms = 0
    for seed in range(200):
        losses, groups = losses_and_groups(seed)
        alarms += any(gap.alarm for gap in gaps({"task": losses}, groups, permutations=300))
    # One in twenty at the most: 10 expected, 19 is three deviations above.
    assert alarms <= 19


def test_as_many_losses_as_samples_in_groups():
    with pytest.raises(ValueError, match="4 losses, but the groups of 3"):
        gaps({"task": np.ones(4)}, {"voice": np.array(["anna", "ben", "eva"])})


def test_one_group_against_the_rest_has_the_p_value_of_a_permutation_test():
    random = np.random.default_rng(0)
    losses = random.normal(size=80)
    groups = np.array(["a"] * 40 + ["b"] * 40, dtype=object)
    losses[:40] += 0.4
    ours = gaps({"t": losses}, {"g": groups}, permutations=20_000)
    worse = next(gap for gap in ours if gap.group == "a")
    ranks = stats.rankdata(losses)
    reference = stats.permutation_test(
        (ranks[:40], ranks[40:]),
        lambda x, y, axis: abs(x.mean(axis=axis) - y.mean(axis=axis)),
        n_resamples=20_000,
        vectorized=True,
        rng=1,
        alternative="greater",
    )
    # Both groups are tested, which makes it two-sided.
    assert worse.p_value == pytest.approx(reference.pvalue, abs=0.01)


def test_ranks_are_those_of_scipy():
    values = np.random.default_rng(0).integers(0, 9, 50).astype(float)
    ranks = stats.rankdata(values)
    np.testing.assert_allclose(_ranks(values), (ranks - ranks.mean()) / ranks.std(), atol=1e-12)
    assert not _ranks(np.ones(5)).any()


def test_small_groups_and_missing_labels():
    losses = np.array([0.0] * 60 + [9.0] * 10 + [np.nan] * 5)
    groups = np.array(["many"] * 60 + ["few"] * 10 + ["none"] * 5, dtype=object)
    found = {gap.group: gap for gap in gaps({"t": losses}, {"g": groups})}
    assert set(found) == {"many", "few"}
    assert not found["few"].alarm and found["few"].p_value == 1.0 and found["few"].count == 10
    assert found["few"].loss == 9.0 and found["few"].rest == 0.0


def test_largest_difference():
    assert largest_difference({"a": 0.5, "b": 0.9, "c": None}) == (0.4, "a", "b")
    assert largest_difference({"a": 0.5, "b": None}) is None
