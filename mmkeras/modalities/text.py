"""`Text`: a text becomes the ids of its pieces."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.modality import Modality, TensorSpec
from mmkeras.contracts.source import Source
from mmkeras.tokenizers.assembly import LAYOUTS, SIDES, Assembled, assemble, special_ids
from mmkeras.tokenizers.subwords import Pieces, SubwordTokenizer
from mmkeras.tokenizers.tokenizer import Tokenizer
from mmkeras.tokenizers.utf8 import utf8
from mmkeras.tokenizers.wordpiece import BERT, WordPiece
from mmkeras.tokenizers.words import words_of


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Text(Modality):
    """Texts: UTF-8 bytes become the ids of a tokenizer's pieces, padded with 0.

    A start token, such as BERT's `[CLS]`, comes first if the tokenizer has one. A text without any
    piece, as of white space only, is absent: all ids are 0. What `max_length` has no room for is
    cut off. Where id 0 of the tokenizer is a piece and no padding, all of its ids are one higher
    here.

    Args:
        tokenizer: what cuts texts into pieces; `Text.adapt` learns one.
        max_length: T, the most ids a text may have, special tokens included.
        token_dropout: the share of pieces that `augment` hides behind the unknown token (or the
            mask, where there is none), in [0, 1). It also teaches a model what to do with words it
            does not know, which a vocabulary that was learned from the training texts never shows
            it.
        token_swap: the share of pieces that `augment` replaces by others of their kind (begin or
            continuation of a word, capital or small letters, digits), in [0, 1). So no piece is
            known for its label, and names that no training text holds are told by what stands
            around them.
        layout: which special tokens there are: `"start"`, `"none"`, or `"bert"`, which puts an end
            token behind the text, as many pretrained encoders expect.
        truncation_side: the side at which a text that is too long loses pieces, `"right"` or
            `"left"`, where the end tells more than the beginning.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    >>> text = Text(WordPiece((*names, "cat", "##s", "!")), max_length=6)
    >>> text.preprocess(tf.constant("Cats!"))["token_ids"].numpy()
    array([2, 5, 6, 7, 0, 0], dtype=int32)
    """

    ragged: ClassVar[str | None] = "token_ids"

    tokenizer: Tokenizer
    max_length: int = 64
    token_dropout: float = 0.1
    token_swap: float = 0.0
    layout: str = "start"
    truncation_side: str = "right"

    def __post_init__(self) -> None:
        """Checks the arguments."""
        if not isinstance(self.tokenizer, Tokenizer):
            raise ValueError(
                f"Text: tokenizer is {self.tokenizer!r}; it has to be a tokenizer, such as "
                "WordPiece(vocabulary). Text.adapt learns one."
            )
        for name, value, known in (
            ("layout", self.layout, LAYOUTS),
            ("truncation_side", self.truncation_side, SIDES),
        ):
            if value not in known:
                raise ValueError(f"Text: {name} is {value!r}; it has to be one of {list(known)}.")
        least = 1 + len(self._special)
        if self.max_length < least:
            raise ValueError(
                f"Text: max_length is {self.max_length}; it has to be at least {least}, for the "
                "special tokens that there are and one piece."
            )
        if not 0 <= self.token_dropout < 1:
            raise ValueError(
                f"Text: token_dropout is {self.token_dropout}; it has to be in [0, 1), such as 0.1."
            )
        if not 0 <= self.token_swap < 1:
            raise ValueError(
                f"Text: token_swap is {self.token_swap}; it has to be in [0, 1), such as 0.1."
            )
        if self.token_swap and not isinstance(self.tokenizer, SubwordTokenizer):
            raise ValueError(
                f"Text: token_swap is {self.token_swap}, but a {type(self.tokenizer).__name__} has "
                "no vocabulary of pieces to choose others from; set token_swap=0."
            )
        if self.token_dropout and self._hidden is None:
            raise ValueError(
                f"Text: token_dropout is {self.token_dropout}, but the tokenizer has neither an "
                "unknown token nor a mask to hide pieces behind; set token_dropout=0."
            )

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, the special ones included."""
        return self.tokenizer.vocabulary_size + self.tokenizer.shift

    @functools.cached_property
    def _special(self) -> list[int]:
        """The ids around the pieces of every text: a start, an end, or none."""
        marks = special_ids(self.tokenizer, self.layout)
        return [id_ + self.tokenizer.shift for mark in marks for id_ in mark]

    @functools.cached_property
    def mask_id(self) -> int | None:
        """The id that a tokenizer has for hidden pieces; None where it has none."""
        mask = self.tokenizer.mask_id
        return None if mask is None else mask + self.tokenizer.shift

    @functools.cached_property
    def _hidden(self) -> int | None:
        """The id that `augment` hides a piece behind."""
        unknown = self.tokenizer.unknown_id
        return self.mask_id if unknown is None else unknown + self.tokenizer.shift

    def encode(self, value: Any) -> bytes:
        """Turns what a person hands in into UTF-8 bytes.

        Args:
            value: None or NaN (absent), a `str`, UTF-8 bytes, or a number, which a table may make
                of a text such as `"2024"`.

        Returns:
            The text as UTF-8; `b""` for an absent one.

        Raises:
            TypeError: the value is none of these.
            ValueError: the bytes are not UTF-8, or the `str` holds half a surrogate pair.

        Example:

        >>> Text.tiny().encode("né")
        b'n\\xc3\\xa9'
        """
        return utf8(value)

    def specs(self) -> dict[str, TensorSpec]:
        """`token_ids`: int32 [T]."""
        return {"token_ids": TensorSpec((self.max_length,), "int32")}

    def preprocess(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One text (string []) to `token_ids` (int32 [T])."""
        batch = self.preprocess_batch(raw[None])
        return {"token_ids": batch["token_ids"][0]}

    def origins(self) -> dict[str, TensorSpec]:
        """Where in the text each token stands, if the tokenizer can tell.

        `starts`, `ends`: int32 [T], in characters (code points), white space left out; `words`:
        int32 [T], the number of the word that a token belongs to, -1 for what belongs to none;
        `text`: string []. Words are those of the text and not of the tokenizer: letters and digits
        run between white space, punctuation and ideographs stand alone.
        """
        if not isinstance(self.tokenizer, SubwordTokenizer):
            return {}
        places = TensorSpec((self.max_length,), "int32")
        return {"starts": places, "ends": places, "words": places, "text": TensorSpec((), "string")}

    def preprocess_batch(self, raw: tf.Tensor, origins: bool = False) -> dict[str, tf.Tensor]:
        """Texts (string [B]) to `token_ids` (int32 [B, T]) and, if asked for, their `origins`.

        Raises:
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.
        """
        made = assemble(
            self.tokenizer,
            raw,
            max_length=self.max_length,
            layout=self.layout,
            truncation_side=self.truncation_side,
            offsets=origins,
        )
        piece = made.texts >= 0
        there = made.mask & tf.reduce_any(piece, axis=1, keepdims=True)
        ids = {"token_ids": tf.where(there, made.token_ids + self.tokenizer.shift, 0)}
        return ids | self._origins(raw, made, piece) if origins else ids

    def _origins(self, raw: tf.Tensor, made: Assembled, piece: tf.Tensor) -> dict[str, tf.Tensor]:
        places, shape = tf.where(piece), tf.shape(piece, tf.int64)
        flat = [tf.gather_nd(part, places) for part in (made.token_ids, made.starts, made.ends)]
        ids = tf.RaggedTensor.from_value_rowids(flat[0], places[:, 0], shape[0], validate=False)
        ragged = words_of(raw, Pieces(ids, *map(ids.with_flat_values, flat[1:])))
        starts, ends, words = (
            tf.tensor_scatter_nd_update(tf.fill(shape, fill), places, part.flat_values)
            for part, fill in zip(ragged, (0, 0, -1))
        )
        return {"starts": starts, "ends": ends, "words": words, "text": raw}

    def absent(self) -> dict[str, np.ndarray]:
        """All ids 0."""
        return {"token_ids": np.zeros(self.max_length, "int32")}

    def augment(self, tensors: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Replaces pieces of one text by others of their kind, and hides some behind the unknown.

        Each piece is replaced with chance `token_swap` and hidden with chance `token_dropout`. The
        text keeps its length and special tokens; one that would lose all pieces keeps them.

        Args:
            tensors: `token_ids`, int32 [T].
            seed: int32 [2].
        """
        if not self.token_dropout and not self.token_swap:
            return tensors
        ids = tensors["token_ids"]
        if self.token_swap:
            ids = self._swapped(ids, tf.random.experimental.stateless_fold_in(seed, 1))
        chance = tf.random.stateless_uniform(tf.shape(ids), seed)
        pieces = ids != 0
        for special in self._special:
            pieces &= ids != special
        hidden = pieces & (chance < self.token_dropout)
        hidden &= tf.reduce_any(pieces & tf.logical_not(hidden))
        return tensors | {"token_ids": tf.where(hidden, self._hidden, ids)}

    def _swapped(self, ids: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Some ids (int32 [T]) replaced by others of their kind."""
        draws = tf.random.stateless_uniform([2, tf.size(ids)], seed)
        begin, count, order = self._kinds
        place = tf.cast(draws[1] * tf.cast(tf.gather(count, ids), tf.float32), tf.int32)
        other = tf.gather(order, tf.gather(begin, ids) + place)
        return tf.where(draws[0] < self.token_swap, other, ids)

    @functools.cached_property
    def _kinds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each id, where the ids of its kind begin in the third array, and how many there are.

        Special tokens and padding are each a kind of their own.
        """
        special = set(self.tokenizer.special.names)  # type: ignore[attr-defined]
        pieces = self.tokenizer.vocabulary  # type: ignore[attr-defined]
        kinds = [("padding",)] * self.tokenizer.shift
        kinds += [(piece,) if piece in special else _kind(piece) for piece in pieces]
        _, number, counts = np.unique(
            [repr(kind) for kind in kinds], return_inverse=True, return_counts=True
        )
        begins = np.cumsum(counts) - counts
        order = np.argsort(number, kind="stable")
        parts = (begins[number], counts[number], order)
        begin, count, order = (part.astype("int32") for part in parts)
        return begin, count, order

    def length(self, tensors: dict[str, tf.Tensor]) -> tf.Tensor:
        """int32 []: how many ids of one text are no padding."""
        return tf.math.count_nonzero(tensors["token_ids"], dtype=tf.int32)

    def trim(self, batch: dict[str, tf.Tensor], length: tf.Tensor) -> dict[str, tf.Tensor]:
        """Cuts `token_ids` [B, T] to [B, length]."""
        return batch | {"token_ids": batch["token_ids"][:, :length]}

    def resources(self) -> list[Any]:
        """The tokenizer's lookup tables."""
        return list(self.tokenizer.resources)

    @classmethod
    def adapt(
        cls,
        source: Source,
        column: str,
        vocabulary_size: int = 8_000,
        max_length: int = 64,
        token_dropout: float = 0.1,
        tokenizer: type[Tokenizer] = WordPiece,
        **options: Any,
    ) -> Self:
        """A `Text` whose tokenizer is learned from one column of a source.

        Args:
            source: the training samples; those of the test would leak into the vocabulary.
            column: the column that holds the texts.
            vocabulary_size: the most pieces to learn, the special ones included.
            max_length: see `Text`.
            token_dropout: see `Text`.
            tokenizer: the kind of tokenizer.
            **options: further arguments of its `learn`, such as `lowercase=False`.

        Raises:
            KeyError: the source has no such column.
            ValueError: the column holds no text, or the vocabulary is too small for it.
        """
        batches = source.column(column, utf8).batch(1_024)

        def texts() -> Iterator[bytes]:
            return (text for batch in batches.as_numpy_iterator() for text in batch)

        if not any(text.strip() for text in texts()):
            raise ValueError(
                f"Text.adapt: column {column!r} holds no text in its {len(source)} rows; name a "
                f"column that does, of {list(source.columns)}."
            )
        learned = tokenizer.learn(texts(), vocabulary_size, **options)
        return cls(learned, max_length=max_length, token_dropout=token_dropout)

    @classmethod
    def tiny(cls) -> Self:
        """Twelve ids at most, of a vocabulary that knows some of `samples`."""
        pieces = ("a", "cat", "##s", "and", "dog", "the", "猫", "和", "狗", "кот", ".", "!", ",")
        return cls(WordPiece((*BERT.names, *pieces)), max_length=12)

    def samples(self) -> list[bytes]:
        """Texts in English, Chinese, Russian, German and Arabic, and an emoji."""
        texts = ("The cats, and a dog!", "猫和狗。", "Кот!", "Größe: 3 m²", "قطة", "a cat 🐈")
        return [text.encode() for text in texts]


def _kind(piece: str) -> tuple[Any, ...]:
    """How a piece is marked (`##`, `▁`, `Ġ`), and what it is written with."""
    text = piece.lstrip("#▁Ġ")
    return len(piece) > len(text), text[:1].isupper(), text.isalpha(), text.isdigit()
