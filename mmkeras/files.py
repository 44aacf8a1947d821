"""Files: whether one that a person names is there, which of its lines is no text; whole or none."""

import contextlib
import difflib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A place for a file that comes to `path` when the block ends without an error.

    So a file that is there is whole, whatever happens, and whoever else writes it.

    Args:
        path: what is replaced then; its folder is made if it is not there.

    Example:

    >>> path = Path(tempfile.mkdtemp(), "note.txt")
    >>> with drafted(path) as draft:
    ...     _ = draft.write_text("done")
    ...     path.exists()
    False
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('done', 1)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        yield draft
        os.replace(draft, path)


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that it is whole or not there; see `drafted`.

    Args:
        path: of the file.
        text: its content.

    Example:

    >>> path = Path(tempfile.mkdtemp(), "note.txt")
    >>> write_whole(path, "done")
    >>> path.read_text()
    'done'
    """
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8")


def existing_file(path: str | Path) -> Path:
    """The path, of which it is sure that a file is there.

    Raises:
        FileNotFoundError: there is none; the message names similar ones.

    Example:

    >>> existing_file("no such folder/reviews.csv")
    Traceback (most recent call last):
    FileNotFoundError: no such folder/reviews.csv does not exist, nor does its folder.
    """
    path = Path(path)
    if path.is_file():
        return path
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a folder; name the file in it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} does not exist, nor does its folder.")
    siblings = [sibling.name for sibling in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, siblings, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise FileNotFoundError(f"{path} does not exist.{hint}")


def text_lines(path: Path, newline: str = "", encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a text file, with their ends, without a byte order mark.

    Args:
        path: the file.
        newline: `""` ends a line at CR, LF or CRLF, `"\\n"` at LF alone.
        encoding: how the file is written.

    Raises:
        ValueError: the file is not written so; the message names the line and the byte.
    """
    marked = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    try:
        with path.open(encoding=marked, newline=newline) as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise ValueError(
                        f"{path}, line {number}: a NUL character, as in UTF-16 or in a damaged "
                        "file; save the file as UTF-8."
                    )
                yield line
    except UnicodeDecodeError as error:
        raise ValueError(_undecodable(path, encoding)) from error


def _undecodable(path: Path, encoding: str) -> str:
    """Where the file cannot be decoded, which the decoder tells of its buffer alone."""
    name = encoding.upper()
    begin = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return (
                    f"{path}, line {number}: byte {begin + error.start} "
                    f"({line[error.start]:#04x}) is not {name}; save the file as {name}."
                )
            begin += len(line)
    return f"{path} is not {name}; save the file as {name}."


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a text file with one JSON object in each line; empty lines are left out.

    Args:
        path: the file, in UTF-8.

    Returns:
        The number of each line, counted from 1, and its object.

    Raises:
        ValueError: a line is no object, or names a key twice; the message names row and line.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "greetings.jsonl"
    >>> _ = path.write_text('{"text": "hello"}\\n\\n{"text": "bye"}\\n')
    >>> list(json_lines(path))
    [(1, {'text': 'hello'}), (3, {'text': 'bye'})]
    """
    count = 0
    for number, line in enumerate(text_lines(path, "\n"), start=1):
        if line.isspace():
            continue
        count += 1
        place = f"{path}, row {count} (line {number})"
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{place}: not valid JSON ({error}): {line!r:.80}; write one object in each line."
            ) from error
        if not isinstance(row, dict):
            raise ValueError(f'{place}: {row!r:.80} is not an object, such as {{"text": "hello"}}.')
        yield number, row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; `json` alone would drop all but the last of equal names."""
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"an object names {twice} more than once; rename all but one")
    return dict(pairs)


def public_file(name: str, origin: str) -> Path:
    """A file of a public dataset that is not part of the package, in the folder `MMKERAS_DATA`.

    Args:
        name: of the file, below that folder (`data` in the working directory if the environment
            names none).
        origin: whose dataset it is, for the message.

    Raises:
        FileNotFoundError: there is none; the message says what to do.

    Example:

    >>> public_file("no-such-set/train.tsv", "Nobody et al. 1900")
    Traceback (most recent call last):
    FileNotFoundError: ...no-such-set/train.tsv does not exist; it is from Nobody et al. 1900...
    """
    path = Path(os.environ.get("MMKERAS_DATA", "data")) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; it is from {origin}. Put it there, or set the environment "
            f"variable MMKERAS_DATA to the folder that holds {name}."
        )
    return path
