"""Greedy CTC decoding against the best class of each frame, merged in plain Python."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.decoding import ctc_greedy


def by_hand(best):
    """Tokens, first frames and ends of the classes of one sample."""
    found, frame = [], 0
    for label, run in itertools.groupby(best):
        count = len(list(run))
        if label:
            found.append((label, frame, frame + count))
        frame += count
    return found


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(st.integers(0, 2), max_size=7), min_size=3, max_size=3))
def test_runs_are_tokens(rows):
    logits = np.full((3, 7, 3), np.nan, "float32")
    for row, classes in enumerate(rows):
        logits[row, : len(classes)] = 2.0 * np.eye(3)[np.array(classes, int)]
    mask = np.arange(7) < np.array([[len(classes)] for classes in rows])
    made = [np.array(part) for part in ctc_greedy(logits, mask)]
    assert [part.dtype for part in made] == [np.int32] * 4 + [np.float32]
    for row, classes in enumerate(rows):
        token_ids, length, starts, ends, score = (part[row] for part in made)
        found = by_hand(classes)
        assert list(zip(token_ids, starts, ends))[:length] == found
        assert length == len(found)
        assert not np.concatenate([token_ids[length:], starts[length:], ends[length:]]).any()
        each = np.log(np.exp(2) / (np.exp(2) + 2))
        assert score == pytest.approx(len(classes) * each, rel=1e-5)


def test_of_all_ways_it_takes_the_best(every_alignment):
    logits = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
    mask = np.arange(5) < np.array([[5], [4], [3], [2], [1], [0]])
    made = ctc_greedy(logits, mask)
    for row in range(6):
        ways = {
            labels: max(paths.values())
            for labels, paths in every_alignment(logits[row], mask[row]).items()
        }
        best = max(ways, key=ways.get)
        assert tuple(made.token_ids[row][: made.lengths[row]].numpy().tolist()) == best
        assert float(made.scores[row]) == pytest.approx(ways[best], rel=1e-5, abs=1e-6)


def test_in_a_graph_of_unknown_shape_under_xla_and_on_a_device():
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    logits = np.random.default_rng(1).normal(size=(2, 9, 4)).astype("float32")
    mask = np.arange(9) < np.array([[9], [6]])
    expected = ctc_greedy(logits, mask)
    unknown = [tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, None], tf.bool)]
    known = [tf.TensorSpec([2, 9, 4]), tf.TensorSpec([2, 9], tf.bool)]
    for options in ({"input_signature": unknown}, {"jit_compile": True}):
        for part, other in zip(tf.function(ctc_greedy, **options)(logits, mask), expected):
            np.testing.assert_allclose(part, other, rtol=1e-5)

    module = tf.Module()
    module.decode = tf.function(
        lambda logits, mask: ctc_greedy(logits, mask)._asdict(), input_signature=known
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.decode.get_concrete_function()], module
    )
    runner = litert.Interpreter(model_content=converter.convert()).get_signature_runner()
    names = list(runner.get_input_details())
    made = runner(**dict(zip(sorted(names), (logits, mask), strict=True)))
    for name, part in expected._asdict().items():
        np.testing.assert_allclose(made[name], part, rtol=1e-5)
