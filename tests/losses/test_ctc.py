"""The CTC loss against all ways to label the frames, against TensorFlow's and PyTorch's."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.losses import alignable, ctc_loss


def random_samples(seed, batch=6, length=5, size=3, count=3, scale=1.5):
    """Logits, NaN if masked; the first sample has all frames and labels, the last neither."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(scale=scale, size=(batch, length, size)).astype("float32")
    frames, labels = draw.integers(1, length + 1, batch), draw.integers(0, count + 1, batch)
    (frames[0], labels[0]), (frames[-1], labels[-1]) = (length, count), (0, 0)
    mask = np.arange(length) < frames[:, None]
    logits[~mask] = np.nan
    ids = draw.integers(1, size, (batch, count))
    return logits, mask, np.where(np.arange(count) < labels[:, None], ids, 0)


def loss_and_gradient(logits, mask, labels, weights=1.0):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = ctc_loss(logits, mask, labels)
        total = tf.reduce_sum(loss * weights)
    return np.array(loss), np.array(tape.gradient(total, logits))


def by_hand(alignments, logits, mask, labels):
    """Loss and gradient of one sample: what the model expects less what the labels allow."""
    gradient, size = np.zeros(logits.shape), logits.shape[-1]
    ways = alignments(logits, mask).get(tuple(labels[labels > 0].tolist()))
    if ways is None:
        return 0.0, gradient
    total = np.logaddexp.reduce(list(ways.values()))
    share = np.zeros((mask.sum(), size))
    for way, score in ways.items():
        share += np.exp(score - total) * np.eye(size)[list(way)].reshape(-1, size)
    real = logits[mask].astype("float64")
    gradient[mask] = np.exp(real - np.logaddexp.reduce(real, axis=-1, keepdims=True)) - share
    return -total, gradient


@pytest.mark.parametrize("seed", range(6))
def test_is_brute_force_and_so_is_its_gradient(every_alignment, seed):
    logits, mask, labels = random_samples(seed)
    weights = np.linspace(0.5, 2.0, len(logits)).astype("float32")
    loss, gradient = loss_and_gradient(logits, mask, labels, weights)
    assert loss.dtype == np.float32 and loss.shape == (6,)
    can = np.array(alignable(mask, labels))
    for row in range(len(logits)):
        expected = by_hand(every_alignment, logits[row], mask[row], labels[row])
        assert loss[row] == pytest.approx(expected[0], rel=1e-5, abs=1e-5)
        np.testing.assert_allclose(gradient[row], weights[row] * expected[1], atol=1e-5)
        wanted = tuple(labels[row][labels[row] > 0].tolist())
        assert can[row] == (wanted in every_alignment(logits[row], mask[row]))


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(
        st.lists(st.integers(1, 2), max_size=4).map(lambda ids: ids + [0] * (4 - len(ids))),
        min_size=4,
        max_size=4,
    ),
    frames=st.lists(st.integers(0, 5), min_size=4, max_size=4),
    logits=st.lists(st.floats(-1e4, 1e4, width=32), min_size=60, max_size=60),
)
def test_no_input_makes_it_infinite(every_alignment, labels, frames, logits):
    logits = np.array(logits, "float32").reshape(4, 5, 3)
    labels, mask = np.array(labels), np.arange(5) < np.array(frames)[:, None]
    loss, gradient = loss_and_gradient(logits, mask, labels)
    assert np.isfinite(loss).all() and np.isfinite(gradient).all() and (loss >= -0.1).all()
    for row in range(4):
        expected, _ = by_hand(every_alignment, logits[row], mask[row], labels[row])
        assert loss[row] == pytest.approx(expected, rel=1e-5, abs=1e-2)


LONG = {"batch": 8, "length": 50, "size": 12, "count": 20}


def test_is_tensorflows_where_that_is_right():
    logits, mask, labels = random_samples(7, **LONG)
    logits = np.where(mask[..., None], logits, 0.0)
    with tf.GradientTape() as tape:
        given = tf.constant(logits)
        tape.watch(given)
        expected = tf.nn.ctc_loss(
            labels.astype("int32"),
            given,
            (labels > 0).sum(1).astype("int32"),
            mask.sum(1).astype("int32"),
            logits_time_major=False,
            blank_index=0,
        )
    # Where there is no alignment, TensorFlow finds one of probability exp(-707).
    can = np.array(alignable(mask, labels))
    assert 4 <= can.sum() < 8
    loss, gradient = loss_and_gradient(logits, mask, labels)
    np.testing.assert_allclose(loss, np.where(can, expected, 0.0), rtol=1e-4, atol=1e-4)
    theirs = np.where(can[:, None, None], tape.gradient(expected, given), 0.0)
    np.testing.assert_allclose(gradient, theirs, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_is_pytorchs(scale):
    torch = pytest.importorskip("torch")
    logits, mask, labels = random_samples(8, **LONG, scale=scale)
    given = torch.tensor(np.where(mask[..., None], logits, 0.0), requires_grad=True)
    expected = torch.nn.functional.ctc_loss(
        given.log_softmax(-1).transpose(0, 1),
        torch.tensor(labels),
        torch.tensor(mask.sum(1)),
        torch.tensor((labels > 0).sum(1)),
        reduction="none",
        zero_infinity=True,
    )
    expected.sum().backward()
    loss, gradient = loss_and_gradient(logits, mask, labels)
    np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(gradient, given.grad.numpy(), atol=3e-4)


def test_masked_frames_are_as_if_they_were_not_there():
    logits, mask, labels = random_samples(3)
    loss, gradient = loss_and_gradient(logits, mask, labels)
    for row, kept in enumerate(mask[:-1]):
        alone = (part[None] for part in (logits[row][kept], mask[row][kept], labels[row]))
        assert loss[row] == pytest.approx(float(ctc_loss(*alone)[0]), rel=1e-5)
    assert not gradient[~mask].any()
    wider = np.pad(labels, ((0, 0), (0, 5)))
    np.testing.assert_allclose(ctc_loss(logits, mask, wider), loss, rtol=1e-6)


def test_no_labels_ask_for_blanks():
    logits, mask, labels = random_samples(4)
    loss = ctc_loss(logits, mask, labels[:, :0])
    blank = tf.nn.log_softmax(np.where(mask[..., None], logits, 0.0))[..., 0]
    np.testing.assert_allclose(loss, -np.sum(np.where(mask, blank, 0.0), axis=1), rtol=1e-5)


def test_a_long_and_sure_recording_has_a_small_loss():
    labels = np.tile([[1, 2, 2, 3]], (1, 60))
    path = np.repeat([[0, 1, 2, 0, 2, 3]], 60, axis=0).reshape(1, -1)
    logits = (np.eye(4)[path] * 40.0).astype("float32")
    loss, gradient = loss_and_gradient(logits, np.ones(path.shape, bool), labels)
    assert 0.0 <= loss[0] < 1e-6 and np.abs(gradient).max() < 1e-6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_goes_in_and_float32_comes_out(dtype):
    logits, mask, labels = random_samples(5)
    half = tf.cast(logits, dtype)
    loss = ctc_loss(half, mask, labels)
    assert loss.dtype == "float32"
    np.testing.assert_array_equal(loss, ctc_loss(tf.cast(half, "float32"), mask, labels))


def test_in_a_graph_of_unknown_shape_and_under_xla():
    samples = random_samples(6)
    expected = loss_and_gradient(*samples)
    shapes = ([None, None, 3], [None, None], [None, None])
    signature = [
        tf.TensorSpec(shape, part.dtype) for shape, part in zip(shapes, samples, strict=True)
    ]

    def both(logits, mask, labels):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = ctc_loss(logits, mask, labels)
        return loss, tape.gradient(loss, logits)

    given = [tf.constant(part) for part in samples]
    for options in ({"input_signature": signature}, {"jit_compile": True}):
        for part, other in zip(tf.function(both, **options)(*given), expected, strict=True):
            np.testing.assert_allclose(part, other, rtol=1e-4, atol=1e-5)


ON_JAX = """
import jax
import keras
import numpy as np

from mmkeras.losses import ctc_loss

assert keras.backend.backend() == "jax"
logits, mask, labels = np.load("given.npz").values()
total = jax.jit(jax.value_and_grad(lambda logits: ctc_loss(logits, mask, labels).sum()))
np.savez("made.npz", *total(logits))
"""


def test_jax_learns_the_same(in_backend, tmp_path):
    samples = random_samples(9)
    np.savez(tmp_path / "given.npz", *samples)
    in_backend("jax", ON_JAX)
    total, gradient = np.load(tmp_path / "made.npz").values()
    loss, expected = loss_and_gradient(*samples)
    assert float(total) == pytest.approx(loss.sum(), rel=1e-5)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_learns_to_say_the_labels():
    logits = tf.Variable(np.zeros((1, 8, 4), "float32"))
    labels, mask = np.array([[3, 1, 1]]), np.ones((1, 8), bool)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(ctc_loss(logits, mask, labels))
        logits.assign_sub(tape.gradient(loss, logits))
        return loss

    for _ in range(60):
        loss = step()
    assert float(loss) < 0.1
    best = np.argmax(logits[0], axis=-1)
    assert [label for label, _ in itertools.groupby(best) if label] == [3, 1, 1]


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("logits", np.zeros((2, 3)), r"logits must be float \[B, T, K\]; got shape \(2, 3\)"),
        ("mask", np.ones((2, 3)), r"mask must be bool \[B, T\].*got float"),
        ("labels", np.ones((2, 3)), r"labels must be int \[B, L\].*got float"),
        ("labels", np.ones(2, int), r"labels must be int \[B, L\].*got int.* \(2,\)"),
    ],
)
def test_bad_input(name, part, message):
    good = {
        "logits": np.zeros((2, 3, 4)),
        "mask": np.ones((2, 3), bool),
        "labels": np.ones((2, 3), int),
    }
    with pytest.raises(ValueError, match=message):
        ctc_loss(**good | {name: part})
