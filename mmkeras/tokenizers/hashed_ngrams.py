"""`HashedNgrams`: words as their parts of a few characters each, without a learned vocabulary.

Bojanowski et al., "Enriching Word Vectors with Subword Information" (arXiv:1607.04606): words that
share parts share what is learned of them, which tells much where there are few texts.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any, Self

import keras
import tensorflow as tf

from mmkeras.tokenizers.characters import decode, lower_bound, valid
from mmkeras.tokenizers.tokenizer import Tokenizer

# Marks of the begin and the end of a word, which no text is likely to hold.
_BEGIN, _END = "\x02", "\x03"
_ALONE = r"([^\pL\pN\pM\s])"
#: What stands behind so many characters of a word is not read: no text takes long.
MAX_WORD_LENGTH = 100
_RESERVED = ("pad", "unknown")


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class HashedNgrams(Tokenizer):
    """The n-grams of the characters of each word, and the word itself, as the numbers of buckets.

    With `words`, runs of words follow the last word of each, as pairs in which "not" stands beside
    what it denies (Joulin et al., "Bag of Tricks for Efficient Text Classification",
    arXiv:1607.01759, section 2.3). Letters keep their case, unless `lowercase` says otherwise; what
    is no letter, digit or mark is a word of its own. Ids 0 and 1 are the padding and the unknown.
    Different n-grams may share a bucket, so that ids cannot be turned into text again.

    Args:
        buckets: how many ids n-grams share.
        shortest: the fewest characters of an n-gram, the marks of a word's begin and end counted.
        longest: the most; 0 leaves the parts of words out.
        words: the longest run of words; 1 for single words alone.
        lowercase: whether capitals count as small letters.

    Raises:
        ValueError: a number is out of its range.

    Example:

    >>> tokenizer = HashedNgrams(buckets=1_000)
    >>> cat, cats = tokenizer.tokenize(tf.constant(["cat", "cats"])).to_list()
    >>> len(cat), len(cats), len(set(cat) & set(cats))
    (10, 13, 6)
    >>> pairs = HashedNgrams(buckets=1_000, longest=0, words=2)
    >>> [len(ids) for ids in pairs.tokenize(tf.constant(["not", "not so good"])).to_list()]
    [1, 5]
    """

    buckets: int = 4_096
    shortest: int = 2
    longest: int = 4
    words: int = 1
    lowercase: bool = False

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.buckets < 1:
            raise ValueError(f"HashedNgrams: buckets is {self.buckets}; it has to be at least 1.")
        if self.longest and not 1 <= self.shortest <= self.longest:
            raise ValueError(
                f"HashedNgrams: shortest is {self.shortest} and longest {self.longest}; they have "
                "to be at least 1, and the shortest not above the longest, unless that is 0."
            )
        if self.words < 1:
            raise ValueError(f"HashedNgrams: words is {self.words}; it has to be at least 1.")

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are: the buckets, the padding and the unknown."""
        return self.buckets + len(_RESERVED)

    @property
    def resources(self) -> list[Any]:
        """Nothing: a hash needs no table."""
        return []

    def special_id(self, role: str) -> int | None:
        """0 for `"pad"`, 1 for `"unknown"`; there is nothing else."""
        return _RESERVED.index(role) if role in _RESERVED else None

    def tokenize(self, texts: tf.Tensor, limit: int | None = None) -> tf.RaggedTensor:
        """See `Tokenizer.tokenize`."""
        return self.parts(texts, limit).merge_dims(1, 2)

    def parts(self, texts: tf.Tensor, limit: int | None = None) -> tf.RaggedTensor:
        """The ids of each word apart.

        Args:
            texts: string [B].
            limit: the most words to read of each text.

        Returns:
            int32 [B, (words), (parts)].
        """
        with tf.device("CPU:0"):
            words = _words(texts)[:, :limit]
            marked = tf.strings.substr(words.flat_values, 0, MAX_WORD_LENGTH, unit="UTF8_CHAR")
            if self.lowercase:
                marked = tf.strings.lower(marked, encoding="utf-8")
            marked = tf.strings.join([_BEGIN, marked, _END])
            parts = tf.RaggedTensor.from_tensor(marked[:, None])
            if self.longest:
                characters = tf.strings.unicode_split(marked, "UTF-8")
                lengths = list(range(self.shortest, self.longest + 1))
                ngrams = tf.strings.ngrams(characters, lengths, separator="")
                parts = tf.concat([ngrams, parts], axis=1)
            if self.words > 1:
                runs = _runs(words.with_flat_values(marked), self.words)
                parts = tf.concat([parts, runs], axis=1)
            ids = tf.strings.to_hash_bucket_fast(parts.flat_values, self.buckets)
            ids = parts.with_flat_values(tf.cast(ids, tf.int32) + len(_RESERVED))
            return words.with_flat_values(ids)

    def offsets(
        self, texts: tf.Tensor, limit: int | None = None
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Where each word starts and ends in its text, int32 [B, (words)] each, in characters.

        Args:
            texts: string [B].
            limit: the most words to read of each text.
        """
        with tf.device("CPU:0"):
            words = _words(texts)[:, :limit]
            codes, splits, _ = decode(tf.convert_to_tensor(texts, tf.string))
            # Words are all that is no white space, in its order.
            solid = tf.where((codes != ord(" ")) & ((codes < 9) | (codes > 13)))[:, 0]
            ends = tf.cumsum(tf.strings.length(words.flat_values, unit="UTF8_CHAR"))
            ends = tf.pad(tf.cast(ends, tf.int64), [[1, 0]])
            row = words.value_rowids()
            before = tf.gather(ends, tf.gather(words.row_splits, row))
            base = tf.gather(lower_bound(solid, splits), row) - before
            begin = tf.gather(splits, row)
            starts = tf.gather(solid, base + ends[:-1]) - begin
            last = tf.gather(solid, base + ends[1:] - 1) - begin
            return (
                words.with_flat_values(tf.cast(starts, tf.int32)),
                words.with_flat_values(tf.cast(last, tf.int32) + 1),
            )

    @classmethod
    def learn(cls, texts: Iterable[str | bytes], vocabulary_size: int, **options: Any) -> Self:
        """The tokenizer of so many ids; the texts tell it nothing.

        Args:
            texts: not read.
            vocabulary_size: the number of buckets and the two ids besides.
            **options: further fields of the tokenizer.
        """
        del texts
        return cls(vocabulary_size - len(_RESERVED), **options)


def _words(texts: tf.Tensor) -> tf.RaggedTensor:
    """string [B, (words)]; what is no letter, digit or mark is a word of its own."""
    texts = valid(tf.convert_to_tensor(texts, tf.string))
    return tf.strings.split(tf.strings.regex_replace(texts, _ALONE, r" \1 "))


def _runs(words: tf.RaggedTensor, longest: int) -> tf.RaggedTensor:
    """For each word of all texts, the runs of 2 to `longest` words that end with it."""
    runs = [words.flat_values]
    for back in range(1, longest):
        runs.append(tf.strings.join([tf.roll(words.flat_values, back, axis=0), runs[-1]]))
    place = tf.ragged.range(words.row_lengths()).flat_values
    within = place[:, None] >= tf.range(1, longest, dtype=place.dtype)
    return tf.ragged.boolean_mask(tf.stack(runs[1:], axis=1), within)
