"""Collages: sizes and turns in closed form, transparency by its formula."""

import numpy as np
import pytest

from mmkeras import collages, openmoji


@pytest.fixture(scope="module")
def flag():
    entries = openmoji.entries(per_category=7)
    return next(
        e for e in openmoji.split(entries)["train"] if e.category == "Flags" and e.names["en"]
    )


def drawn(entry, *args):
    return collages.drawing(entry.svg.read_text(encoding="utf-8"), entry.drawing, *args)


def extent(drawing):
    return collages.extent(drawing[..., 3])


def test_a_drawing_has_the_size_and_turn_it_was_asked_for(flag):
    x1, y1, x2, y2 = extent(drawn(flag, 60, 0, False))
    assert x2 - x1 == pytest.approx(60, abs=1)
    # A rectangle turned by an angle, in closed form; its corners are rounded a little.
    width, height = x2 - x1, y2 - y1
    turn = np.radians(15)
    x1, y1, x2, y2 = extent(drawn(flag, 60, 15, False))
    assert x2 - x1 == pytest.approx(width * np.cos(turn) + height * np.sin(turn), abs=3)
    assert y2 - y1 == pytest.approx(width * np.sin(turn) + height * np.cos(turn), abs=3)
    plain, mirrored = (drawn(flag, 40, 0, is_flipped) for is_flipped in (False, True))
    difference = np.abs(plain[:, ::-1].astype(int) - mirrored)
    assert difference.mean() < 0.1 * np.abs(plain.astype(int) - mirrored).mean() + 1


def test_an_extent_is_that_of_the_opaque_pixels():
    alpha = np.random.default_rng(0).integers(0, 160, (9, 12))
    found = [(x, y) for y, row in enumerate(alpha) for x, one in enumerate(row) if one >= 128]
    xs, ys = zip(*found)
    assert collages.extent(alpha) == (min(xs), min(ys), max(xs) + 1, max(ys) + 1)


def test_what_goes_beyond_the_page_is_cut_off():
    drawing = np.arange(4 * 4 * 4, dtype=np.uint8).reshape(4, 4, 4)
    page = collages.placed(drawing, 6, 4, -1)
    np.testing.assert_array_equal(page[4:, :3], drawing[:2, 1:])
    assert not page[:4].any() and not page[:, 3:].any()


def test_a_half_transparent_page_shows_half_of_both():
    page = np.full((1, 1, 4), 51, np.uint8)  # a fifth
    picture = np.full((1, 1, 3), 100.0)
    np.testing.assert_allclose(collages.covered(picture, page), 0.8 * 100 + 0.2 * 51)
    assert collages.finished(np.array([[[-3.0, 12.6, 300.0]]])).tolist() == [[[0, 13, 255]]]


def test_backgrounds_follow_from_what_decides():
    first, again, other = (
        collages.background(np.random.default_rng(seed), 24) for seed in (1, 1, 2)
    )
    assert first.shape == (24, 24, 3) and (first == again).all() and (first != other).any()
    assert first.min() > -40 and first.max() < 300


def test_a_file_is_read_as_it_was_written():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4), np.uint8)
    assert (collages.read(collages.written(pixels)) == pixels).all()
