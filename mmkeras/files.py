"""Files that people name: whether they are there, and which of their lines is no text."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path


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
