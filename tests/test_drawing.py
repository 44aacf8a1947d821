"""Pictures for people: what changes, what stays, and that labels can be read."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageDraw

from mmkeras import drawing
from mmkeras.class_map import colours
from mmkeras.drawing import draw_mask, draw_objects, draw_spectrograms, sheet

CLASSES = ["background", "cat", "traffic light", "a class whose name is longer than any picture"]


def grey(height, width):
    return np.full((height, width, 3), 127, "uint8")


def changed(drawn, picture):
    return (drawn != picture).any(axis=-1)


def recorded(monkeypatch):
    """What was filled, (x1, y1, x2, y2), and what was written, (x1, y1, x2, y2, text)."""
    filled, texts = [], []
    rectangle, text = ImageDraw.ImageDraw.rectangle, ImageDraw.ImageDraw.text

    def seen_rectangle(self, box, fill=None, **options):
        if fill is not None:
            filled.append(tuple(box))
        rectangle(self, box, fill=fill, **options)

    def seen_text(self, place, words, **options):
        bounds = self.textbbox(place, words, font=options["font"])
        texts.append((*bounds, words))
        text(self, place, words, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "rectangle", seen_rectangle)
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", seen_text)
    return filled, texts


@pytest.fixture
def strips(monkeypatch):
    return recorded(monkeypatch)


def test_a_box_is_drawn_where_it_is_and_its_label_above():
    picture = grey(400, 500)
    drawn = draw_objects(picture, [{"box": [100, 100, 300, 250], "label": "cat", "score": 0.5}])
    assert drawn.shape == picture.shape and drawn.dtype == np.uint8
    changes = changed(drawn, picture)
    rows, columns = np.where(changes)
    assert (columns.min(), columns.max(), rows.max()) == (100, 299, 249)
    assert rows.min() >= 100 - 20
    assert not changes[110:240, 110:290].any()
    for edge in (changes[100, 100:300], changes[249, 100:300]):
        assert edge.all()
    for edge in (changes[100:250, 100], changes[100:250, 299]):
        assert edge.all()
    assert (picture == 127).all(), "the picture handed in stays as it was"


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.integers(1, 700)] * 2),
    st.lists(
        st.tuples(*[st.floats(-0.5, 1.2)] * 2, *[st.floats(0.01, 1)] * 2, st.sampled_from(CLASSES)),
        max_size=8,
    ),
)
def test_labels_stay_in_the_picture_and_fit_their_strips(shape, rows):
    height, width = shape
    objects = [
        {
            "box": [x * width, y * height, (x + w) * width, (y + h) * height],
            "label": label,
            "score": x % 1,
        }
        for x, y, w, h, label in rows
    ]
    with pytest.MonkeyPatch.context() as patch:
        filled, texts = recorded(patch)
        drawn = draw_objects(grey(height, width), objects)
    factor = drawn.shape[0] // height
    assert drawn.shape == (factor * height, factor * width, 3)
    assert max(drawn.shape[:2]) >= 320 and min(drawn.shape[:2]) >= 80
    assert len(filled) == len(texts) <= len(rows)
    for (x1, y1, x2, y2), (left, top, right, bottom, text) in zip(filled, texts):
        assert 0 <= x1 <= left < right <= x2 + 1 <= drawn.shape[1], text
        assert 0 <= y1 <= top < bottom <= y2 + 1 <= drawn.shape[0], text


def test_a_long_label_keeps_its_score(strips):
    box = [10, 10, 60, 60]
    draw_objects(grey(300, 400), [{"box": box, "label": CLASSES[3], "score": 0.25}])
    (*_, text) = strips[1][0]
    assert text.startswith("a class whose name") and text.endswith("… 0.25")


def test_labels_of_neighbours_do_not_hide_each_other(strips):
    objects = [{"box": [100, 100, 200, 180], "label": name} for name in ("cat", "dog", "owl")]
    draw_objects(grey(400, 500), objects)
    area = np.zeros((400, 500), int)
    for x1, y1, x2, y2 in strips[0]:
        area[y1 : y2 + 1, x1 : x2 + 1] += 1
    assert area.max() == 1 and len(strips[0]) == 3


def test_the_surest_lies_on_top(strips):
    objects = [
        {"box": [0, 0, 400, 300], "label": str(score), "score": score} for score in (0.9, 0.1, 0.5)
    ]
    draw_objects(grey(300, 400), objects)
    assert [text for *_, text in strips[1]] == ["0.1 0.10", "0.5 0.50", "0.9 0.90"]


def test_a_tiny_picture_is_enlarged_by_a_whole_factor():
    picture = np.random.default_rng(0).integers(0, 256, (16, 12, 3), "uint8")
    drawn = draw_objects(picture, [{"box": [2, 8, 6, 12], "label": "cat"}])
    assert drawn.shape == (320, 240, 3)
    changes = changed(drawn, picture.repeat(20, 0).repeat(20, 1))
    assert changes[239, 40:120].all() and not changes[242:].any()


@pytest.mark.parametrize("shape", [(400, 500), (20, 30)])
def test_without_objects_the_picture_stays(shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), "uint8")
    factor = 1 if shape[0] == 400 else 11
    large = picture.repeat(factor, 0).repeat(factor, 1)
    outside = [{"box": [600, 0, 700, 50], "label": "cat"}]
    for drawn in (draw_objects(picture, []), draw_objects(picture, outside)):
        np.testing.assert_array_equal(drawn, large)
    for number in (0, 255):
        drawn = draw_mask(picture, np.full(shape, number, "uint8"), CLASSES)
        np.testing.assert_array_equal(drawn, large)


def test_a_class_has_one_colour_wherever_it_is_drawn():
    frames = [
        draw_objects(grey(400, 500), [{"box": box, "label": label}], classes)[box[3] - 1, box[0]]
        for box, label, classes in [
            ([100, 100, 200, 200], "cat", CLASSES),
            ([150, 300, 460, 390], "cat", CLASSES),
            ([100, 100, 200, 200], "traffic light", CLASSES),
            ([100, 100, 200, 200], "zebra", CLASSES),
            ([100, 100, 200, 200], "zebra", ()),
        ]
    ]
    mask = np.zeros((400, 500), "uint8")
    mask[100:200, 100:200] = 1
    frames.append(draw_mask(grey(400, 500), mask, CLASSES)[100, 100])
    cat, again, light, zebra, alone, masked = (tuple(frame.tolist()) for frame in frames)
    assert cat == again == masked
    assert zebra == alone
    assert len({cat, light, zebra}) == 3


def test_a_mask_is_painted_with_its_contour_and_a_legend():
    picture = grey(300, 400)
    mask = np.zeros((300, 400), "uint8")
    mask[50:150, 60:200], mask[200:280, 300:] = 1, 2
    mask[:20] = 255
    palette = [None, (255, 0, 0), (0, 0, 255), (0, 255, 0)]
    drawn = draw_mask(picture, mask, CLASSES, palette, opacity=0.25)
    assert drawn[100, 130].tolist() == [159, 95, 95]  # 127 + (255 - 127) / 4, 127 * 3 / 4
    assert drawn[50, 130].tolist() == drawn[100, 60].tolist() == [255, 0, 0]
    # At the picture's own border, an object does not end.
    assert drawn[240, 399].tolist() == drawn[240, 350].tolist() == [95, 95, 159]
    assert not changed(drawn[:300], picture)[(mask == 0) | (mask == 255)].any()
    legend = drawn[300:]
    shown = {tuple(colour) for colour in legend.reshape(-1, 3).tolist()}
    assert {(255, 0, 0), (0, 0, 255), (255, 255, 255)} <= shown
    assert (0, 255, 0) not in shown, "what does not occur is not named"


def test_colours_of_pascal_voc_can_be_taken(strips):
    mask = np.tile(np.arange(4, dtype="uint8").repeat(100), (300, 1))
    drawn = draw_mask(grey(300, 400), mask, CLASSES, colours(4), opacity=1.0)
    assert [tuple(drawn[150, 50 + 100 * i].tolist()) for i in range(4)] == list(colours(4))
    assert [text.split("…")[0] in name for (*_, text), name in zip(strips[1], CLASSES)] == [
        True
    ] * 4


def test_a_legend_stays_below_the_picture_in_lines_as_wide_as_it(strips):
    names = [f"class number {i}" for i in range(60)]
    mask = np.arange(60, dtype="uint8").repeat(100).reshape(60, 100)
    drawn = draw_mask(grey(60, 100), mask, names)
    legend = drawn.shape[0] - 240
    assert drawn.shape[1] == 400 and len(strips[1]) == 59
    for left, top, right, bottom, _ in strips[1]:
        assert 0 <= left < right <= 400 and 0 <= top < bottom <= legend


def test_a_sheet_shows_every_picture_as_it_is():
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (h, w, 3), "uint8") for h, w in [(50, 80), (90, 60)] * 2]
    made = sheet(pictures[:3], columns=2)
    for picture in pictures[:3]:
        windows = np.lib.stride_tricks.sliding_window_view(made, picture.shape)[:, :, 0]
        y, x = np.where((windows[:, :, :1, :] == picture[:1]).all(axis=(2, 3, 4)))
        assert len(y) == 1
        np.testing.assert_array_equal(windows[y[0], x[0]], picture)
    assert made.shape == (8 + 90 + 8 + 50 + 8, 8 + 2 * (80 + 8), 3)


def test_captions_stand_below_their_pictures(strips):
    captions = ["one", "a caption that is much too long for a line below a picture", "", "x" * 99]
    made = sheet([grey(60, 150)] * 4, columns=2, captions=captions)
    words = " ".join(text for *_, text in strips[1][:-1])
    assert words == f"{captions[0]} {captions[1]}"
    assert strips[1][-1][-1].endswith("…")
    assert made.shape[0] > 3 * 8 + 2 * 60 + 4 * 12
    assert (made[8:68, 8:158] == 127).all()


def test_spectrograms_have_time_to_the_right_pitch_upwards_and_one_scale(strips):
    quiet = np.full((100, 40), -20.0)
    chirp = quiet.copy()
    chirp[np.arange(100), np.arange(100) * 40 // 100] = 3.0
    soft = chirp - np.log(10) * 4  # 40 dB
    made = draw_spectrograms({"synthesised": soft, "reference": chirp}, range_db=80)
    # 40 bands of 4 pixels and 100 frames of 2, with 8 pixels around.
    first, second = made[8:168, 8:208].astype(int), made[8:168, 216:416].astype(int)
    assert (second[-1, 0] == 255).all() and (second[0, -1] == 255).all()
    brightest = second.sum(axis=2).argmax(axis=0)
    assert (np.diff(brightest) <= 0).all() and (brightest[0], brightest[-1]) == (156, 0)
    assert not second[0, 0].any()
    # Half of the range is of half the brightness, by the luma that the colours are made for.
    luma = first[-1, 0] @ [0.30, 0.59, 0.11]
    assert 110 < luma < 145
    assert [text for *_, text in strips[1]] == ["synthesised", "reference"]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 90), st.integers(1, 200), st.floats(-(2.0**99), 2.0**99))
def test_a_spectrogram_of_any_size_and_level_can_be_seen(frames, bands, level):
    made = draw_spectrograms({"": np.full((frames, bands), level, "float32")})
    assert made.shape[0] > 160 and (made[8:168, 8 : 8 + 2 * frames] == 255).all()


def test_brightness_grows_with_loudness():
    luma = drawing._cubehelix(np.linspace(0, 1, 200)) @ [0.30, 0.59, 0.11]
    assert (np.diff(luma) > -0.5).all() and (luma[0], luma[-1]) == (0, 255)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: draw_objects(np.zeros((5, 5)), []), "the picture has shape"),
        (lambda: draw_objects(np.zeros((5, 5, 3)), []), "dtype float64"),
        (lambda: draw_mask(grey(5, 5), np.zeros((4, 5), "uint8"), CLASSES), "the mask has shape"),
        (
            lambda: draw_mask(grey(5, 5), np.zeros((5, 5), "uint8"), CLASSES, [None]),
            "1 entries for 4 classes",
        ),
        (lambda: draw_spectrograms({}), "there are 0 pictures"),
        (lambda: draw_spectrograms({"a": np.zeros((0, 4))}), r"'a' must be.*\(0, 4\)"),
        (lambda: draw_spectrograms({"a": np.full((2, 4), np.nan)}), "'a' must be finite"),
        (lambda: draw_spectrograms({"a": np.zeros((2, 4))}, 0), "range_db must be positive"),
        (lambda: sheet([], 2), "0 pictures for 2 columns"),
        (lambda: sheet([grey(5, 5)], 0), "1 pictures for 0 columns"),
        (lambda: sheet([grey(5, 5)], 1, []), "0 captions of 1 pictures"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, why):
    with pytest.raises(ValueError, match=why):
        call()


@pytest.mark.parametrize("missing", ["PIL", "matplotlib"])
def test_without_them_the_extra_is_named(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"mmkeras\[demo\]"):
        draw_objects(grey(400, 500), [{"box": [1, 1, 90, 90], "label": "cat"}])


def test_colours_of_many_classes_differ():
    made = [drawing._colour(i) for i in range(40)]
    distances = [np.abs(np.subtract(a, b)).max() for i, a in enumerate(made) for b in made[:i]]
    assert min(distances) > 8
    first = [np.abs(np.subtract(a, b)).max() for i, a in enumerate(made[:8]) for b in made[:i]]
    assert min(first) > 60
