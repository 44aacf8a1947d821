"""Shapley values are those of their definition: the mean over all orders of arrival."""

import itertools

import numpy as np
import pytest

from mmkeras.transparency.shapley import coalitions, shapley_values


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_mean_over_all_orders(size):
    random = np.random.default_rng(size)
    players = "abcd"[:size]
    worth = {coalition: random.normal(size=3) for coalition in coalitions(players)}
    expected = dict.fromkeys(players, np.zeros(3))
    orders = list(itertools.permutations(players))
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            gain = worth[before | {player}] - worth[before]
            expected[player] = expected[player] + gain / len(orders)
    found = shapley_values(worth)
    for player in players:
        np.testing.assert_allclose(found[player], expected[player], atol=1e-12)
    total = sum(found.values())
    np.testing.assert_allclose(total, worth[frozenset(players)] - worth[frozenset()], atol=1e-12)


def test_missing_coalitions_are_named():
    with pytest.raises(ValueError, match=r"\[\['b'\]\] is missing"):
        shapley_values({frozenset(): 0.0, frozenset("a"): 1.0, frozenset("ab"): 2.0})
