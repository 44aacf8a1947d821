"""WordPiece: words cut into the longest pieces that a vocabulary knows, as BERT does it.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (arXiv:1810.04805); the
rules are those of `BertNormalizer`, `BertPreTokenizer` and `WordPiece` in the `tokenizers`
package, accents kept.
"""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import tensorflow as tf
import tokenizers

#: Begins a piece that continues a word.
CONTINUATION = "##"
#: What every vocabulary begins with; the padding is 0.
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: A longer word (in characters) is unknown as a whole, as in BERT: no text can make the search
#: for pieces long.
MAX_WORD_LENGTH = 100

# Control characters, format characters, private use, and the replacement character.
_REMOVED = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\p{Cf}\p{Co}\x{FFFD}]"
# The space operations split at ASCII white space only.
_SPACE = r"\p{Z}"
# A word each: what BERT counts as punctuation (all of ASCII that is neither letter, digit nor
# space, and Unicode's P), and ideographs, which are written without spaces.
_ALONE = (
    r"[!-/:-@\[-`{-~\p{P}"
    r"\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}"
    r"\x{2A700}-\x{2B81F}\x{2B920}-\x{2CEAF}\x{2F800}-\x{2FA1F}]"
)
# TensorFlow lower-cases by the locale of the process (a Turkish one makes "ı" of "I") and by
# context (a sigma at the end of a word). These are lower-cased first, so that a text gives the
# same tokens on every machine.
_LOWERED_FIRST = {
    "\u03a3": "\u03c3",  # Σ: final sigma
    "\u0130": "i\u0307",  # İ: Turkish, Azeri
    "\u00cc": "\u00ec",  # Ì, Í, Ĩ, Į: Lithuanian
    "\u00cd": "\u00ed",
    "\u0128": "\u0129",
    "\u012e": "\u012f",
}
# The first invalid place of a text, for a message that stays short however long the text is.
_AROUND_WRONG = r"(?s)^.*?(.{0,30}\x{FFFD}+.{0,30}).*$"
# The table holds, in one number, how many bytes a piece has and its id: the largest of several
# matches is the longest one.
_STRIDE = 1 << 32


@dataclasses.dataclass(frozen=True)
class WordPiece:
    """Cuts texts into pieces of a vocabulary, vectorised over a batch, and joins them again.

    Built from core TensorFlow operations only, so that it runs eagerly, in `tf.data`, in a
    `tf.function` and in a SavedModel that plain TensorFlow loads.

    The texts are cleaned of control characters, ideographs and punctuation become words of their
    own, and letters become lower-case if so wished; accents stay. Characters are judged by the
    Unicode tables inside TensorFlow, which for characters younger than Unicode 8 (2015) may judge
    otherwise than the `tokenizers` package.

    Args:
        vocabulary: the pieces, a piece's id being its place; begins with `SPECIAL_TOKENS`.
        lowercase: whether capital and small letters are the same.

    Raises:
        ValueError: the vocabulary begins otherwise, repeats a piece or holds an empty one.

    Example:

    >>> tokenizer = WordPiece((*SPECIAL_TOKENS, "token", "##ize", "##r", "!"))
    >>> tokenizer.tokenize(tf.constant(["Tokenizer!", "tokenize it"])).to_list()
    [[5, 6, 7, 8], [5, 6, 1]]
    >>> tokenizer.detokenize(tf.ragged.constant([[5, 6, 7, 8]])).numpy()
    array([b'tokenizer !'], dtype=object)
    """

    vocabulary: tuple[str, ...] = dataclasses.field(repr=False)
    lowercase: bool = True

    def __post_init__(self) -> None:
        """Checks the vocabulary."""
        start = self.vocabulary[: len(SPECIAL_TOKENS)]
        if start != SPECIAL_TOKENS:
            raise ValueError(
                f"WordPiece: the vocabulary begins with {start}; it has to begin with "
                f"{SPECIAL_TOKENS}. WordPiece.learn makes one from texts."
            )
        if "" in self.vocabulary:
            raise ValueError(
                f"WordPiece: piece {self.vocabulary.index('')} of the vocabulary is empty; leave "
                "it out."
            )
        if len(set(self.vocabulary)) < len(self.vocabulary):
            twice = [p for p, n in collections.Counter(self.vocabulary).items() if n > 1]
            raise ValueError(
                f"WordPiece: {len(twice)} pieces stand more than once in the vocabulary, such as "
                f"{twice[:3]}; every piece has to stand once."
            )

    @property
    def pad_id(self) -> int:
        """The id of `[PAD]`: 0."""
        return SPECIAL_TOKENS.index("[PAD]")

    @property
    def unknown_id(self) -> int:
        """The id of `[UNK]`, which stands for a word that has no pieces."""
        return SPECIAL_TOKENS.index("[UNK]")

    @property
    def start_id(self) -> int:
        """The id of `[CLS]`, which a model may want before the first piece."""
        return SPECIAL_TOKENS.index("[CLS]")

    @property
    def end_id(self) -> int:
        """The id of `[SEP]`, which a model may want behind the last piece."""
        return SPECIAL_TOKENS.index("[SEP]")

    @property
    def mask_id(self) -> int:
        """The id of `[MASK]`, which hides a piece."""
        return SPECIAL_TOKENS.index("[MASK]")

    @functools.cached_property
    def table(self) -> tf.lookup.StaticHashTable:
        """Piece to `bytes * _STRIDE + id`, int64; below 0 for what is no piece."""
        pieces = {
            piece.encode(): id_
            for id_, piece in enumerate(self.vocabulary)
            if len(piece.removeprefix(CONTINUATION)) <= MAX_WORD_LENGTH
        }
        # Made outside of whatever is being traced, so that all traces share it, and beside the
        # strings, which never leave the CPU.
        with tf.init_scope(), tf.device("CPU:0"):
            return tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(list(pieces)),
                    tf.constant([len(p) * _STRIDE + i for p, i in pieces.items()], tf.int64),
                ),
                default_value=self.unknown_id - _STRIDE,
            )

    @property
    def resources(self) -> list[Any]:
        """What an export has to track so that the lookup table travels with the SavedModel."""
        return [self.table]

    @functools.cached_property
    def _piece_lengths(self) -> tuple[int, ...]:
        """The lengths in bytes that pieces have, the mark of continuation left out."""
        lengths = {len(piece.removeprefix(CONTINUATION).encode()) for piece in self.vocabulary}
        return tuple(sorted(lengths - {0}))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles by what made it: the lookup table cannot be copied."""
        return type(self), (self.vocabulary, self.lowercase)

    def normalize(self, texts: tf.Tensor) -> tf.Tensor:
        """Cleans texts, so that the white space in them is all that parts one word from the next.

        Args:
            texts: string [B], UTF-8.

        Returns:
            string [B].

        Raises:
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.
        """
        replaced = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        wrong = tf.where(texts == replaced, "", replaced)
        wrong = tf.strings.strip(tf.strings.reduce_join(wrong, separator=" "))
        tf.raw_ops.Assert(
            condition=wrong == "",
            data=[
                "a text is not valid UTF-8; decode it with its own encoding. U+FFFD marks where:",
                tf.strings.regex_replace(wrong, _AROUND_WRONG, r"\1"),
            ],
        )
        texts = tf.strings.regex_replace(texts, _REMOVED, "")
        texts = tf.strings.regex_replace(texts, _SPACE, " ")
        texts = tf.strings.regex_replace(texts, _ALONE, r" \0 ")
        if self.lowercase:
            texts = tf.strings.lower(texts)
            for upper, lower in _LOWERED_FIRST.items():
                texts = tf.strings.regex_replace(texts, upper, lower)
            texts = tf.strings.lower(texts, encoding="utf-8")
        return texts

    def tokenize(self, texts: tf.Tensor, limit: int | None = None) -> tf.RaggedTensor:
        """Cuts texts into pieces.

        Args:
            texts: string [B], UTF-8.
            limit: reads no more than so many words of a text, which has at least as many pieces.

        Returns:
            int32 [B, None], the ids of the pieces, without any special token but `[UNK]`.

        Raises:
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.
        """
        with tf.device("CPU:0"):
            texts = tf.convert_to_tensor(texts, tf.string)
            indices, words, _ = tf.raw_ops.StringSplitV2(
                input=self.normalize(texts), sep="", maxsplit=-1
            )
            rows = indices[:, 0]
            if limit is not None:
                early = tf.where(indices[:, 1] < limit)[:, 0]
                rows, words = tf.gather(rows, early), tf.gather(words, early)
            words, word = tf.unique(words, tf.int64)
            splits, pieces = self._split(words)
            (splits,), pieces = tf.raw_ops.RaggedGather(
                params_nested_splits=[splits],
                params_dense_values=pieces,
                indices=word,
                OUTPUT_RAGGED_RANK=1,
            )
            ends = tf.raw_ops.LowerBound(
                sorted_inputs=rows[None],
                values=tf.range(tf.size(texts, tf.int64) + 1)[None],
                out_type=tf.int64,
            )
            splits = tf.gather(splits, ends[0])
            return tf.RaggedTensor.from_row_splits(  # pyright: ignore[reportAttributeAccessIssue]
                pieces, splits, validate=False
            )

    def _split(self, words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The pieces of each word: string [W] to row splits int64 [W + 1] and int32 [None]."""
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
            pieces = tf.concat([pieces, tf.scatter_nd(active, match, count)[:, None]], axis=1)
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
        ids = tf.cast(tf.math.floormod(tf.gather_nd(pieces, tf.where(kept)), _STRIDE), tf.int32)
        ends = tf.cumsum(tf.math.count_nonzero(kept, axis=1))
        return tf.concat([[0], ends], axis=0), ids

    def detokenize(self, token_ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Joins pieces to words, and words with a space; `[UNK]` is shown, other specials are not.

        Args:
            token_ids: int32 [B, None], ragged or padded with 0.

        Returns:
            string [B].
        """
        shown = ["" if p in SPECIAL_TOKENS and p != "[UNK]" else p for p in self.vocabulary]
        with tf.device("CPU:0"):
            pieces = tf.gather(tf.constant(shown), token_ids)
            texts = tf.strings.reduce_join(pieces, axis=-1, separator=" ")
            texts = tf.strings.regex_replace(texts, f" +{CONTINUATION}", "")
            texts = tf.strings.regex_replace(texts, " +", " ")
            return tf.strings.strip(texts)

    @classmethod
    def learn(
        cls,
        texts: Iterable[str | bytes],
        vocabulary_size: int,
        lowercase: bool = True,
        min_count: int = 2,
    ) -> Self:
        """Learns a vocabulary from texts, with the trainer of the `tokenizers` package.

        The same texts, in whatever order, give the same vocabulary.

        Args:
            texts: the training texts, UTF-8 where they are bytes.
            vocabulary_size: the most pieces there may be, special ones included; the letters come
                first, the rarest of them being left out if there are too many.
            lowercase: whether capital and small letters are the same.
            min_count: how often two pieces have to stand together to become one.

        Raises:
            ValueError: there is no room for a single piece.
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.

        Example:

        >>> WordPiece.learn(["cat", "cats", "the cats"], vocabulary_size=20).vocabulary[-3:]
        ('##at', 'cat', 'cats')
        """
        if vocabulary_size <= len(SPECIAL_TOKENS):
            raise ValueError(
                f"WordPiece.learn: vocabulary_size is {vocabulary_size}, and {len(SPECIAL_TOKENS)} "
                f"of the pieces are {list(SPECIAL_TOKENS)}; ask for more."
            )
        normalize = tf.function(
            cls(SPECIAL_TOKENS, lowercase).normalize,
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
        words: collections.Counter[str] = collections.Counter()
        texts = iter(texts)
        while batch := list(itertools.islice(texts, 1_024)):
            for text in normalize(tf.constant(batch, tf.string)).numpy():
                words.update(word for word in text.decode().split() if len(word) <= MAX_WORD_LENGTH)

        letters = _letters(words, vocabulary_size - len(SPECIAL_TOKENS))
        trainer = tokenizers.trainers.WordPieceTrainer(
            vocab_size=vocabulary_size,
            min_frequency=min_count,
            # The trainer numbers letters in the random order of a hash map, which decides between
            # pieces that are equally frequent; those it is handed it numbers as they come.
            special_tokens=[*SPECIAL_TOKENS, *letters],
            continuing_subword_prefix=CONTINUATION,
            show_progress=False,
        )
        learner = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
        learner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        learner.train_from_iterator(_repeated(words, set(letters)), trainer)
        pieces = learner.get_vocab()
        return cls(tuple(sorted(pieces, key=pieces.__getitem__)), lowercase)


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


def _repeated(words: Mapping[str, int], pieces: set[str]) -> Iterator[str]:
    """Texts that hold every word as often as counted, but for words with an unknown letter."""
    for word in sorted(words):
        if pieces.issuperset(word) and pieces.issuperset(_spelled(word)):
            for done in range(0, words[word], 1_000):
                yield f"{word} " * min(1_000, words[word] - done)
