"""Masks as PNG files, beside Pillow."""

import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms

from mmkeras.class_map import colours, read_mask, write_mask

read = tf.function(read_mask, input_signature=[tf.TensorSpec([], tf.string)])
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)


def masks(highest):
    return hnp.arrays("uint8", SHAPES, elements=st.integers(0, highest))


def png(mask, mode="P", **options):
    """A mask as Pillow writes it; a palette is made of colours that are no class numbers."""
    picture = Image.frombytes(mode, mask.shape[1::-1], mask.tobytes())
    if mode == "P":
        picture.putpalette(bytes(range(255, -1, -1)) * 3)
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


@settings(max_examples=80, deadline=None)
@given(st.data(), st.sampled_from([1, 2, 4, 8]))
def test_indices_of_a_palette_are_read(data, bits):
    mask = data.draw(masks(2**bits - 1))
    raw = png(mask, bits=bits)
    assert raw[24:26] == bytes([bits, 3])
    np.testing.assert_array_equal(read(raw), mask)


@settings(max_examples=40, deadline=None)
@given(masks(255))
def test_levels_of_grey_are_read(mask):
    np.testing.assert_array_equal(read(png(mask, "L")), mask)


def test_one_bit_of_grey_is_class_0_or_1(tmp_path):
    mask = np.random.default_rng(0).random((9, 13)) < 0.5
    Image.fromarray(mask).save(tmp_path / "mask.png")
    raw = (tmp_path / "mask.png").read_bytes()
    assert raw[24:26] == bytes([1, 0])
    np.testing.assert_array_equal(read(raw), mask.astype("uint8"))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize(
    "options",
    [
        # One byte, two as the transparent level of a grey PNG has, and one for every class.
        {"transparency": 0},
        {"transparency": 1},
        {"transparency": b"\0\xff\x80\x40"},
        {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()},
        {"dpi": (300, 300)},
        {"optimize": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_else_is_said_of_a_palette_changes_no_class(bits, options):
    mask = np.random.default_rng(0).integers(0, min(4, 2**bits), (9, 13), "uint8")
    if "transparency" in options and isinstance(options["transparency"], bytes):
        options = {"transparency": options["transparency"][: 2**bits]}
    np.testing.assert_array_equal(read(png(mask, bits=bits, **options)), mask)


def test_a_transparent_level_of_grey_is_a_class_like_any_other():
    mask = np.arange(12, dtype="uint8").reshape(3, 4)
    np.testing.assert_array_equal(read(png(mask, "L", transparency=5)), mask)


def test_no_mask_is_one_pixel_of_class_0():
    np.testing.assert_array_equal(read(b""), np.zeros([1, 1], "uint8"))
    assert read(b"").dtype == tf.uint8


@pytest.mark.parametrize(
    ("mode", "save", "why"),
    [
        ("RGB", {"format": "PNG"}, "the PNG is .*colour.* with 8 bits; save the class numbers as"),
        ("RGBA", {"format": "PNG"}, "the PNG is .*colour with opacity.* with 8 bits"),
        ("LA", {"format": "PNG"}, "the PNG is .*grey with opacity.* with 8 bits"),
        ("I;16", {"format": "PNG"}, "the PNG is .*grey.* with 16 bits"),
        (
            "L",
            {"format": "JPEG"},
            r"no PNG: they begin with \W*<ff><d8><ff>.*save the class numbers as",
        ),
    ],
)
def test_what_holds_no_class_numbers_is_refused(mode, save, why):
    file = io.BytesIO()
    Image.new(mode, (5, 4)).save(file, **save)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"mask: .*{why}"):
        read(file.getvalue())


@pytest.mark.parametrize("mode", ["L", "P"])
def test_what_is_cut_off_is_refused_wherever_it_is_cut(mode):
    raw = png(np.random.default_rng(0).integers(0, 256, (9, 13), "uint8"), mode)
    for length in [*range(1, 60), *range(60, len(raw) - 8, 7)]:
        why = "no PNG" if length < 16 else "the PNG is cut off: its .* copy the file again"
        with pytest.raises(tf.errors.InvalidArgumentError, match=why):
            read(raw[:length])


def test_bytes_behind_the_end_do_not_matter():
    mask = np.arange(12, dtype="uint8").reshape(3, 4)
    np.testing.assert_array_equal(read(png(mask) + bytes(100)), mask)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 256))
def test_pillow_reads_classes_and_colours_that_were_written(data, count):
    mask = data.draw(masks(count - 1))
    palette = data.draw(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=count))[:256]
    raw = write_mask(tf.constant(mask), palette).numpy()
    picture = Image.open(io.BytesIO(raw))
    picture.load()
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), mask)
    np.testing.assert_array_equal(
        np.asarray(picture.convert("RGB")), np.array(palette, "uint8")[mask]
    )
    np.testing.assert_array_equal(read(raw), mask)


def test_a_class_without_a_colour_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"class 3 has no colour.* has 3"):
        write_mask(tf.constant([[0, 3]], tf.uint8), colours(3))


@pytest.mark.parametrize(
    ("palette", "why"),
    [
        ([], "0 colours"),
        ([(0, 0, 0)] * 257, "257 colours"),
        ([(0, 0, 300)], r"\(0, 0, 300\)"),
        ([(0, 0)], r"\(0, 0\)"),
    ],
)
def test_what_is_no_palette_is_refused(palette, why):
    with pytest.raises(ValueError, match=why):
        write_mask(tf.zeros([1, 1], tf.uint8), palette)


def test_both_run_in_a_pipeline():
    random = np.random.default_rng(0)
    drawn = [random.integers(0, 21, (5 + i, 7), "uint8") for i in range(4)]
    data = tf.data.Dataset.from_generator(
        lambda: iter(drawn), output_signature=tf.TensorSpec([None, None], tf.uint8)
    )
    data = data.map(lambda mask: write_mask(mask, colours(21))).map(read_mask)
    for mask, again in zip(drawn, data.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(again, mask)


def test_both_run_in_a_saved_model(tmp_path):
    module = tf.Module()
    module.again = tf.function(
        lambda raw: write_mask(read_mask(raw), colours(21)),
        input_signature=[tf.TensorSpec([], tf.string)],
    )
    tf.saved_model.save(module, tmp_path)
    mask = np.random.default_rng(0).integers(0, 21, (5, 7), "uint8")
    raw = tf.saved_model.load(tmp_path).again(png(mask))
    np.testing.assert_array_equal(Image.open(io.BytesIO(raw.numpy())), mask)


def test_colours_are_those_of_pascal_voc():
    # As listed in the development kit: aeroplane, ..., tv monitor, and the border, 255.
    known = {0: (0, 0, 0), 1: (128, 0, 0), 7: (128, 128, 128), 8: (64, 0, 0), 15: (192, 128, 128)}
    known |= {20: (0, 64, 128), 255: (224, 224, 192)}
    all_ = colours(256)
    assert {i: all_[i] for i in known} == known
    assert len(set(all_)) == 256
    assert colours(5) == all_[:5]
    for count in (0, 257):
        with pytest.raises(ValueError, match=f"count is {count}"):
            colours(count)
