"""`Rows`: samples held in memory, column by column, each with its place in a file."""

import copy
import difflib
import hashlib
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from mmkeras.contracts.refusal import refuse
from mmkeras.contracts.source import Encode, Source

_PARTS = ("train", "validation", "test")


class Rows(Source):
    """What sources have in common that read a whole file before anything else.

    In a column that a model reads as files (pictures, sound), a `str` is a path, relative to
    `folder`; bytes are a file's content, and an array is encoded. A cell that is None is absent.

    Args:
        columns: `{name: cells}`, all of one length.
        name: of the file the samples come from; empty for samples in memory.
        folder: what paths in cells are relative to.
        lines: the line of the file in which each row begins; None if the row's number tells it.

    Example:

    >>> Rows({"text": ["hello", "bye"]}, name="greetings.txt", lines=[1, 4]).locate(1)
    'greetings.txt, row 2 (line 4)'
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any]],
        *,
        name: str = "",
        folder: str | Path = "",
        lines: Sequence[int] | None = None,
    ):
        self._columns = dict(columns)
        self._name = name
        self._folder = Path(folder)
        self._lines = lines
        self._indices = np.arange(len(next(iter(self._columns.values()), ())))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return len(self._indices)

    def __repr__(self) -> str:
        place = self._name or "in memory"
        return f"{type(self).__name__}({place}, {len(self)} rows, columns {list(self.columns)})"

    def __getitem__(self, column: str) -> list[Any]:
        """The cells of a column, as they were written; None where absent.

        Raises:
            KeyError: there is no such column; the message lists those that exist.
        """
        if column not in self._columns:
            near = difflib.get_close_matches(str(column), self.columns, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise KeyError(
                f"{self._name or 'the table'} has no column {column!r}; it has "
                f"{list(self.columns)}.{hint}"
            )
        cells = self._columns[column]
        return [cells[i] for i in self._numbers()]

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`."""
        tensors: dict[str, dict[str, tf.Tensor]] = {}
        for column, encode in columns.items():
            cells = self[column]
            is_file = column in files
            is_path = [is_file and isinstance(cell, str | os.PathLike) for cell in cells]
            raw = np.empty(len(cells), object)
            raw[:] = [
                self._raw(i, column, cell, self._path if path else encode)
                for i, cell, path in zip(self._numbers(), cells, is_path, strict=True)
            ]
            tensors[column] = {"raw": tf.constant(raw, tf.string, shape=(len(raw),))}
            if is_file:
                tensors[column]["is_path"] = tf.constant(is_path, tf.bool, shape=(len(raw),))
        return tf.data.Dataset.from_tensor_slices((self._indices.astype("int64"), tensors))

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """See `Source.load`.

        Raises:
            tf.errors.OpError: a file is missing (`NotFoundError`), empty, or cannot be read.
        """

        def content(raw: tf.Tensor, is_path: tf.Tensor | None = None) -> tf.Tensor:
            if is_path is None:
                return raw
            return tf.cond(is_path, lambda: _content(raw), lambda: raw)

        return {column: content(**cell) for column, cell in row.items()}

    def locate(self, index: int) -> str:
        """`reviews.csv, row 17`, counted from 1 without the header.

        Where the line of the file cannot be told from the row, because cells hold line breaks or
        lines are empty, it is added: `reviews.csv, row 17 (line 31)`.
        """
        if not self._name:
            return f"sample {index + 1}"
        line = "" if self._lines is None else f" (line {self._lines[index]})"
        return f"{self._name}, row {index + 1}{line}"

    def cell(self, index: int, column: str) -> str:
        """The cell as it was written, shortened."""
        return shown(self._columns[column][index])

    def missing_files(self, *columns: str) -> list[str]:
        """The cells whose file does not exist, such as `reviews.csv, row 17, photo: cat.jpg`.

        Args:
            *columns: the columns that hold paths.

        Raises:
            KeyError: there is no such column.
        """
        return [
            f"{self.locate(i)}, {column}: {cell}"
            for column in columns
            for i, cell in zip(self._numbers(), self[column], strict=True)
            if isinstance(cell, str | os.PathLike)
            and not os.path.isfile(os.path.join(self._folder, cell))
        ]

    def split(
        self,
        test: float = 0.2,
        *,
        validation: float = 0.0,
        seed: int = 0,
        by: str | None = None,
        column: str | None = None,
    ) -> tuple[Self, ...]:
        """Parts of the table for training, validation and test.

        Rows keep their numbers and, within a part, their order. The test part is the same whether
        or not there is a validation part.

        Args:
            test: share of the rows, in (0, 1).
            validation: share of the rows, in [0, 1); 0 gives no such part.
            seed: decides who goes where; the same on every machine.
            by: a column whose groups stay together, such as the speaker, so that nobody in the
                test was heard in training; rows where it is absent are one group.
            column: a column that says `train`, `validation` or `test` itself; shares are then not
                used.

        Returns:
            (train, test), or (train, validation, test) if there is a validation part.

        Raises:
            ValueError: a share is out of range, a part would be empty, or `column` says something
                else.
            KeyError: there is no such column.

        Example:

        >>> train, test = Rows({"text": [str(i) for i in range(10)]}).split(test=0.3)
        >>> len(train), len(test)
        (7, 3)
        """
        if column is not None:
            if by is not None:
                raise ValueError("by and column exclude each other: column already says who is in.")
            return self._split_as_told(column)
        for name, share in (("test", test), ("validation", validation)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} has to be a share in [0, 1), such as 0.1; got {share}.")
        if test + validation >= 1:
            raise ValueError(f"test={test} and validation={validation} leave nothing to train on.")
        keys = [str(key) for key in (self._numbers() if by is None else self[by])]
        counts = Counter(keys)
        shares = {"test": test} | ({"validation": validation} if validation else {})
        filled = dict.fromkeys(shares, 0)
        where: dict[str, str] = {}
        for group in sorted(
            counts, key=lambda key: hashlib.sha256(f"{seed}/{key}".encode()).digest()
        ):
            where[group] = "train"
            for part, share in shares.items():
                # A group goes where at least half of it still fits, so that shares are met best.
                if filled[part] + counts[group] / 2 <= share * len(self):
                    where[group] = part
                    filled[part] += counts[group]
                    break
        names = _PARTS if validation else ("train", "test")
        told = ", ".join(f"{part}={share}" for part, share in shares.items())
        biggest, size = counts.most_common(1)[0] if counts else ("", 0)
        grouped = f" in {len(counts)} groups, of which {biggest!r} has {size}" if by else ""
        why = f"there are {len(self)} rows{grouped}, and {told}; change the shares or add rows"
        return self._parts(names, [where[key] for key in keys], why)

    def _split_as_told(self, column: str) -> tuple[Self, ...]:
        told = self[column]
        for i, part in zip(self._numbers(), told, strict=True):
            if part not in _PARTS:
                raise ValueError(
                    f"{self.locate(i)}, column {column!r}: {shown(part)} is not the name of a "
                    f"part; write one of {list(_PARTS)}."
                )
        names = _PARTS if "validation" in told else ("train", "test")
        return self._parts(names, told, f"no row of column {column!r} names it")

    def _parts(self, names: Sequence[str], where: Sequence[str], why: str) -> tuple[Self, ...]:
        parts = []
        for name in names:
            part = copy.copy(self)
            part._indices = self._indices[np.array([w == name for w in where], bool)]
            if not len(part):
                raise ValueError(f"{self!r}: the {name} part would be empty: {why}.")
            parts.append(part)
        return tuple(parts)

    def _numbers(self) -> list[int]:
        """Row indices as Python integers, which are much faster to loop over than NumPy's."""
        return self._indices.tolist()

    def _path(self, cell: str | os.PathLike) -> bytes:
        path = os.path.join(self._folder, cell)
        if "\0" in path:
            # The operating system would open what stands before it.
            raise ValueError("the path holds a NUL character; remove it.")
        return path.encode()

    def _raw(self, index: int, column: str, cell: Any, encode: Encode) -> bytes:
        try:
            return encode(cell)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self.locate(index)}, field {column!r} ({shown(cell)}): {error}"
            ) from error


def _content(path: tf.Tensor) -> tf.Tensor:
    """The content of a file (string []); the empty string would mean that there is none."""
    content = tf.io.read_file(path)
    with refuse(content == "", "the file {} is empty; copy it again, or leave it out", path):
        return tf.identity(content)


def spoken_columns(speech: str, text: str, others: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns of a corpus of speech.

    Raises:
        ValueError: two of them are the same.

    Example:

    >>> spoken_columns("voice", "said", ["id"])
    ('voice', 'said', 'id')
    """
    names = (speech, text, *others)
    if len(set(names)) < len(names):
        raise ValueError(
            f"speech and text must name two columns other than {list(others)}; got {speech!r} "
            f"and {text!r}."
        )
    return names


def shown(cell: Any) -> str:
    """A cell for an error message, shortened.

    Example:

    >>> print(shown("x" * 100)[-7:])
    xxx'...
    """
    if isinstance(cell, np.ndarray):
        return f"array {cell.shape} {cell.dtype}"
    if isinstance(cell, str | bytes):
        # Escapes make a text longer than its characters, and its quotes should stand at both ends.
        kept = next(n for n in range(min(len(cell), 80), -1, -1) if len(repr(cell[:n])) <= 80)
        return repr(cell[:kept]) + ("..." if kept < len(cell) else "")
    text = repr(cell)
    return text if len(text) <= 80 else text[:77] + "..."
