"""`Manifest`: what was written is read, under the package's names; what bad lines are told."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.diagnosis import reason_of
from mmkeras.modalities import Audio, Text
from mmkeras.pipeline import pipeline
from mmkeras.sound import wav
from mmkeras.sources import Manifest

TONE = np.int16(20_000 * np.sin(np.arange(600) / 4))


def write(folder: Path, *lines: dict | str, name: str = "train.json") -> Path:
    path = folder / name
    written = [one if isinstance(one, str) else json.dumps(one) for one in lines]
    path.write_text("\n".join(written), encoding="utf-8")
    return path


def entry(name: str = "a.wav", **more) -> dict:
    return {"audio_filepath": name, **more}


# What is written.

values = st.text(max_size=5) | st.none() | st.floats(0.1, 9) | st.integers() | st.lists(st.text())
entries = st.fixed_dictionaries(
    {"audio_filepath": st.sampled_from(["a.wav", "deep/b.flac"])},
    optional={
        "text": st.text() | st.none(),
        "duration": st.floats(0, exclude_min=True, allow_infinity=False) | st.none(),
        "offset": st.sampled_from([0, 0.0, None]),
        "speaker": values,
        "lang": values,
    },
)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(entries, min_size=1, max_size=5), ascii=st.booleans())
def test_what_is_written_is_read(tmp_path_factory, rows, ascii):
    folder = tmp_path_factory.getbasetemp()
    (folder / "deep").mkdir(exist_ok=True)
    for name in ("a.wav", "deep/b.flac"):
        (folder / name).touch()
    # JSON that is not ASCII may not hold half of a character.
    lines = [json.dumps(row, ensure_ascii=ascii) for row in rows]
    source = Manifest(write(folder, *lines))
    expected = {"speech": "audio_filepath", "duration_s": "duration"}
    keys = {key for row in rows for key in row if key != "offset"}
    assert {expected.get(name, name) for name in source.columns} == keys
    for name in source.columns:
        cells = [row.get(expected.get(name, name)) for row in rows]
        assert source[name] == [None if cell == "" else cell for cell in cells]
    assert source.repaired == 0 and source.missing_files("speech") == []


def test_it_is_the_same_source_as_others(tmp_path):
    lines = []
    for i in range(10):
        (tmp_path / f"{i}.wav").write_bytes(b"%d" % i)
        lines += ["", entry(f"{i}.wav", text=f"said {i}", speaker=i // 2)]
    source = Manifest(str(write(tmp_path, *lines)), speech="voice", text="said")
    assert repr(source) == "Manifest(train.json, 10 rows, columns ['voice', 'said', 'speaker'])"
    train, test = source.split(test=0.4, by="speaker")
    assert (len(train), len(test)) == (6, 4)
    assert not set(train["speaker"]) & set(test["speaker"])
    rows = test.rows({"voice": str.encode, "said": str.encode}, ["voice"])
    for index, row in rows.map(lambda index, row: (index, test.load(row))).as_numpy_iterator():
        assert row == {"voice": b"%d" % index, "said": f"said {index}".encode()}
        assert test.locate(index) == f"train.json, line {2 * index + 2}"
        assert test.cell(index, "said") == f"'said {index}'"


def test_recordings_are_heard(tmp_path):
    soundfile.write(tmp_path / "a.flac", TONE, 8_000)
    (tmp_path / "b.wav").write_bytes(wav.encode(TONE, 8_000))
    (tmp_path / "c.wav").write_bytes(wav.encode(TONE, 8_000)[:300])
    lines = [entry(name, text="a cat") for name in ("a.flac", str(tmp_path / "b.wav"), "c.wav")]
    (tmp_path / "lists").mkdir()
    fields = {"speech": Audio.tiny(), "text": Text.tiny()}
    source = Manifest(write(tmp_path / "lists", *lines[:2]), folder=tmp_path)
    (inputs,) = pipeline(source, fields, batch_size=2)
    expected, _ = soundfile.read(tmp_path / "a.flac", dtype="float32")
    np.testing.assert_array_equal(inputs["speech_waveform"], [expected] * 2)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(pipeline(Manifest(write(tmp_path, *lines)), fields))
    told = reason_of(caught.value)
    assert told.startswith("train.json, line 3, field ‘speech’ (‘c.wav’): the WAV file declares")


# What is wrong.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"text": "x"}, r"audio_filepath is None, in \{'text': 'x'\}; write the path of the rec"),
        (entry(""), "audio_filepath is '', in "),
        (entry(["a.wav", "b.wav"]), r"audio_filepath is \['a.wav', 'b.wav'\], in "),
        (entry(text=7), "text is 7; write what is said, in quotation marks"),
        (entry(duration="1.5"), "duration is '1.5'; write the seconds as a number above 0, or"),
        (entry(duration=0), "duration is 0; write"),
        (entry(duration=True), "duration is True; write"),
        ('{"audio_filepath": "a.wav", "duration": NaN}', "duration is nan; write"),
        ('{"audio_filepath": "a.wav", "duration": Infinity}', "duration is inf; write"),
        (
            entry(offset=1.5, duration=2),
            r"offset is 1\.5: a part of a\.wav, but recordings are read whole; write the part into "
            "a file of its own, such as with ffmpeg -ss START",
        ),
        (entry(offset="0"), "offset is '0': a part"),
        (entry(speech="b.wav"), "the key 'speech' is the name of another column here; rename it"),
        (entry(duration_s=1), "the key 'duration_s' is the name of another"),
    ],
)
def test_bad_values_are_refused(tmp_path, line, message):
    (tmp_path / "a.wav").touch()
    path = write(tmp_path, entry(), "", line)
    for on_bad in ("raise", "repair"):
        with pytest.raises(ValueError, match=rf"train\.json, line 3: {message}"):
            Manifest(path, on_bad=on_bad)


def test_bad_lines_are_refused(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(ValueError, match=r"train\.json, row 2 \(line 3\): not valid JSON \(Exp"):
        Manifest(write(tmp_path, entry(), "", '{"audio_filepath":'))
    with pytest.raises(ValueError, match=r"\(line 1\): .* is not an object, such as"):
        Manifest(write(tmp_path, json.dumps([entry()])))
    with pytest.raises(ValueError, match=r"train\.json holds no line of a recording; write an obj"):
        Manifest(write(tmp_path, " ", ""))


@pytest.mark.parametrize("name", ["b.wav", "no/a.wav", ".", "a.wav\0", "\ud800.wav", "~/a.wav"])
def test_missing_recordings_are_refused_or_left_out(tmp_path, name):
    (tmp_path / "a.wav").touch()
    path = write(tmp_path, entry(name), entry(text="A"))
    message = r"train\.json, line 1: there is no recording .*; correct it, or pass on_bad='repair'"
    with pytest.raises(ValueError, match=message):
        Manifest(path)
    with pytest.warns(UserWarning, match=r"is repaired: lines left out: 1; the first: ") as told:
        source = Manifest(path, on_bad="repair")
    assert told[0].filename == __file__
    assert (source["text"], source.repaired, source.locate(0)) == (["A"], 1, "train.json, line 2")


def test_a_column_may_be_called_otherwise(tmp_path):
    (tmp_path / "a.wav").touch()
    path = write(tmp_path, entry(text="A", speech=3))
    assert Manifest(path, speech="voice").columns == ("voice", "text", "speech")


def test_bad_arguments_are_refused(tmp_path):
    (tmp_path / "a.wav").touch()
    path = write(tmp_path, entry())
    with pytest.raises(FileNotFoundError, match=r"trian\.json does not .*mean train\.json\?"):
        Manifest(tmp_path / "trian.json")
    with pytest.raises(ValueError, match="on_bad must be 'repair' or 'raise'; got 'skip'"):
        Manifest(path, on_bad="skip")
    for names in ({"text": "speech"}, {"speech": "duration_s"}):
        with pytest.raises(ValueError, match="must name two columns other than 'duration_s'; got"):
            Manifest(path, **names)
