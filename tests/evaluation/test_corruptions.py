"""Corruptions grow with severity from nothing at all, and are what they are called."""

import functools
import io

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
import tensorflow as tf

import mmkeras as mm
from mmkeras.evaluation import Change, Corrupted, corruptions
from mmkeras.sound import wav
from mmkeras.sources import Table

IMAGE, AUDIO, TEXT = mm.Image(size=16), mm.Audio.tiny(), mm.Text.tiny()


def picture(seed=0, size=(40, 60)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype("uint8")


def sound(seconds=2.0, rate=8000):
    times = np.arange(int(seconds * rate)) / rate
    return wav.encode((0.3 * np.sin(2 * np.pi * 440 * times)).astype("float32"), rate)


RAW = {
    "text": (TEXT, "Die schöne Katze schläft, 漢字 lesen!".encode()),
    "image": (IMAGE, IMAGE.encode(picture())),
    "audio": (AUDIO, sound()),
}
ALL = [(kind, name) for kind, (modality, _) in RAW.items() for name in corruptions(modality)]


@functools.cache
def graph(kind, name):
    specs = [tf.TensorSpec([], tf.string), tf.TensorSpec([]), tf.TensorSpec([2], tf.int32)]
    function = corruptions(RAW[kind][0])[name]
    return tf.function(function, input_signature=specs, autograph=False)


def spoil(kind, name, severity, seed=0, raw=None):
    raw = RAW[kind][1] if raw is None else raw
    return graph(kind, name)(tf.constant(raw), tf.constant(severity), [seed, 1]).numpy()


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_nothing_at_severity_0_and_what_is_absent_stays_so(kind, name):
    assert spoil(kind, name, 0.0) == RAW[kind][1]
    assert spoil(kind, name, 1.0, raw=b"") == b""
    assert spoil(kind, name, 1.0) != RAW[kind][1]
    assert spoil(kind, name, 0.5, seed=3) == spoil(kind, name, 0.5, seed=3)


@pytest.mark.parametrize("severity", [0.25, 0.5, 1.0])
def test_absent_as_often_as_severe(severity):
    gone = np.mean([spoil("text", "absence", severity, seed) == b"" for seed in range(300)])
    assert gone == pytest.approx(severity, abs=0.08 * (severity < 1))


def levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def test_typing_errors():
    text = "the quick brown fox jumps over the lazy dog 123 " * 20
    letters = sum(c.isalpha() for c in text)
    edits = []
    for severity in (0.25, 0.5, 1.0):
        made = spoil("text", "typos", severity, raw=text.encode()).decode()
        # Blanks and digits stay where they are among the letters.
        assert [c for c in made if not c.isalpha()] == [c for c in text if not c.isalpha()]
        edits.append(levenshtein(text, made) / letters)
    assert 0 < edits[0] < edits[1] < edits[2] < 0.4
    # A swap counts two, one of three hits, where the next letter is free.
    assert edits[0] == pytest.approx(0.3 * 0.25 * 4 / 3, rel=0.35)
    for seed in range(20):
        assert spoil("text", "typos", 1.0, seed, raw=b"a") in (b"a", b"aa")
    made = spoil("text", "typos", 1.0, raw="漢字かな交じり文".encode()).decode()
    assert {*made} <= {*"漢字かな交じり文"}


def test_darkness_and_noise_of_pictures():
    before = np.asarray(PIL.Image.open(io.BytesIO(RAW["image"][1]))).astype(float)
    dark = np.asarray(PIL.Image.open(io.BytesIO(spoil("image", "darkness", 0.5)))).astype(float)
    assert np.abs(dark - before * (1 - 0.9 * 0.5)).max() <= 0.51
    grey = np.full((200, 200, 3), 128, "uint8")
    noisy = spoil("image", "noise", 0.25, raw=IMAGE.encode(grey))
    noisy = np.asarray(PIL.Image.open(io.BytesIO(noisy))).astype(float)
    assert noisy.std() == pytest.approx(255 * 0.4 * 0.25, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=1)


def test_blur_is_a_gaussian():
    blurred = spoil("image", "blur", 0.5)
    blurred = np.asarray(PIL.Image.open(io.BytesIO(blurred))).astype(float)
    sigma, before = 0.06 * 0.5 * 60, picture().astype(float)
    one = np.ones(before.shape[:2])
    given = {"sigma": sigma, "mode": "constant", "radius": int(np.ceil(3 * sigma))}
    weight = scipy.ndimage.gaussian_filter(one, **given)
    for channel in range(3):
        oracle = scipy.ndimage.gaussian_filter(before[..., channel], **given) / weight
        assert np.abs(oracle - blurred[..., channel]).max() <= 0.6


def test_a_transparent_picture_keeps_its_background():
    clear = IMAGE.encode(np.concatenate([picture(), np.zeros((40, 60, 1), "uint8")], axis=-1))
    made = spoil("image", "darkness", 0.5, raw=clear)
    assert np.asarray(PIL.Image.open(io.BytesIO(made))).std() == 0, "white, darker"


@pytest.mark.parametrize(("severity", "snr_db"), [(0.5, 15.0), (1.0, 0.0)])
def test_noise_of_recordings_has_its_ratio(severity, snr_db):
    noisy, rate = wav.decode(tf.constant(spoil("audio", "noise", severity)))
    clean, _ = wav.decode(tf.constant(RAW["audio"][1]))
    noisy, clean = noisy.numpy(), clean.numpy()
    assert int(rate) == 8000 and len(noisy) == len(clean) and np.abs(noisy).max() <= 1
    # What of it is the tone, by least squares, whatever the loudness.
    gain = noisy @ clean / (clean @ clean)
    noise = noisy - gain * clean
    ratio = 10 * np.log10(np.mean((gain * clean) ** 2) / np.mean(noise**2))
    assert ratio == pytest.approx(snr_db, abs=0.4)


def test_silence_and_an_empty_recording():
    silence = wav.encode(np.zeros(800, "int16"), 8000)
    made, _ = wav.decode(tf.constant(spoil("audio", "noise", 1.0, raw=silence)))
    assert not made.numpy().any()
    empty = wav.encode(np.zeros(0, "int16"), 8000)
    assert spoil("audio", "noise", 1.0, raw=empty) == empty


def test_a_source_with_every_change():
    rows = Table([{"text": f"a friendly dog {i}", "image": picture(i), "other": "x"}
                  for i in range(4)])  # fmt: skip
    fields = {"text": TEXT, "image": IMAGE}
    ways = [Change("", "", 0.0), Change("text", "typos", 1.0), Change("image", "absence", 1.0)]
    source = Corrupted(rows, fields, ways, seed=1)
    assert len(source) == 12 and source.columns == rows.columns
    encoders = {"text": TEXT.encode, "image": IMAGE.encode, "other": str.encode}
    made = [(int(index), source.load(row)) for index, row in source.rows(encoders, ["image"])]
    before = [(rows.load(row)) for _, row in rows.rows(encoders, ["image"])]
    for place, (index, raw) in enumerate(made):
        sample, way = divmod(place, 3)
        assert source.locate(index) == f"sample {sample + 1}"
        assert source.cell(index, "text") == repr(f"a friendly dog {sample}")
        changed = {name for name in raw if raw[name].numpy() != before[sample][name].numpy()}
        assert changed == [set(), {"text"}, {"image"}][way]
    again = Corrupted(rows, fields, [ways[1]], seed=1)
    told = [text.numpy() for text in again.column("text", TEXT.encode)]
    assert told == [raw["text"].numpy() for _, raw in made[1::3]]


def test_bad_changes():
    rows = Table([{"text": "a"}])
    with pytest.raises(ValueError, match="changes is empty"):
        Corrupted(rows, {"text": TEXT}, [])
    with pytest.raises(ValueError, match=r"'text' has no corruption 'blur'; it has \['typos'"):
        Corrupted(rows, {"text": TEXT}, [Change("text", "blur", 1.0)])
    with pytest.raises(ValueError, match=r"severity is in \[0, 1\]; got 2"):
        Corrupted(rows, {"text": TEXT}, [Change("text", "typos", 2)])
