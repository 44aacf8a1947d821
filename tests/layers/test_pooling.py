"""Pooling against NumPy's masked mean, and who has a voice."""

import numpy as np
import pytest

from mmkeras.layers import AttentionPooling, FieldPooling, first_token, masked_max, masked_mean
from mmkeras.tokens import Tokens

RNG = np.random.default_rng(0)


def tokens(*present, length=4, dim=6):
    mask = np.array(present, bool)[:, None] & (np.arange(length) < length - 1)
    return Tokens(RNG.normal(size=(len(present), length, dim)).astype("float32"), mask)


def test_masked_mean_is_numpys():
    values, _ = tokens(1, 1, 1)
    mask = np.array([[1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]], bool)
    values[0, 1] = np.inf
    actual = np.array(masked_mean(values, mask))
    for row in range(2):
        np.testing.assert_allclose(actual[row], values[row][mask[row]].mean(axis=0), atol=1e-6)
    assert not actual[2].any()


def test_every_present_field_has_one_voice():
    a, b = tokens(1, 1, 0, 0), tokens(1, 0, 1, 0, length=7, dim=3)
    pooling = FieldPooling(dim=5)
    votes = pooling({"a": a, "b": b})
    both = np.array(masked_mean(*votes))
    voices = {}
    for field, (values, mask) in {"a": a, "b": b}.items():
        mean = np.stack([v[m].mean(axis=0) if m.any() else v[0] for v, m in zip(values, mask)])
        centred = mean - mean.mean(axis=1, keepdims=True)
        normal = centred / np.sqrt(centred.var(axis=1, keepdims=True) + 1e-6)
        kernel, bias = pooling.projections[field].get_weights()
        voices[field] = normal @ kernel + bias
    np.testing.assert_allclose(both[0], (voices["a"][0] + voices["b"][0]) / 2, atol=1e-5)
    np.testing.assert_allclose(both[1], voices["a"][1], atol=1e-5)
    np.testing.assert_allclose(both[2], voices["b"][2], atol=1e-5)
    assert not both[3].any()


@pytest.mark.parametrize("pool", ["max", "first", "attention"])
def test_pools_are_numpys(pool):
    values, _ = tokens(1, 1, 1)
    mask = np.array([[1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]], bool)
    values[0, 1] = np.inf
    layer = AttentionPooling()
    layer.build(values.shape)
    layer.score.set_weights([RNG.normal(size=(6, 1))])
    pooled = {"max": masked_max, "first": first_token, "attention": layer}[pool](values, mask)
    for row in range(2):
        kept = values[row][mask[row]]
        score = np.exp(kept @ layer.score.get_weights()[0][:, 0])
        expected = {
            "max": kept.max(axis=0),
            "first": values[row, 0] * mask[row, 0],
            "attention": (score / score.sum()) @ kept,
        }[pool]
        np.testing.assert_allclose(np.array(pooled)[row], expected, atol=1e-5)
    assert not np.array(pooled)[2].any()


def test_attention_begins_as_the_mean():
    values, mask = tokens(1, 1)
    np.testing.assert_allclose(
        AttentionPooling()(values, mask), masked_mean(values, mask), atol=1e-6
    )


def test_an_unknown_pool_is_named():
    with pytest.raises(ValueError, match=r"pool must be one of .*'mean'.*; got 'median'"):
        FieldPooling(dim=5, pool="median")
