"""Sizes as Pillow tells them, for every format and orientation; stems of a folder."""

import io

import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.pictures import agreed_size, picture_size, pictures_in

FORMATS = ["JPEG", "PNG", "GIF", "BMP"]


def encoded(kind, size, **options):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size).save(buffer, kind, **options)
    return buffer.getvalue()


def pillow(path):
    return PIL.Image.open(io.BytesIO(path.read_bytes()))


def exif(orientation):
    data = PIL.Image.Exif()
    data[0x010F] = "A camera"
    data[0x0112] = orientation
    return data


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FORMATS), st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_sizes_are_those_that_pillow_tells(tmp_path_factory, kind, width, height, is_progressive):
    path = tmp_path_factory.getbasetemp() / "picture"
    options = {"progressive": is_progressive, "comment": "x" * width} if kind == "JPEG" else {}
    path.write_bytes(encoded(kind, (width, height), **options))
    assert picture_size(path) == pillow(path).size == (width, height)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", [b"MM", b"II"])
def test_a_picture_is_turned_upright(tmp_path, orientation, order):
    path = tmp_path / "a.jpg"
    data = exif(orientation).tobytes()
    assert data[6:8] == b"MM"
    if order == b"II":  # Of the same content, written by hand.
        number = orientation.to_bytes(2, "little")
        tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0" + number + b"\0" * 6
        data = b"Exif\0\0" + tiff
    path.write_bytes(encoded("JPEG", (5, 3), exif=data))
    upright = PIL.ImageOps.exif_transpose(pillow(path))
    assert picture_size(path) == upright.size == ((3, 5) if 5 <= orientation <= 8 else (5, 3))


def test_rows_from_the_top_of_a_bmp(tmp_path):
    path = tmp_path / "a.bmp"
    content = bytearray(encoded("BMP", (5, 3)))
    content[22:26] = (-3).to_bytes(4, "little", signed=True)
    path.write_bytes(content)
    assert picture_size(path) == pillow(path).size == (5, 3)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_cut_short_is_told(tmp_path, kind):
    whole = encoded(kind, (5, 3))
    path = tmp_path / "a"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            assert picture_size(path) == (5, 3)
        except ValueError as error:
            assert length < 4 or "is cut short or damaged; save" in str(error)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_damage_is_told_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "a.jpg"
    content = bytearray(encoded("JPEG", (5, 3), exif=exif(6)))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        width, height = picture_size(path)
    except ValueError as error:
        assert str(error) == f"{path} is cut short or damaged; save the picture again."
    else:
        assert 0 <= width < 65536 and 0 <= height < 65536


def test_what_is_no_picture_is_told(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"a\.jpg is no JPEG, PNG, GIF or BMP; convert"):
        picture_size(path)
    with pytest.raises(FileNotFoundError):
        picture_size(tmp_path / "b.jpg")


def test_pictures_of_a_folder(tmp_path):
    for name in ("b.JPG", "a.b.png", "c.txt", "._b.jpg", "d.jpeg", "e"):
        (tmp_path / name).touch()
    (tmp_path / "in").mkdir()
    assert pictures_in(tmp_path) == {"a.b": "a.b.png", "b": "b.JPG", "d": "d.jpeg"}
    assert pictures_in(str(tmp_path), [".png"]) == {"a.b": "a.b.png"}
    (tmp_path / "b.png").touch()
    with pytest.raises(ValueError, match=r"b\.JPG and b\.png have one stem"):
        pictures_in(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        pictures_in(tmp_path / "nowhere")


def test_the_picture_is_right_where_its_annotations_tell_another_size(tmp_path):
    path = tmp_path / "a.png"
    PIL.Image.new("RGB", (64, 48)).save(path)
    assert agreed_size(None, path) == ((64, 48), "")
    assert agreed_size((64.0, 48.0), path) == ((64, 48), "")
    size, why = agreed_size((640, 480), path)
    assert size == (64, 48)
    assert why == "says 640 x 480 pixels, but the picture has 64 x 48, upright"
    path.write_bytes(b"broken")
    assert agreed_size((3, 4), path) == ((3, 4), "")
    with pytest.raises(ValueError, match="is no JPEG"):
        agreed_size(None, path)
