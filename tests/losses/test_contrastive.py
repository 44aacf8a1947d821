"""Contrastive losses against scikit-learn's and Keras' of the same pairs."""

import keras
import numpy as np
import scipy.special
import sklearn.metrics

from mmkeras.losses import info_nce, pairwise_sigmoid

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, 7)).astype("float32") * 3
POSITIVE = LOGITS[np.arange(5), np.arange(5)]
OTHERS = np.arange(7) != np.arange(5)[:, None]


def test_info_nce_is_the_log_loss_of_the_partner():
    losses = np.array(info_nce(POSITIVE, LOGITS, OTHERS))
    for row, probabilities in enumerate(scipy.special.softmax(LOGITS, axis=1)):
        expected = sklearn.metrics.log_loss([row], probabilities[None], labels=range(7))
        np.testing.assert_allclose(losses[row], expected, rtol=1e-5)


def test_sigmoid_is_the_binary_cross_entropy_of_all_pairs():
    losses = np.array(pairwise_sigmoid(POSITIVE, LOGITS, OTHERS))
    theirs = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    expected = 7 * np.array(theirs((~OTHERS).astype("float32"), LOGITS))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_what_is_no_negative_costs_nothing():
    none = np.zeros_like(OTHERS)
    np.testing.assert_allclose(info_nce(POSITIVE, LOGITS, none), 0.0, atol=1e-6)
    alone = np.logaddexp(0, -POSITIVE)
    np.testing.assert_allclose(pairwise_sigmoid(POSITIVE, LOGITS, none), alone, rtol=1e-5)
    large = np.where(OTHERS, LOGITS, 1e30)
    np.testing.assert_allclose(
        info_nce(POSITIVE, large, OTHERS), info_nce(POSITIVE, LOGITS, OTHERS)
    )
