"""Windows over long sequences: against slices in Python, and with no change to what is seen."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies

from mmkeras.encoders import TextTransformer
from mmkeras.layers import Size
from mmkeras.layers.windows import joined, windows_of


@settings(max_examples=40)
@given(strategies.integers(1, 30), strategies.integers(1, 9), strategies.integers(0, 4))
def test_windows_are_slices_and_join_again(length, kept, overlap):
    values = np.arange(1, 2 * length + 1).reshape(2, length)
    window = kept + 2 * overlap
    made = np.array(windows_of(values, window, overlap))
    padded = np.pad(values, ((0, 0), (overlap, window + kept)))
    starts = range(0, length, kept)
    expected = [row[start : start + window] for row in padded for start in starts]
    np.testing.assert_array_equal(made, expected)
    back = joined(made[..., None], length, window, overlap)
    np.testing.assert_array_equal(np.array(back)[..., 0], values)


def encoder(window=None, overlap=0):
    stack = Size(dim=16, depth=1, num_heads=2, mlp_dim=32).stack()
    return TextTransformer(50, 12, stack, dropout=0.0, window=window, overlap=overlap)


def test_every_window_is_encoded_as_a_text_of_its_own():
    ids = np.random.default_rng(0).integers(1, 50, (2, 10))
    made = encoder(window=4)
    tokens = made({"token_ids": ids})
    for start in (0, 4, 8):
        part = made({"token_ids": ids[:, start : start + 4]})
        np.testing.assert_allclose(
            tokens.values[:, start : start + 4], part.values, atol=1e-5, rtol=1e-5
        )


def test_overlap_is_as_far_as_a_token_sees():
    ids = np.random.default_rng(0).integers(1, 50, (1, 12))
    made = encoder(window=8, overlap=2)
    before = np.array(made({"token_ids": ids}).values)
    for place in range(12):
        changed = ids.copy()
        changed[0, place] = ids[0, place] % 49 + 1
        after = np.array(made({"token_ids": changed}).values)
        differs = np.abs(after - before).max(axis=(0, 2)) > 1e-6
        start = np.arange(12) // 4 * 4
        np.testing.assert_array_equal(differs, (start - 2 <= place) & (place < start + 6))


def test_unknown_lengths_and_the_configuration():
    made = encoder(window=4, overlap=1)
    ids = np.random.default_rng(0).integers(1, 50, (2, 11)).astype("int32")
    expected = np.array(made({"token_ids": ids}).values)
    graph = tf.function(
        lambda ids: made({"token_ids": ids}).values,
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
    )
    np.testing.assert_allclose(graph(ids), expected, atol=1e-5)
    copy = TextTransformer.from_config(made.get_config())
    copy({"token_ids": ids})
    copy.set_weights(made.get_weights())
    np.testing.assert_allclose(copy({"token_ids": ids}).values, expected, atol=1e-5)


@pytest.mark.parametrize(("window", "overlap"), [(4, 2), (0, 0), (4, -1)])
def test_a_window_that_keeps_nothing_is_refused(window, overlap):
    with pytest.raises(ValueError, match="larger than twice the overlap"):
        encoder(window, overlap)
