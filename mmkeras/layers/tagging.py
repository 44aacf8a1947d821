"""`TagScheme`: spans of words, such as names, written as one tag for each word and read again."""

import dataclasses
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from mmkeras.contracts.configured import Configured

#: The prefixes of a type's tags, in the order of their ids. B begins a span, I goes on; in BILOU, L
#: is the last of several words and U the only one.
_PREFIXES = {"BIO": "BI", "BILOU": "BILU"}


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class TagScheme(Configured):
    """Spans of words of some types as tags: `O` outside of all spans, and a few for each type.

    Source: Ramshaw & Marcus 1995, "Text Chunking using Transformation-Based Learning", with a B at
    every beginning (IOB2); for BILOU, Ratinov & Roth 2009, "Design Challenges and Misconceptions
    in Named Entity Recognition".

    A sequence that no spans give, as a model may predict, is read strictly, as seqeval does with
    `mode="strict"`: a span begins where a tag says so (B or U), goes on as long as tags of its type
    go on (I, L), and counts if it ends with a tag that may end it (with BIO, any; with BILOU, L or
    U). Other tags are outside.

    Args:
        types: the names of the types.
        scheme: `"BIO"` or `"BILOU"`.

    Raises:
        ValueError: the scheme is unknown; there is no type; a type is empty, holds white space or
            occurs twice.

    Example:

    >>> scheme = TagScheme(("PER", "LOC"))
    >>> scheme.tags
    ('O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC')
    >>> scheme.encode([(0, 2, "PER"), (3, 4, "LOC")], length=5)
    [1, 2, 0, 3, 0]
    >>> scheme.decode([1, 2, 0, 3, 0])
    [(0, 2, 'PER'), (3, 4, 'LOC')]
    """

    types: tuple[str, ...]
    scheme: str = "BIO"

    def __post_init__(self) -> None:
        """Checks the types and the scheme."""
        if self.scheme not in _PREFIXES:
            raise ValueError(f"scheme must be one of {list(_PREFIXES)}; got {self.scheme!r}.")
        if isinstance(self.types, str):
            raise ValueError(f"types must be a list of names; got the string {self.types!r}.")
        types = tuple(self.types)
        if not types:
            raise ValueError('types must name at least one type, such as "PER"; got none.')
        for name in types:
            if not isinstance(name, str) or not name or name.split() != [name]:
                raise ValueError(
                    f"a type must be a non-empty string without white space; got {name!r}."
                )
            if types.count(name) > 1:
                raise ValueError(f"type {name!r} is named twice in {list(types)}.")
        object.__setattr__(self, "types", types)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags in the order of their ids; `O` is 0."""
        named = [f"{prefix}-{name}" for name in self.types for prefix in _PREFIXES[self.scheme]]
        return ("O", *named)

    @property
    def size(self) -> int:
        """K, the number of tags."""
        return 1 + len(self.types) * len(_PREFIXES[self.scheme])

    @property
    def type_ids(self) -> np.ndarray:
        """int32 [K]: the index of each tag's type, -1 for `O`."""
        return (np.arange(self.size, dtype="int32") - 1) // len(_PREFIXES[self.scheme])

    @property
    def begins(self) -> np.ndarray:
        """bool [K]: whether a span begins at the tag."""
        return self._has("BU")

    @property
    def closes(self) -> np.ndarray:
        """bool [K]: whether the tag may be the last of a span."""
        return self._has("BI" if self.scheme == "BIO" else "LU")

    @property
    def continues(self) -> np.ndarray:
        """bool [K, K]: whether tag j goes on with the span of tag i right before it."""
        type_ids = self.type_ids
        return np.outer(self._has("BI"), self._has("IL")) & np.equal.outer(type_ids, type_ids)

    @property
    def starts(self) -> np.ndarray:
        """bool [K]: whether a sequence may begin with the tag."""
        return self.begins | self._has("O")

    @property
    def ends(self) -> np.ndarray:
        """bool [K]: whether a sequence may end with the tag."""
        return self.closes | self._has("O")

    @property
    def transitions(self) -> np.ndarray:
        """bool [K, K]: whether tag j may stand right after tag i."""
        return self.continues | np.outer(self.ends, self.starts)

    def _has(self, prefixes: str) -> np.ndarray:
        return np.array([tag[0] in prefixes for tag in self.tags])

    def encode(self, spans: Iterable[tuple[int, int, str]], length: int) -> list[int]:
        """The tag ids of a text.

        Args:
            spans: (begin, end, type) each, counted in words, the end exclusive; in any order.
            length: the number of words.

        Raises:
            ValueError: a span is empty, leaves the text, meets another, or is of an unknown type.
        """
        ids = [0] * length
        for begin, end, name in spans:
            told = f"span ({begin}, {end}, {name!r})"
            if name not in self.types:
                raise ValueError(f"{told}: the type is unknown; the types are {list(self.types)}.")
            if not 0 <= begin < end <= length:
                raise ValueError(f"{told} must lie within the {length} words and hold one.")
            if any(ids[begin:end]):
                raise ValueError(f"{told} overlaps another; a word has one tag.")
            prefixes = _PREFIXES[self.scheme]
            b, i = (1 + self.types.index(name) * len(prefixes) + k for k in range(2))
            ids[begin:end] = [b] + [i] * (end - begin - 1)
            if self.scheme == "BILOU":
                # L and U come right after B and I.
                ids[end - 1] = i + (2 if end - begin == 1 else 1)
        return ids

    def decode(self, tag_ids: Sequence[int]) -> list[tuple[int, int, str]]:
        """The spans of a sequence of tag ids, read strictly if `encode` gives no such sequence.

        Returns:
            (begin, end, type) each, counted in words, the end exclusive; in the order of the text.

        Raises:
            ValueError: an id is none of a tag.

        Example:

        >>> TagScheme(("PER",)).decode([0, 2, 1, 2])  # the I right after O is outside
        [(2, 4, 'PER')]
        """
        begins, closes, continues = self.begins, self.closes, self.continues
        type_ids = self.type_ids
        spans = []
        begin, before = -1, 0
        for at, tag in enumerate([*tag_ids, 0]):
            if not 0 <= tag < self.size:
                raise ValueError(
                    f"tag id {tag} at word {at} is not in [0, {self.size}); leave out the words "
                    "that have no tag."
                )
            if not continues[before, tag]:
                if begin >= 0 and closes[before]:
                    spans.append((begin, at, self.types[type_ids[before]]))
                begin = at if begins[tag] else -1
            before = tag
        return spans
