"""From tokens to frames and back, against NumPy's `repeat`."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmkeras.layers import expand, hard_alignment, per_token_mean

DURATIONS = hnp.arrays("int32", (2, 5), elements=st.integers(0, 6))


@settings(max_examples=50, deadline=None)
@given(DURATIONS, st.integers(1, 20), st.sampled_from(["float32", "float16"]))
def test_expand_repeats(durations, num_frames, dtype):
    values = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(dtype)
    made = np.array(expand(values, durations, num_frames))
    assert made.shape == (2, num_frames, 3) and made.dtype == dtype
    for row in range(2):
        repeated = np.repeat(values[row], durations[row], axis=0)[:num_frames]
        np.testing.assert_array_equal(made[row, : len(repeated)], repeated)
        assert not made[row, len(repeated) :].any()


@settings(max_examples=50, deadline=None)
@given(DURATIONS, hnp.arrays("bool", (2, 12)))
def test_means_are_those_of_the_frames_that_count(durations, mask):
    values = np.random.default_rng(0).normal(size=(2, 12)).astype("float32")
    for counts in (None, mask):
        made = np.array(per_token_mean(values, durations, counts))
        for row in range(2):
            starts = np.cumsum([0, *durations[row]])
            for token, (start, duration) in enumerate(zip(starts, durations[row])):
                frames = values[row, start : start + duration]
                if counts is not None:
                    frames = frames[counts[row, start : start + duration]]
                expected = frames.mean() if len(frames) else 0.0
                np.testing.assert_allclose(made[row, token], expected, rtol=1e-5, atol=1e-6)


def test_means_expanded_are_the_values_again():
    durations, values = np.array([[3, 0, 2, 1]]), np.array([[5.0, 0.0, 7.0, -2.0]], "float32")
    frames = expand(values[..., None], durations, 6)[..., 0]
    np.testing.assert_allclose(per_token_mean(frames, durations), values)
    unknown = [tf.TensorSpec([None, None]), tf.TensorSpec([None, None], tf.int64)]
    mean = tf.function(per_token_mean, input_signature=unknown)
    np.testing.assert_allclose(mean(frames, durations), values)


def test_gradients_gather_at_the_tokens_and_xla_agrees():
    durations = np.array([[2, 3, 1]])
    values = tf.constant(np.random.default_rng(0).normal(size=(1, 3, 2)))

    def run(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            total = tf.reduce_sum(expand(values, durations, 8))
        return tape.gradient(total, values)

    for call in (run, tf.function(run, jit_compile=True)):
        np.testing.assert_allclose(call(values), np.repeat(durations[..., None], 2, axis=-1))


def test_a_token_has_its_own_frames():
    made = np.array(hard_alignment(np.array([[1, 2], [0, 5]]), 4))
    expected = [[[1, 0], [0, 1], [0, 1], [0, 0]], [[0, 1]] * 4]
    np.testing.assert_array_equal(made, expected)
