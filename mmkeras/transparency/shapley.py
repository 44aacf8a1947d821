"""Shapley values: how a joint result is shared among those who made it."""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any


def shapley_values(worth: Mapping[frozenset[str], Any]) -> dict[str, Any]:
    """What each player adds to a coalition, averaged over all orders in which they could come.

    They sum to the worth of all less the worth of none, and are exact: of F players there are 2^F
    coalitions, all of which have to be known.

    Source: Shapley 1953, "A Value for n-Person Games".

    Args:
        worth: of every coalition, the empty one among them: a number or an array.

    Returns:
        `{player: value}`.

    Raises:
        ValueError: a coalition is missing.

    Example:

    >>> worth = {frozenset(): 0.0, frozenset("a"): 1.0, frozenset("b"): 2.0, frozenset("ab"): 5.0}
    >>> shapley_values(worth)
    {'a': 2.0, 'b': 3.0}
    """
    players = sorted(frozenset().union(*worth))
    missing = [coalition for coalition in coalitions(players) if coalition not in worth]
    if missing:
        raise ValueError(f"the worth of {[sorted(coalition) for coalition in missing]} is missing.")
    size = len(players)
    shares = {}
    for player in players:
        share: Any = 0.0
        for others in coalitions(each for each in players if each != player):
            orders = math.factorial(len(others)) * math.factorial(size - len(others) - 1)
            added = worth[others | {player}] - worth[others]
            share = share + added * (orders / math.factorial(size))
        shares[player] = share
    return shares


def coalitions(players: Iterable[str]) -> list[frozenset[str]]:
    """All subsets, the empty one first.

    Example:

    >>> [sorted(coalition) for coalition in coalitions(["a", "b"])]
    [[], ['a'], ['b'], ['a', 'b']]
    """
    players = list(players)
    sizes = range(len(players) + 1)
    return [frozenset(c) for size in sizes for c in itertools.combinations(players, size)]
