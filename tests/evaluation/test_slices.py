"""Slices follow the cells of a column, in the order of the rows."""

import functools

import numpy as np
import pytest

from mmkeras.evaluation.slices import ABSENT, grouped
from mmkeras.sources import Table


def test_by_column_with_absent_cells():
    table = Table([{"voice": "a"}, {"voice": None}, {"voice": "b"}, {"voice": "a"}])
    assert grouped(table, ["voice"])["voice"].tolist() == ["a", ABSENT, "b", "a"]
    assert grouped(table, "voice")["voice"].tolist() == ["a", ABSENT, "b", "a"]


def test_many_numbers_are_cut_at_their_quartiles():
    ages = np.arange(40)
    groups = grouped(Table([{"age": int(age)} for age in ages] + [{"age": None}]), ["age"])["age"]
    assert groups[-1] == ABSENT
    names, counts = np.unique(groups[:-1], return_counts=True)
    assert len(names) == 4 and counts.tolist() == [10, 10, 10, 10]
    assert groups[0].startswith("up to") and groups[39].startswith("above")


def test_quartiles_of_large_numbers_stay_four_groups():
    times = Table([{"at": 1_700_000_000 + i} for i in range(40)])
    names, counts = np.unique(grouped(times, ["at"])["at"], return_counts=True)
    assert len(names) == 4 and counts.tolist() == [10, 10, 10, 10]
    assert "up to 1700000009.75" in names


def test_by_function_of_all_columns():
    table = Table([{"text": "a", "n": 1}, {"text": "bb", "n": 2}])
    by = {"size": lambda row: len(row["text"]) + int(row["n"])}
    assert grouped(table, by)["size"].tolist() == ["2", "4"]


def test_functions_in_a_list_are_called_by_their_names():
    table = Table([{"text": "a", "voice": "x"}, {"text": "bb", "voice": "y"}])

    def length(row):
        return len(row["text"])

    groups = grouped(table, ["voice", length, "voice"])
    assert {name: found.tolist() for name, found in groups.items()} == {
        "voice": ["x", "y"],
        "length": ["1", "2"],
    }
    assert list(grouped(table, length)) == ["length"]
    for nameless in (functools.partial(length), lambda row: 1):
        with pytest.raises(ValueError, match=r"no name of its own; give it one: \{name"):
            grouped(table, [nameless])


def test_errors_name_column_row_and_remedy():
    table = Table([{"text": f"text {i}", "none": None} for i in range(30)])
    with pytest.raises(KeyError, match=r"voice.*text"):
        grouped(table, ["voice"])
    with pytest.raises(ValueError, match=r"'none'.*empty"):
        grouped(table, ["none"])
    with pytest.raises(ValueError, match=r"30 different values.*function"):
        grouped(table, ["text"])
    many = Table([{"n": i} for i in range(201)])
    with pytest.raises(ValueError, match=r"'n' makes 201 groups, such as 0, 1, 10; at most 200"):
        grouped(many, {"n": lambda row: row["n"]})
    with pytest.raises(ValueError, match=r"'bad' fails at sample 1: KeyError"):
        grouped(table, {"bad": lambda row: row["nothing"]})


def test_a_part_of_a_table_names_the_row_of_the_table():
    _, part = Table([{"text": f"text {i}"} for i in range(10)]).split(test=0.3)
    place = part.locate(int(next(iter(part.rows({"text": str.encode})))[0]))
    with pytest.raises(ValueError, match=f"'bad' fails at {place}: ZeroDivisionError"):
        grouped(part, {"bad": lambda row: 1 / 0})
