"""Greedy search against a loop in NumPy; early ends; bad input."""

import numpy as np
import pytest

from mmkeras.decoding import greedy_search

FIRST = np.array([1, 2, 0])


def by_hand(model, first_ids, max_new_tokens, end_id=None, pad_id=0):
    """One sequence after the other, one token after the other, from whole histories."""
    size = len(model.table)
    rows = []
    for row, first in enumerate(first_ids):
        tokens = []
        while len(tokens) < max_new_tokens and (not tokens or tokens[-1] != end_id):
            scores = [
                model.log_probability(row, len(first_ids), first, (*tokens, token))
                for token in range(size)
            ]
            tokens.append(int(np.argmax(scores)))
        total = model.log_probability(row, len(first_ids), first, tokens)
        rows.append((tokens + [pad_id] * (max_new_tokens - len(tokens)), len(tokens), total))
    return tuple(zip(*rows))


@pytest.mark.parametrize("end_id", [None, 0, 2, 3])
def test_takes_the_most_probable_token(recurrent, end_id):
    model = recurrent(size=5)
    made = greedy_search(
        model.step, model.start(3), FIRST, max_new_tokens=7, end_id=end_id, pad_id=4
    )
    ids, lengths, scores = by_hand(model, FIRST, 7, end_id, pad_id=4)
    np.testing.assert_array_equal(made.token_ids, ids)
    np.testing.assert_array_equal(made.lengths, lengths)
    np.testing.assert_allclose(made.scores, scores, rtol=1e-4)


def test_stops_when_all_have_ended():
    steps = []

    def step(token_ids, state):
        steps.append(1)
        return np.eye(5, dtype="float32")[np.array(token_ids) + 1], state

    made = greedy_search(step, (), np.array([0, 1]), max_new_tokens=50, end_id=3)
    np.testing.assert_array_equal(made.lengths, [3, 2])
    assert len(steps) == 3


@pytest.mark.parametrize(
    ("first_ids", "new", "message"),
    [
        ([[1, 2]], 3, r"first_ids.*\(1, 2\)"),
        ([0.5], 3, "first_ids.*float"),
        ([1], 0, "max_new_tokens must be at least 1; got 0"),
    ],
)
def test_bad_input(recurrent, first_ids, new, message):
    model = recurrent(size=5)
    with pytest.raises(ValueError, match=message):
        greedy_search(model.step, model.start(1), np.array(first_ids), max_new_tokens=new)
