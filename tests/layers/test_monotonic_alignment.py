"""Alignments against all monotonic paths there are, and priors against SciPy's distribution."""

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmkeras.layers import beta_binomial_log_prior, log_likelihood, monotonic_alignment
from mmkeras.losses import forward_sum


def every_path(scores):
    """The durations of each monotonic path over [F, T], and its score, in float64."""
    frames, tokens = scores.shape
    for ends in itertools.combinations(range(1, frames), tokens - 1):
        durations = np.diff([0, *ends, frames])
        path = np.repeat(np.arange(tokens), durations)
        yield durations, scores[np.arange(frames), path].astype("float64").sum()


def masks(frames, tokens, num_frames, num_tokens):
    rows = (np.arange(frames) < np.array(num_frames)[:, None]), np.array(num_tokens)[:, None]
    return rows[0], np.arange(tokens) < rows[1]


@pytest.mark.parametrize("seed", range(5))
def test_is_the_best_of_all_paths(seed):
    draw = np.random.default_rng(seed)
    num_frames, num_tokens = [9, 7, 5, 9, 6], [4, 3, 5, 1, 2]
    scores = draw.normal(scale=3, size=(5, 9, 5)).astype("float32")
    frame_mask, token_mask = masks(9, 5, num_frames, num_tokens)
    scores[~frame_mask], scores.transpose(0, 2, 1)[~token_mask] = np.nan, np.nan
    durations = np.array(monotonic_alignment(scores, frame_mask, token_mask))
    assert durations.dtype == np.int32 and durations.shape == (5, 5)
    for row, (frames, tokens) in enumerate(zip(num_frames, num_tokens)):
        best = max(every_path(scores[row, :frames, :tokens]), key=lambda path: path[1])[0]
        assert durations[row].tolist() == [*best, *[0] * (5 - tokens)]


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays("float32", (2, 6, 5), elements=st.floats(width=32)),
    st.tuples(*[st.integers(0, 6)] * 2),
    st.tuples(*[st.integers(0, 5)] * 2),
)
def test_whatever_the_scores_every_frame_is_given_away(scores, num_frames, num_tokens):
    durations = np.array(monotonic_alignment(scores, *masks(6, 5, num_frames, num_tokens)))
    for row, frames, tokens in zip(durations, num_frames, num_tokens):
        if frames < tokens or tokens == 0:
            assert row.tolist() == [1] * min(frames, tokens) + [0] * (5 - min(frames, tokens))
        else:
            assert row.sum() == frames and row[:tokens].min() >= 1 and not row[tokens:].any()


def test_a_long_recording_is_found_again_eagerly_in_graphs_and_under_xla():
    draw = np.random.default_rng(0)
    true = draw.integers(1, 30, (2, 40))
    true[1, 30:] = 0
    spoken = true.sum(axis=1)
    length = spoken.max()
    vectors = draw.normal(size=(2, 40, 8)).astype("float32")
    frames = np.zeros((2, length, 8), "float32")
    for row, durations in enumerate(true):
        frames[row, : spoken[row]] = np.repeat(vectors[row], durations, axis=0)
    frames += draw.normal(scale=0.3, size=frames.shape)
    frame_mask, token_mask = masks(length, 40, spoken, [40, 30])

    def align(frames, vectors, frame_mask, token_mask):
        attention = log_likelihood(frames, vectors, token_mask, sharpness=1.0)
        return monotonic_alignment(attention, frame_mask, token_mask)

    given = (frames, vectors, frame_mask, token_mask)
    floats, bools = tf.TensorSpec([None, None, 8]), tf.TensorSpec([None, None], tf.bool)
    unknown = tf.function(align, input_signature=[floats, floats, bools, bools], autograph=False)
    for run in (align, unknown, tf.function(align, jit_compile=True, autograph=False)):
        np.testing.assert_array_equal(run(*given), true)


ON_JAX = """
import jax
import numpy as np
from mmkeras.layers import monotonic_alignment
from mmkeras.losses import forward_sum

given = tuple(np.load("given.npz").values())
loss = lambda scores: forward_sum(scores, *given[1:]).sum()
made = jax.jit(monotonic_alignment)(*given), *jax.jit(jax.value_and_grad(loss))(given[0])
np.savez("made.npz", *made)
"""


def test_on_jax(in_backend, tmp_path):
    scores = np.random.default_rng(0).normal(size=(2, 7, 4)).astype("float32")
    given = (scores, *masks(7, 4, [7, 5], [4, 3]))
    np.savez(tmp_path / "given.npz", *given)
    in_backend("jax", ON_JAX)
    durations, loss, gradient = np.load(tmp_path / "made.npz").values()
    np.testing.assert_array_equal(durations, monotonic_alignment(*given))
    with tf.GradientTape() as tape:
        watched = tf.constant(scores)
        tape.watch(watched)
        expected = tf.reduce_sum(forward_sum(watched, *given[1:]))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, tape.gradient(expected, watched), atol=1e-5)


def test_frames_are_gaussians_around_their_tokens():
    draw = np.random.default_rng(0)
    frames, tokens = draw.normal(size=(2, 7, 6)), draw.normal(size=(2, 5, 6))
    frame_mask, token_mask = masks(7, 5, [7, 7], [5, 3])
    log_prior = np.array(beta_binomial_log_prior(frame_mask, token_mask))
    for prior in (None, log_prior):
        made = np.array(log_likelihood(frames, tokens, token_mask, prior, sharpness=0.5))
        for row, count in enumerate((5, 3)):
            for token in range(count):
                spread = scipy.stats.multivariate_normal(tokens[row, token], np.eye(6))
                expected = spread.logpdf(frames[row]) + 3 * np.log(2 * np.pi)
                if prior is not None:
                    expected = expected + prior[row, :, token]
                np.testing.assert_allclose(made[row, :, token], expected, atol=1e-4)
            assert (made[row, :, count:] < -1e29).all()


@pytest.mark.parametrize("width", [0.2, 1.0, 3.0])
def test_the_prior_is_scipys_distribution(width):
    num_frames, num_tokens = [800, 3, 1], [90, 3, 1]
    made = beta_binomial_log_prior(*masks(800, 90, num_frames, num_tokens), width)
    for row, frames, tokens in zip(np.array(made), num_frames, num_tokens):
        t = np.arange(1, frames + 1)[:, None]
        alpha, beta = width * t, width * (frames + 1 - t)
        expected = scipy.stats.betabinom(tokens - 1, alpha, beta).logpmf(np.arange(tokens))
        np.testing.assert_allclose(row[:frames, :tokens], expected, atol=0.02)
        assert np.isfinite(row).all() and (row[:, tokens:] < -1e29).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((np.zeros((4, 3)), np.ones((1, 4), bool), np.ones((1, 3), bool)), "log_likelihood.*4, 3"),
        ((np.zeros((1, 4, 3)), np.ones((1, 4)), np.ones((1, 3), bool)), "frame_mask must be bool"),
        ((np.zeros((1, 4, 3)), np.ones((1, 4), bool), np.ones(3, bool)), r"token_mask .*B, T"),
    ],
)
def test_a_wrong_shape_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        monotonic_alignment(*given)
