"""Slices: the samples of a source by what stands in a column, or by what a function says."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.contracts import Source

#: A column, or a function of a row's texts, `{column: str}`, to a group.
Slice = str | Callable[[Mapping[str, str]], Any]
#: What a function in a sequence is called by is its own name.
Slices = Sequence[Slice] | Mapping[str, Slice]
#: What the group of samples is called in which a column is empty.
ABSENT = "(absent)"
#: A column of numbers that has more values than this is cut at its quartiles.
_MOST_VALUES = 20
#: A function may make more groups, for good reasons, but none so many that they are as samples.
_MOST_GROUPS = 200


def grouped(source: Source, slices: Slices) -> dict[str, np.ndarray]:
    """To which group of each slice the samples belong.

    Args:
        source: the samples.
        slices: what to slice by: columns, and functions that are given a row's texts (numbers are
            written out, what is empty is `""`) and say which group it is in. Functions have names
            of their own, or are given one: `{name: function}`.

    Returns:
        `{slice: array of str [N]}`, in the order of the source's rows.

    Raises:
        KeyError: there is no such column; the message lists those that there are.
        ValueError: a column is empty throughout, or has too many different values; a function
            fails on a row, makes too many groups, or has no name that is its own.

    Example:

    >>> from mmkeras.sources import Table
    >>> source = Table([{"voice": "anna", "text": "hi"}, {"voice": "ben", "text": "good day"}])
    >>> by = {"voice": "voice", "length": lambda row: "long" if len(row["text"]) > 3 else "short"}
    >>> {name: list(groups) for name, groups in grouped(source, by).items()}
    {'voice': ['anna', 'ben'], 'length': ['short', 'long']}
    """
    if isinstance(slices, str) or callable(slices):
        slices = [slices]
    by = slices if isinstance(slices, Mapping) else _named(slices)
    wanted = {column for column in by.values() if isinstance(column, str)}
    if missing := sorted(wanted - {*source.columns}):
        raise KeyError(
            f"cannot slice by {missing}: {source!r} has the columns {list(source.columns)}."
        )
    if not by:
        return {}
    if any(callable(what) for what in by.values()):
        wanted = {*source.columns}
    indices, columns = _texts(source, sorted(wanted))
    groups = {}
    for name, what in by.items():
        if callable(what):
            groups[name] = _said(source, name, what, indices, columns)
        else:
            groups[name] = _values(source, what, columns[what])
    return groups


def small_groups(groups: Sequence[str] | np.ndarray, min_count: int) -> dict[str, int]:
    """The groups of fewer samples than are asked for, and how many they have.

    Args:
        groups: the group of each sample.
        min_count: how many are asked for.

    Example:

    >>> small_groups(["ben", "anna", "ben", "eva"], 2)
    {'anna': 1, 'eva': 1}
    """
    counts = Counter(groups)
    return {group: counts[group] for group in sorted(counts) if counts[group] < min_count}


def _named(slices: Sequence[Slice]) -> dict[str, Slice]:
    named: dict[str, Slice] = {}
    for what in dict.fromkeys(slices):
        name = what if isinstance(what, str) else getattr(what, "__name__", None)
        if name in (None, "<lambda>", *named):
            raise ValueError(
                f"slice {what!r} has no name of its own; give it one: {{name: function}}."
            )
        named[name] = what
    return named


def _texts(source: Source, wanted: Sequence[str]) -> tuple[list[int], dict[str, list[str]]]:
    """The index of each row, and the texts of each wanted column."""
    rows = source.rows(dict.fromkeys(wanted, _text))
    indices, columns = [], {column: [] for column in wanted}
    for index, row in rows.map(lambda index, row: (index, source.load(row))).as_numpy_iterator():
        indices.append(int(index))
        for column, texts in columns.items():
            # A picture's bytes make no text, but a function may still ask whether there are some.
            texts.append(row[column].decode(errors="replace"))
    return indices, columns


def _text(cell: Any) -> bytes:
    if cell is None:
        return b""
    return cell if isinstance(cell, bytes) else str(cell).encode()


def _said(
    source: Source,
    name: str,
    function: Callable[[Mapping[str, str]], Any],
    indices: Sequence[int],
    columns: Mapping[str, Sequence[str]],
) -> np.ndarray:
    said = []
    for i, index in enumerate(indices):
        try:
            said.append(str(function({column: texts[i] for column, texts in columns.items()})))
        except Exception as error:
            raise ValueError(
                f"the function of slice {name!r} fails at {source.locate(index)}: "
                f"{type(error).__name__}: {error}"
            ) from error
    if len(found := {*said}) > _MOST_GROUPS:
        raise ValueError(
            f"the function of slice {name!r} makes {len(found)} groups, such as "
            f"{', '.join(sorted(found)[:3])}; at most {_MOST_GROUPS} can be compared."
        )
    return np.array(said, dtype=object)


def _values(source: Source, column: str, texts: Sequence[str]) -> np.ndarray:
    found = {text for text in texts if text}
    if not found:
        raise ValueError(f"cannot slice by {column!r}: it is empty in all rows of {source!r}.")
    if len(found) <= _MOST_VALUES:
        return np.array([text or ABSENT for text in texts], dtype=object)
    try:
        numbers = np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        examples = sorted(found)[:3]
        raise ValueError(
            f"cannot slice by {column!r}: it has {len(found)} different values, such as "
            f"{', '.join(text[:40] for text in examples)}; pass a function that groups them."
        ) from None
    edges = np.nanquantile(numbers, [0.25, 0.5, 0.75])
    low, middle, high = (np.format_float_positional(edge, trim="-") for edge in edges)
    names = [f"up to {low}", f"{low} to {middle}", f"{middle} to {high}", f"above {high}"]
    places = np.searchsorted(edges, numbers)
    return np.array(
        [ABSENT if np.isnan(n) else names[place] for n, place in zip(numbers, places)],
        dtype=object,
    )
