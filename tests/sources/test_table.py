"""`Table`: what files say, against pandas; what bad files are told; splits."""

import csv
import io
import json
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.modalities import Audio, Image, Text
from mmkeras.sources import Table


def encode(cell):
    return b"" if cell is None else str(cell).encode()


def loaded(table, columns, files=()):
    """Every row's index and contents, read in a graph."""
    rows = table.rows(dict.fromkeys(columns, encode), files)
    rows = rows.map(lambda index, row: (index, table.load(row)))
    return [(int(i), row) for i, row in rows.as_numpy_iterator()]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# Reading.

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=6)
)


@settings(max_examples=60, deadline=None)
@given(rows=tables, delimiter=st.sampled_from(",;\t"), bom=st.booleans(), crlf=st.booleans())
def test_a_csv_file_is_read_as_pandas_reads_it(tmp_path_factory, rows, delimiter, bom, crlf):
    names = [f"column {i}" for i in range(len(rows[0]))]
    text = io.StringIO(newline="")
    end = "\r\n" if crlf else "\n"
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(
        [names, *rows]
    )
    path = tmp_path_factory.getbasetemp() / ("table.tsv" if delimiter == "\t" else "table.csv")
    path.write_bytes(text.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    expected = pd.read_csv(path, sep=delimiter, dtype=object, keep_default_na=False)
    table = Table(path)
    assert list(table.columns) == names == list(expected.columns)
    for name in names:
        assert table[name] == [cell or None for cell in expected[name]]


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.dictionaries(cells, cells | st.none() | st.integers()), min_size=1))
def test_jsonl_and_rows_in_memory_say_the_same(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "table.jsonl"
    # Not every line end that Unicode knows ends a line of JSON.
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    if not any(rows):
        with pytest.raises(ValueError, match="empty table"):
            Table(path)
        return
    from_file, in_memory = Table(path), Table(rows)
    assert from_file.columns == in_memory.columns
    for name in in_memory.columns:
        expected = [None if row.get(name) in ("", None) else row[name] for row in rows]
        assert from_file[name] == in_memory[name] == expected


def test_a_parquet_file_is_read_as_pandas_wrote_it(tmp_path):
    frame = pd.DataFrame(
        {
            "text": ["a", None, "ü"],
            "number": [1.5, float("nan"), 3.0],
            "count": [1, 2, 3],
            "labels": [["x"], [], ["x", "y"]],
            "content": [b"\x00\xff", b"", None],
        }
    )
    (tmp_path / "part=train").mkdir()
    frame.to_parquet(tmp_path / "part=train/table.parquet")
    table = Table(tmp_path / "part=train/table.parquet")
    assert {name: table[name] for name in table.columns} == {
        "text": ["a", None, "ü"],
        "number": [1.5, None, 3.0],
        "count": [1, 2, 3],
        "labels": [["x"], [], ["x", "y"]],
        "content": [b"\x00\xff", None, None],
    }


def test_a_data_frame_is_read():
    frame = pd.DataFrame({"text": ["a", None], "n": pd.array([1, None], "Int64"), 3: [np.nan, 2]})
    frame["day"] = [pd.NaT, pd.Timestamp("2024-05-01")]
    table = Table(frame)
    assert table.columns == ("text", "n", "3", "day")
    assert (table["text"], table["n"], table["3"]) == (["a", None], [1, None], [None, 2.0])
    assert table["day"][0] is None


def test_rows_may_come_from_a_generator_and_miss_cells():
    table = Table({"a": i} if i % 2 else {"b": np.float32("nan"), "c": i} for i in range(3))
    assert (table["a"], table["b"], table["c"]) == ([None, 1, None], [None] * 3, [0, None, 2])
    assert len(table) == 3
    assert len(Table([])) == 0


def test_a_cell_may_be_longer_than_the_limit_of_csv(tmp_path):
    limit = csv.field_size_limit()
    path = write(tmp_path, "long.csv", "text,label\n" + "x" * (limit + 1) + ",a\n")
    assert len(Table(path)["text"][0]) == limit + 1
    assert csv.field_size_limit() == limit


def test_format_overrides_the_name(tmp_path):
    path = write(tmp_path, "table.txt", "a\tb\n1\t2\n")
    assert Table(path, format="tsv")["b"] == ["2"]
    assert Table(str(path), format="csv").columns == ("a\tb",)


# Samples.


def test_files_are_read_in_the_graph_and_contents_are_taken(tmp_path):
    write(tmp_path, "cat.jpg", b"CAT\0")
    absolute = write(tmp_path, "dog.jpg", b"DOG")
    path = write(
        tmp_path, "table.csv", f"text,photo\na cat,cat.jpg\n,\na dog,{absolute}\ncat.jpg,~/x.jpg\n"
    )
    table = Table(path)
    # In a column of texts, a name is a text.
    assert loaded(table, ["text"])[3][1]["text"] == b"cat.jpg"
    good = table.rows({"text": encode, "photo": encode}, ["photo"]).take(3)
    rows = list(good.map(lambda i, row: (i, table.load(row))).as_numpy_iterator())
    assert rows == [
        (0, {"text": b"a cat", "photo": b"CAT\0"}),
        (1, {"text": b"", "photo": b""}),
        (2, {"text": b"a dog", "photo": b"DOG"}),
    ]
    with pytest.raises(tf.errors.NotFoundError, match=r"~/x\.jpg"):
        loaded(table, ["photo"], ["photo"])
    assert table.missing_files("photo") == ["table.csv, row 4, photo: ~/x.jpg"]


def test_a_row_is_loaded_eagerly_too(tmp_path):
    write(tmp_path, "cat.jpg", b"CAT")
    table = Table([{"photo": Path("cat.jpg"), "text": "a"}], folder=tmp_path)
    ((index, row),) = table.rows({"photo": encode, "text": encode}, ["photo"])
    assert index.dtype == tf.int64
    assert {name: value.numpy() for name, value in table.load(row).items()} == {
        "photo": b"CAT",
        "text": b"a",
    }
    assert table.missing_files("photo") == []


def test_nothing_is_read_before_load(tmp_path):
    table = Table([{"photo": "no.jpg"}], folder=tmp_path)
    assert len(list(table.rows({"photo": encode}, ["photo"]))) == 1


def test_cells_that_are_no_paths_are_encoded():
    waveform = np.zeros(800, "int16")
    picture = np.zeros((4, 4, 3), "uint8")
    table = Table([{"voice": waveform, "photo": picture, "text": 2024}, {"voice": b"WAV"}])
    columns = {"voice": Audio().encode, "photo": Image().encode, "text": Text.tiny().encode}
    rows = table.rows(columns, ["voice", "photo"])
    first, second = rows.map(lambda _, row: table.load(row)).as_numpy_iterator()
    assert first == {
        "voice": Audio().encode(waveform),
        "photo": Image().encode(picture),
        "text": b"2024",
    }
    assert second == {"voice": b"WAV", "photo": b"", "text": b""}


def test_rows_know_their_shapes():
    table = Table([{"a": "x"}] * 3)
    rows = table.rows({"a": encode}, ["a"])
    assert rows.cardinality() == 3
    assert rows.map(lambda _, row: table.load(row)).element_spec == {
        "a": tf.TensorSpec([], tf.string)
    }
    assert len(list(Table([]).rows({}, []))) == 0


def test_a_cell_that_cannot_be_encoded_is_located(tmp_path):
    path = write(tmp_path, "table.csv", 'text,age\n"two\nlines",1\n\nb,old\n')
    with pytest.raises(
        ValueError, match=r"^table\.csv, row 2 \(line 5\), field 'age' \('old'\): .*float.*'old'"
    ):
        Table(path).rows({"age": lambda cell: repr(float(cell)).encode()})
    long = Table([{"a": b"x" * 1000}])
    says = r"^sample 1, field 'a' \(b'x{70,78}'\.\.\.\): no$"
    with pytest.raises(ValueError, match=says) as info:
        long.rows({"a": raises_type_error})
    assert isinstance(info.value.__cause__, TypeError)


def raises_type_error(cell):
    raise TypeError("no")


@pytest.mark.parametrize("cell", ["cat.jpg\0.txt", "\ud800.jpg"])
def test_a_path_that_no_system_takes_is_located(cell):
    with pytest.raises(ValueError, match=r"^sample 1, field 'photo' \('.*'\): "):
        Table([{"photo": cell}]).rows({"photo": encode}, ["photo"])


def test_places_and_cells_are_shown(tmp_path):
    plain = Table(write(tmp_path, "plain.csv", "a\nx\ny\n"))
    assert [plain.locate(i) for i in range(2)] == ["plain.csv, row 1", "plain.csv, row 2"]
    jsonl = Table(write(tmp_path, "gaps.jsonl", '{"a": 1}\n\n{"a": "b"}\n'))
    assert jsonl.locate(1) == "gaps.jsonl, row 2 (line 3)"
    assert jsonl.cell(1, "a") == "'b'"
    array = Table([{"a": np.zeros((2, 3), "uint8")}])
    assert (array.locate(0), array.cell(0, "a")) == ("sample 1", "array (2, 3) uint8")
    assert repr(plain) == "Table(plain.csv, 2 rows, columns ['a'])"


def test_text_adapts_to_a_column():
    train, _ = Table([{"text": "cats and dogs"}] * 10).split()
    assert "cats" in Text.adapt(train, "text", vocabulary_size=100).tokenizer.vocabulary


# Bad tables.

BAD = {
    "no bytes": ("t.csv", b"", "t.csv is an empty table; write"),
    "header only": ("t.csv", b"a,b\n", r"t.csv is an empty table: no row stands .*\['a', 'b'\]"),
    "blank lines": ("t.csv", b"\n\n", "t.csv is an empty table"),
    "no JSON": ("t.jsonl", b"\n", "t.jsonl is an empty table"),
    "unknown ending": ("t.xlsx", b"a", r"t.xlsx: the ending '.xlsx' .*'.ndjson'.*format="),
    "twice": ("t.csv", b"a,b,a\n1,2,3\n", r"line 1: the header names the columns \['a'\] more"),
    "twice in JSON": ("t.jsonl", b'{"a": 1, "a": 2}', r"row 1 .line 1.*\['a'\] more than once"),
    "few cells": ("t.csv", b"a,b\n1,2\n3\n", r"row 2 \(line 3\): 1 cells, .* 2: .*quotation"),
    "many cells": ("t.csv", b'a,b\n"1\n",2\n3,4,5\n', r"row 2 \(line 4\): 3 cells, but"),
    "open quote": ("t.csv", b'a,b\n1,2\n3,"4\n5,6\n', r"row 2 \(line 3\): quotation .*double"),
    "stray quote": ("t.csv", b'a,b\n"x"y,2\n', r"row 1 \(line 2\): quotation marks do not match"),
    "Latin-1": ("t.csv", "a\nx\ngrün\n".encode("latin1"), r"line 3: byte 6 \(0xfc\) is not UTF-8"),
    "cut UTF-8": ("t.jsonl", '{"a": "ü'.encode()[:-1], r"line 1: byte 7 \(0xc3\) is not UTF-8"),
    "UTF-16": (
        "t.csv",
        "a,b\n1,2\n".encode("utf-16-le"),
        "line 1: a NUL .*save the file as UTF-8",
    ),
    "NUL": ("t.csv", b"a,b\n1,2\n\0,3\n", "line 3: a NUL character"),
    "broken JSON": ("t.jsonl", b'{"a": 1}\n\n{"a":\n', r"row 2 \(line 3\): not valid JSON \(Exp"),
    "JSON list": ("t.ndjson", b"[1]\n", r"row 1 \(line 1\): \[1\] is not an object, such as"),
    "deep JSON": ("t.jsonl", b"[" * 200_000, r"row 1 \(line 1\): not valid JSON .*recursion"),
    "no Parquet": ("t.parquet", b"PAR1", "t.parquet: not a whole Parquet file .*write or copy"),
}


@pytest.mark.parametrize("name, content, message", BAD.values(), ids=BAD)
def test_a_bad_table_is_refused(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        Table(write(tmp_path, name, content))


def test_a_truncated_parquet_file_is_refused(tmp_path):
    pd.DataFrame({"a": ["x"] * 1000}).to_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    path = write(tmp_path, "cut.parquet", whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.parquet: not a whole Parquet file"):
        Table(path)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "mmkeras\[parquet\]"'):
        Table(write(tmp_path, "t.parquet", b"PAR1"))


def test_a_missing_file_is_guessed(tmp_path):
    write(tmp_path, "reviews.csv", "a\n1\n")
    with pytest.raises(FileNotFoundError, match=r"review\.csv does not exist\. .*reviews\.csv\?"):
        Table(tmp_path / "review.csv")
    with pytest.raises(FileNotFoundError, match="nor does its folder"):
        Table(tmp_path / "no" / "review.csv")
    with pytest.raises(FileNotFoundError, match="is a folder; name the file in it"):
        Table(tmp_path)


def test_a_missing_column_is_guessed():
    table = Table([{"review": "a", "label": "b"}])
    message = r"no column 'reviews'; it has \['review', 'label'\]\. Did you mean 'review'\?"
    with pytest.raises(KeyError, match=message):
        table["reviews"]
    for use in (
        lambda: table.rows({"reviews": encode}),
        lambda: table.missing_files("reviews"),
        lambda: table.split(by="reviews"),
        lambda: table.split(column="reviews"),
    ):
        with pytest.raises(KeyError, match="Did you mean"):
            use()
    with pytest.raises(KeyError, match="no column 0"):
        table[0]


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"format is 'xls'; it has to be one of \['csv', "):
        Table(write(tmp_path, "t.csv", "a\n1\n"), format="xls")
    with pytest.raises(ValueError, match=r"sample 1 is 'a'; rows in memory are dicts"):
        Table({"a": [1, 2]})
    with pytest.raises(ValueError, match=r"columns \['a'\] more than once"):
        Table(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(ValueError, match=r"columns \['1'\] more than once"):
        Table([{1: "x", "1": "y"}])


# Splits.


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(10, 200),
    groups=st.integers(5, 200),
    validation=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 5),
)
def test_a_split_is_a_partition_that_keeps_groups_together(size, groups, validation, seed):
    table = Table([{"n": i, "speaker": i % groups} for i in range(size)])
    for by in (None, "speaker"):
        parts = table.split(test=0.3, validation=validation, seed=seed, by=by)
        assert len(parts) == (3 if validation else 2)
        assert sorted(n for part in parts for n in part["n"]) == list(range(size))
        assert all(part["n"] == sorted(part["n"]) for part in parts)
        largest = 1 if by is None else max(Counter(table["speaker"]).values())
        assert abs(len(parts[-1]) - 0.3 * size) <= largest
        if by is not None:
            speakers = [set(part["speaker"]) for part in parts]
            assert sum(map(len, speakers)) == len(set.union(*speakers))


def test_a_split_is_the_same_everywhere():
    # Written down once: it may not change with the machine or the version.
    expected = [4, 10, 14, 16]
    train, test = Table([{"n": i} for i in range(20)]).split(test=0.2, seed=0)
    assert test["n"] == expected
    assert train["n"] == [n for n in range(20) if n not in expected]
    other = Table([{"n": i} for i in range(20)]).split(test=0.2, seed=1)[1]
    assert other["n"] != test["n"]
    assert Table([{"n": i} for i in range(20)]).split(validation=0.3)[2]["n"] == expected


def test_parts_keep_row_numbers_and_split_again(tmp_path):
    path = write(tmp_path, "t.csv", "n\n" + "".join(f"{i}\n" for i in range(20)))
    train, test = Table(path).split(test=0.5)
    rows = loaded(test, ["n"])
    assert [str(i).encode() for i, _ in rows] == [row["n"] for _, row in rows]
    assert [test.locate(i) for i, _ in rows] == [f"t.csv, row {i + 1}" for i, _ in rows]
    assert all(test.cell(i, "n") == repr(str(i)) for i, _ in rows)
    assert [f"t.csv, row {int(n) + 1}, n: {n}" for n in test["n"]] == test.missing_files("n")
    a, b = train.split(test=0.5)
    assert sorted([*a["n"], *b["n"], *test["n"]]) == sorted(str(i) for i in range(20))
    assert len(Table(path)) == 20


def test_a_column_tells_the_parts():
    rows = [{"n": i, "split": part} for i, part in enumerate(["test", "train", "train", "test"])]
    train, test = Table(rows).split(column="split")
    assert (train["n"], test["n"]) == ([1, 2], [0, 3])
    train, validation, test = Table([*rows, {"n": 4, "split": "validation"}]).split(column="split")
    assert (train["n"], validation["n"], test["n"]) == ([1, 2], [4], [0, 3])


def test_a_split_that_cannot_be_is_refused():
    table = Table([{"n": i, "who": "ab"[i > 0], "split": "train"} for i in range(4)])
    for shares in ({"test": 1.0}, {"test": -0.1}, {"validation": float("nan")}, {"test": 20}):
        with pytest.raises(ValueError, match=r"has to be a share in \[0, 1\)"):
            table.split(**shares)
    with pytest.raises(ValueError, match="leave nothing to train on"):
        table.split(test=0.5, validation=0.5)
    with pytest.raises(
        ValueError, match="the test part would be empty: there are 4 rows, and test"
    ):
        table.split(test=0.1)
    with pytest.raises(ValueError, match=r"empty: .* 2 groups, of which 'b' has 3, and test=0.1"):
        table.split(test=0.1, by="who")
    with pytest.raises(ValueError, match="the test part would be empty: no row of column 'split'"):
        table.split(column="split")
    with pytest.raises(ValueError, match=r"sample 1, column 'who': 'a' is not .* \['train'"):
        table.split(column="who")
    with pytest.raises(ValueError, match="by and column exclude each other"):
        table.split(by="who", column="split")


def test_relative_paths_are_relative_to_the_table(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", "cat.jpg", b"CAT")
    write(tmp_path / "deep", "t.csv", "photo\ncat.jpg\n")
    monkeypatch.chdir(tmp_path)
    assert loaded(Table(os.path.join("deep", "t.csv")), ["photo"], ["photo"])[0][1] == {
        "photo": b"CAT"
    }
    monkeypatch.chdir(tmp_path / "deep")
    assert loaded(Table("t.csv"), ["photo"], ["photo"])[0][1] == {"photo": b"CAT"}
    assert loaded(Table("t.csv", folder=tmp_path / "deep"), ["photo"], ["photo"])[0][1] == {
        "photo": b"CAT"
    }
