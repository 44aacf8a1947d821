"""Other formats than WAV, against libsndfile's own reading, and files that cannot be read."""

import io
import sys

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from mmkeras.diagnosis import reason_of
from mmkeras.sound import wav
from mmkeras.sound.transcoding import all_to_wav, to_wav

TONE = 0.9 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
FORMATS = [("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("AIFF", None)]
CONVERT = tf.function(all_to_wav, input_signature=[tf.TensorSpec([None], tf.string)])


def recorded(form: str, subtype: str | None = None, array: np.ndarray = TONE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, array, 16_000, subtype, format=form)
    return file.getvalue()


@pytest.mark.parametrize(("form", "subtype"), FORMATS)
def test_holds_the_same_samples(form, subtype):
    raw = recorded(form, subtype, np.stack([TONE, TONE[::-1]], axis=1))
    expected, _ = soundfile.read(io.BytesIO(raw), dtype="float32")
    read, rate = soundfile.read(io.BytesIO(to_wav(raw)), dtype="float32")
    assert rate == 16_000
    # The decoder of MP3 rounds now so, now so.
    np.testing.assert_allclose(read, expected, atol=1e-6)
    begin, _ = soundfile.read(io.BytesIO(to_wav(raw, seconds=0.1)), dtype="float32")
    np.testing.assert_allclose(begin, expected[:1_600], atol=1e-6)


def test_only_other_files_of_a_batch_are_converted():
    raw = [b"", wav.encode(np.zeros(9, "int16"), 8_000), recorded("FLAC"), b"RIF", b"RF64 broken"]
    converted = CONVERT(tf.constant([raw[i] for i in (0, 1, 2, 4)])).numpy()
    assert converted[[0, 1, 3]].tolist() == [raw[0], raw[1], raw[4]]
    assert converted[2] == to_wav(raw[2])
    assert all_to_wav(tf.constant(raw[:3])).numpy().tolist() == converted[:3].tolist()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"RIF", r"these 3 bytes are no recording that soundfile reads \(Format not recognised\)"),
        (recorded("FLAC")[:5_000], r"\(Error : flac decoder lost sync\).*get the whole file"),
        (recorded("MP3")[:1_500], "declares 1 s of sound and holds 0.[0-9]+ s: it is cut off"),
    ],
    ids=["nothing", "flac", "mp3"],
)
def test_what_cannot_be_read_is_told(raw, message):
    with pytest.raises(ValueError, match=message) as direct:
        to_wav(raw)
    for convert in (all_to_wav, CONVERT):
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            convert(tf.constant([raw]))
        assert reason_of(caught.value) == str(direct.value)
        assert "Traceback" not in caught.value.message


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ImportError, match=r'pip install "mmkeras\[audio\]", or convert'):
        to_wav(b"fLaC")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        CONVERT(tf.constant([b"fLaC"]))
    assert 'pip install "mmkeras[audio]"' in reason_of(caught.value)
    CONVERT(tf.constant([wav.encode(np.zeros(9, "int16"), 8_000), b""]))
