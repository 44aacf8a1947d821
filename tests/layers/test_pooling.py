"""Pooling against NumPy's masked mean, and who has a voice."""

import numpy as np

from mmkeras.layers import FieldPooling, masked_mean
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
