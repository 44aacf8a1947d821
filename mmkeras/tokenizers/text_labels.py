"""`TextLabels`: what tasks have in common whose labels are texts that they learn to write."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import tensorflow as tf

from mmkeras.contracts.refusal import readable, refuse
from mmkeras.tokenizers.character_tokenizer import CharacterTokenizer
from mmkeras.tokenizers.subwords import SubwordTokenizer

#: What is done about what a tokenizer does not know.
UNKNOWN = ("raise", "drop", "keep")


class TextLabels:
    """Labels that are texts, and the classes of their pieces; class 0 is no piece.

    A part of tasks that are frozen dataclasses, beside `Task`: these have the attributes.

    Attributes:
        tokenizer: cuts texts into pieces.
        max_tokens: L, the most pieces that a label may have.
        unknown: what is done about what the tokenizer does not know, one of `UNKNOWN`.
        normalization: what `adapt` does to characters where nothing else is said.
    """

    normalization: ClassVar[tuple[str, ...]] = ()

    tokenizer: SubwordTokenizer
    max_tokens: int
    unknown: str

    def check_labels(self) -> None:
        """Checks the attributes.

        Raises:
            ValueError: the tokenizer cannot join pieces, or another argument is out of its range.
        """
        kind = type(self).__name__
        if not isinstance(self.tokenizer, SubwordTokenizer):
            raise ValueError(
                f"{kind}: tokenizer is {self.tokenizer!r}; it has to be a tokenizer that can put "
                "texts together again, such as CharacterTokenizer(vocabulary)."
            )
        if self.max_tokens < 1:
            raise ValueError(f"{kind}: max_tokens is {self.max_tokens}; it has to be at least 1.")
        if self.unknown not in UNKNOWN:
            raise ValueError(
                f"{kind}: unknown is {self.unknown!r}; it has to be one of {list(UNKNOWN)}."
            )

    @classmethod
    def adapt(
        cls,
        source: Any,
        column: str,
        vocabulary_size: int = 1_000,
        tokenizer: type[SubwordTokenizer] = CharacterTokenizer,
        normalization: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """The task whose tokenizer is learned from a column of texts.

        Args:
            source: the training samples.
            column: the column of texts.
            vocabulary_size: the most pieces there may be.
            tokenizer: the kind of tokenizer.
            normalization: what is done to characters before; see the tokenizer. None: what the
                task usually does, or what the tokenizer does by itself if it takes no such steps,
                as `WordPiece`.
            **kwargs: further arguments of the constructor.

        Raises:
            ValueError: the column holds no text, or the tokenizer takes no such steps.
        """
        texts = [t for t in source.column(column, text_label).as_numpy_iterator() if t.strip()]
        if not texts:
            raise ValueError(f"column {column!r} of {source!r} holds no text to learn from.")
        usual = cls.normalization if normalization is None else tuple(normalization)
        takes_steps = "normalization" in {field.name for field in dataclasses.fields(tokenizer)}
        if normalization is not None and not takes_steps:
            raise ValueError(f"{tokenizer.__name__} takes no normalization; leave it out.")
        options = {"normalization": usual} if takes_steps else {}
        return cls(tokenizer.learn(texts, vocabulary_size, **options), **kwargs)

    @functools.cached_property
    def silent(self) -> tuple[int, ...]:
        """The classes that are never written, 0 aside: the padding, the unknown and the like."""
        ids = {self.tokenizer.vocabulary.index(piece) for piece in self.tokenizer.marks}
        return tuple(sorted({id_ + self.tokenizer.shift for id_ in ids} - {0}))

    def pieces(self, raw: tf.Tensor) -> tf.Tensor:
        """The classes of the pieces of a label; white space around it is no part of it.

        Args:
            raw: string [].

        Returns:
            int32 [L], ids raised by the tokenizer's `shift`, 0 behind them.

        Raises:
            tf.errors.InvalidArgumentError: the label has more than L pieces, or holds what the
                tokenizer does not know and `unknown` is `"raise"`.
        """
        text = tf.strings.strip(raw)
        ids = self.tokenizer.tokenize(text[None]).flat_values
        unknown = self.tokenizer.unknown_id
        if unknown is not None and self.unknown != "keep":
            strange = ids == unknown
            if self.unknown == "raise":
                with refuse(
                    tf.reduce_any(strange),
                    "the text {} holds what the tokenizer does not know: {}; learn it from all "
                    "labels, or choose unknown='drop' or unknown='keep'.",
                    lambda: readable(text),
                    lambda: self._unknown_in(text),
                ):
                    ids = tf.identity(ids)
            else:
                ids = tf.boolean_mask(ids, ~strange)
        count = tf.size(ids)
        with refuse(
            count > self.max_tokens,
            "the text {} has {} pieces, more than max_tokens={}; cut it, or raise max_tokens.",
            lambda: readable(text),
            count,
            tf.constant(self.max_tokens),
        ):
            padded = tf.pad(ids + self.tokenizer.shift, [[0, self.max_tokens - count]])
        return tf.ensure_shape(padded, [self.max_tokens])

    def trim(self, hints: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """As many columns of `token_ids` as the longest text of the batch has; see `Task.trim`."""
        if not hints:
            return hints
        ids = hints["token_ids"]
        longest = tf.reduce_max(tf.reduce_sum(tf.cast(ids > 0, tf.int32), axis=1))
        return {"token_ids": ids[:, :longest]}

    def _unknown_in(self, text: tf.Tensor) -> tf.Tensor:
        """What of a text (string []) the tokenizer does not know, each once."""
        found = self.tokenizer.tokenize_with_offsets(text[None], unit="bytes")
        strange = found.token_ids.flat_values == self.tokenizer.unknown_id
        starts, ends = (
            tf.boolean_mask(places.flat_values, strange) for places in (found.starts, found.ends)
        )
        parts = tf.strings.substr(tf.fill(tf.shape(starts), text), starts, ends - starts)
        return readable(tf.strings.reduce_join(tf.unique(parts)[0], separator=" "))

    def written(self, labels: Sequence[bytes]) -> list[str]:
        """Labels as the tokenizer would write them, to be compared with what a model wrote.

        In small letters where it knows no others, and the like. A label that holds what it does
        not know is only normalised, so that what is missing in an answer counts as missing.

        Args:
            labels: raw labels, of any length.
        """
        # An answer is valid UTF-8, whatever the label is.
        texts = tf.constant([label.decode(errors="replace").strip() for label in labels], tf.string)
        ids = self.tokenizer.tokenize(texts)
        made = self.tokenizer.detokenize(ids)
        unknown = self.tokenizer.unknown_id
        if unknown is not None:
            strange = tf.reduce_any(ids == unknown, axis=1)
            made = tf.where(strange, self.tokenizer.normalized(texts), made)
        return [text.decode().strip() for text in made.numpy()]


def text_label(value: Any) -> bytes:
    """A text, or its UTF-8 bytes, as a raw label; None and NaN, as tables have them, give `b""`.

    Raises:
        TypeError: the value is something else.

    Example:

    >>> text_label("né"), text_label(None)
    (b'n\xc3\xa9', b'')
    """
    if value is None or (isinstance(value, float) and value != value):
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"a label must be a text; got {value!r:.80}.")
