"""`Table`: rows of a CSV, TSV, JSONL or Parquet file, or in memory."""

import array
import copy
import csv
import difflib
import hashlib
import json
import numbers
import os
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

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
_PARTS = ("train", "validation", "test")
#: The length that `csv` allows a cell is a setting of the whole process.
_CELL_LIMIT = threading.Lock()


class Table(Source):
    """A table with a sample in each row.

    In a column that a model reads as files (pictures, sound), a `str` is a path, relative to the
    table's folder; bytes are a file's content, and an array is encoded. A cell that is empty, None
    or NaN is absent. Text files are UTF-8, with or without a byte order mark. A CSV file whose
    header holds semicolons and no comma is separated by semicolons, as many spreadsheets write it.

    Args:
        table: the path of a CSV, TSV, JSONL or Parquet file; or rows in memory: an iterable of
            dicts, in which a missing key is an absent cell, or a pandas DataFrame.
        folder: what paths in the table are relative to; the table's own folder if None (the
            working directory for rows in memory).
        format: `"csv"`, `"tsv"`, `"jsonl"` or `"parquet"`, where the file's name does not tell.

    Raises:
        FileNotFoundError: there is no such file; the message names similar ones.
        ValueError: the format is unknown, or the file is not what its format says; the message
            names file, line and remedy.
        ImportError: a Parquet file is to be read and pyarrow is not installed.

    Example:

    >>> table = Table([{"text": "hello", "label": "greeting"}, {"text": "bye"}])
    >>> table
    Table(in memory, 2 rows, columns ['text', 'label'])
    >>> table["label"]
    ['greeting', None]
    """

    def __init__(
        self,
        table: str | Path | Iterable[Mapping[str, Any]] | Any,
        *,
        folder: str | Path | None = None,
        format: str | None = None,
    ):
        if isinstance(table, str | os.PathLike):
            path = Path(table)
            content = _read(path, format)
            self._name = path.name
            self._folder = path.parent if folder is None else Path(folder)
        else:
            content = _in_memory(table)
            self._name = ""
            self._folder = Path(folder or "")
        self._columns, self._lines = content
        self._indices = np.arange(len(next(iter(self._columns.values()), ())))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return len(self._indices)

    def __repr__(self) -> str:
        return f"Table({self._name or 'in memory'}, {len(self)} rows, columns {list(self.columns)})"

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
            tf.errors.OpError: a file is missing (`NotFoundError`) or cannot be read.
        """

        def content(raw: tf.Tensor, is_path: tf.Tensor | None = None) -> tf.Tensor:
            if is_path is None:
                return raw
            return tf.cond(is_path, lambda: tf.io.read_file(raw), lambda: raw)

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
        return _shown(self._columns[column][index])

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

        >>> train, test = Table([{"text": str(i)} for i in range(10)]).split(test=0.3)
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
                    f"{self.locate(i)}, column {column!r}: {_shown(part)} is not the name of a "
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
                f"{self.locate(index)}, field {column!r} ({_shown(cell)}): {error}"
            ) from error


class _Content(NamedTuple):
    """What a table holds.

    Attributes:
        columns: the cells of each column.
        lines: the line of the file in which each row begins; None if that is the row's number, or
            one more under a header.
    """

    columns: dict[str, list[Any]]
    lines: Sequence[int] | None = None


def _shown(cell: Any) -> str:
    if isinstance(cell, np.ndarray):
        return f"array {cell.shape} {cell.dtype}"
    text = repr(cell[:80] if isinstance(cell, str | bytes) else cell)
    return text if len(text) <= 80 else text[:77] + "..."


def _present(cell: Any) -> Any:
    """The cell, or None if it is absent."""
    if isinstance(cell, str | bytes):
        return cell or None
    if isinstance(cell, numbers.Real):
        return cell if cell == cell else None  # NaN differs from itself.
    # pandas' own marks, told by name because pandas is not imported.
    return None if type(cell).__name__ in ("NAType", "NaTType") else cell


def _in_memory(table: Any) -> _Content:
    if hasattr(table, "to_dict"):  # A DataFrame, whose package is not imported.
        _check_names("the table", [str(name) for name in table.columns])
        frame = table.to_dict("list")
        return _Content({str(name): [_present(c) for c in cells] for name, cells in frame.items()})
    return _Content(_by_column(table))


def _by_column(rows: Iterable[Any]) -> dict[str, list[Any]]:
    """Rows as columns; what a row does not have is None."""
    columns: dict[str, list[Any]] = {}
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValueError(
                f"sample {i + 1} is {_shown(row)}; rows in memory are dicts, such as "
                '[{"text": "hello", "label": "greeting"}].'
            )
        for name, cell in row.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = [None] * i
            column.append(_present(cell))
        if len(row) < len(columns):
            for column in columns.values():
                if len(column) == i:
                    column.append(None)
    _check_names("the table", [str(name) for name in columns])
    return {str(name): cells for name, cells in columns.items()}


def _check_names(place: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{place} names the columns {twice} more than once; rename all but one.")


def _read(path: Path, format: str | None) -> _Content:
    if not path.is_file():
        raise FileNotFoundError(_not_found(path))
    kinds = sorted(set(_FORMATS.values()))
    if format is not None and format not in kinds:
        raise ValueError(f"{path}: format is {format!r}; it has to be one of {kinds}.")
    match format or _FORMATS.get(path.suffix.lower()):
        case "csv":
            content = _read_csv(path, _separator(path))
        case "tsv":
            content = _read_csv(path, "\t")
        case "jsonl":
            content = _read_jsonl(path)
        case "parquet":
            content = _read_parquet(path)
        case _:
            raise ValueError(
                f"{path}: the ending {path.suffix!r} tells no format; the known ones are "
                f"{list(_FORMATS)}. Pass format=, one of {kinds}, if it is one of these."
            )
    if not any(content.columns.values()):
        header = f": no row stands under {list(content.columns)}" if content.columns else ""
        raise ValueError(f"{path} is an empty table{header}; write at least one row.")
    return content


def _not_found(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder; name the table in it."
    if not path.parent.is_dir():
        return f"{path} does not exist, nor does its folder."
    siblings = [sibling.name for sibling in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, siblings, n=3)
    return f"{path} does not exist." + (f" Did you mean {' or '.join(near)}?" if near else "")


def _lines(path: Path, newline: str) -> Iterator[str]:
    """The lines of a UTF-8 file, with their ends.

    Args:
        path: the file.
        newline: `""` ends a line at CR, LF or CRLF, `"\\n"` at LF alone.
    """
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise ValueError(
                        f"{path}, line {number}: a NUL character, as in UTF-16 or in a damaged "
                        "file; save the table as UTF-8."
                    )
                yield line
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(path)) from error


def _not_utf8(path: Path) -> str:
    """Where the file stops being UTF-8, which the decoder tells of its buffer alone."""
    begin = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"{path}, line {number}: byte {begin + error.start} "
                    f"({line[error.start]:#04x}) is not UTF-8; save the table as UTF-8."
                )
            begin += len(line)
    return f"{path} is not UTF-8; save the table as UTF-8."


def _separator(path: Path) -> str:
    """Semicolons, where the header has them and no comma; else commas."""
    header = next(_lines(path, ""), "")
    return ";" if ";" in header and "," not in header else ","


def _read_csv(path: Path, delimiter: str) -> _Content:
    with _CELL_LIMIT:
        before = csv.field_size_limit()
        csv.field_size_limit(max(before, min(path.stat().st_size, 2**31 - 1)))
        try:
            return _parse_csv(path, delimiter)
        finally:
            csv.field_size_limit(before)


def _parse_csv(path: Path, delimiter: str) -> _Content:
    reader = csv.reader(_lines(path, ""), delimiter=delimiter, strict=True)
    header: list[str] = []
    columns: list[list[Any]] = []
    lines = array.array("q")
    end = 0
    try:
        for cells in reader:
            begin, end = end + 1, reader.line_num
            if not cells:
                continue
            if not header:
                header = cells
                _check_names(f"{path}, line {begin}: the header", header)
                columns = [[] for _ in header]
                continue
            if len(cells) != len(header):
                raise ValueError(
                    f"{path}, row {len(lines) + 1} (line {begin}): {len(cells)} cells, but the "
                    f"header has {len(header)}: {header}; put a cell that holds {delimiter!r} "
                    "into quotation marks, and leave a cell empty that is absent."
                )
            lines.append(begin)
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell or None)
    except csv.Error as error:
        raise ValueError(
            f"{path}, row {len(lines) + 1} (line {end + 1}): quotation marks do not match "
            f"({error}); put the cell into quotation marks and double those inside it."
        ) from error
    return _Content(dict(zip(header, columns, strict=True)), _unless_obvious(lines, first=2))


def _read_jsonl(path: Path) -> _Content:
    lines = array.array("q")

    def rows() -> Iterator[dict[str, Any]]:
        for number, line in enumerate(_lines(path, "\n"), start=1):
            if line.isspace():
                continue
            lines.append(number)
            place = f"{path}, row {len(lines)} (line {number})"
            try:
                row = json.loads(line, object_pairs_hook=_object)
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"{place}: not valid JSON ({error}): {_shown(line)}; write one object in each "
                    "line."
                ) from error
            if not isinstance(row, dict):
                raise ValueError(
                    f'{place}: {_shown(row)} is not an object, such as {{"text": "hello"}}.'
                )
            yield row

    return _Content(_by_column(rows()), _unless_obvious(lines, first=1))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; `json` alone would drop all but the last of equal names."""
    row = dict(pairs)
    if len(row) < len(pairs):
        _check_names("the object", [name for name, _ in pairs])
    return row


def _unless_obvious(lines: Sequence[int], first: int) -> Sequence[int] | None:
    return lines if len(lines) and lines[-1] != first + len(lines) - 1 else None


def _read_parquet(path: Path) -> _Content:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f"{path}: reading Parquet needs pyarrow; install it with "
            'pip install "mmkeras[parquet]".'
        ) from error
    try:
        # Not `read_table`, which makes columns of folders that are named like `part=train`.
        with pyarrow.parquet.ParquetFile(path) as file:
            table = file.read()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(
            f"{path}: not a whole Parquet file ({error}); write or copy it again."
        ) from error
    _check_names(f"{path}: the schema", table.column_names)
    return _Content(
        {
            name: [_present(cell) for cell in column.to_pylist()]
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )
