"""`CoNLL`: texts with a tag for each word, a word per line, as shared tasks give them out."""

import array
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mmkeras.files import existing_file, text_lines
from mmkeras.rows import Rows, shown

#: The prefixes of each scheme: begins an entity, goes on with it, ends it, is one of one word.
_SCHEMES = {"BIO": "BI", "IOB1": "BI", "BILOU": "BILU", "BIOES": "BIES"}
_TAG = re.compile(r"O|[BILUES]-\S+")
_DOCUMENT = "-DOCSTART-"


class CoNLL(Rows):
    """Sentences from a file with a token in each line and a blank line between sentences.

    Each sentence gives its tokens, joined by single blanks, and as many tags, joined likewise:
    `"O"` outside of all entities, `"B-x"` where one of type x begins, `"I-x"` where it goes on
    (BIO, also called IOB2). Other schemes are read and turned into this one. White space inside
    a token, which a file separated by tabs may hold, becomes `_`. Lines that begin with
    `-DOCSTART-` end a sentence and are left out.

    A tag that its scheme does not allow there is repaired, with a warning at the end, or refused:
    what should go on with an entity and finds none of its type begins one; one that lacks its last
    tag ends nevertheless.

    Args:
        path: the file.
        token_column: the column of the tokens, counted from 0, or from -1 backwards.
        tag_column: the column of the tags.
        separator: what stands between columns; blanks and tabs, any number of them, if None.
        text: name of the column of texts.
        tags: name of the column of tags.
        scheme: `"BIO"`, `"IOB1"` (B only between neighbours of one type), `"BILOU"` or `"BIOES"`;
            recognised by the tags if None.
        on_illegal: what becomes of a tag that the scheme does not allow: `"repair"` or `"raise"`.
        token_prefix: cut off each token that begins with it, such as `"en:"`.
        comment: lines that begin with it are left out, such as `"# "`; none if None, because
            a token may begin with anything.
        encoding: of the file.

    Attributes:
        scheme: the scheme of the file, named or recognised.
        types: the types of entity in the file, in the order of the alphabet.
        repaired: how many tags were not allowed where they stand.

    Raises:
        FileNotFoundError: there is no such file; the message names similar ones.
        ValueError: an argument is none of those named, or the file is not what they say; the
            message names file, line and remedy.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "places.conll"
    >>> _ = path.write_text("In\\tO\\nNew\\tB-LOC\\nYork\\tI-LOC\\n\\nHello\\tO\\n")
    >>> source = CoNLL(path)
    >>> source["text"], source["entities"]
    (['In New York', 'Hello'], ['O B-LOC I-LOC', 'O'])
    >>> source.types, source.locate(1)
    (('LOC',), 'places.conll, sentence 2 (line 5)')
    """

    def __init__(
        self,
        path: str | Path,
        *,
        token_column: int = 0,
        tag_column: int = -1,
        separator: str | None = None,
        text: str = "text",
        tags: str = "entities",
        scheme: str | None = None,
        on_illegal: str = "repair",
        token_prefix: str = "",
        comment: str | None = None,
        encoding: str = "utf-8",
    ):
        if scheme is not None and scheme not in _SCHEMES:
            raise ValueError(f"scheme must be one of {list(_SCHEMES)} or None; got {scheme!r}.")
        if on_illegal not in ("repair", "raise"):
            raise ValueError(f"on_illegal must be 'repair' or 'raise'; got {on_illegal!r}.")
        if separator == "" or comment == "":
            raise ValueError("separator and comment must be None or hold a character; got ''.")
        if text == tags:
            raise ValueError(f"text and tags must have different names; both are {text!r}.")
        path = existing_file(path)
        lines = _lines(path, separator, comment, encoding)
        sentences = list(_sentences(path, lines, token_column, tag_column, token_prefix))
        if not sentences:
            raise ValueError(f"{path} holds no sentence; write a token and its tag in each line.")
        self.scheme = scheme or _recognised(sentences)
        converted, faults = [], []
        for sentence in sentences:
            _check_prefixes(path, sentence, self.scheme)
            bio, found = _as_bio(sentence, self.scheme)
            converted.append(bio)
            faults += found
        if faults and on_illegal == "raise":
            raise ValueError(f"{path}, {faults[0]}; correct it, or pass on_illegal='repair'.")
        self.repaired = len(faults)
        if faults:
            warnings.warn(
                f"{path}: repaired {len(faults)} of {sum(map(len, sentences))} tags, which "
                f"{self.scheme} does not allow where they stand; the first is in {faults[0]}.",
                stacklevel=2,
            )
        self.types = tuple(sorted({word.type for some in sentences for word in some if word.type}))
        columns = {
            text: [" ".join(word.token for word in sentence) for sentence in sentences],
            tags: [" ".join(bio) for bio in converted],
        }
        self._first_lines = array.array("q", [sentence[0].line for sentence in sentences])
        super().__init__(columns, name=path.name, folder=path.parent)

    def locate(self, index: int) -> str:
        """`train.conll, sentence 17 (line 203)`, the sentence counted from 1."""
        return f"{self._name}, sentence {index + 1} (line {self._first_lines[index]})"


class _Word(NamedTuple):
    """One line.

    Attributes:
        line: its number.
        token: without white space.
        tag: as it stands.
    """

    line: int
    token: str
    tag: str

    @property
    def prefix(self) -> str:
        """`O`, or the letter before the type."""
        return self.tag[0]

    @property
    def type(self) -> str:
        """Nothing for `O`."""
        return self.tag[2:]


#: A line's number, the line and its cells; no cells where a sentence ends.
_Line = tuple[int, str, list[str]]


def _lines(
    path: Path, separator: str | None, comment: str | None, encoding: str
) -> Iterator[_Line]:
    for number, line in enumerate(text_lines(path, encoding=encoding), start=1):
        # Files that were joined keep their byte order marks.
        line = line.rstrip("\r\n").removeprefix("\ufeff")
        if comment is not None and line.startswith(comment):
            continue
        if not line.strip() or line.startswith(_DOCUMENT):
            yield number, line, []
        elif separator is None:
            yield number, line, re.split(r"[ \t]+", line.strip(" \t"))
        else:
            yield number, line, [cell.strip() for cell in line.split(separator)]


def _sentences(
    path: Path, lines: Iterator[_Line], token_column: int, tag_column: int, token_prefix: str
) -> Iterator[list[_Word]]:
    words: list[_Word] = []
    width, first = 0, 0
    for number, line, cells in lines:
        if not cells:
            if words:
                yield words
            words = []
            continue
        place = f"{path}, line {number}"
        if not width:
            width, first = len(cells), number
            _check_columns(place, line, width, token_column, tag_column)
        if len(cells) != width:
            raise ValueError(
                f"{place}: {len(cells)} columns, but line {first} has {width}: {shown(line)}; "
                "leave a blank line between sentences, and name what stands between columns "
                "with separator=."
            )
        token, tag = cells[token_column].removeprefix(token_prefix), cells[tag_column]
        if not token:
            raise ValueError(
                f"{place}: the token is empty: {shown(line)}; write one or leave the line out."
            )
        if not _TAG.fullmatch(tag):
            raise ValueError(
                f"{place}: {tag!r} is no tag, such as O, B-PER or I-PER: {shown(line)}; name the "
                "column of the tags with tag_column=."
            )
        words.append(_Word(number, "_".join(token.split()), tag))
    if words:
        yield words


def _check_columns(place: str, line: str, width: int, token_column: int, tag_column: int) -> None:
    for name, column in (("token_column", token_column), ("tag_column", tag_column)):
        if not -width <= column < width:
            raise ValueError(f"{place} has {width} columns, and no {name}={column}: {shown(line)}.")
    if token_column % width == tag_column % width:
        raise ValueError(
            f"{place}: the token and the tag are both column {token_column % width} of {width}: "
            f"{shown(line)}; name what stands between columns with separator=, or other columns."
        )


def _recognised(sentences: list[list[_Word]]) -> str:
    """The scheme that the prefixes tell; of those without an end, by where B stands."""
    prefixes = {word.prefix for sentence in sentences for word in sentence}
    if prefixes & set("LU"):
        return "BILOU"
    if prefixes & set("ES"):
        return "BIOES"
    begun_by_i = False
    for sentence in sentences:
        before = ""
        for word in sentence:
            if word.prefix == "B" and word.type != before:
                return "BIO"
            begun_by_i |= word.prefix == "I" and word.type != before
            before = word.type
    return "IOB1" if begun_by_i else "BIO"


def _check_prefixes(path: Path, sentence: list[_Word], scheme: str) -> None:
    for word in sentence:
        if word.prefix not in "O" + _SCHEMES[scheme]:
            known = ", ".join(f"{prefix}-{word.type}" for prefix in _SCHEMES[scheme])
            raise ValueError(
                f"{path}, line {word.line}: the tag {word.tag!r} is none of {scheme}, which knows "
                f"O, {known}; correct it, or name the scheme of the file with scheme=."
            )


def _as_bio(sentence: list[_Word], scheme: str) -> tuple[list[str], list[str]]:
    """The tags in BIO, and what was wrong with them."""
    bio, faults = [], []
    ends_are_told = len(_SCHEMES[scheme]) == 4
    # The type of the entity that may go on, and the tag that says so.
    going_on, before = "", "O"
    for word in sentence:
        continues = word.prefix in "ILE" and word.type == going_on
        if word.prefix in "ILE" and not continues and scheme != "IOB1":
            faults.append(f"line {word.line}: {word.tag!r} after {before!r}")
        elif ends_are_told and going_on and not continues:
            faults.append(f"line {word.line}: {word.tag!r} after {before!r}, which does not end")
        bio.append("O" if word.tag == "O" else f"{'I' if continues else 'B'}-{word.type}")
        going_on, before = word.type if word.prefix in "BI" else "", word.tag
    if ends_are_told and going_on:
        faults.append(f"line {sentence[-1].line}: {before!r}, which does not end, is the last tag")
    return bio, faults
