"""`LJSpeech`: what lines say, against `csv` without quotation marks; what bad files are told."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.modalities import Audio, Text
from mmkeras.pipeline import pipeline
from mmkeras.sound import wav
from mmkeras.sources import LJSpeech


def write(folder: Path, content: str | bytes, *recordings: str, name="metadata.csv") -> Path:
    (folder / "wavs").mkdir(exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    for recording in recordings:
        (folder / f"wavs/{recording}.wav").write_bytes(recording.encode())
    return folder


# What is written.

texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="|")
).map(str.strip)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(texts, texts).filter(any), min_size=1, max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    bom=st.booleans(),
)
def test_a_file_is_read_as_csv_reads_it(tmp_path_factory, rows, end, bom):
    folder = tmp_path_factory.getbasetemp()
    content = "".join(f"LJ{i}|{raw}|{normalised}{end}" for i, (raw, normalised) in enumerate(rows))
    names = [f"LJ{i}" for i in range(len(rows))]
    write(folder, content.encode("utf-8-sig" if bom else "utf-8"), *names)
    source = LJSpeech(folder)
    with open(folder / "metadata.csv", encoding="utf-8-sig", newline="") as file:
        lines = [*csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)]
    expected = [cells for cells in lines if cells]
    assert source["id"] == [cells[0] for cells in expected] == names
    assert source["raw_text"] == [cells[1] or None for cells in expected]
    assert source["text"] == [cells[2] or cells[1] for cells in expected]
    assert source["speech"] == [f"wavs/{name}.wav" for name in names]
    places = [i + 1 for i, cells in enumerate(lines) if cells]
    assert [source.locate(i) for i in range(len(source))] == [
        f"metadata.csv, line {number}" for number in places
    ]


def test_texts_may_stand_alone(tmp_path):
    write(tmp_path, 'a| He said "no" \nb|"yes\n', "a", "b", name="train.csv")
    source = LJSpeech(tmp_path, metadata="train.csv")
    assert source["text"] == source["raw_text"] == ['He said "no"', '"yes']


def test_it_is_the_same_source_as_others(tmp_path):
    names = [f"LJ001-{i:04}" for i in range(10)]
    content = "".join(f"\n{name}|{name}|said {i}\n" for i, name in enumerate(names))
    # A recording that only another file of lines names.
    source = LJSpeech(str(write(tmp_path, content, *names, "x")), speech="voice", text="said")
    expected = "LJSpeech(metadata.csv, 10 rows, columns ['voice', 'said', 'raw_text', 'id'])"
    assert repr(source) == expected
    assert source.repaired == 0 and source.missing_files("voice") == []
    train, test = source.split(test=0.3)
    assert (len(train), len(test)) == (7, 3)
    rows = test.rows({"voice": str.encode, "said": str.encode}, ["voice"])
    for index, row in rows.map(lambda index, row: (index, test.load(row))).as_numpy_iterator():
        assert row == {"voice": names[index].encode(), "said": f"said {index}".encode()}
        assert test.locate(index) == f"metadata.csv, line {2 * index + 2}"
        assert test.cell(index, "voice") == repr(f"wavs/{names[index]}.wav")


def test_recordings_are_heard(tmp_path):
    tone = np.int16(20_000 * np.sin(np.arange(600) / 4))
    source = LJSpeech(write(tmp_path, "a|a cat|\nb|dogs|dogs\n", "a", "b"))
    for path in source["speech"]:
        (tmp_path / path).write_bytes(wav.encode(tone, 8_000))
    (inputs,) = pipeline(source, {"speech": Audio.tiny(), "text": Text.tiny()}, batch_size=2)
    expected, _ = soundfile.read(tmp_path / "wavs/a.wav", dtype="float32")
    np.testing.assert_array_equal(inputs["speech_waveform"], [expected] * 2)


# What is wrong.


def test_ids_may_be_paths(tmp_path):
    source = LJSpeech(write(tmp_path, "a.wav|A\nwavs/b|B\nwavs/c.wav|C\n", "a", "b", "c"))
    assert source["id"] == ["a", "b", "c"]
    assert source["speech"] == ["wavs/a.wav", "wavs/b.wav", "wavs/c.wav"]
    with pytest.raises(ValueError, match="the id 'a' stands in line 1 already"):
        LJSpeech(write(tmp_path, "a|A\nwavs/a.wav|A\n"))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("c|a|b\n", r"metadata\.csv, line 2: there is no recording .*wavs/c\.wav; correct it, or"),
        ("b| |\n", r"metadata\.csv, line 2: no text stands after the id 'b'; correct it, or pass"),
    ],
)
def test_faults_are_refused_or_left_out(tmp_path, bad, message):
    write(tmp_path, f"\n{bad}a|A|\n", "a", "b")
    with pytest.raises(ValueError, match=message):
        LJSpeech(tmp_path)
    with pytest.warns(UserWarning, match=r"is repaired: lines left out: 1; the first: ") as told:
        source = LJSpeech(tmp_path, on_bad="repair")
    assert told[0].filename == __file__
    assert (source["id"], source.repaired, source.locate(0)) == (["a"], 1, "metadata.csv, line 3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a|A|A\n\na|A\n", r"line 3: 2 parts between \|, but line 1 has 3: 'a\|A'; write as many"),
        ("a\tA\n", r"line 1: 1 parts between \|: 'a\\tA'; write an id, the text and, if it diff"),
        ("a|A|A|A\n", r"line 1: 4 parts between \|: 'a\|A\|A\|A'; write .*no \| within a text"),
        ("a|A|A\na|B|B\n", r"line 2: the id 'a' stands in line 1 already; remove one"),
        ("|A|A\n", r"line 1: the id is empty: '\|A\|A'; write that of the recording"),
        ("a|grün|".encode("latin1"), r"line 1: byte 4 \(0xfc\) is not UTF-8; save the file as"),
        ("\n \n", r"metadata\.csv holds no line of a recording; write its id, a \| and what"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, content, message):
    write(tmp_path, content, "a")
    for on_bad in ("raise", "repair"):
        with pytest.raises(ValueError, match=message):
            LJSpeech(tmp_path, on_bad=on_bad)


def test_bad_arguments_are_refused(tmp_path):
    write(tmp_path, "a|A|\n", "a")
    with pytest.raises(FileNotFoundError, match=r"metadata\.cvs does not .*mean metadata\.csv\?"):
        LJSpeech(tmp_path, metadata="metadata.cvs")
    with pytest.raises(FileNotFoundError, match="nor does its folder"):
        LJSpeech(tmp_path / "no")
    with pytest.raises(ValueError, match="on_bad must be 'repair' or 'raise'; got 'skip'"):
        LJSpeech(tmp_path, on_bad="skip")
    for names in ({"text": "speech"}, {"text": "raw_text"}, {"speech": "id"}):
        with pytest.raises(ValueError, match=r"two columns other than \['raw_text', 'id'\]; got"):
            LJSpeech(tmp_path, **names)
