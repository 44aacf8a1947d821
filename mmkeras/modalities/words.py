"""`Words`: a text becomes its words, and each word the ids of its parts."""

import dataclasses
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.modality import Modality, TensorSpec
from mmkeras.tokenizers.hashed_ngrams import HashedNgrams
from mmkeras.tokenizers.subwords import Pieces
from mmkeras.tokenizers.utf8 import utf8
from mmkeras.tokenizers.words import words_of


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Words(Modality):
    """Texts: UTF-8 bytes become words, and each word the ids of its n-grams, padded with 0.

    A model that reads words by their parts has something to say of a word that no training text
    holds, and its sequences are as short as those of whole words. A text without any word is
    absent: all ids are 0. What stands behind `max_length` words is cut off.

    Args:
        tokenizer: what makes the parts of each word.
        max_length: T, the most words a text may have.
        max_parts: P, the most parts a word may have; of more, the last are kept, among which are
            the longest n-grams and the word itself.
        word_dropout: the share of words that `augment` hides behind the unknown id, in [0, 1).
        part_dropout: the share of parts that `augment` leaves out of each word, in [0, 1), so that
            no word is known by one of them alone.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> words = Words(HashedNgrams(buckets=100, shortest=3, longest=3), max_length=4, max_parts=5)
    >>> part_ids = words.preprocess(tf.constant("a cat"))["part_ids"].numpy()
    >>> part_ids.shape, (part_ids > 0).sum(axis=1).tolist()
    ((4, 5), [2, 4, 0, 0])
    """

    ragged: ClassVar[str | None] = "part_ids"

    tokenizer: HashedNgrams
    max_length: int = 64
    max_parts: int = 32
    word_dropout: float = 0.1
    part_dropout: float = 0.1

    def __post_init__(self) -> None:
        """Checks the arguments."""
        if not isinstance(self.tokenizer, HashedNgrams):
            raise ValueError(
                f"Words: tokenizer is {self.tokenizer!r}; it has to be a HashedNgrams, which alone "
                "gives words by their parts."
            )
        for name in ("max_length", "max_parts"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"Words: {name} is {getattr(self, name)}; it has to be at least 1."
                )
        for name in ("word_dropout", "part_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"Words: {name} is {getattr(self, name)}; it has to be in [0, 1), such as 0.1."
                )

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, the padding and the unknown included."""
        return self.tokenizer.vocabulary_size

    def encode(self, value: Any) -> bytes:
        """Turns what a person hands in into UTF-8 bytes; see `utf8`.

        Example:

        >>> Words.tiny().encode("né")
        b'n\\xc3\\xa9'
        """
        return utf8(value)

    def specs(self) -> dict[str, TensorSpec]:
        """`part_ids`: int32 [T, P]."""
        return {"part_ids": TensorSpec((self.max_length, self.max_parts), "int32")}

    def origins(self) -> dict[str, TensorSpec]:
        """Where in the text each word stands, under the names of `Text.origins`."""
        places = TensorSpec((self.max_length,), "int32")
        return {"starts": places, "ends": places, "words": places, "text": TensorSpec((), "string")}

    def preprocess(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One text (string []) to `part_ids` (int32 [T, P])."""
        return {"part_ids": self.preprocess_batch(raw[None])["part_ids"][0]}

    def preprocess_batch(self, raw: tf.Tensor, origins: bool = False) -> dict[str, tf.Tensor]:
        """Texts (string [B]) to `part_ids` (int32 [B, T, P]) and, if asked for, their `origins`.

        Raises:
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.
        """
        parts = self.tokenizer.parts(raw, limit=self.max_length)
        last = parts.with_values(parts.values[:, -self.max_parts :])
        ids = {"part_ids": last.to_tensor(0, shape=[None, self.max_length, self.max_parts])}
        return ids | self._origins(raw) if origins else ids

    def _origins(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        starts, ends = self.tokenizer.offsets(raw, limit=self.max_length)
        # Which word of the text: this one's own, but for ideographs and the like.
        places = words_of(raw, Pieces(starts, starts, ends))
        starts, ends, words = (
            part.to_tensor(fill, shape=[None, self.max_length])
            for part, fill in zip(places, (0, 0, -1))
        )
        return {"starts": starts, "ends": ends, "words": words, "text": raw}

    def absent(self) -> dict[str, np.ndarray]:
        """All ids 0."""
        return {"part_ids": np.zeros((self.max_length, self.max_parts), "int32")}

    def augment(self, tensors: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Hides words of one text behind the unknown id, and leaves parts out of the others.

        A word that would lose all of its parts is hidden as well. The text keeps its length, and
        one that would lose all words keeps them whole.

        Args:
            tensors: `part_ids`, int32 [T, P].
            seed: int32 [2].
        """
        ids = tensors["part_ids"]
        seeds = tf.random.experimental.stateless_split(seed, 2)
        there = ids != 0
        kept = there & (tf.random.stateless_uniform(tf.shape(ids), seeds[0]) >= self.part_dropout)
        shown = tf.random.stateless_uniform(tf.shape(ids)[:1], seeds[1]) >= self.word_dropout
        shown &= tf.reduce_any(kept, axis=1)
        kept &= shown[:, None]
        first = tf.range(self.max_parts) == 0
        unknown = self.tokenizer.special_id("unknown")
        hidden = tf.where(there[:, :1] & ~shown[:, None] & first, unknown, 0)
        changed = tf.where(kept, ids, hidden)
        return tensors | {"part_ids": tf.where(tf.reduce_any(kept), changed, ids)}

    def length(self, tensors: dict[str, tf.Tensor]) -> tf.Tensor:
        """int32 []: how many words one text has."""
        there = tf.reduce_any(tensors["part_ids"] != 0, axis=1)
        return tf.math.count_nonzero(there, dtype=tf.int32)

    def trim(self, batch: dict[str, tf.Tensor], length: tf.Tensor) -> dict[str, tf.Tensor]:
        """Cuts `part_ids` [B, T, P] to [B, length, P]."""
        return batch | {"part_ids": batch["part_ids"][:, :length]}

    @classmethod
    def tiny(cls) -> Self:
        """Twelve words at most, of at most eight parts each."""
        return cls(HashedNgrams(buckets=64, longest=3), max_length=12, max_parts=8)

    def samples(self) -> list[bytes]:
        """Texts in English, Chinese, Russian, German and Arabic."""
        texts = ("The cats, and a dog!", "猫和狗。", "Кот!", "Größe: 3 m²", "قطة")
        return [text.encode() for text in texts]
