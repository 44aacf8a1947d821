"""The CTC loss against the sum over all paths, and against PyTorch."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.losses.ctc import alignable, ctc_loss

RNG = np.random.default_rng(0)


def collapsed(path):
    return tuple(k for k, _ in itertools.groupby(path) if k)


def by_brute_force(logits, label):
    """-log of the sum of the probabilities of all paths that collapse to the label."""
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    steps, classes = logits.shape
    total = sum(
        np.prod(probabilities[range(steps), path])
        for path in itertools.product(range(classes), repeat=steps)
        if collapsed(path) == tuple(label)
    )
    return -np.log(total)


@pytest.mark.parametrize("label", [[], [1], [1, 2], [2, 2], [1, 2, 1]])
@pytest.mark.parametrize("steps", [3, 5])
def test_is_the_sum_over_all_paths(label, steps):
    logits = RNG.normal(size=(1, 6, 3)).astype("float32")
    mask = np.arange(6)[None] < steps
    labels = np.zeros((1, 4), int)
    labels[0, : len(label)] = label
    expected = by_brute_force(logits[0, :steps], label)
    np.testing.assert_allclose(ctc_loss(logits, mask, labels)[0], expected, rtol=1e-5)


def test_what_does_not_fit_costs_nothing_and_teaches_nothing():
    labels = np.array([[1, 1], [1, 2], [0, 0], [1, 0]])
    mask = np.array([[1, 1], [1, 1], [1, 1], [0, 0]], bool)
    logits = tf.constant(RNG.normal(size=(4, 2, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = ctc_loss(logits, mask, labels)
    gradient = tape.gradient(loss, logits).numpy()
    assert np.array(alignable(mask, labels)).tolist() == [False, True, True, False]
    assert (np.array(loss) > 0).tolist() == [False, True, True, False]
    assert (np.abs(gradient).sum((1, 2)) > 0).tolist() == [False, True, True, False]
    assert np.isfinite(gradient).all()


def test_extreme_logits_stay_finite():
    logits = tf.constant([[[1e4, -1e4], [-1e4, 1e4], [0.0, -1e4]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = ctc_loss(logits, np.ones((1, 3), bool), np.array([[1]]))
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, logits)).all()


def test_loss_and_gradients_are_pytorchs():
    torch = pytest.importorskip("torch")
    lengths = np.array([12, 9, 7])
    pieces = np.array([5, 3, 0])
    logits = RNG.normal(size=(3, 12, 6)).astype("float32")
    labels = RNG.integers(1, 6, (3, 5)) * (np.arange(5) < pieces[:, None])
    theirs = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.ctc_loss(
        torch.log_softmax(theirs, -1).transpose(0, 1),
        torch.tensor(labels),
        torch.tensor(lengths),
        torch.tensor(pieces),
        reduction="none",
    )
    expected.sum().backward()
    ours = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(ours)
        loss = ctc_loss(ours, np.arange(12) < lengths[:, None], labels)
    np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, ours), theirs.grad.numpy(), atol=1e-5)


def test_in_half_precision_and_compiled():
    logits = RNG.normal(size=(2, 6, 4)).astype("float32")
    mask, labels = np.ones((2, 6), bool), np.array([[1, 2], [3, 3]])
    expected = ctc_loss(logits, mask, labels)
    compiled = tf.function(ctc_loss, jit_compile=True)(logits, mask, labels)
    np.testing.assert_allclose(compiled, expected, rtol=1e-5)
    half = ctc_loss(keras.ops.cast(logits, "bfloat16"), mask, labels)
    assert half.dtype == "float32"
    np.testing.assert_allclose(half, expected, rtol=0.05)
