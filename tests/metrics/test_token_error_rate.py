"""Token errors against the textbook's table."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.metrics import TokenErrorRate


def distance(said, heard):
    """Levenshtein's table, row by row."""
    row = list(range(len(heard) + 1))
    for i, token in enumerate(said, start=1):
        last, row = row, [i]
        for j, other in enumerate(heard, start=1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (token != other)))
    return row[-1]


def padded(sequences, length):
    return np.array([[*ids, *[0] * (length - len(ids))] for ids in sequences], "int32")


PAIRS = st.tuples(*(st.lists(st.integers(1, 3), max_size=size) for size in (6, 9)))


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(PAIRS, min_size=3, max_size=3))
def test_token_errors_are_levenshteins(pairs):
    said, heard = zip(*pairs)
    metric, weights = TokenErrorRate(), np.array([1.0, 0.0, 2.0], "float32")
    metric.update_state(padded(said, 6), padded(heard, 9), weights)
    errors = [distance(*pair) for pair in pairs]
    assert float(metric.errors) == np.dot(errors, weights)
    assert float(metric.tokens) == np.dot([len(ids) for ids in said], weights)
    total = float(metric.tokens)
    assert float(metric.result()) == pytest.approx(float(metric.errors) / total if total else 0.0)


def test_batches_add_up_in_graphs_and_under_xla():
    draw = np.random.default_rng(0)
    batches = [
        [[draw.integers(1, 9, draw.integers(0, 30)).tolist() for _ in range(5)] for _ in range(2)]
        for _ in range(2)
    ]
    expected = [
        sum(distance(*pair) for batch in batches for pair in zip(*batch)),
        sum(len(ids) for said, _ in batches for ids in said),
    ]
    open_ended = [tf.TensorSpec([None, None], tf.int32)] * 2
    for options in ({"input_signature": open_ended}, {"jit_compile": True}):
        metric = TokenErrorRate.from_config(TokenErrorRate(name="cer").get_config())
        update = tf.function(lambda *ids, metric=metric: metric.update_state(*ids), **options)
        for said, heard in batches:
            update(*(tf.constant(padded(ids, 30)) for ids in (said, heard)))
        assert [float(metric.errors), float(metric.tokens)] == expected
        assert metric.name == "cer"
        metric.reset_state()
        assert float(metric.result()) == 0.0


def test_inside_fit():
    same = keras.Sequential([keras.Input((4,), dtype="int32"), keras.layers.Identity()])
    same.compile(loss="mse", metrics=[TokenErrorRate()])
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    wrong = np.array([[1, 3, 2, 0], [3, 0, 0, 0]])
    assert same.evaluate(wrong, ids, verbose=0, return_dict=True)["token_error_rate"] == (
        pytest.approx(1 / 3)
    )
