"""`Table`: rows of a CSV, TSV, JSONL or Parquet file, or in memory."""

import array
import csv
import numbers
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmkeras.files import existing_file, json_lines, text_lines
from mmkeras.rows import Rows, shown

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
#: The length that `csv` allows a cell is a setting of the whole process.
_CELL_LIMIT = threading.Lock()


class Table(Rows):
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
        name, own_folder = "", Path()
        if isinstance(table, str | os.PathLike):
            path = existing_file(table)
            name, own_folder = path.name, path.parent
            content = _read(path, format)
        else:
            content = _in_memory(table)
        folder = own_folder if folder is None else folder
        super().__init__(content.columns, name=name, folder=folder, lines=content.lines)


class _Content(NamedTuple):
    """What a table holds.

    Attributes:
        columns: the cells of each column.
        lines: the line of the file in which each row begins; None if that is the row's number, or
            one more under a header.
    """

    columns: dict[str, list[Any]]
    lines: Sequence[int] | None = None


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
                f"sample {i + 1} is {shown(row)}; rows in memory are dicts, such as "
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


def _separator(path: Path) -> str:
    """Semicolons, where the header has them and no comma; else commas."""
    header = next(text_lines(path), "")
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
    reader = csv.reader(text_lines(path), delimiter=delimiter, strict=True)
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
        for number, row in json_lines(path):
            lines.append(number)
            yield row

    return _Content(_by_column(rows()), _unless_obvious(lines, first=1))


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
