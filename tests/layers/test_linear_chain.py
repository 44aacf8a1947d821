"""Linear chains against all sequences there are, and against what can be counted."""

import itertools

import keras
import numpy as np
import pytest

from mmkeras.layers import LinearChain

KINDS = {
    "max": (lambda ways: keras.ops.max(ways, axis=-1), np.maximum.reduce),
    "log-sum-exp": (lambda ways: keras.ops.logsumexp(ways, axis=-1), np.logaddexp.reduce),
}


@pytest.mark.parametrize("kind", KINDS)
def test_forward_combines_the_ways_to_each_tag(every_tagging, random_chains, kind):
    chains = random_chains(0)
    scores, mask, *tables = chains
    combine, expected = KINDS[kind]
    before, final = LinearChain.of(*chains).forward(combine)
    for row, kept in enumerate(mask[:-1]):
        for t in [*np.flatnonzero(kept)[1:], mask.shape[1]]:
            reached = np.where(np.arange(mask.shape[1]) < t, kept, False)
            ends = tables[2] if t == mask.shape[1] else np.zeros(3)
            found = every_tagging(scores[row], reached, *tables[:2], ends)
            ways = final[row] if t == mask.shape[1] else before[t, row]
            for tag in range(3):
                scored = [score for tags, score in found.items() if tags[-1] == tag]
                assert float(ways[tag]) == pytest.approx(expected(scored), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_brute_force(every_tagging, random_chains, seed):
    chains = random_chains(seed)
    scores, mask, *tables = chains
    chain = LinearChain.of(*chains)
    _, pairs = chain.posterior(*chain.forward(KINDS["log-sum-exp"][0]))
    for row, found in enumerate(np.array(pairs)):
        expected = np.zeros((3, 3))
        every = every_tagging(scores[row], mask[row], *tables)
        for tags, score in every.items():
            for pair in itertools.pairwise(tags):
                expected[pair] += np.exp(score - np.logaddexp.reduce(list(every.values())))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_equal_scores_count_sequences():
    mask = np.array([[True, False, True, True], [False, False, True, False], [False] * 4])
    zeros = (np.zeros((5, 5)), np.zeros(5), np.zeros(5))
    chain = LinearChain.of(np.zeros((3, 4, 5)), mask, *zeros)
    np.testing.assert_allclose(np.exp(chain.log_partition()), [125, 5, 1], rtol=1e-5)
    np.testing.assert_array_equal(chain.occupied, [True, True, False])
    np.testing.assert_array_equal(np.argwhere(chain.first), [[0, 0], [2, 1]])
