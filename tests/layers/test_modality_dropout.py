"""Modality dropout: how often, what stays, and only in training."""

import numpy as np
import pytest

from mmkeras.layers import ModalityDropout
from mmkeras.tokens import Tokens

SIZE = 4_000


def tokens(present=True):
    mask = np.zeros((SIZE, 3), bool)
    mask[:, :2] = present
    return Tokens(np.ones((SIZE, 3, 2), "float32"), mask)


def kept(dropped):
    return {field: np.array(mask).any(axis=1) for field, (_, mask) in dropped.items()}


@pytest.mark.parametrize("rate", [0.2, 0.8])
def test_drops_as_often_as_it_says_and_never_all(rate):
    fields = {"a": tokens(), "b": tokens(), "c": tokens()}
    present = kept(ModalityDropout(rate, seed=0)(fields, training=True))
    assert np.stack(list(present.values())).any(axis=0).all()
    # Where all three would go, one of them, each equally often, is kept.
    expected = 1 - rate + rate**3 / 3
    for field in fields:
        assert present[field].mean() == pytest.approx(expected, abs=0.03)
    assert (present["a"] & present["b"]).mean() == pytest.approx((1 - rate) ** 2, abs=0.03)


def test_what_is_kept_is_a_field_that_is_there():
    fields = {"a": tokens(), "b": tokens(present=False)}
    present = kept(ModalityDropout(0.9, seed=0)(fields, training=True))
    assert present["a"].all()
    assert not present["b"].any()


def test_masks_are_thinned_whole_and_values_stay():
    fields = {"a": tokens(), "b": tokens()}
    for field, (values, mask) in ModalityDropout(0.5, seed=0)(fields, training=True).items():
        np.testing.assert_array_equal(values, fields[field].values)
        mask = np.array(mask)
        np.testing.assert_array_equal(mask, mask.any(axis=1)[:, None] & fields[field].mask)


def test_does_nothing_outside_of_training():
    fields = {"a": tokens(), "b": tokens(present=False)}
    for training in (False, None):
        for field, (_, mask) in ModalityDropout(0.9)(fields, training=training).items():
            np.testing.assert_array_equal(mask, fields[field].mask)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_refuses_a_rate_that_is_none(rate):
    with pytest.raises(ValueError, match=str(rate)):
        ModalityDropout(rate)
