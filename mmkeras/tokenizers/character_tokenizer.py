"""`CharacterTokenizer`: every character is a piece."""

import collections
import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from mmkeras.tokenizers.characters import (
    CODE_POINTS,
    Characters,
    CharacterTable,
    decode,
    utf8_lengths,
)
from mmkeras.tokenizers.learning import word_counts
from mmkeras.tokenizers.normalization import check_steps, step
from mmkeras.tokenizers.pretokenization import blanks
from mmkeras.tokenizers.subwords import SubwordTokenizer, WordPieces, check_vocabulary
from mmkeras.tokenizers.tokenizer import SpecialTokens

#: The padding and the unknown, the padding first.
PAD_AND_UNKNOWN = SpecialTokens("<pad>", "<unk>")


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class CharacterTokenizer(SubwordTokenizer):
    """The code points of a text, blanks among them, as ids.

    Args:
        vocabulary: the special tokens and single characters, an id being the place.
        special: the special tokens; one must stand for the unknown.
        normalization: what is done to the characters before, of `normalization.STEPS`.

    Raises:
        ValueError: the vocabulary lacks a special token, repeats a character, or holds what is
            none.

    Example:

    >>> tokenizer = CharacterTokenizer(("<pad>", "<unk>", "a", " ", "b"))
    >>> tokenizer.tokenize(tf.constant(["a bcd"])).to_list()
    [[2, 3, 4, 1, 1]]
    """

    vocabulary: tuple[str, ...] = dataclasses.field(repr=False)
    special: SpecialTokens = PAD_AND_UNKNOWN
    normalization: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the vocabulary."""
        if self.special.unknown is None:
            raise ValueError(
                "CharacterTokenizer: special.unknown is None; name the piece that stands for "
                "characters which are not in the vocabulary, such as '<unk>'."
            )
        check_vocabulary("CharacterTokenizer", self.vocabulary, self.special)
        check_steps("CharacterTokenizer", self.normalization)
        long = [p for p in self.vocabulary if len(p) > 1 and p not in self.special.names]
        if long:
            raise ValueError(
                f"CharacterTokenizer: {long[:3]} in the vocabulary are more than one character."
            )

    @functools.cached_property
    def _table(self) -> CharacterTable:
        ids = np.full(CODE_POINTS, self.unknown_id, "int64")
        special = set(self.special.names)
        for id_, piece in enumerate(self.vocabulary):
            if piece not in special:
                ids[ord(piece)] = id_
        return CharacterTable.of(ids)

    @property
    def resources(self) -> list[Any]:
        """The lookup tables of the steps of normalization."""
        return [table for name in self.normalization for table in step(name).resources]

    def normalize(self, characters: Characters) -> Characters:
        """The characters after the steps of `normalization`."""
        for name in self.normalization:
            characters = step(name)(characters)
        return characters

    def words(self, characters: Characters) -> tuple[Characters, tf.Tensor]:
        """A blank begins a word."""
        return blanks(characters)

    def word_pieces(self, words: tf.Tensor) -> WordPieces:
        """The characters of all words."""
        codes, splits, _ = decode(words)
        return WordPieces(splits, self._table(codes), utf8_lengths(codes))

    @functools.cached_property
    def spellings(self) -> list[bytes]:
        """See `SubwordTokenizer.spellings`."""
        hidden = set(self.special.names) - {self.special.unknown}
        return [b"" if piece in hidden else piece.encode() for piece in self.vocabulary]

    def detokenize(self, token_ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Joins characters to texts; of the special tokens the unknown is shown.

        Args:
            token_ids: int32 [B, None], ragged or padded.

        Returns:
            string [B].
        """
        with tf.device("CPU:0"):
            return self._joined(token_ids)

    @classmethod
    def learn(
        cls,
        texts: Iterable[str | bytes],
        vocabulary_size: int,
        special: SpecialTokens = PAD_AND_UNKNOWN,
        **fields: Any,
    ) -> Self:
        """Learns the characters that stand most often in texts.

        The same texts, in whatever order, give the same tokenizer.

        Args:
            texts: the training texts, UTF-8 where they are bytes.
            vocabulary_size: the most ids there may be, the special ones included.
            special: the special tokens, whose ids are the first ones.
            **fields: further fields of the tokenizer, such as `normalization`.

        Raises:
            ValueError: there is no room for a single character.
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.

        Example:

        >>> CharacterTokenizer.learn(["to be or not to be"], vocabulary_size=5).vocabulary
        ('<pad>', '<unk>', ' ', 'o', 't')
        """
        names = special.names
        if vocabulary_size <= len(names):
            raise ValueError(
                f"CharacterTokenizer.learn: vocabulary_size is {vocabulary_size}, and "
                f"{len(names)} of the ids are {list(names)}; ask for more."
            )
        counts: collections.Counter[str] = collections.Counter()
        for word, count in word_counts(cls(names, special, **fields), texts).items():
            for letter in word.decode():
                counts[letter] += count
        # A special token of one character is that token, wherever it stands.
        ranked = sorted(counts.keys() - set(names), key=lambda letter: (-counts[letter], letter))
        return cls((*names, *ranked[: vocabulary_size - len(names)]), special, **fields)
