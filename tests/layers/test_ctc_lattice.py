"""The lattice's walks against all ways there are, state by state."""

import numpy as np
import pytest
from keras import ops

from mmkeras.layers.ctc_lattice import CTCLattice, add


def states_of(path, labels):
    """The states of a way, which its classes tell: 0, 1 of the first label, 2 of the blank…"""
    at, made = 0, []
    for label in path:
        if not label:
            at += at % 2
        elif at % 2 and made and labels[at // 2] == label:
            pass  # The same label goes on.
        else:
            at += 1 if at % 2 == 0 else 2
        made.append(at)
    return made


@pytest.mark.parametrize("labels", [(1, 2), (2, 2), (1,), ()])
def test_forward_and_backward_are_sums_over_ways(every_alignment, labels):
    logits = np.random.default_rng(len(labels)).normal(size=(1, 6, 3)).astype("float32")
    mask = np.arange(6)[None] < 5
    padded = np.array([[*labels, *[0] * (3 - len(labels))]])
    lattice = CTCLattice.of(logits, mask, padded)
    before, behind = np.array(lattice.forward(add)), np.array(lattice.backward())
    assert before.shape == behind.shape == (6, 1, 7)
    expected = np.zeros((5, 7))
    for path, score in every_alignment(logits[0], mask[0])[labels].items():
        expected[np.arange(5), states_of(path, labels)] += np.exp(score)
    np.testing.assert_allclose(np.exp(before + behind)[:5, 0], expected, rtol=1e-4, atol=1e-7)
    # The masked frame is passed over.
    np.testing.assert_array_equal(before[5], before[4])
    np.testing.assert_allclose(
        lattice.negative_log_likelihood(), -np.log(expected[0].sum()), rtol=1e-5
    )


def test_the_best_way_is_the_maximum(every_alignment):
    logits = np.random.default_rng(4).normal(size=(1, 5, 3)).astype("float32")
    mask = np.ones((1, 5), bool)
    lattice = CTCLattice.of(logits, mask, np.array([[2, 1]]))
    best = lattice.forward(lambda *ways: ops.maximum(ops.maximum(ways[0], ways[1]), ways[2]))[-1]
    ways = every_alignment(logits[0], mask[0])[2, 1]
    finals = np.array(lattice.finals)
    assert finals.tolist() == [[False, False, False, True, True]]
    assert np.array(best)[finals].max() == pytest.approx(max(ways.values()), rel=1e-5)


def test_add_of_what_is_almost_nothing_stays_a_number():
    never = np.full(3, -1e30, "float32")
    np.testing.assert_array_equal(add(never, never, never), never)
    np.testing.assert_array_equal(add(never, np.zeros(3, "float32")), np.zeros(3))
