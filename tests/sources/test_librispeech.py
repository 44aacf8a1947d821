"""`LibriSpeech`: every line with its own recording, and whatever is no pair told."""

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
from mmkeras.sources import LibriSpeech

AUDIO = Audio.tiny()
CHAPTER = "84/121123/84-121123"


def write(folder: Path, transcript: str, *recordings: str, chapter: str = CHAPTER) -> Path:
    """A chapter; a recording's name goes on after that of the chapter."""
    path = folder / f"{chapter}.trans.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(transcript.encode())
    for name in recordings:
        (folder / f"{chapter}{name}").write_bytes(name.encode())
    return folder


def line(number: int, text: str = " GO DO YOU HEAR", chapter: str = "84-121123") -> str:
    return f"{chapter}-{number:04}{text}\n"


# What is written.

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


@settings(max_examples=50, deadline=None)
@given(
    chapters=st.dictionaries(
        st.tuples(st.integers(1, 30), st.integers(1, 30)),
        st.lists(st.lists(words, min_size=1, max_size=4), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    ),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    ending=st.sampled_from([".flac", ".wav", ".WAV"]),
)
def test_what_is_written_is_read(tmp_path_factory, chapters, end, ending):
    folder = tmp_path_factory.mktemp("corpus")
    expected = {}
    for (speaker, chapter), texts in chapters.items():
        name = f"{speaker}-{chapter}"
        rows = {f"{name}-{i:04}": " ".join(text) for i, text in enumerate(texts)}
        content = end.join(f"{key} {text}" for key, text in rows.items())
        recordings = [f"-{i:04}{ending}" for i in range(len(texts))]
        write(folder, content, *recordings, chapter=f"{speaker}/{chapter}/{name}")
        expected |= {key: (text, str(speaker), str(chapter)) for key, text in rows.items()}
    source = LibriSpeech(folder)
    assert source.columns == ("speech", "text", "speaker", "chapter", "id")
    read = zip(source["id"], source["text"], source["speaker"], source["chapter"], strict=True)
    assert {key: row for key, *row in read} == {key: [*row] for key, row in expected.items()}
    for key, recording in zip(source["id"], source["speech"], strict=True):
        speaker, chapter, _ = key.split("-")
        assert recording == f"{folder}/{speaker}/{chapter}/{key}{ending}"
    for index, key in enumerate(source["id"]):
        path, number = source.locate(index).split(", line ")
        assert (folder / path).read_text().splitlines()[int(number) - 1].split()[0] == key


def test_it_is_the_same_source_as_others(tmp_path):
    for speaker in range(10):
        name = f"{speaker}-7"
        text = line(0, " A", name) + "\n" + line(1, " B", name)
        write(tmp_path / "dev", text, "-0000.flac", "-0001.wav", chapter=f"{speaker}/7/{name}")
    (tmp_path / "dev/SPEAKERS.TXT").touch()
    source = LibriSpeech(str(tmp_path / "dev"), speech="voice", text="said")
    assert repr(source).startswith("LibriSpeech(dev, 20 rows, columns ['voice', 'said', 'speaker'")
    assert source.repaired == 0 and source.missing_files("voice") == []
    train, test = source.split(test=0.3, by="speaker")
    assert (len(train), len(test)) == (14, 6)
    assert not set(train["speaker"]) & set(test["speaker"])
    rows = test.rows({"voice": str.encode, "said": str.encode}, ["voice"])
    for index, row in rows.map(lambda index, row: (index, test.load(row))).as_numpy_iterator():
        speaker, number = divmod(int(index), 2)
        expected = {"voice": (b"-0000.flac", b"-0001.wav")[number], "said": b"AB"[number:][:1]}
        assert row == expected
        place = f"{speaker}/7/{speaker}-7.trans.txt, line {1 + 2 * number}"
        assert test.locate(index) == place
        assert test.cell(index, "said") == repr("AB"[number])


def test_recordings_are_heard(tmp_path):
    write(tmp_path, line(0, " A CAT") + line(1, " DOGS") + line(2))
    tone = np.int16(20_000 * np.sin(np.arange(600) / 4))
    for i, name in enumerate(("0000.flac", "0001.wav", "0002.flac")):
        soundfile.write(tmp_path / f"{CHAPTER}-{name}", tone[: 600 - 100 * i], 8_000)
    source = LibriSpeech(tmp_path)
    fields = {"speech": AUDIO, "text": Text.tiny()}
    (inputs,) = pipeline(source, fields, batch_size=3)
    assert inputs["speech_length"].numpy().tolist() == [600, 500, 400]
    for waveform, path in zip(inputs["speech_waveform"].numpy(), source["speech"], strict=True):
        expected, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_array_equal(waveform[: len(expected)], expected)
    broken = Path(source["speech"][2])
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(pipeline(source, fields))
    told = reason_of(caught.value)
    assert told.startswith("84/121123/84-121123.trans.txt, line 3, field ‘speech’ (‘")
    assert "these 300 bytes are no recording" in told


def test_several_folders_are_one_source(tmp_path):
    clean = write(tmp_path / "dev-clean", line(0), "-0000.flac")
    other = write(tmp_path / "dev-other", line(0, " YES", "9-1"), "-0000.wav", chapter="9/1/9-1")
    source = LibriSpeech(other, clean)
    assert source["id"] == ["9-1-0000", "84-121123-0000"]
    assert source["speech"] == [f"{other}/9/1/9-1-0000.wav", f"{clean}/{CHAPTER}-0000.flac"]
    assert [source.locate(i) for i in range(2)] == [
        "9/1/9-1.trans.txt, line 1",
        f"{CHAPTER}.trans.txt, line 1",
    ]
    assert repr(source).startswith("LibriSpeech(dev-other, dev-clean, 2 rows")
    with pytest.raises(ValueError, match=r"line 1: the id '84-121123-0000' stands in .*line 1 alr"):
        LibriSpeech(clean, other, clean)


def test_flac_comes_before_wav(tmp_path):
    write(tmp_path, line(0) + line(1), "-0000.wav", "-0000.flac", "-0001.WAV")
    (tmp_path / "84/121123/._84-121123-0001.flac").touch()
    source = LibriSpeech(tmp_path)
    assert [Path(path).name for path in source["speech"]] == [
        "84-121123-0000.flac",
        "84-121123-0001.WAV",
    ]


# What is wrong.

FAULTS = {
    "no recording": (
        line(1),
        r"84-121123\.trans\.txt, line 1: there is no recording .*84-121123-0001\.flac or \.wav; ",
        "lines left out: 1",
    ),
    "no text": (
        "\n" + line(1, "  "),
        r"trans\.txt, line 2: no text stands after the id '84-121123-0001'; correct it, or pass",
        "lines left out: 1",
    ),
    "no line": (
        "",
        r"trans\.txt has no line for recordings beside it \(84-121123-0001\.flac\); corr",
        "recordings left out: 1",
    ),
}


@pytest.mark.parametrize(("transcript", "message", "summary"), FAULTS.values(), ids=FAULTS)
def test_faults_are_refused_or_left_out(tmp_path, transcript, message, summary):
    write(tmp_path, transcript, *([] if "no recording" in message else ["-0001.flac"]))
    write(tmp_path, line(0, chapter="9-1"), "-0000.flac", chapter="9/1/9-1")
    with pytest.raises(ValueError, match=message):
        LibriSpeech(tmp_path)
    with pytest.warns(UserWarning, match=f"is repaired: {summary}; the first: .*84-121") as told:
        source = LibriSpeech(tmp_path, on_bad="repair")
    assert told[0].filename == __file__
    assert (source["id"], source.repaired) == (["9-1-0000"], 1)
    assert source.locate(0) == "9/1/9-1.trans.txt, line 1"


def test_a_missing_transcript_is_told(tmp_path):
    write(tmp_path, "", *(f"-{i:04}.flac" for i in range(4)))
    (tmp_path / f"{CHAPTER}.trans.txt").rename(tmp_path / f"{CHAPTER}.txt")
    names = ", ".join(f"84-121123-{i:04}.flac" for i in range(3))
    message = rf"84-121123\.trans\.txt does not exist, but recordings \({names}, \.\.\.\) do; corre"
    with pytest.raises(ValueError, match=message):
        LibriSpeech(tmp_path)
    with pytest.raises(ValueError, match="holds no transcript <speaker>/<chapter>/<speaker>-<cha"):
        LibriSpeech(tmp_path, on_bad="repair")


@pytest.mark.parametrize(
    ("transcript", "message"),
    [
        (
            line(0) + line(0, chapter="84-7"),
            r"line 2: the id '84-7-0000' is not of speaker 84, chapter 121123, and should begin "
            r"with '84-121123-': '84-7-0000 GO DO YOU HEAR'; correct it, or move the line",
        ),
        (line(0) + "\n" + line(0), r"line 3: the id '84-121123-0000' stands in .*, line 1 already"),
        (line(0, " \0"), "line 1: a NUL character"),
    ],
)
def test_bad_lines_are_refused(tmp_path, transcript, message):
    write(tmp_path, transcript, "-0000.flac")
    for on_bad in ("raise", "repair"):
        with pytest.raises(ValueError, match=message):
            LibriSpeech(tmp_path, on_bad=on_bad)


def test_another_folder_is_guessed(tmp_path, monkeypatch):
    dev = write(tmp_path / "LibriSpeech/dev", line(0), "-0000.flac")
    for wrong in (tmp_path, dev.parent, dev / "84", dev / "84/121123"):
        message = rf"{wrong} holds no transcript .*; .*84-121123\.trans\.txt is one: name {dev}\.$"
        with pytest.raises(ValueError, match=message):
            LibriSpeech(wrong)
    monkeypatch.chdir(dev / "84")
    with pytest.raises(ValueError, match=rf"^\. holds no transcript .*: name {dev}\.$"):
        LibriSpeech(".")
    monkeypatch.chdir(dev)
    assert repr(LibriSpeech(".")).startswith("LibriSpeech(dev, 1 rows")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"of a recording; name the folder that holds the folders"):
        LibriSpeech(dev, tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="dve is no folder; name the one that holds"):
        LibriSpeech(dev.parent / "dve")


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name at least one folder"):
        LibriSpeech()
    with pytest.raises(ValueError, match="on_bad must be 'repair' or 'raise'; got 'skip'"):
        LibriSpeech(tmp_path, on_bad="skip")
    for names in ({"text": "speech"}, {"speech": "id"}, {"text": "speaker"}):
        with pytest.raises(ValueError, match=r"two columns other than \['speaker', 'chapter', 'id"):
            LibriSpeech(tmp_path, **names)
