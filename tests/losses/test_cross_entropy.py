"""Cross-entropies against scikit-learn and Keras."""

import keras
import numpy as np
import pytest
import scipy.special
import sklearn.metrics

from mmkeras.losses import binary_cross_entropy, cross_entropy, masked_cross_entropy

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)).astype("float32")
CLASSES = np.array([0, 3, 1, 1, 2, 0])
APPLY = (RNG.random((6, 4)) < 0.5).astype("float32")
#: Sequences in which some places are asked for.
SCORES = RNG.normal(size=(3, 5, 4)).astype("float32")
ASKED = np.array([[1, -1, 3, 0, -1], [-1, 2, -1, -1, -1], [-1] * 5])
WEIGHTS = (1.0, 2.0, 0.5, 3.0)


def test_cross_entropy_is_log_loss():
    losses = np.array(cross_entropy(CLASSES, LOGITS))
    probabilities = scipy.special.softmax(LOGITS, axis=1)
    assert losses.shape == (6,)
    for i, loss in enumerate(losses):
        expected = sklearn.metrics.log_loss(
            CLASSES[i : i + 1], probabilities[i : i + 1], labels=range(4)
        )
        assert loss == pytest.approx(expected, rel=1e-4)


def test_cross_entropy_smooths_and_weights():
    theirs = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.2, reduction=None
    )(keras.ops.one_hot(CLASSES, 4), LOGITS)
    np.testing.assert_allclose(cross_entropy(CLASSES, LOGITS, 0.2), theirs, rtol=1e-5)
    weighted = cross_entropy(CLASSES, LOGITS, 0.2, WEIGHTS)
    np.testing.assert_allclose(weighted, theirs * np.take(WEIGHTS, CLASSES), rtol=1e-5)


def test_binary_cross_entropy_is_log_loss():
    losses = np.array(binary_cross_entropy(APPLY, LOGITS))
    probabilities = scipy.special.expit(LOGITS)
    for i, loss in enumerate(losses):
        expected = sklearn.metrics.log_loss(APPLY[i], probabilities[i], labels=[0, 1])
        assert loss == pytest.approx(expected, rel=1e-4)


def test_binary_cross_entropy_smooths_and_weights():
    theirs = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2, reduction=None)(
        APPLY, LOGITS
    )
    np.testing.assert_allclose(binary_cross_entropy(APPLY, LOGITS, 0.2), theirs, rtol=1e-5)
    smooth = APPLY * 0.8 + 0.1
    terms = -smooth * np.log(scipy.special.expit(LOGITS)) - (1 - smooth) * np.log(
        scipy.special.expit(-LOGITS)
    )
    weighted = binary_cross_entropy(APPLY, LOGITS, 0.2, WEIGHTS)
    np.testing.assert_allclose(weighted, (terms * WEIGHTS).mean(axis=1), rtol=1e-5)


def test_large_logits_stay_exact():
    logits = np.array([[1e4, -1e4]], "float32")
    assert float(cross_entropy(np.array([0]), logits)[0]) == 0.0
    assert float(cross_entropy(np.array([1]), logits)[0]) == pytest.approx(2e4)
    wrong = binary_cross_entropy(np.array([[0.0, 1.0]], "float32"), logits)
    assert float(wrong[0]) == pytest.approx(1e4)
    assert cross_entropy(np.array([1]), logits.astype("float16")).dtype == "float32"


def mean_of_what_is_asked(target, logits):
    losses = []
    for classes, scores in zip(target, logits):
        terms = [
            np.log(np.exp(row.astype("float64")).sum()) - row[true]
            for true, row in zip(classes, scores)
            if true >= 0
        ]
        losses.append(np.mean(terms) if terms else 0.0)
    return losses


@pytest.mark.parametrize(("more_targets", "more_logits"), [(0, 0), (2, 0), (0, 2)])
def test_masked_cross_entropy_is_the_mean_of_what_is_asked(more_targets, more_logits):
    target = np.pad(ASKED, [(0, 0), (0, more_targets)], constant_values=-1)
    logits = np.pad(SCORES, [(0, 0), (0, more_logits), (0, 0)], constant_values=9.0)
    losses = np.array(masked_cross_entropy(target, logits))
    assert losses.dtype == "float32"
    np.testing.assert_allclose(losses, mean_of_what_is_asked(ASKED, SCORES), rtol=1e-5)
