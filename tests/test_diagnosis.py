"""Bad samples of every kind: the message names place, field, value and reason."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from mmkeras.diagnosis import Unencodable, diagnose, reason_of
from mmkeras.modalities import Audio, Image, Text
from mmkeras.sources import Table
from mmkeras.tasks import Classification, Regression

PNG = Image.tiny().encode(np.full((20, 20, 3), 100, "uint8"))
JPEG = Image.tiny().samples()[1]
WAV = Audio.tiny().samples()[0]


def declaring(png: bytes, side: int) -> bytes:
    """The PNG with another size in its header, whose checksum is right."""
    header = b"IHDR" + struct.pack(">II", side, side) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


FILES = {
    "cut.png": PNG[: len(PNG) // 2],
    "cut.jpg": JPEG[: len(JPEG) // 2],
    "large.png": declaring(PNG, 60_000),
    "words.png": b"hello",
    "lie.wav": WAV[:40] + struct.pack("<I", 10_000_000) + WAV[44:],
    "猫's.wav": b"no sound",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def message(folder, step, is_file, value):
    table = Table([{"other": "x", "column": value}], folder=folder)
    files = ["column"] if is_file else []
    encode = (lambda cell: cell) if isinstance(value, bytes) else str.encode
    ((index, row),) = table.rows({"other": str.encode, "column": encode}, files)
    return diagnose(table, int(index), row, {"other": tf.identity, "column": step})


@pytest.mark.parametrize(
    ("modality", "value", "reason"),
    [
        (Image.tiny(), "none.png", "there is no file {folder}/none.png."),
        (Image.tiny(), ".", "directory"),
        (Image.tiny(), "cut.png", "PNG"),
        (Image.tiny(), "cut.jpg", "JPEG"),
        (Image.tiny(), "large.png", "60000"),
        (Image.tiny(), "words.png", "hello"),
        (Audio.tiny(), "lie.wav", "10000000"),
        (Audio.tiny(), "猫's.wav", "WAV"),
    ],
)
def test_files(folder, modality, value, reason):
    told = message(folder, modality.preprocess, True, value)
    assert told.startswith(f"sample 1, field 'column' ({value!r}): ")
    assert reason.format(folder=folder) in told
    for noise in ("b'", "tf.Tensor", "{{", "[Op:", "Summarized", "assertion", "\n"):
        assert noise not in told
    assert told.endswith(".")


@pytest.mark.parametrize(
    ("step", "value", "reason"),
    [
        (Classification(["cat", "dog"]).target, "owl", "owl"),
        (Classification(["Bär", "dog"]).target, "Wal", "Bär"),
        (Regression().target, "inf", "inf"),
        (Regression().target, "twelve", "twelve"),
        (Text.tiny().preprocess, b"\xff\xfe", "UTF-8"),
    ],
)
def test_cells(folder, step, value, reason):
    told = message(folder, step, False, value)
    assert told.startswith("sample 1, field 'column' (")
    assert reason in told
    assert "tf.Tensor" not in told


def test_a_good_row_has_no_diagnosis(folder):
    assert message(folder, Text.tiny().preprocess, False, "a cat") == ""


def test_unencodable_cells_tell_why():
    raw = Unencodable.because(ValueError("the cell is a list."))
    assert Unencodable.reason(raw) == "the cell is a list."
    assert Unencodable.reason(b"a text") == ""
    assert Unencodable.test(tf.constant([raw, b"a text", b""])).numpy().tolist() == [
        True,
        False,
        False,
    ]


def fail(*data):
    tf.debugging.Assert(False, list(data))
    return tf.constant(0)


@pytest.mark.parametrize("text", ["it's 'a' \"b\"", "back\\slash", "Größe 猫", "[1] and [2]"])
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_reason_of_an_assertion_is_what_it_says(wrap, text):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        wrap(fail)(tf.constant(text))
    assert reason_of(caught.value) == f"{text}."


def test_reason_of_an_assertion_in_a_pipeline():
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(tf.data.Dataset.range(1).map(lambda x: (fail("It is broken."), x)[1]))
    assert reason_of(caught.value) == "It is broken."


def test_reason_of_other_errors():
    assert reason_of(ValueError("Too long")) == "Too long."
    with pytest.raises(tf.errors.OpError) as caught:
        tf.io.read_file("no/such")
    assert reason_of(caught.value) == "no/such; No such file or directory."


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP"])
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_reason_of_a_picture_that_is_cut_short(form, wrap):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype="uint8")
    whole = io.BytesIO()
    PIL.Image.fromarray(noise).save(whole, form)
    raw = whole.getvalue()
    preprocess = wrap(Image(size=16).preprocess)
    preprocess(tf.constant(raw))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        preprocess(tf.constant(raw[: len(raw) // 2]))
    assert reason_of(caught.value).startswith("the picture is damaged or cut short; save it again")
