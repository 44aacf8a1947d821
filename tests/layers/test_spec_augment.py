"""SpecAugment: what is hidden, how much of it, and how time is bent."""

import keras
import numpy as np
import pytest

from mmkeras.layers import SpecAugment

RNG = np.random.default_rng(0)
BATCH, TIME, BANDS = 400, 60, 12
LENGTHS = RNG.integers(0, TIME + 1, BATCH)
LENGTHS[:3] = [0, 1, TIME]
MASK = np.arange(TIME) < LENGTHS[:, None]
ONES = np.ones((BATCH, TIME, BANDS), "float32")
NOTHING = {"time_masks": 0, "frequency_masks": 0}


def runs(row):
    """The lengths of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]])))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize(("count", "share"), [(1, 0.3), (2, 0.5), (5, 0.5), (3, 1.0)])
def test_time_masks_hide_no_more_than_their_share_of_what_is_there(count, share):
    layer = SpecAugment(count, 40, share, frequency_masks=0, seed=1)
    hidden = np.array(layer(ONES, MASK, training=True)) == 0
    assert (hidden == hidden[:, :, :1]).all(), "the whole frame or none of it"
    hidden = hidden[..., 0]
    assert not hidden[~MASK].any()
    assert (hidden.sum(axis=1) <= share * LENGTHS).all()
    widest = [min(int(share / count * length + 1e-6), 40) for length in LENGTHS]
    for row, most in zip(hidden, widest):
        assert len(runs(row)) <= count
        assert all(run <= count * most for run in runs(row))
    # Every width from 0 on occurs, and every place.
    if count == 1:
        full = hidden[LENGTHS == TIME] if (LENGTHS == TIME).sum() > 50 else hidden
        assert {0, 1, 2, 3} <= set(full.sum(axis=1).tolist())
    assert hidden.any(axis=0).mean() > 0.95


def test_widths_and_places_are_drawn_evenly():
    layer = SpecAugment(1, 4, 1.0, frequency_masks=0, seed=1)
    values, mask = np.ones((5_000, 10, 1), "float32"), np.ones((5_000, 10), bool)
    hidden = np.array(layer(values, mask, training=True))[..., 0] == 0
    widths = hidden.sum(axis=1)
    np.testing.assert_allclose(np.bincount(widths) / 5_000, np.full(5, 1 / 5), atol=0.02)
    begins = hidden[widths == 4].argmax(axis=1)
    np.testing.assert_allclose(np.bincount(begins) / len(begins), np.full(7, 1 / 7), atol=0.04)


def test_frequency_masks_hide_bands_of_every_frame():
    layer = SpecAugment(time_masks=0, frequency_masks=2, frequency_width=3, seed=1)
    hidden = np.array(layer(ONES, MASK, training=True)) == 0
    assert (hidden == hidden[:, :1]).all()
    hidden = hidden[:, 0]
    assert all(len(runs(row)) <= 2 for row in hidden)
    assert set(hidden.sum(axis=1)) == set(range(7))
    assert hidden.any(axis=0).all()


def test_a_mask_is_no_wider_than_there_are_bands():
    layer = SpecAugment(time_masks=0, frequency_masks=1, frequency_width=99, seed=1)
    hidden = np.array(layer(ONES, MASK, training=True))[:, 0] == 0
    assert set(hidden.sum(axis=1)) == set(range(BANDS + 1))


@pytest.mark.parametrize("training", [False, None])
def test_does_nothing_outside_of_training(training):
    values = RNG.normal(size=ONES.shape).astype("float32")
    layer = SpecAugment(5, 30, 1.0, 5, 12, time_warp=5)
    np.testing.assert_array_equal(layer(values, MASK, training=training), values)


def test_what_is_not_hidden_stays():
    values = RNG.normal(size=ONES.shape).astype("float32")
    shown = np.array(SpecAugment(seed=2)(values, MASK, training=True))
    assert ((shown == 0) | (shown == values)).all()


def test_draws_are_repeatable_and_new_each_time():
    first, second = (SpecAugment(seed=3) for _ in range(2))
    one = np.array(first(ONES, MASK, training=True))
    np.testing.assert_array_equal(second(ONES, MASK, training=True), one)
    assert not np.array_equal(first(ONES, MASK, training=True), one)


def test_time_is_bent_between_the_ends_and_nowhere_else():
    warp = 8
    layer = SpecAugment(**NOTHING, time_warp=warp, seed=1)
    # What a frame holds tells the place that it comes from.
    clock = np.broadcast_to(np.arange(TIME, dtype="float32")[:, None], (BATCH, TIME, 2))
    bent = np.array(layer(clock, MASK, training=True))
    assert (bent[..., 0] == bent[..., 1]).all()
    bent = bent[..., 0]
    moved = []
    for row, length in zip(bent, LENGTHS):
        np.testing.assert_array_equal(row[length:], np.arange(length, TIME))
        if length <= 2 * warp:
            np.testing.assert_array_equal(row, np.arange(TIME))
            continue
        here = row[:length]
        assert (here[0], here[-1]) == (0, pytest.approx(length - 1, abs=1e-4))
        assert (np.diff(here) > 0).all()
        # Straight on both sides of one corner.
        corners = np.flatnonzero(np.abs(np.diff(here, 2)) > 1e-3)
        assert len(corners) <= 2 and np.ptp(corners) <= 1 if len(corners) else True
        moved.append(np.abs(here - np.arange(length)).max())
    assert max(moved) <= warp
    assert max(moved) > 0.8 * warp


def test_infinity_behind_the_end_is_not_seen_by_the_warp():
    values = np.where(MASK[..., None], 1.0, np.inf).astype("float32")
    shown = np.array(SpecAugment(**NOTHING, time_warp=4, seed=1)(values, MASK, training=True))
    assert (shown[MASK] == 1).all()


def test_serialises_and_keeps_half_precision():
    layer = SpecAugment(1, 2, 0.3, 4, 5, 6, seed=7, dtype="float16")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    shown = copy(ONES.astype("float16"), MASK, training=True)
    assert keras.backend.standardize_dtype(shown.dtype) == "float16"
    assert tuple(copy.compute_output_shape(ONES.shape)) == ONES.shape


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"time_masks": -1}, "time_masks must be 0 or more; got -1"),
        ({"time_warp": -2}, "time_warp must be 0 or more; got -2"),
        ({"max_time_share": 1.5}, r"max_time_share must be in \[0, 1\]; got 1.5"),
    ],
)
def test_refuses_what_is_out_of_range(argument, message):
    with pytest.raises(ValueError, match=message):
        SpecAugment(**argument)
