"""`Table`: rows of a CSV, TSV, JSONL or Parquet file, or in memory."""

import csv
import difflib
import hashlib
import io
import json
import math
import numbers
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from mmkeras.contracts.source import Encode, Source

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


class Table(Source):
    """A table with a sample in each row.

    In a column that a model reads as files (pictures, sound), a `str` is a path, relative to the
    table's folder; bytes are a file's content, and an array is encoded. An empty cell is absent.

    Args:
        table: the path of a CSV, TSV, JSONL or Parquet file; or rows in memory, as an iterable of
            dicts or anything with `to_dict("records")`, such as a pandas DataFrame.
        folder: what paths in the table are relative to; the table's own folder if None (the
            working directory for rows in memory).
        format: `"csv"`, `"tsv"`, `"jsonl"` or `"parquet"`, where the file's name does not tell.

    Raises:
        FileNotFoundError: there is no such file; the message names similar ones.
        ValueError: the format is unknown, or the file is not what its format says; the message
            names file, line and remedy.

    Example:

    >>> table = Table([{"text": "hello", "label": "greeting"}, {"text": "bye"}])
    >>> len(table), table.columns
    (2, ('text', 'label'))
    """

    def __init__(
        self,
        table: str | Path | Iterable[Mapping[str, Any]] | Any,
        folder: str | Path | None = None,
        format: str | None = None,
    ):
        if isinstance(table, str | Path):
            path = Path(table)
            self._name = path.name
            self._folder = Path(folder) if folder is not None else path.parent
            self._columns = _read(path, format)
            self._word = "row"
        else:
            rows = table.to_dict("records") if hasattr(table, "to_dict") else table
            self._name = ""
            self._folder = Path(folder or "")
            self._columns = _by_column(rows)
            self._word = "sample"
        size = len(next(iter(self._columns.values()))) if self._columns else 0
        self._indices = np.arange(size)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return len(self._indices)

    def __repr__(self) -> str:
        return f"Table({self._name or 'in memory'}, {len(self)} rows, columns {list(self.columns)})"

    def __getitem__(self, column: str) -> list[Any]:
        """The cells of a column, as they were written; None where absent."""
        cells = self._column(column)
        return [cells[i] for i in self._indices]

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`."""
        encoded: dict[str, dict[str, np.ndarray]] = {}
        for column, encode in columns.items():
            cells = self[column]
            is_path = np.array([column in files and isinstance(cell, str) for cell in cells], bool)
            values = [
                str(self._folder / cell).encode() if path else self._encoded(i, column, encode)
                for i, (cell, path) in enumerate(zip(cells, is_path))
            ]
            encoded[column] = {"value": np.array(values, object), "is_path": is_path}
        tensors = {
            column: {
                "value": tf.constant(cells["value"], tf.string, shape=(len(self),)),
                "is_path": tf.constant(cells["is_path"]),
            }
            for column, cells in encoded.items()
        }
        return tf.data.Dataset.from_tensor_slices((self._indices.astype("int64"), tensors))

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """See `Source.load`.

        Raises:
            tf.errors.OpError: a file is missing or cannot be read.
        """
        return {
            column: tf.cond(
                cell["is_path"],
                lambda value=cell["value"]: tf.io.read_file(value),
                lambda value=cell["value"]: value,
            )
            for column, cell in row.items()
        }

    def locate(self, index: int) -> str:
        """`reviews.csv, row 17`, counted from 1 without the header."""
        place = f"{self._word} {index + 1}"
        return f"{self._name}, {place}" if self._name else place

    def cell(self, index: int, column: str) -> str:
        """The cell as it was written, shortened."""
        return _shown(self._columns[column][index])

    def missing_files(self, *columns: str) -> list[str]:
        """The places whose file does not exist, such as `reviews.csv, row 17, photo: cat.jpg`."""
        return [
            f"{self.locate(int(i))}, {column}: {self._columns[column][i]}"
            for column in columns
            for i in self._indices
            if isinstance(self._column(column)[i], str)
            and not (self._folder / self._columns[column][i]).is_file()
        ]

    def split(
        self,
        test: float = 0.2,
        validation: float = 0.0,
        seed: int = 0,
        by: str | None = None,
        column: str | None = None,
    ) -> tuple[Self, ...]:
        """Parts of the table for training, validation and test.

        Args:
            test: share of the rows, in [0, 1).
            validation: share of the rows, in [0, 1); 0 gives no such part.
            seed: decides who goes where; the same on every machine.
            by: a column whose groups stay together, such as the speaker, so that nobody in the
                test was heard in training.
            column: a column that says `train`, `validation` or `test` itself; shares are then not
                used.

        Returns:
            (train, test), or (train, validation, test) if there is a validation part.

        Raises:
            ValueError: a share is out of range, a part would be empty, or `column` says something
                else.
            KeyError: there is no such column.
        """
        if column is not None:
            return self._split_as_told(column)
        for name, share in (("test", test), ("validation", validation)):
            if not 0.0 <= share < 1.0:
                raise ValueError(f"{name} must be a share in [0, 1); got {share}.")
        if test + validation >= 1.0:
            raise ValueError(f"test={test} and validation={validation} leave nothing to train on.")
        keys = [str(int(i)) for i in self._indices] if by is None else [str(c) for c in self[by]]
        groups = sorted(set(keys), key=lambda key: hashlib.sha256(f"{seed}/{key}".encode()).digest())
        counts = {group: 0 for group in groups}
        for key in keys:
            counts[key] += 1
        shares = {"test": test} | ({"validation": validation} if validation else {})
        where, filled = {}, dict.fromkeys(shares, 0)
        for group in groups:
            where[group] = "train"
            for name, share in shares.items():
                if filled[name] + counts[group] / 2 <= share * len(self):
                    where[group] = name
                    filled[name] += counts[group]
                    break
        names = ("train", "validation", "test") if validation else ("train", "test")
        return self._parts(names, [where[key] for key in keys], f"of {len(groups)} groups")

    def _split_as_told(self, column: str) -> tuple[Self, ...]:
        told = [str(cell) for cell in self[column]]
        known = ("train", "validation", "test")
        for i, name in enumerate(told):
            if name not in known:
                place = self.locate(int(self._indices[i]))
                raise ValueError(
                    f"{place}: column {column!r} says {name!r}; it must be one of {list(known)}."
                )
        names = known if "validation" in told else ("train", "test")
        return self._parts(names, told, f"as column {column!r} says")

    def _parts(self, names: Sequence[str], where: Sequence[str], how: str) -> tuple[Self, ...]:
        parts = []
        for name in names:
            part = object.__new__(type(self))
            part.__dict__.update(self.__dict__)
            part._indices = self._indices[np.array([w == name for w in where], bool)]
            if not len(part):
                raise ValueError(
                    f"the {name} part of {self!r} would be empty ({how}); give it a larger share "
                    "or more rows."
                )
            parts.append(part)
        return tuple(parts)

    def _column(self, name: str) -> Sequence[Any]:
        if name not in self._columns:
            near = difflib.get_close_matches(name, self.columns, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise KeyError(
                f"{self._name or 'the table'} has no column {name!r}; it has "
                f"{list(self.columns)}.{hint}"
            )
        return self._columns[name]

    def _encoded(self, position: int, column: str, encode: Encode) -> bytes:
        index = int(self._indices[position])
        cell = self._columns[column][index]
        try:
            return encode(cell)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self.locate(index)}, field {column!r} ({_shown(cell)}): {error}"
            ) from error


def _shown(cell: Any) -> str:
    if isinstance(cell, np.ndarray):
        return f"array {cell.shape} {cell.dtype}"
    text = repr(cell)
    return text if len(text) <= 80 else text[:77] + "..."


def _absent(cell: Any) -> bool:
    if cell is None or (isinstance(cell, str | bytes) and not cell):
        return True
    return isinstance(cell, numbers.Real) and math.isnan(cell)


def _by_column(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns; what a row does not have is None."""
    columns: dict[str, list[Any]] = {}
    size = 0
    for size, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise ValueError(f"sample {size} must be a dict; got {_shown(row)}.")
        for name, cell in row.items():
            column = columns.setdefault(str(name), [])
            column.extend([None] * (size - 1 - len(column)))
            column.append(None if _absent(cell) else cell)
    for column in columns.values():
        column.extend([None] * (size - len(column)))
    return columns


def _read(path: Path, format: str | None) -> dict[str, list[Any]]:
    if not path.is_file():
        raise FileNotFoundError(_not_found(path))
    kind = format or _FORMATS.get(path.suffix.lower())
    if kind not in _FORMATS.values():
        raise ValueError(
            f"{path}: the format is not known; it must be one of "
            f"{sorted(set(_FORMATS.values()))}. Pass format=... if the file's name does not tell."
        )
    readers: dict[str, Callable[[Path], dict[str, list[Any]]]] = {
        "csv": lambda path: _read_csv(path, ","),
        "tsv": lambda path: _read_csv(path, "\t"),
        "jsonl": _read_jsonl,
        "parquet": _read_parquet,
    }
    columns = readers[kind](path)
    if not columns or not len(next(iter(columns.values()))):
        raise ValueError(f"{path} is an empty table: there is no row under its header.")
    return columns


def _not_found(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder; name the table in it."
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=3)
    if not siblings:
        return f"{path} does not exist, nor does its folder."
    return f"{path} does not exist." + (f" Did you mean {' or '.join(near)}?" if near else "")


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: not valid UTF-8 at byte {error.start}; save the table as UTF-8."
        ) from error


def _read_csv(path: Path, delimiter: str) -> dict[str, list[Any]]:
    text = _text(path)
    # Cells may be as long as the file, and the limit is a setting of the whole process.
    before = csv.field_size_limit(max(len(text), 1))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = next(reader, [])
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise ValueError(f"{path}: the header names {twice} more than once.")
        columns: list[list[Any]] = [[] for _ in header]
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ValueError(
                    f"{path}, line {reader.line_num} (row {len(columns[0]) + 1}): {len(cells)} "
                    f"cells, but the header has {len(header)}; put a cell that holds "
                    f"{delimiter!r} into quotation marks."
                )
            for column, cell in zip(columns, cells):
                column.append(cell or None)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error
    finally:
        csv.field_size_limit(before)
    return dict(zip(header, columns))


def _read_jsonl(path: Path) -> dict[str, list[Any]]:
    def rows() -> Iterable[Mapping[str, Any]]:
        # Not splitlines: JSON strings may hold U+2028 and its kin.
        for number, line in enumerate(_text(path).split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: not valid JSON ({error}).") from error
            if not isinstance(row, dict):
                raise ValueError(
                    f"{path}, line {number}: must be an object such as {{\"text\": ...}}; got "
                    f"{_shown(row)}."
                )
            yield row

    return _by_column(rows())


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f'{path}: reading Parquet needs pyarrow; pip install "mmkeras[parquet]".'
        ) from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file ({error}).") from error
    return {
        name: [None if _absent(cell) else cell for cell in table.column(name).to_pylist()]
        for name in table.column_names
    }
