"""`SubwordTokenizer`: texts cut into words, and words into pieces of a vocabulary."""

import abc
import collections
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from mmkeras.tokenizers.characters import (
    Characters,
    byte_starts,
    decode,
    lower_bound,
    row_numbers,
    utf8_lengths,
)
from mmkeras.tokenizers.tokenizer import SpecialTokens, Tokenizer

UNITS = ("characters", "bytes")
#: What a piece that is one byte is called, as in SentencePiece.
BYTE_PIECES = tuple(f"<0x{byte:02X}>" for byte in range(256))


class Pieces(NamedTuple):
    """The pieces of B texts.

    Attributes:
        token_ids: int32 [B, None].
        starts: int32 [B, None], where in the original text each piece begins.
        ends: int32 [B, None], where it ends: the place behind its last character or byte.
    """

    token_ids: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor


class WordPieces(NamedTuple):
    """The pieces of W words, one word after the other.

    Attributes:
        splits: int64 [W + 1], where the pieces of each word begin.
        token_ids: int32 [P].
        lengths: int32 [P], how many bytes of the word each piece covers; together all of them.
    """

    splits: tf.Tensor
    token_ids: tf.Tensor
    lengths: tf.Tensor


class SubwordTokenizer(Tokenizer):
    """Cuts texts into pieces of a vocabulary, says where they stand, and joins them again.

    Subclasses say which characters a text is of (`normalize`), where its words are (`words`) and
    which pieces a word has (`word_pieces`). What is asked of a word is asked once for all places of
    a batch where it stands.
    """

    vocabulary: tuple[str, ...]
    special: SpecialTokens

    @abc.abstractmethod
    def normalize(self, characters: Characters) -> Characters:
        """The characters that are cut into words; what was removed is missing in them."""

    @abc.abstractmethod
    def words(self, characters: Characters) -> tuple[Characters, tf.Tensor]:
        """The characters that stand in words, and bool [N]: where a word begins."""

    @abc.abstractmethod
    def word_pieces(self, words: tf.Tensor) -> WordPieces:
        """The pieces of words (string [W], all different)."""

    @abc.abstractmethod
    def detokenize(self, token_ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Joins pieces to texts.

        Args:
            token_ids: int32 [B, None], ragged or padded.

        Returns:
            string [B].
        """

    @property
    @abc.abstractmethod
    def spellings(self) -> list[bytes]:
        """What each piece adds to a text, in UTF-8, nothing where it is not shown.

        One behind the other, without white space around them, they are what `detokenize` gives; a
        character may be spread over several of them.
        """

    def _joined(self, token_ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """The spellings of pieces, int32 [B, (N)], one behind the other: string [B]."""
        spelled = tf.gather(tf.constant(self.spellings), token_ids)
        return tf.strings.reduce_join(spelled, axis=-1)

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, those of special tokens included."""
        return len(self.vocabulary)

    @property
    def marks(self) -> tuple[str, ...]:
        """The pieces that stand for no text: the special tokens."""
        return self.special.names

    def special_id(self, role: str) -> int | None:
        """The id of the piece that plays a part, one of the names of `SpecialTokens`."""
        piece = getattr(self.special, role)
        return None if piece is None else self.vocabulary.index(piece)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles by what made it: a lookup table cannot be copied."""
        return type(self), tuple(getattr(self, f.name) for f in dataclasses.fields(self))

    def tokenize(self, texts: tf.Tensor, limit: int | None = None) -> tf.RaggedTensor:
        """See `Tokenizer.tokenize`."""
        with tf.device("CPU:0"):
            texts = tf.convert_to_tensor(texts, tf.string)
            characters = decode(texts)
            _, _, pieces, index, splits = self._cut(characters, limit)
            splits_of_words, token_ids = _rows(pieces.splits, pieces.token_ids, index)
            return _ragged(token_ids, tf.gather(splits_of_words, splits))

    def tokenize_with_offsets(
        self, texts: tf.Tensor, limit: int | None = None, unit: str = "characters"
    ) -> Pieces:
        """Cuts texts into pieces and says where in the original texts each of them stands.

        Args:
            texts: string [B], UTF-8.
            limit: see `tokenize`.
            unit: `"characters"` (code points, as Python counts) or `"bytes"` (of UTF-8).

        Returns:
            The pieces that `tokenize` gives, with their offsets. A piece that is part of a
            character has the offsets of the whole character.

        Raises:
            ValueError: there is no such unit.
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.
        """
        if unit not in UNITS:
            raise ValueError(f"unit is {unit!r}; it has to be one of {list(UNITS)}.")
        with tf.device("CPU:0"):
            texts = tf.convert_to_tensor(texts, tf.string)
            original = decode(texts)
            characters, begins, pieces, index, splits = self._cut(original, limit)
            places = tf.range(tf.size(pieces.token_ids))
            splits_of_words, place = _rows(pieces.splits, places, index)
            token_ids = tf.gather(pieces.token_ids, place)
            lengths = tf.gather(pieces.lengths, place)
            # Bytes are counted through the batch, in the characters that words are of.
            sizes = tf.concat([[0], tf.cumsum(utf8_lengths(characters.codes))], axis=0)
            ends = tf.cumsum(lengths)
            word_ends = tf.concat([[0], ends], axis=0)
            moved = tf.gather(sizes, begins) - tf.gather(word_ends, splits_of_words[:-1])
            ends += tf.gather(moved, row_numbers(splits_of_words))
            starts = ends - lengths
            first = lower_bound(sizes, starts + 1) - 1
            last = lower_bound(sizes, ends) - 1
            splits = tf.gather(splits_of_words, splits)
            row = tf.cast(tf.gather(original.splits, row_numbers(splits)), tf.int32)
            starts, ends = self.trim(
                token_ids,
                tf.gather(characters.origins, first),
                tf.gather(characters.origins, last) + 1,
                row,
            )
            if unit == "bytes":
                begin = byte_starts(texts)
                size = tf.strings.length(texts)
                end = tf.concat([begin[1:], [0]], axis=0)
                end = tf.where(end == 0, tf.gather(size, row_numbers(original.splits)), end)
                starts, ends = tf.gather(begin, starts), tf.gather(end, ends - 1)
            else:
                starts, ends = starts - row, ends - row
            return Pieces(
                _ragged(token_ids, splits), _ragged(starts, splits), _ragged(ends, splits)
            )

    def trim(
        self, token_ids: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor, row: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What of the characters that a piece covers its offsets tell; by default all.

        Args:
            token_ids, starts, ends: int32 [P], pieces and their characters.
            row: int32 [P], the first character of the text that each piece is of.
        """
        del token_ids, row
        return starts, ends

    def normalized(self, texts: tf.Tensor) -> tf.Tensor:
        """Texts (string [B]) of the characters that are cut into words: string [B].

        Raises:
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.
        """
        with tf.device("CPU:0"):
            characters = self.normalize(decode(tf.convert_to_tensor(texts, tf.string)))
            return _encode(characters.codes, characters.splits)

    def cut(self, texts: tf.Tensor) -> tf.Tensor:
        """The words of texts (string [B]) as they are looked up, one after the other: string [W].

        Raises:
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.
        """
        with tf.device("CPU:0"):
            characters = decode(tf.convert_to_tensor(texts, tf.string))
            characters, first = self.words(self.normalize(characters))
            begins, size = tf.where(first)[:, 0], tf.size(characters.codes, tf.int64)
            return _encode(characters.codes, tf.concat([begins, [size]], axis=0))

    def _cut(
        self, characters: Characters, limit: int | None
    ) -> tuple[Characters, tf.Tensor, WordPieces, tf.Tensor, tf.Tensor]:
        """Cuts characters into words and those into pieces.

        Returns:
            the characters in words; where each word begins in them, int64 [W]; the pieces of the
            words that differ; which of these each word is, int64 [W]; and the words at which the
            texts begin, int64 [B + 1].
        """
        characters, first = self.words(self.normalize(characters))
        begins = tf.where(first)[:, 0]
        splits = lower_bound(begins, characters.splits)
        codes = characters.codes
        ends = tf.concat([begins, [tf.size(codes, tf.int64)]], axis=0)
        if limit is not None:
            splits, early = tf.raw_ops.RaggedRange(
                starts=splits[:-1],
                limits=tf.minimum(splits[1:], splits[:-1] + limit),
                deltas=tf.constant(1, tf.int64),
            )
            begins = tf.gather(begins, early)
            ends, codes = _rows(ends, codes, early)
        words = _encode(codes, ends)
        different, index = tf.unique(words, tf.int64)
        return characters, begins, self.word_pieces(different), index, splits


def _encode(codes: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """The words of code points [N], each from one of `splits` (int64 [W + 1]) to the next."""
    return tf.raw_ops.UnicodeEncode(
        input_values=codes,
        input_splits=splits,
        output_encoding="UTF-8",
        errors="replace",
    )


def interleaved(whole: tf.Tensor, whole_lengths: tf.Tensor, parts: WordPieces) -> WordPieces:
    """Words that are one piece, and between them the others.

    Args:
        whole: int32 [W], the piece that each word is, or a negative number.
        whole_lengths: int32 [W], how many bytes each word has.
        parts: the pieces of the words that are not one piece, in their order.
    """
    is_whole = whole >= 0
    there = tf.where(is_whole)[:, 0]
    # The storage has the words of one piece first, then the others.
    count = tf.cumsum(tf.cast(is_whole, tf.int64))
    other = tf.range(tf.size(whole, tf.int64)) - count
    number = tf.size(there, tf.int64)
    index = tf.where(is_whole, count - 1, number + other)
    splits = tf.concat([tf.range(number), number + parts.splits], axis=0)
    token_ids = tf.concat([tf.gather(whole, there), parts.token_ids], axis=0)
    lengths = tf.concat([tf.gather(whole_lengths, there), parts.lengths], axis=0)
    splits, place = _rows(splits, tf.range(tf.size(token_ids)), index)
    return WordPieces(splits, tf.gather(token_ids, place), tf.gather(lengths, place))


def check_vocabulary(kind: str, vocabulary: Sequence[str], special: SpecialTokens) -> None:
    """Raises ValueError if pieces repeat, one is empty or a special one is missing."""
    if "" in vocabulary:
        raise ValueError(
            f"{kind}: piece {list(vocabulary).index('')} of the vocabulary is empty; leave it out."
        )
    if len(set(vocabulary)) < len(vocabulary):
        twice = [piece for piece, n in collections.Counter(vocabulary).items() if n > 1]
        raise ValueError(
            f"{kind}: {len(twice)} pieces stand more than once in the vocabulary, such as "
            f"{twice[:3]}; every piece has to stand once."
        )
    for role, piece in special.get_config().items():
        if piece is not None and piece not in vocabulary:
            raise ValueError(
                f"{kind}: the vocabulary of {len(vocabulary)} pieces lacks {piece!r}, which "
                f"special.{role} names; add it, or name the piece that plays this part."
            )


def _rows(splits: tf.Tensor, values: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The splits and values of some rows (int64 [R]) of a ragged tensor."""
    (splits,), values = tf.raw_ops.RaggedGather(
        params_nested_splits=[splits],
        params_dense_values=values,
        indices=index,
        OUTPUT_RAGGED_RANK=1,
    )
    return splits, values


def _ragged(values: tf.Tensor, splits: tf.Tensor) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)
