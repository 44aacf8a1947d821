"""WordPiece: words cut into the longest pieces that a vocabulary knows, as BERT does it.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (arXiv:1810.04805).
"""

import collections
import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any, Self

import keras
import tensorflow as tf
import tokenizers

from mmkeras.tokenizers.characters import Characters
from mmkeras.tokenizers.learning import repeated, word_counts
from mmkeras.tokenizers.lookup import static_table
from mmkeras.tokenizers.normalization import bert as bert_cleaning
from mmkeras.tokenizers.pretokenization import bert
from mmkeras.tokenizers.subwords import SubwordTokenizer, WordPieces, check_vocabulary
from mmkeras.tokenizers.tokenizer import SpecialTokens

#: Begins a piece that continues a word.
CONTINUATION = "##"
#: A longer word (in characters) is unknown as a whole, as in BERT: no text can make the search
#: for pieces long.
MAX_WORD_LENGTH = 100

# The table holds, in one number, how many bytes a piece has and its id: the largest of several
# matches is the longest one.
_STRIDE = 1 << 32


#: The special tokens of BERT.
BERT = SpecialTokens("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class WordPiece(SubwordTokenizer):
    """Cuts words into the longest pieces of a vocabulary that fit, from left to right.

    The texts are cleaned of control characters, ideographs and punctuation become words of their
    own, and letters lose their case and accents if so wished, as `BertNormalizer`,
    `BertPreTokenizer` and `WordPiece` in the `tokenizers` package have it.

    Args:
        vocabulary: the pieces, a piece's id being its place; one that continues a word begins
            with `##`.
        special: the special tokens; one must stand for the unknown.
        lowercase: whether capital and small letters are the same.
        strip_accents: whether letters with and without accents are the same.

    Raises:
        ValueError: the vocabulary lacks a special token, repeats a piece or holds an empty one.

    Example:

    >>> names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    >>> tokenizer = WordPiece((*names, "token", "##ize", "##r", "!"))
    >>> tokenizer.tokenize(tf.constant(["Tokenizer!", "tokenize it"])).to_list()
    [[5, 6, 7, 8], [5, 6, 1]]
    >>> tokenizer.tokenize_with_offsets(tf.constant(["Tokenizer!"])).ends.to_list()
    [[5, 8, 9, 10]]
    >>> tokenizer.detokenize(tf.ragged.constant([[5, 6, 7, 8]])).numpy()
    array([b'tokenizer !'], dtype=object)
    """

    vocabulary: tuple[str, ...] = dataclasses.field(repr=False)
    special: SpecialTokens = BERT
    lowercase: bool = True
    strip_accents: bool = False

    def __post_init__(self) -> None:
        """Checks the vocabulary."""
        if self.special.unknown is None:
            raise ValueError(
                "WordPiece: special.unknown is None; name the piece that stands for words which "
                "have no pieces, such as '[UNK]'."
            )
        check_vocabulary("WordPiece", self.vocabulary, self.special)

    @functools.cached_property
    def table(self) -> tf.lookup.StaticHashTable:
        """Piece to `bytes * _STRIDE + id`, int64; below 0 for what is no piece."""
        special = set(self.special.names)
        pieces = {
            piece.encode(): id_
            for id_, piece in enumerate(self.vocabulary)
            if piece not in special and len(piece.removeprefix(CONTINUATION)) <= MAX_WORD_LENGTH
        }
        values = [len(piece) * _STRIDE + id_ for piece, id_ in pieces.items()]
        return static_table(list(pieces), values, tf.string, -1, tf.int64)

    @property
    def resources(self) -> list[Any]:
        """The lookup table of pieces."""
        return [self.table]

    @functools.cached_property
    def _piece_lengths(self) -> tuple[int, ...]:
        """The lengths in bytes that pieces have, the mark of continuation left out."""
        lengths = {len(piece.removeprefix(CONTINUATION).encode()) for piece in self.vocabulary}
        return tuple(sorted(lengths - {0}))

    def normalize(self, characters: Characters) -> Characters:
        """Cleaned characters, without case and accents if so wished."""
        return bert_cleaning(self.lowercase, self.strip_accents)(characters)

    def words(self, characters: Characters) -> tuple[Characters, tf.Tensor]:
        """What stands between white space; punctuation and ideographs stand alone."""
        return bert(characters)

    def word_pieces(self, words: tf.Tensor) -> WordPieces:
        """The longest piece that begins each word, then the longest that goes on, for all words."""
        lengths = tf.constant(self._piece_lengths, tf.int32)
        start = tf.zeros_like(lengths)
        count = tf.shape(words, tf.int64)

        # Most words are pieces themselves.
        matches = self.table.lookup(words)
        active = tf.where(matches < 0)
        rest = tf.gather_nd(words, active)
        too_long = tf.strings.length(rest, unit="UTF8_CHAR") > MAX_WORD_LENGTH
        rest = tf.where(too_long, "", rest)  # which no piece begins

        def longest_match(active, rest, mark, pieces):
            # Cut by bytes: a cut inside a character makes a string that no piece equals.
            heads = tf.strings.substr(rest[:, None], start, lengths + mark)
            match = tf.reduce_max(self.table.lookup(heads), axis=1)
            size = tf.cast(tf.maximum(match, 0) // _STRIDE, tf.int32)
            rest = tf.strings.substr(rest, size, tf.strings.length(rest))
            more = tf.where((match >= 0) & (rest != ""))
            # What is stored is the number of bytes that the piece has of the word.
            stored = tf.where(match >= 0, match - tf.cast(mark, tf.int64) * _STRIDE, match)
            pieces = tf.concat([pieces, tf.scatter_nd(active, stored, count)[:, None]], axis=1)
            rest = CONTINUATION + tf.gather_nd(rest, more)
            return tf.gather_nd(active, more), rest, len(CONTINUATION), pieces

        # [W, steps]: 0 where a word has no more pieces, negative where it has an unknown rest.
        *_, pieces = tf.while_loop(
            lambda active, *_: tf.size(active) > 0,
            longest_match,
            (active, rest, 0, tf.maximum(matches, 0)[:, None]),
            shape_invariants=tuple(map(tf.TensorShape, ([None, 1], [None], [], [None, None]))),
            parallel_iterations=1,
        )
        # A word with an unknown rest is unknown as a whole.
        lost = tf.reduce_min(pieces, axis=1, keepdims=True) < 0
        kept = tf.where(lost, pieces < 0, pieces > 0)
        whole = tf.cast(tf.strings.length(words), tf.int64)[:, None] * _STRIDE + self.unknown_id
        pieces = tf.gather_nd(tf.where(lost, whole, pieces), tf.where(kept))
        ends = tf.cumsum(tf.math.count_nonzero(kept, axis=1))
        return WordPieces(
            tf.concat([[0], ends], axis=0),
            tf.cast(pieces % _STRIDE, tf.int32),
            tf.cast(pieces // _STRIDE, tf.int32),
        )

    @functools.cached_property
    def spellings(self) -> list[bytes]:
        """See `SubwordTokenizer.spellings`."""
        hidden = set(self.special.names) - {self.special.unknown}
        shown = [
            piece.removeprefix(CONTINUATION) if piece.startswith(CONTINUATION) else f" {piece}"
            for piece in self.vocabulary
        ]
        return [
            b"" if piece in hidden else text.encode() for piece, text in zip(self.vocabulary, shown)
        ]

    def detokenize(self, token_ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Joins pieces to words, words with a blank; of the special tokens the unknown is shown.

        Args:
            token_ids: int32 [B, None], ragged or padded.

        Returns:
            string [B].
        """
        with tf.device("CPU:0"):
            return tf.strings.strip(self._joined(token_ids))

    @classmethod
    def learn(
        cls,
        texts: Iterable[str | bytes],
        vocabulary_size: int,
        special: SpecialTokens = BERT,
        min_count: int = 2,
        **fields: Any,
    ) -> Self:
        """Learns a vocabulary from texts, with the trainer of the `tokenizers` package.

        The same texts, in whatever order, give the same vocabulary.

        Args:
            texts: the training texts, UTF-8 where they are bytes.
            vocabulary_size: the most pieces there may be, special ones included; the letters come
                first, the rarest of them being left out if there are too many.
            special: the special tokens, whose ids are the first ones.
            min_count: how often two pieces have to stand together to become one.
            **fields: further fields of the tokenizer, such as `lowercase`.

        Raises:
            ValueError: there is no room for a single piece.
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.

        Example:

        >>> WordPiece.learn(["cat", "cats", "the cats"], vocabulary_size=20).vocabulary[-3:]
        ('##at', 'cat', 'cats')
        """
        names = special.names
        if vocabulary_size <= len(names):
            raise ValueError(
                f"WordPiece.learn: vocabulary_size is {vocabulary_size}, and {len(names)} of the "
                f"pieces are {list(names)}; ask for more."
            )
        counts = word_counts(cls(names, special, **fields), texts)
        words = {
            word: count
            for word, count in ((raw.decode(), n) for raw, n in counts.items())
            if len(word) <= MAX_WORD_LENGTH
        }
        letters = _letters(words, vocabulary_size - len(names))
        trainer = tokenizers.trainers.WordPieceTrainer(
            vocab_size=vocabulary_size,
            min_frequency=min_count,
            # The trainer numbers letters in the random order of a hash map, which decides between
            # pieces that are equally frequent; those it is handed it numbers as they come.
            special_tokens=[*names, *letters],
            continuing_subword_prefix=CONTINUATION,
            show_progress=False,
        )
        learner = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token=special.unknown))
        learner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        pieces = set(letters)
        known = {
            word: count
            for word, count in words.items()
            if pieces.issuperset(word) and pieces.issuperset(_spelled(word))
        }
        learner.train_from_iterator(repeated(known), trainer)
        pieces = learner.get_vocab()
        return cls(tuple(sorted(pieces, key=pieces.__getitem__)), special, **fields)


def _spelled(word: str) -> list[str]:
    """The pieces of one letter that make a word."""
    return [word[0], *(CONTINUATION + letter for letter in word[1:])]


def _letters(words: Mapping[str, int], limit: int) -> list[str]:
    """The most frequent pieces of one letter, no more than `limit`."""
    counts: collections.Counter[str] = collections.Counter()
    for word, count in words.items():
        for piece in _spelled(word):
            counts[piece] += count
            counts[piece[-1]] += 0  # the trainer wants every letter as the first one of a word too
    return sorted(counts, key=lambda piece: (-counts[piece], piece))[:limit]
