"""Greedy CTC against Python's groupby."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.decoding.ctc_greedy import ctc_greedy


def by_hand(path):
    """(class, first step, step behind the last) of every run of a class but 0."""
    found, step = [], 0
    for kind, run in itertools.groupby(path):
        length = len(list(run))
        if kind:
            found.append((kind, step, step + length))
        step += length
    return found


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.integers(0, 6))
def test_runs_of_classes_are_heard_once(path, length):
    logits = np.eye(4)[path][None] * 5.0
    heard = ctc_greedy(logits, np.arange(6)[None] < length)
    expected = by_hand(path[:length])
    count = int(heard.lengths[0])
    rows = [np.array(x)[0] for x in (heard.token_ids, heard.starts, heard.ends)]
    assert [tuple(int(v) for v in each) for each in zip(*(r[:count] for r in rows))] == expected
    assert not any(row[count:].any() for row in rows)
    each = 5.0 - np.log(np.exp(5.0) + 3.0)
    np.testing.assert_allclose(heard.scores[0], length * each, rtol=1e-5, atol=1e-6)
