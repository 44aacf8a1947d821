"""`Aliased`: one column under several names, each read in its own way."""

import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.contracts import Source
from mmkeras.sources import Aliased, Table

ROWS = [{"said": "ab", "voice": None}, {"said": None}, {"said": "b"}]


def test_names_are_read_each_in_its_own_way():
    source = Aliased(Table(ROWS), text="said", length="said")
    encoders = {
        "said": lambda cell: (cell or "").encode(),
        "text": lambda cell: (cell or "").upper().encode(),
        "length": lambda cell: str(len(cell or "")).encode(),
    }
    rows = list(source.rows(encoders))
    assert [int(index) for index, _ in rows] == [0, 1, 2] and len(source) == 3
    loaded = [{k: v.numpy() for k, v in source.load(row).items()} for _, row in rows]
    assert loaded == [
        {"said": b"ab", "text": b"AB", "length": b"2"},
        {"said": b"", "text": b"", "length": b"0"},
        {"said": b"b", "text": b"B", "length": b"1"},
    ]
    # A name alone, without the column that it stands for.
    assert [v.numpy() for v in source.column("text", encoders["text"])] == [b"AB", b"", b"B"]


def test_columns_and_parts_are_those_of_the_source():
    source = Aliased(Aliased(Table(ROWS), text="said"), written="text")
    assert source["written"] == source["said"] == ["ab", None, "b"]
    with pytest.raises(KeyError, match=r"no column 'sad'; it has .*'written'"):
        source["sad"]
    train, test = source.split(test=0.4, by="written")
    assert (len(train), len(test)) == (2, 1)
    assert sorted(map(str, [*train["text"], *test["written"]])) == ["None", "ab", "b"]
    assert test.columns == source.columns
    assert Aliased(Table([{"path": "gone.wav"}]), file="path").missing_files("file") == [
        "sample 1, path: gone.wav"
    ]


def test_what_is_no_table_has_no_parts():
    class Stream(Source):
        columns = ("said",)
        rows = load = locate = cell = None

        def __len__(self):
            return 1

    source = Aliased(Stream(), text="said")
    for look in (source.split, lambda: source["text"]):
        with pytest.raises(TypeError, match="does not hold its cells"):
            look()


def test_files_are_read_under_every_name(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"inside")
    source = Aliased(Table([{"path": str(tmp_path / "a.txt")}]), file="path")
    encoders = {"path": str.encode, "file": str.encode}
    _, row = next(iter(source.rows(encoders, files=["file"])))
    made = source.load(row)
    assert made["file"].numpy() == b"inside"
    assert made["path"].numpy() == str(tmp_path / "a.txt").encode()


def test_a_source_need_not_give_rows_of_nothing():
    class Strict(Table):
        def rows(self, columns, files=()):
            assert columns
            return super().rows(columns, files)

    source = Aliased(Strict([{"text": "a cat"}, {"text": "dogs"}]), written="text")
    read = source.column("written", str.encode).as_numpy_iterator()
    assert list(read) == [b"a cat", b"dogs"]


def test_two_tasks_learn_one_column():
    """A hybrid recogniser: connectionist temporal classification and attention."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 800)
    table = Table([{"speech": sound, "text": "ab"}, {"speech": sound, "text": "b"}])
    recognition, generation = mm.SpeechRecognition.tiny(), mm.TextGeneration.tiny()
    tasks = {"text": recognition, "written": generation}
    batch = next(
        iter(mm.pipeline(Aliased(table, written="text"), {"speech": mm.Audio.tiny()}, tasks))
    )
    inputs, targets, weights = batch
    assert targets["text"].numpy().tolist() == [[2, 3, 0], [3, 0, 0]]
    assert targets["written"].numpy().tolist() == [[2, 3, 4, 0], [3, 4, 0, 0]]
    assert inputs["written_given_token_ids"].shape == (2, 3)
    assert weights["written"].numpy().tolist() == [1.0, 1.0]


def test_errors_name_the_place():
    source = Aliased(Table([{"text": "abx"}]), written="text")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"sample 1, field .written.*does not"):
        list(
            mm.pipeline(
                Aliased(Table([{"text": "abx", "title": "a"}]), written="text"),
                {"title": mm.Text.tiny()},
                {"written": mm.TextGeneration.tiny()},
            )
        )
    assert source.locate(0) == source.source.locate(0)
    assert source.cell(0, "written") == source.source.cell(0, "text")
    with pytest.raises(KeyError, match=r"no columns \['txt'\]; it has \['text'\]"):
        Aliased(Table([{"text": "a"}]), written="txt")
    with pytest.raises(ValueError, match=r"\['text'\] are columns"):
        Aliased(Table([{"text": "a"}]), text="text")
