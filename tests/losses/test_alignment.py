"""Losses of alignments, against all monotonic paths there are."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers import log_likelihood, monotonic_alignment
from mmkeras.losses import forward_sum

NUM_FRAMES, NUM_TOKENS = [7, 5, 4, 6, 2, 3], [4, 3, 4, 1, 3, 0]
FRAME_MASK = np.arange(7) < np.array(NUM_FRAMES)[:, None]
TOKEN_MASK = np.arange(4) < np.array(NUM_TOKENS)[:, None]
#: The last two rows have fewer frames than tokens, and no token.
NO_PATH = [4, 5]


def random_scores(seed, scale=2.0):
    """Log probabilities, NaN where masked."""
    scores = np.random.default_rng(seed).normal(scale=scale, size=(6, 7, 4))
    valid = FRAME_MASK[..., None] & TOKEN_MASK[:, None]
    scores = np.where(valid, scores, -np.inf)
    with np.errstate(invalid="ignore"):
        scores = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    return np.where(valid, scores, np.nan).astype("float32")


def by_hand(scores):
    losses = []
    for row, frames, tokens in zip(scores.astype("float64"), NUM_FRAMES, NUM_TOKENS):
        found = [
            row[np.arange(frames), np.repeat(np.arange(tokens), np.diff([0, *ends, frames]))].sum()
            for ends in itertools.combinations(range(1, frames), tokens - 1)
        ] if tokens else []  # fmt: skip
        losses.append(-np.logaddexp.reduce(found) if found else 0.0)
    return np.array(losses)


def loss_and_gradient(scores, weights=1.0):
    scores = tf.convert_to_tensor(scores)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        losses = forward_sum(scores, FRAME_MASK, TOKEN_MASK)
        total = tf.reduce_sum(losses * weights)
    return losses, tape.gradient(total, scores)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_is_the_sum_over_all_paths(seed, scale):
    scores = random_scores(seed, scale)
    losses = np.array(forward_sum(scores, FRAME_MASK, TOKEN_MASK))
    assert losses.dtype == np.float32 and not losses[NO_PATH].any()
    np.testing.assert_allclose(losses, by_hand(scores), rtol=1e-5, atol=1e-5)


def test_gradients_are_differences_of_the_sum():
    scores, weights = random_scores(0), np.array([1.0, 0.3, 2.0, 1.0, 5.0, 5.0], "float32")
    gradient = np.array(loss_and_gradient(scores, weights)[1])
    assert not gradient[NO_PATH].any() and not gradient[~FRAME_MASK].any()
    moved = scores.astype("float64")
    for at in np.argwhere(np.isfinite(scores)):
        at, around = tuple(at), []
        for step in (1e-4, -1e-4):
            before, moved[at] = moved[at], moved[at] + step
            around.append(np.sum(by_hand(moved) * weights))
            moved[at] = before
        difference = (around[0] - around[1]) / 2e-4
        assert gradient[at] == pytest.approx(difference, abs=1e-4)


def test_a_long_recording_loses_no_digits():
    draw = np.random.default_rng(0)
    frames, tokens = 400, 40
    scores = draw.normal(scale=3.0, size=(frames, tokens)).astype("float32") - 50.0
    ways = np.full(tokens, -np.inf)
    ways[0] = float(scores[0, 0])
    for frame in scores[1:].astype("float64"):
        ways = frame + np.logaddexp(ways, [-np.inf, *ways[:-1]])
    everything = np.ones((1, frames), bool), np.ones((1, tokens), bool)
    watched = tf.constant(scores[None])
    with tf.GradientTape() as tape:
        tape.watch(watched)
        loss = forward_sum(watched, *everything)
    assert float(loss[0]) == pytest.approx(-ways[-1], rel=1e-6)
    gradient = np.array(tape.gradient(loss, watched))[0]
    np.testing.assert_allclose(gradient.sum(axis=1), -1.0, atol=1e-4)
    assert (gradient <= 0).all() and gradient[0, 0] == -1.0


def test_in_a_graph_of_unknown_shape_and_under_xla():
    scores = random_scores(1)
    expected = loss_and_gradient(scores)
    unknown = [tf.TensorSpec([None, None, None])]
    for options in ({"input_signature": unknown}, {"jit_compile": True}):
        for part, other in zip(tf.function(loss_and_gradient, **options)(scores), expected):
            np.testing.assert_allclose(part, other, rtol=1e-5, atol=1e-6)


def test_a_network_learns_an_alignment():
    draw = np.random.default_rng(0)
    sounds = draw.normal(size=(4, 6))
    true = np.array([[3, 5, 2, 4]])
    frames = np.repeat(sounds, true[0], axis=0)[None].astype("float32")
    tokens = tf.Variable(0.01 * draw.normal(size=(1, 4, 6)).astype("float32"))
    masks = np.ones((1, 14), bool), np.ones((1, 4), bool)
    for _ in range(60):
        with tf.GradientTape() as tape:
            likelihood = log_likelihood(frames, tokens, masks[1], sharpness=0.5)
            loss = tf.reduce_sum(forward_sum(likelihood, *masks))
        tokens.assign_sub(0.1 * tape.gradient(loss, tokens))
    np.testing.assert_array_equal(monotonic_alignment(likelihood, *masks), true)
    np.testing.assert_allclose(tokens[0], sounds, atol=0.1)
