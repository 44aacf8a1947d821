"""`ByteTokenizer`: every byte is a piece; there is nothing to learn, and nothing unknown."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, Self

import keras
import tensorflow as tf

from mmkeras.tokenizers.characters import Characters
from mmkeras.tokenizers.pretokenization import blanks
from mmkeras.tokenizers.subwords import BYTE_PIECES, SubwordTokenizer, WordPieces
from mmkeras.tokenizers.tokenizer import SpecialTokens

#: The special tokens of ByT5, which come before the bytes in this order.
BYT5 = SpecialTokens(pad="<pad>", end="</s>", unknown="<unk>")
_FIRST = ("<pad>", "</s>", "<unk>")


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class ByteTokenizer(SubwordTokenizer):
    """The bytes of UTF-8 as ids from 3 on, as ByT5 has them; 0 to 2 are the special tokens.

    Xue et al., "ByT5: Towards a Token-Free Future with Pre-trained Byte-to-Byte Models"
    (arXiv:2105.13626).

    Example:

    >>> ByteTokenizer().tokenize(tf.constant(["né"])).to_list()
    [[113, 198, 172]]
    >>> ByteTokenizer().tokenize_with_offsets(tf.constant(["né"])).ends.to_list()
    [[1, 2, 2]]
    """

    @functools.cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The special tokens, then the bytes, such as `<0x0A>`."""
        return (*_FIRST, *BYTE_PIECES)

    @property
    def special(self) -> SpecialTokens:
        """Those of ByT5."""
        return BYT5

    @property
    def resources(self) -> list[Any]:
        """Nothing: bytes need no table."""
        return []

    def normalize(self, characters: Characters) -> Characters:
        """The characters as they are."""
        return characters

    def words(self, characters: Characters) -> tuple[Characters, tf.Tensor]:
        """A blank begins a word."""
        return blanks(characters)

    def word_pieces(self, words: tf.Tensor) -> WordPieces:
        """The bytes of all words."""
        raw = tf.io.decode_raw(tf.strings.reduce_join(words), tf.uint8)
        token_ids = tf.cast(raw, tf.int32) + len(_FIRST)
        ends = tf.cumsum(tf.cast(tf.strings.length(words), tf.int64))
        splits = tf.concat([[0], ends], axis=0)
        return WordPieces(splits, token_ids, tf.ones_like(token_ids))

    @functools.cached_property
    def spellings(self) -> list[bytes]:
        """See `SubwordTokenizer.spellings`."""
        return [*(b"" for _ in _FIRST), *(bytes([byte]) for byte in range(256))]

    def detokenize(self, token_ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Joins bytes to texts; special tokens are not shown, U+FFFD stands for half characters.

        Args:
            token_ids: int32 [B, None], ragged or padded.

        Returns:
            string [B].
        """
        with tf.device("CPU:0"):
            texts = self._joined(token_ids)
            return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")

    @classmethod
    def learn(cls, texts: Iterable[str | bytes], vocabulary_size: int, **options: Any) -> Self:
        """The tokenizer; the texts tell it nothing.

        Args:
            texts: not read.
            vocabulary_size: at least the 259 ids there are.
            **options: none.

        Raises:
            ValueError: there is no room for every byte.
        """
        del texts
        made = cls(**options)
        if vocabulary_size < made.vocabulary_size:
            raise ValueError(
                f"ByteTokenizer.learn: vocabulary_size is {vocabulary_size}; there are always "
                f"{made.vocabulary_size} ids."
            )
        return made
