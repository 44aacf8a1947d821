"""`Joined`: samples of several sources in turns, each with the columns that it has."""

import collections

import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.sources import Aliased, Joined, Table

TEXTS = Table([{"text": f"t{i}", "mood": "+-"[i % 2]} for i in range(6)])
KINDS = Table([{"text": f"k{i}", "kind": "ab"[i]} for i in range(2)])
READ = {name: lambda cell: (cell or "").encode() for name in ("text", "mood", "kind")}


def loaded(source, columns=READ, files=()):
    return [
        {name: value.numpy().decode() for name, value in source.load(row).items()}
        for _, row in source.rows(columns, files)
    ]


def test_samples_come_in_turns_with_what_their_source_has():
    both = Joined(TEXTS, KINDS, times=[1, 3])
    rows = loaded(both)
    assert len(rows) == len(both) == 12
    assert [row["text"] for row in rows if row["kind"]] == ["k0", "k1"] * 3
    assert [row["mood"] for row in rows if row["text"][0] == "t"] == ["+", "-"] * 3
    assert all(not row["mood"] for row in rows if row["kind"])
    # Every half holds as much of each.
    for half in (rows[:6], rows[6:]):
        assert collections.Counter(row["text"][0] for row in half) == {"t": 3, "k": 3}


def test_a_column_of_one_source_alone():
    assert loaded(Joined(TEXTS, KINDS), {"kind": READ["kind"]}) == [
        {"kind": kind} for kind in ("", "", "a", "", "", "", "b", "")
    ]


def test_files_aliases_and_further_sources(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"inside")
    third = Aliased(Table([{"path": str(tmp_path / "a.txt")}]), text="path")
    made = loaded(Joined(KINDS, Joined(TEXTS, third)))
    assert sorted(row["text"] for row in made)[-1] == "t5"
    only = loaded(Joined(KINDS.split(test=0.5)[0], third), {"path": str.encode}, ["path"])
    assert sorted(row["path"] for row in only) == ["", "inside"]


def test_two_tasks_learn_each_from_its_own_data():
    both = Joined(TEXTS, KINDS)
    fields = {"text": mm.Text.tiny()}
    tasks = {"mood": mm.Classification(["+", "-"]), "kind": mm.Classification(["a", "b"])}
    ((_, targets, weights),) = mm.pipeline(both, fields, tasks, batch_size=8)
    assert weights["kind"].numpy().tolist() == [0, 0, 1, 0, 0, 0, 1, 0]
    assert weights["mood"].numpy().tolist() == [1, 1, 0, 1, 1, 1, 0, 1]
    assert targets["kind"].numpy()[[2, 6]].tolist() == [0, 1]
    seen = list(mm.pipeline(both, fields, tasks, batch_size=3, shuffle=True, drop_remainder=True))
    assert sum(float(tf.reduce_sum(weight["kind"])) for *_, weight in seen) in (1, 2)


def test_prepared_datasets_join_tables():
    tfds = pytest.importorskip("tensorflow_datasets")
    del tfds
    from mmkeras.datasets.emoji import prepare

    train = mm.sources.TFDS(prepare(config="tiny", progress=False), "test")
    pictures = Table([{"image": np.zeros((4, 4, 3), "uint8"), "caption": "dark"}] * 3)
    both = Joined(train, pictures)
    image = mm.Image.tiny()
    tasks = {"category": mm.Classification(train._features["category"].kind.names)}
    ((inputs, _, weights),) = mm.pipeline(both, {"image": image}, tasks, batch_size=len(both))
    assert inputs["image_present"].numpy().all()
    assert weights["category"].numpy().sum() == len(train)


def test_errors_name_the_place():
    bad = Table([{"text": "t", "mood": "+"}, {"text": "t", "mood": "?"}])
    # Rows keep their numbers when a table is split.
    both = Joined(bad.split(test=0.5)[1], KINDS)
    indices = [int(index) for index, _ in both.rows(READ)]
    cells = {(both.locate(index), both.cell(index, "text")) for index in indices}
    assert {("sample 1", "'k0'"), ("sample 2", "'k1'")} < cells and len(cells) == 3
    fields, tasks = {"text": mm.Text.tiny()}, {"mood": mm.Classification(["+", "-"])}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"sample 2, field .mood. \(.\?.\)"):
        list(mm.pipeline(Joined(TEXTS, bad), fields, tasks))
    with pytest.raises(KeyError, match=r"has \['kinds'\]; they have \['text', 'mood', 'kind'\]"):
        Joined(TEXTS, KINDS).rows({"kinds": READ["kind"]})
    with pytest.raises(ValueError, match="two sources or more"):
        Joined(TEXTS)
    with pytest.raises(ValueError, match="2 sources and 1 times"):
        Joined(TEXTS, KINDS, times=[1])
    with pytest.raises(
        ValueError, match=r"each of times must be at least 1, a whole number; got 0"
    ):
        Joined(TEXTS, KINDS, times=[1, 0])
    with pytest.raises(ValueError, match="temperature must be at least 1"):
        Joined.by_temperature(TEXTS, KINDS, temperature=0.5)
