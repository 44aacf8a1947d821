"""Rows by themselves; `test_table.py` and `test_conll.py` show what sources make of them."""

import pytest

from mmkeras.rows import Rows, shown


def encode(cell):
    return b"" if cell is None else str(cell).encode()


def test_cells_places_and_parts():
    rows = Rows({"a": [1, None, 3], "b": ["x", "y", "z"]}, name="t.txt", lines=[2, 5, 9])
    assert (rows.columns, len(rows), rows["a"]) == (("a", "b"), 3, [1, None, 3])
    assert repr(rows) == "Rows(t.txt, 3 rows, columns ['a', 'b'])"
    assert [rows.locate(i) for i in range(2)] == ["t.txt, row 1 (line 2)", "t.txt, row 2 (line 5)"]
    assert rows.cell(2, "b") == "'z'"
    read = rows.rows({"a": encode}).map(lambda index, row: (index, rows.load(row)["a"]))
    assert list(read.as_numpy_iterator()) == [(0, b"1"), (1, b""), (2, b"3")]
    _, test = rows.split(test=0.34)
    assert len(test) == 1 and type(test) is Rows
    with pytest.raises(KeyError, match=r"t\.txt has no column 'c'"):
        rows["c"]


def test_files_are_relative_to_the_folder(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(b"CAT")
    rows = Rows({"photo": ["cat.jpg", "dog.jpg"]}, folder=tmp_path)
    assert rows.missing_files("photo") == ["sample 2, photo: dog.jpg"]
    index, row = next(iter(rows.rows({"photo": encode}, files=["photo"])))
    assert rows.load(row)["photo"] == b"CAT" and index == 0


def test_cells_are_shown_short():
    assert shown(b"x" * 1000) == f"b'{'x' * 77}'..."
    assert shown("x" * 78) == repr("x" * 78)
    assert shown("\0" * 30) == "'" + r"\x00" * 19 + "'..."
    assert shown(None) == "None"
