"""`Image`: every format and mode that Pillow writes, against Pillow; and what is not a picture."""

import dataclasses
import io
import struct
from typing import Any

import keras
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.modalities.image import Image

RNG = np.random.default_rng(0)
IMAGE = Image.tiny()
PLAIN = {"mean": 0.0, "std": 1 / 255}


def function(image: Image) -> Any:
    return tf.function(image.preprocess, input_signature=[tf.TensorSpec([], tf.string)])


PREPROCESS = function(IMAGE)


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [x / width, y / height, (x + y) / (height + width), np.minimum(1, 2 * x / width)]
    return np.uint8(255 * np.stack(planes[:channels], axis=-1))


def encoded(picture: PIL.Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def levels(image: Image, raw: bytes) -> np.ndarray:
    """Levels in [0, 255] of what an `Image` with the fields `PLAIN` sees."""
    tensors = image.preprocess(tf.constant(raw))
    assert bool(tensors["present"])
    return tensors["pixels"].numpy()


def over(picture: PIL.Image.Image, background: tuple[int, int, int]) -> np.ndarray:
    behind = PIL.Image.new("RGBA", picture.size, (*background, 255))
    shown = PIL.Image.alpha_composite(behind, picture.convert("RGBA"))
    return np.asarray(shown.convert("RGB")).astype("float32")


NOISE = PIL.Image.fromarray(RNG.integers(0, 256, (12, 12, 4), dtype=np.uint8))
RGB = NOISE.convert("RGB")
PALETTE = RGB.quantize(16)
LOSSLESS = {
    "PNG RGB": encoded(RGB, "PNG"),
    "PNG RGBA": encoded(NOISE, "PNG"),
    "PNG LA": encoded(NOISE.convert("LA"), "PNG"),
    "PNG L": encoded(RGB.convert("L"), "PNG"),
    "PNG 1 bit": encoded(RGB.convert("1"), "PNG"),
    "PNG palette": encoded(PALETTE, "PNG"),
    "PNG palette of 4": encoded(RGB.quantize(4), "PNG"),
    "PNG palette of 256": encoded(RGB.quantize(256), "PNG"),
    "PNG palette, transparent": encoded(PALETTE, "PNG", transparency=3),
    "PNG RGB, transparent": encoded(RGB, "PNG", transparency=RGB.getpixel((2, 3))),
    "GIF": encoded(PALETTE, "GIF"),
    "GIF, transparent": encoded(PALETTE, "GIF", transparency=3),
    "GIF, animated": encoded(
        PALETTE, "GIF", save_all=True, append_images=[RGB.rotate(90).quantize(16)], comment=b"hello"
    ),
    "GIF, animated, transparent": encoded(
        PALETTE, "GIF", save_all=True, append_images=[RGB.quantize(16)], transparency=5, loop=0
    ),
    "BMP": encoded(RGB, "BMP"),
    "BMP L": encoded(RGB.convert("L"), "BMP"),
    "BMP palette": encoded(PALETTE, "BMP"),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_reads_what_pillow_reads(name):
    raw = LOSSLESS[name]
    image = Image(size=12, background=(250, 3, 99), **PLAIN)
    expected = over(PIL.Image.open(io.BytesIO(raw)), (250, 3, 99))
    # Pillow and this round half levels of transparency in different ways.
    tolerance = 1 if "A" in name else 0
    assert np.abs(levels(image, raw) - expected).max() <= tolerance + 1e-3


def test_opacity_is_composed_by_its_formula():
    array = np.asarray(NOISE).astype("float64")
    opacity = array[..., 3:] / 255
    expected = np.array([10, 20, 30]) * (1 - opacity) + array[..., :3] * opacity
    image = Image(size=12, background=(10, 20, 30), **PLAIN)
    assert np.abs(levels(image, LOSSLESS["PNG RGBA"]) - expected).max() <= 0.501


def test_sixteen_bits_keep_their_upper_half():
    array = RNG.integers(0, 65536, (12, 12)).astype(np.uint16)
    raw = encoded(PIL.Image.fromarray(array), "PNG")
    expected = np.repeat((array >> 8)[..., None], 3, axis=-1)
    assert (np.round(levels(Image(size=12, **PLAIN), raw)) == expected).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_reads_jpeg(mode, progressive):
    picture = PIL.Image.fromarray(smooth(16, 16)).convert(mode)
    raw = encoded(picture, "JPEG", quality=90, progressive=progressive)
    expected = np.asarray(PIL.Image.open(io.BytesIO(raw)).convert("RGB")).astype("float32")
    assert np.abs(levels(Image(size=16, **PLAIN), raw) - expected).max() <= 3


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_exif_orientation_turns_a_jpeg_upright(orientation, order):
    exif = PIL.Image.Exif()
    exif.endian = order
    exif[0x010F] = "maker"
    exif[0x0112] = orientation
    raw = encoded(PIL.Image.fromarray(smooth(16, 16)), "JPEG", quality=95, exif=exif, comment=b"hi")
    expected = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(raw)))
    image = Image(size=16, **PLAIN)
    assert np.abs(levels(image, raw) - np.asarray(expected)).max() <= 3


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("shape", [(40, 60), (61, 35), (7, 9), (200, 3), (1, 1)])
def test_resizes_as_pillow_does(fit, shape):
    height, width = 20, 16
    picture = PIL.Image.fromarray(smooth(*shape))
    image = Image(size=(height, width), fit=fit, background=(0, 128, 255), **PLAIN)
    shown = levels(image, encoded(picture, "PNG"))
    assert shown.shape == (height, width, 3)
    expected = np.empty((height, width, 3), "float32")
    if fit == "pad":
        scale = min(height / shape[0], width / shape[1])
        high, wide = (max(1, round(side * scale)) for side in shape)
        top, left = (height - high) // 2, (width - wide) // 2
        expected[:] = (0, 128, 255)
        part = picture.resize((wide, high), PIL.Image.Resampling.BILINEAR)
        expected[top : top + high, left : left + wide] = part
    else:
        if fit == "crop":
            scale = max(height / shape[0], width / shape[1])
            high, wide = (max(1, round(side / scale)) for side in (height, width))
            top, left = (shape[0] - high) // 2, (shape[1] - wide) // 2
            picture = picture.crop((left, top, left + wide, top + high))
        expected[:] = picture.resize((width, height), PIL.Image.Resampling.BILINEAR)
    # Pillow rounds to whole levels twice, after columns and after rows.
    assert np.abs(shown - expected).max() <= 1.5


@pytest.mark.parametrize("shape", [(40, 60), (61, 35), (7, 9), (200, 3), (1, 1), (20, 16)])
def test_resizes_to_the_bit_as_tensorflow_does(shape):
    noise = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    image = Image(size=(20, 16), fit="stretch", mean=0.0, std=1.0)
    expected = tf.image.resize(noise, (20, 16), antialias=True) * (1 / 255)
    np.testing.assert_array_equal(
        image.preprocess(tf.constant(image.encode(noise)))["pixels"], expected
    )


def test_grey_is_what_pillow_calls_grey():
    raw = LOSSLESS["PNG RGB"]
    image = Image(size=12, channels=1, mean=0.0, std=1 / 255)
    expected = np.asarray(RGB.convert("L"))[..., None]
    assert np.abs(levels(image, raw) - expected).max() <= 1


def test_normalises_each_channel():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    shown = levels(Image(size=12, mean=mean, std=std), LOSSLESS["PNG RGB"])
    expected = (np.asarray(RGB) / 255 - mean) / std
    np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_empty_bytes_are_absent():
    tensors = PREPROCESS(tf.constant(b""))
    assert not tensors["present"].numpy()
    assert (tensors["pixels"].numpy() == IMAGE.absent()["pixels"]).all()
    assert IMAGE.encode(None) == b""


def test_tensors_are_as_the_specs_state_in_a_dataset_and_in_a_batch():
    raws = [*IMAGE.samples(), b"", *LOSSLESS.values()]
    dataset = tf.data.Dataset.from_tensor_slices(raws).map(IMAGE.preprocess)
    for name, spec in IMAGE.specs().items():
        assert dataset.element_spec[name] == tf.TensorSpec(spec.shape, spec.dtype)
        assert IMAGE.absent()[name].shape == spec.shape
        assert IMAGE.absent()[name].dtype == spec.dtype
    batch = tf.function(IMAGE.preprocess_batch)(tf.constant(raws))
    for row, (raw, mapped) in enumerate(zip(raws, dataset, strict=True)):
        for name, value in IMAGE.preprocess(tf.constant(raw)).items():
            for other in (mapped[name], batch[name][row], PREPROCESS(tf.constant(raw))[name]):
                np.testing.assert_allclose(np.float32(other), np.float32(value), atol=1e-6)


def test_samples_differ():
    shown = [PREPROCESS(tf.constant(raw))["pixels"].numpy().tobytes() for raw in IMAGE.samples()]
    assert len(set(shown)) == len(shown) >= 2


def test_a_saved_model_gives_the_same(tmp_path):
    module = tf.Module()
    module.preprocess = tf.function(
        IMAGE.preprocess_batch, input_signature=[tf.TensorSpec([None], tf.string, "raw")]
    )
    tf.saved_model.save(module, tmp_path)
    raws = tf.constant([*IMAGE.samples(), b""])
    loaded = tf.saved_model.load(tmp_path).preprocess(raws)["pixels"]
    np.testing.assert_allclose(loaded, IMAGE.preprocess_batch(raws)["pixels"], atol=1e-6)


def png_header(width: int, height: int) -> bytes:
    content = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + content + b"\0" * 20


@pytest.mark.parametrize("run", [IMAGE.preprocess, PREPROCESS], ids=["eager", "graph"])
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b"\xff\x00 'no\" picture",
            "no JPEG, PNG, GIF or BMP: they begin with .{1,2}<ff><00> .{1,6}no",
        ),
        (b"R", "these 1 bytes are no JPEG"),
        (png_header(60_000, 60_000), "60000 rows of 60000 pixels; from 1 to 64000000"),
        (png_header(0, 5), "5 rows of 0 pixels"),
        (b"GIF89a" + struct.pack("<HH", 65_535, 65_535), "65535 rows of 65535 pixels"),
        (b"BM" + b"\0" * 16 + struct.pack("<ii", 1, -(2**31)), "2147483647 rows of 1 pixels"),
        (encoded(RGB, "JPEG")[:300], "JPEG"),
        (encoded(PIL.Image.fromarray(smooth(64, 64)), "JPEG")[:-200], "JPEG"),
        (LOSSLESS["PNG RGB"][:150], "PNG"),
        (LOSSLESS["GIF"][:60], "[Gg][Ii][Ff]"),
        (LOSSLESS["BMP"][:200], "[Bb][Mm][Pp]|bytes|size"),
        (encoded(RGB.convert("1"), "BMP"), "channels"),
    ],
)
def test_refuses_what_is_no_picture(raw, message, run):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(tf.constant(raw))


def test_an_error_comes_through_a_dataset():
    dataset = tf.data.Dataset.from_tensors(b"\xff?").map(IMAGE.preprocess)
    with pytest.raises(tf.errors.InvalidArgumentError, match="these 2 bytes are no JPEG"):
        next(iter(dataset))


def test_max_pixels_is_the_most_that_passes():
    raw = LOSSLESS["PNG RGB"]
    assert levels(Image(size=4, max_pixels=144), raw).shape == (4, 4, 3)
    for name in ("PNG RGB", "GIF", "BMP"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="from 1 to 143 pixels"):
            levels(Image(size=4, max_pixels=143), LOSSLESS[name])
    with pytest.raises(tf.errors.InvalidArgumentError, match="from 1 to 143 pixels"):
        levels(Image(size=4, max_pixels=143), encoded(RGB, "JPEG"))


SEEDS = [*LOSSLESS.values(), encoded(RGB, "JPEG"), encoded(RGB, "JPEG", exif=b"Exif\0\0II*\0\x08")]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=6),
    st.integers(0, 40),
)
def test_broken_pictures_are_refused_or_give_finite_pixels(raw, changes, cut):
    broken = bytearray(raw)
    for place, value in changes:
        broken[min(place, len(raw) - 1)] = value
    broken = bytes(broken[: len(broken) - cut])
    try:
        tensors = PREPROCESS(tf.constant(broken))
    except tf.errors.InvalidArgumentError:
        return
    assert np.isfinite(tensors["pixels"].numpy()).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_encode_writes_arrays_without_loss(channels):
    array = smooth(12, 12, channels) if channels > 1 else smooth(12, 12)[..., :1]
    image = Image(size=12, **PLAIN)
    raw = image.encode(array)
    assert (np.asarray(PIL.Image.open(io.BytesIO(raw))).reshape(array.shape) == array).all()
    assert image.encode(array / 255) == raw
    assert image.encode(np.float32(array) / 255) == raw
    assert image.encode(raw) is raw
    if channels == 1:
        assert image.encode(array[..., 0]) == raw


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("cat.jpg", TypeError, "'cat.jpg' is of type str"),
        ([[0]], TypeError, "of type list"),
        (np.zeros(3, "uint8"), ValueError, r"shape \(3,\)"),
        (np.zeros((4, 4, 2), "uint8"), ValueError, r"shape \(4, 4, 2\)"),
        (np.zeros((0, 4, 3), "uint8"), ValueError, "not empty"),
        (np.full((2, 2), 2.0), ValueError, r"holds 2.0 to 2.0; levels have to be in \[0, 1\]"),
        (np.full((2, 2), np.nan), ValueError, "holds nan"),
        (np.zeros((2, 2), "int64"), ValueError, "dtype int64"),
    ],
)
def test_encode_refuses_other_values(value, error, message):
    with pytest.raises(error, match=message):
        IMAGE.encode(value)


def augmented(image: Image, tensors: dict[str, tf.Tensor], count: int) -> np.ndarray:
    augment = tf.function(image.augment)
    seeds = [tf.constant([5, i]) for i in range(count)]
    results = [augment(tensors, seed) for seed in seeds]
    assert all(result["present"].numpy() == tensors["present"].numpy() for result in results)
    again = augment(tensors, seeds[0])["pixels"]
    assert (again.numpy() == results[0]["pixels"].numpy()).all()
    return np.stack([result["pixels"].numpy() for result in results])


NOTHING = {"min_crop": 1.0, "flip": False, "jitter": 0.0}


def test_augment_without_any_change_changes_nothing():
    image = dataclasses.replace(IMAGE, **NOTHING)
    tensors = PREPROCESS(tf.constant(IMAGE.samples()[0]))
    after = augmented(image, tensors, 4)
    np.testing.assert_allclose(after, np.stack([tensors["pixels"]] * 4), atol=2e-5)


def test_augment_flips_half_of_the_pictures():
    image = dataclasses.replace(IMAGE, **NOTHING | {"flip": True})
    before = PREPROCESS(tf.constant(IMAGE.samples()[0]))
    after = augmented(image, before, 40)
    same = np.abs(after - before["pixels"]).max(axis=(1, 2, 3)) < 1e-4
    flipped = np.abs(after - before["pixels"][:, ::-1]).max(axis=(1, 2, 3)) < 1e-4
    assert (same ^ flipped).all()
    assert 10 < flipped.sum() < 30


def test_augment_shows_parts_of_every_size_and_shape():
    image = Image(size=32, min_crop=0.4, flip=False, jitter=0.0, mean=0.0, std=1.0)
    tensors = image.preprocess(tf.constant(image.encode(smooth(32, 32))))
    # Red grows from left to right and green from top to bottom: they tell what is seen.
    after = augmented(image, tensors, 60)
    wide = (after[:, 16, -1, 0] - after[:, 16, 0, 0]) * 32 / 31
    high = (after[:, -1, 16, 1] - after[:, 0, 16, 1]) * 32 / 31
    assert (wide * high > 0.4 - 0.03).all()
    assert (wide * high).min() < 0.6 < 0.8 < (wide * high).max()
    assert (wide / high).min() < 0.85 < 1.2 < (wide / high).max()
    assert after.min() >= 0
    assert after.max() <= 1


def test_augment_shows_a_part_as_pillow_cuts_it():
    image = Image(size=(24, 32), min_crop=0.3, jitter=0.0, **PLAIN)
    picture = PIL.Image.fromarray(RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    made = image.preprocess_batch(tf.constant([encoded(picture, "PNG")]), origins=True)
    tensors = {name: value[0] for name, value in made.items()}
    for seed in range(20):
        changed = image.augment(tensors, tf.constant([seed, 3]))
        (right, bottom), (left, top) = corner(changed["moved"], [[1, 1], [0, 0]]) * [32, 24]
        part = picture
        if left > right:
            part, left, right = PIL.ImageOps.mirror(part), 32 - left, 32 - right
        box = np.round([left, top, right, bottom])
        np.testing.assert_allclose(box, [left, top, right, bottom], atol=1e-4)
        part = part.crop([*map(int, box)]).resize((32, 24), PIL.Image.Resampling.BILINEAR)
        # Pillow rounds to whole levels twice, after columns and after rows.
        assert np.abs(changed["pixels"] - np.asarray(part, "float32")).max() <= 1.01


def test_augment_turns_over_the_background():
    image = Image(size=33, rotation_deg=90, background=(0, 255, 0), **NOTHING)
    raw = image.encode(np.zeros((33, 33, 3), "uint8"))
    after = augmented(image, image.preprocess(tf.constant(raw)), 20)
    np.testing.assert_allclose(after[:, 16, 16], -1.0)
    corner = after[:, 0, 0] > 0.9
    assert corner[:, 1].any()
    assert not corner[:, [0, 2]].any()


def test_augment_recolours_within_bounds():
    image = dataclasses.replace(IMAGE, **NOTHING | {"jitter": 0.5})
    tensors = PREPROCESS(tf.constant(IMAGE.samples()[0]))
    after = augmented(image, tensors, 20)
    assert after.min() >= -1 - 1e-6
    assert after.max() <= 1 + 1e-6
    assert np.std(after.mean(axis=(1, 2, 3))) > 0.05


@pytest.mark.parametrize("channels", [1, 3])
def test_augment_recolours_by_its_formula(channels):
    """Saturation about grey, contrast about the middle of all, then brightness."""
    mean, std = ((0.485, 0.456, 0.406)[:channels], (0.229, 0.224, 0.225)[:channels])
    image = dataclasses.replace(
        IMAGE, channels=channels, mean=mean, std=std, **NOTHING | {"jitter": 0.6}
    )
    tensors = image.preprocess(tf.constant(IMAGE.samples()[0]))
    for seed in range(10):
        chance = tf.random.stateless_uniform([14], [seed, 0]).numpy()
        brightness, contrast, saturation = 1 + 0.6 * (2 * chance[6:9] - 1)
        levels = tensors["pixels"].numpy() * std + mean
        grey = levels @ [[0.2989], [0.5870], [0.1140]] if channels == 3 else levels
        levels = grey + saturation * (levels - grey)
        levels = levels.mean() + contrast * (levels - levels.mean())
        expected = (np.clip(levels * brightness, 0, 1) - mean) / std
        changed = image.augment(tensors, tf.constant([seed, 0]))
        np.testing.assert_allclose(changed["pixels"], expected, atol=1e-4)


def test_augment_hides_a_rectangle():
    image = Image(size=32, erase=1.0, **NOTHING)
    raw = image.encode(np.full((32, 32, 3), 255, "uint8"))
    after = augmented(image, image.preprocess(tf.constant(raw)), 50)
    hidden = (after == 0).all(axis=-1)
    share = hidden.mean(axis=(1, 2))
    assert 0.01 < share.min() < share.max() < 0.25
    box = hidden.any(axis=1).sum(axis=1) * hidden.any(axis=2).sum(axis=1)
    assert (hidden.sum(axis=(1, 2)) == box).all()
    rare = augmented(dataclasses.replace(image, erase=0.2), image.preprocess(tf.constant(raw)), 50)
    assert 2 < (rare == 0).any(axis=(1, 2, 3)).sum() < 25


def test_augment_leaves_an_absent_picture_alone():
    image = dataclasses.replace(IMAGE, erase=1.0, rotation_deg=20.0)
    assert not augmented(image, PREPROCESS(tf.constant(b"")), 5).any()


def test_augment_works_on_grey():
    image = Image(size=8, channels=1, rotation_deg=10.0)
    tensors = image.preprocess(tf.constant(LOSSLESS["PNG RGB"]))
    assert augmented(image, tensors, 3).shape == (3, 8, 8, 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "size is 0; it has to be a number of pixels from 1 up"),
        ({"size": (4, 5, 3)}, r"size is \(4, 5, 3\)"),
        ({"size": 4.5}, "size is 4.5"),
        ({"channels": 4}, "channels is 4; it has to be 3 for colour or 1"),
        ({"fit": "cover"}, "fit is 'cover'; it has to be \"pad\""),
        ({"background": (1, 2)}, r"background is \(1, 2\)"),
        ({"background": (0, 0, 256)}, "background is"),
        ({"mean": (0.5, 0.5)}, "mean is"),
        ({"std": 0.0}, "std is 0.0"),
        ({"max_pixels": 0}, "max_pixels is 0"),
        ({"min_crop": 0.0}, "min_crop is 0.0"),
        ({"rotation_deg": -1}, "rotation_deg is -1"),
        ({"jitter": 1.0}, "jitter is 1.0"),
        ({"erase": 1.5}, "erase is 1.5"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=f"Image: {message}"):
        Image(**fields)


def test_serialises():
    image = Image(size=(8, 10), mean=(0.4, 0.5, 0.6), background=(1, 2, 3), fit="crop")
    config = keras.saving.serialize_keras_object(image)
    assert keras.saving.deserialize_keras_object(config) == image
    assert Image.from_config(image.get_config() | {"size": [8, 10]}) == image
    assert (image.height, image.width) == (8, 10)


def corner(moved, places):
    """Where places (x, y) in augmented pixels come from."""
    return np.concatenate([places, np.ones((len(places), 1))], 1) @ np.array(moved).T


@given(
    fit=st.sampled_from(["pad", "crop", "stretch"]),
    shape=st.tuples(st.integers(24, 90), st.integers(24, 90)),
    size=st.tuples(st.integers(16, 90), st.integers(16, 90)),
)
def test_the_view_is_the_inverse_of_the_fit(fit, shape, size):
    """A picture whose levels are its coordinates shows where its pixels come from."""
    height, width = shape
    ramp = np.stack(np.broadcast_arrays(*np.mgrid[:height, :width], 0), -1).astype("uint8")
    image = Image(size=size, fit=fit, mean=0.0, std=1 / 255)
    made = image.preprocess_batch(tf.constant([image.encode(ramp)]), origins=True)
    pixels, view = made["pixels"][0].numpy(), made["view"][0].numpy()
    assert made["size"][0].numpy().tolist() == [height, width]
    np.testing.assert_array_equal(made["moved"][0], np.eye(2, 3))
    x = view[0] + (np.arange(size[1]) + 0.5) / size[1] * (view[2] - view[0]) - 0.5
    y = view[1] + (np.arange(size[0]) + 0.5) / size[0] * (view[3] - view[1]) - 0.5
    # Beyond the middle of the outermost pixels in view, these go on.
    inner_x = (x > max(view[0], 0)) & (x < min(view[2], width) - 1)
    inner_y = (y > max(view[1], 0)) & (y < min(view[3], height) - 1)
    # The triangle filter keeps a ramp where it does not meet an edge.
    reach_x, reach_y = (max((view[i + 2] - view[i]) / size[1 - i], 1) for i in (0, 1))
    inner_x &= (x >= reach_x) & (x <= width - 1 - reach_x)
    inner_y &= (y >= reach_y) & (y <= height - 1 - reach_y)
    seen = pixels[inner_y][:, inner_x]
    # The filter's weights are rounded; half a pixel of the result would be 0.5 times the reach.
    np.testing.assert_allclose(
        seen[..., 0],
        np.broadcast_to(y[inner_y][:, None], seen.shape[:2]),
        atol=0.15 * reach_y,
    )
    np.testing.assert_allclose(
        seen[..., 1],
        np.broadcast_to(x[inner_x][None], seen.shape[:2]),
        atol=0.15 * reach_x,
    )


@pytest.mark.parametrize("further", [{}, {"rotation_deg": 30.0, "zoom_out": 1.5}])
def test_moved_tells_where_augmented_pixels_come_from(further):
    """The same, for what augmentation does."""
    image = Image(size=(40, 60), mean=0.0, std=1 / 255, jitter=0.0, **further)
    ramp = np.stack(np.broadcast_arrays(*np.mgrid[:40, :60], 99), -1).astype("uint8")
    made = image.preprocess_batch(tf.constant([image.encode(ramp)]), origins=True)
    tensors = {name: value[0] for name, value in made.items()}
    mirrored = 0
    for seed in range(20):
        changed = image.augment(tensors, tf.constant([seed, 1]))
        v, u = np.mgrid[:40, :60]
        shares = np.stack([(u + 0.5) / 60, (v + 0.5) / 40], -1).reshape(-1, 2)
        x, y = (corner(changed["moved"], shares) * [60, 40] - 0.5).T
        if not further:
            # Beyond the middle of the outermost pixels of the part, these go on.
            ends = np.sort(corner(changed["moved"], [[0, 0], [1, 1]]) * [60, 40], axis=0)
            x, y = np.clip([x, y], ends[:1].T, ends[1:].T - 1)
        inside = (x >= 0) & (x <= 59) & (y >= 0) & (y <= 39)
        pixels = changed["pixels"].numpy().reshape(-1, 3)[inside]
        np.testing.assert_allclose(pixels[:, 0], y[inside], atol=0.02)
        np.testing.assert_allclose(pixels[:, 1], x[inside], atol=0.02)
        assert inside.mean() > 0.3
        mirrored += np.linalg.det(changed["moved"][:, :2]) < 0
        again = image.augment({k: tensors[k] for k in image.specs()}, tf.constant([seed, 1]))
        np.testing.assert_array_equal(again["pixels"], changed["pixels"])
    assert 4 < mirrored < 16


def test_rand_ops_change_levels_and_nothing_else():
    still = {"min_crop": 1.0, "flip": False, "jitter": 0.0}
    image = Image(size=16, rand_ops=2, **still)
    made = image.preprocess_batch(tf.constant(image.samples()[:1]), origins=True)
    tensors = {name: value[0] for name, value in made.items()}
    runs = [image.augment(tensors, tf.constant([seed, 0])) for seed in range(8)]
    for run in runs:
        np.testing.assert_allclose(run["moved"], tensors["moved"], atol=1e-6)
        assert run["pixels"].numpy().min() >= -1.00001
        assert run["pixels"].numpy().max() <= 1.00001
    assert len({run["pixels"].numpy().tobytes() for run in runs}) == 8
    with pytest.raises(ValueError, match="rand_ops is 2; it has to be at least 0, and 0 for grey"):
        Image(channels=1, rand_ops=2)
