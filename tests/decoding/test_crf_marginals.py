"""Marginals against all sequences there are."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.decoding import crf_marginals
from mmkeras.layers import TagScheme


def by_hand(every_tagging, scores, mask, *tables):
    marginals = np.zeros(scores.shape)
    for row in range(len(scores)):
        found = every_tagging(scores[row], mask[row], *tables)
        values = np.array(list(found.values()))
        probabilities = np.exp(values - np.logaddexp.reduce(values))
        for tags, probability in zip(found, probabilities, strict=True):
            marginals[row, np.flatnonzero(mask[row]), list(tags)] += probability
    return marginals


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("seed", range(5))
def test_is_brute_force(every_tagging, random_chains, seed, scale):
    chains = random_chains(seed, scale=scale)
    actual = np.array(crf_marginals(*chains))
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, by_hand(every_tagging, *chains), atol=2e-5)
    np.testing.assert_allclose(actual.sum(axis=-1), chains[1], atol=1e-6)


@pytest.mark.parametrize("never", [-np.inf, -1e9, -1e4])
def test_what_is_forbidden_has_no_probability(every_tagging, random_chains, never):
    scheme = TagScheme(("x",), "BILOU")
    scores, mask, *_ = random_chains(3, size=5, scale=50.0)
    allowed = (scheme.transitions, scheme.starts, scheme.ends)
    tables = [np.where(part, 0.0, never).astype("float32") for part in allowed]
    actual = np.array(crf_marginals(scores, mask, *tables))
    np.testing.assert_allclose(
        actual, by_hand(every_tagging, scores, mask, *tables), rtol=1e-3, atol=1e-5
    )
    assert not actual[0, 0][~scheme.starts].any() and not actual[0, -1][~scheme.ends].any()


def test_a_long_and_sure_text_has_exact_probabilities():
    scores = np.zeros((1, 512, 4), "float32")
    scores[..., 2] = 1e4
    scores[0, 100] = 1e4 + np.log(np.array([1, 2, 3, 4]))
    zeros = (np.zeros((4, 4)), np.zeros(4), np.zeros(4))
    actual = np.array(tf.function(crf_marginals)(scores, np.ones((1, 512), bool), *zeros))[0]
    np.testing.assert_allclose(actual[100], [0.1, 0.2, 0.3, 0.4], atol=3e-4)
    np.testing.assert_array_equal(actual[101], [0, 0, 1, 0])


def test_in_a_graph_of_unknown_shape_and_under_xla(random_chains):
    chains = random_chains(5, batch=3, length=7)
    signature = [
        tf.TensorSpec([None, None, 3]),
        tf.TensorSpec([None, None], tf.bool),
        *(tf.TensorSpec(shape) for shape in ([3, 3], [3], [3])),
    ]
    for options in ({"input_signature": signature}, {"jit_compile": True}):
        found = tf.function(crf_marginals, **options)(*chains)
        np.testing.assert_allclose(found, crf_marginals(*chains), atol=1e-6)
