"""Steered steps against sequences that are chosen one by one in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from mmkeras.decoding import against_repetition, beam_search, ending_behind, greedy_search

RNG = np.random.default_rng(0)
#: After token i, the logits of what follows.
TABLE = RNG.normal(size=(6, 6)).astype("float32") * 2
END = 5


def step(token_ids, state):
    return ops.take(ops.convert_to_tensor(TABLE), token_ids, axis=0), state


def by_hand(first, length, logits_of):
    made = []
    while len(made) < length and END not in made:
        made.append(int(np.argmax(logits_of([first, *made]))))
    return made + [0] * (length - len(made))


def punished(penalty):
    def logits(tokens):
        scores = TABLE[tokens[-1]].copy()
        for token in {*tokens} - {END}:
            scores[token] = (
                scores[token] / penalty if scores[token] > 0 else scores[token] * penalty
            )
        return scores

    return logits


@pytest.mark.parametrize("penalty", [1.0, 1.3, 50.0])
def test_what_was_said_becomes_less_probable(penalty):
    first = np.arange(5)
    steered, state = against_repetition(step, (), 5, 6, penalty, free=[END])

    def search(first):
        return greedy_search(steered, state, first, max_new_tokens=8, end_id=END)

    expected = [by_hand(token, 8, punished(penalty)) for token in first]
    assert np.array(search(first).token_ids).tolist() == expected
    assert np.array(tf.function(search)(first).token_ids).tolist() == expected
    if penalty == 50.0:
        assert all(len({*row} - {0}) == np.count_nonzero(row) for row in expected)


def test_beams_remember_what_each_of_them_said():
    steered, state = against_repetition(step, (), 2, 6, 1e6, free=[END])
    made = beam_search(steered, state, np.array([1, 2]), num_beams=4, max_new_tokens=4, end_id=END)
    for row in np.array(made.token_ids).reshape(-1, 4):
        said = [token for token in row if token not in (0, END)]
        assert len(set(said)) == len(said)


def test_nothing_but_the_end_follows_a_stop():
    def stopping(tokens):
        over = tokens[-2:] == [3, 4] or tokens[-1:] == [2]
        return np.eye(6)[END] if over else np.eye(6)[(tokens[-1] + 1) % 5]

    def counting(token_ids, state):
        return ops.one_hot((token_ids + 1) % 5, 6), state

    steered, state = ending_behind(counting, (), 3, 6, [[3, 4], [2]], END)
    first = np.array([0, 2, 3])
    made = greedy_search(steered, state, first, max_new_tokens=5, end_id=END)
    assert np.array(made.token_ids).tolist() == [by_hand(token, 5, stopping) for token in first]
    assert np.array(made.token_ids).tolist() == [[1, 2, 5, 0, 0], [5, 0, 0, 0, 0], [4, 5, 0, 0, 0]]


def test_wrong_arguments():
    for penalty in (0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="penalty must be a number from 1 up"):
            against_repetition(step, (), 1, 6, penalty)
    for stops in ([], [[1], []]):
        with pytest.raises(ValueError, match="none of them empty"):
            ending_behind(step, (), 1, 6, stops, END)
