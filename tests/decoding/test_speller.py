"""Rescoring against brute force: all label sequences there are, scored by both judges."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.decoding import Sequences, Speller, ctc_beam, rescored
from mmkeras.losses.ctc import ctc_loss

END = 3


def log_probability(recurrent, row, batch, ids):
    """Of a whole sequence and its end."""
    return recurrent.log_probability(row, batch, END, (*[i for i in ids if i], END))


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_with_enough_beams_it_is_brute_force(recurrent, seed, weight):
    model = recurrent(4)
    logits = np.random.default_rng(seed).normal(size=(2, 4, 3), scale=1.5).astype("float32")
    mask = np.arange(4) < np.array([[4], [3]])

    def judge(ids):
        rows = np.array(ids)
        count = len(rows) // 2
        made = [log_probability(model, n // count, 2, row) for n, row in enumerate(rows)]
        return tf.constant(made, tf.float32)

    found = rescored(ctc_beam(logits, mask, num_beams=31), judge, weight)
    for row in range(2):
        expected = {}
        for length in range(5):
            for tokens in itertools.product((1, 2), repeat=length):
                padded = np.array([[*tokens, *[0] * (4 - length)]])
                loss = float(ctc_loss(logits[row : row + 1], mask[row : row + 1], padded)[0])
                frames = length + sum(a == b for a, b in itertools.pairwise(tokens))
                if frames <= mask[row].sum():
                    spelled = log_probability(model, row, 2, tokens)
                    expected[tokens] = -(1 - weight) * loss + weight * spelled
        best = sorted(expected, key=lambda tokens: -expected[tokens])
        ids, lengths, scores = (np.array(part)[row] for part in found)
        made = [tuple(line[:length].tolist()) for line, length in zip(ids, lengths)]
        assert made[: len(best)] == best
        np.testing.assert_allclose(
            scores[: len(best)], [expected[tokens] for tokens in best], rtol=1e-4, atol=1e-4
        )
        assert (scores[len(best) :] == -np.inf).all()


def test_it_is_the_same_in_a_graph_of_static_shapes():
    ids, lengths = np.array([[[1, 0], [2, 2]]], "int32"), np.array([[1, 2]], "int32")
    found = Sequences(ids, lengths, np.array([[-1.0, -np.inf]], "float32"))
    judge = lambda rows: tf.cast(tf.reduce_sum(rows, axis=1), tf.float32)  # noqa: E731
    graph = tf.function(lambda: rescored(found, judge, 0.5), jit_compile=True)()
    for made in (graph, rescored(found, judge, 0.5)):
        assert np.array(made.token_ids).tolist() == ids.tolist()
        assert np.array(made.scores).tolist() == [[0.0, -np.inf]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth must be at least 1"),
        ({"num_heads": 1.5}, "num_heads must be at least 1"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
        ({"loss_share": -0.1}, r"loss_share must be in \[0, 1\]; got -0.1"),
        ({"weight": float("nan")}, "weight must be a finite number"),
    ],
)
def test_numbers_out_of_their_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        Speller(**arguments)
