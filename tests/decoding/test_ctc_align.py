"""Forced alignment against all ways to spread the labels over the frames."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.decoding import ctc_align


def spans(path):
    """First frame and end of each label of a way."""
    found, before = [], 0
    for frame, label in enumerate(path):
        if label and label == before:
            found[-1][1] = frame + 1
        elif label:
            found.append([frame, frame + 1])
        before = label
    return found


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.lists(st.integers(1, 2), max_size=3), min_size=4, max_size=4),
    frames=st.lists(st.integers(0, 5), min_size=4, max_size=4),
    seed=st.integers(0, 1000),
)
def test_is_brute_force(every_alignment, labels, frames, seed):
    logits = np.random.default_rng(seed).normal(size=(4, 5, 3)).astype("float32")
    mask = np.arange(5) < np.array(frames)[:, None]
    logits[~mask] = np.nan
    padded = np.array([[*ids, *[0] * (3 - len(ids))] for ids in labels])
    starts, ends, scores = (np.array(part) for part in ctc_align(logits, mask, padded))
    assert (starts.dtype, ends.dtype, scores.dtype) == (np.int32, np.int32, np.float32)
    for row, ids in enumerate(labels):
        ways = every_alignment(logits[row], mask[row]).get(tuple(ids))
        count = len(ids) if ways else 0
        assert not starts[row][count:].any() and not ends[row][count:].any()
        if ways is None:
            assert scores[row] == -np.inf
            continue
        best = max(ways, key=ways.get)
        assert scores[row] == pytest.approx(ways[best], rel=1e-5, abs=1e-5)
        assert np.stack([starts[row], ends[row]], axis=1)[:count].tolist() == spans(best)


def test_in_a_graph_of_unknown_shape_and_under_xla():
    draw = np.random.default_rng(0)
    logits, mask = draw.normal(size=(2, 30, 5)).astype("float32"), np.arange(30) < [[30], [21]]
    labels = draw.integers(1, 5, (2, 6)).astype("int32")
    expected = ctc_align(logits, mask, labels)
    unknown = [
        tf.TensorSpec([None, None, 5]),
        tf.TensorSpec([None, None], tf.bool),
        tf.TensorSpec([None, None], tf.int32),
    ]
    for options in ({"input_signature": unknown}, {"jit_compile": True}):
        made = tf.function(ctc_align, **options)(logits, mask, labels)
        np.testing.assert_array_equal(made.starts, expected.starts)
        np.testing.assert_array_equal(made.ends, expected.ends)
        np.testing.assert_allclose(made.scores, expected.scores, rtol=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match="labels must be int"):
        ctc_align(np.zeros((1, 2, 3)), np.ones((1, 2), bool), np.ones((1, 2)))
