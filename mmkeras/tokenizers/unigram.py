"""Unigram: words cut into the pieces that are the most probable together.

Kudo, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword
Candidates" (arXiv:1804.10959), as SentencePiece (Kudo and Richardson, arXiv:1808.06226) and
`Unigram` in the `tokenizers` package have it.
"""

import collections
import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
import tokenizers

from mmkeras.tokenizers.characters import (
    Characters,
    CharacterTable,
    decode,
    lower_bound,
    matching,
    runs,
    shifted,
    utf8_lengths,
)
from mmkeras.tokenizers.charsmap import CharsMap, ClusterCharsMap, protected, rules
from mmkeras.tokenizers.learning import repeated, word_counts
from mmkeras.tokenizers.lookup import static_table
from mmkeras.tokenizers.normalization import Step, check_steps, step
from mmkeras.tokenizers.segmentation import Segmentation
from mmkeras.tokenizers.subwords import (
    BYTE_PIECES,
    SubwordTokenizer,
    WordPieces,
    check_vocabulary,
    interleaved,
)
from mmkeras.tokenizers.tokenizer import SpecialTokens

#: Stands for a blank, so that a word tells that there was one before it.
BLANK = "▁"
#: The special tokens of XLM-RoBERTa, the padding first.
XLM_R = SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>")
#: What blanks and prefixes do; see `Unigram`.
RULES = ("metaspace", "whitespace", "sentencepiece")
_CHARSMAPS = {"charsmap": CharsMap, "precompiled": ClusterCharsMap}
# How much worse than the worst piece an unknown character is, as in SentencePiece.
_PENALTY = 10.0
# Learned scores are multiples of its inverse: their sums are exact, so that the order of adding
# does not decide between equally good ways to cut.
_PRECISION = 1_024
# By how much the trainer tells scores of letters apart that it did not learn.
_LETTER_STEP = 1e-4


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Unigram(SubwordTokenizer):
    """Cuts words into the pieces whose probabilities have the largest product.

    A blank is part of the word behind it and written `▁`. Characters in a row that no piece covers
    are one unknown piece, within a word, as in the `tokenizers` package.

    Of 50,000 lines in 24 scripts all ids equal those of that package (see
    benchmarks/tokenization.py). Offsets do but for those of 2 lines of combining marks that NFKC
    moves; of 365 where `Precompiled` deletes what a text begins with, which moves all offsets
    there; and of bytes: here they have the offsets of their character, there those of all unknown
    characters in a row. Of a SentencePiece model, 5 lines differ from `sentencepiece`, in ways to
    cut that are equally probable, between which the rounding of its 32-bit sums decides.

    Args:
        vocabulary: the pieces, a piece's id being its place.
        scores: the natural logarithm of each piece's probability.
        special: the special tokens; one must stand for the unknown, unless `byte_fallback`.
        control: further pieces that no text is cut into.
        symbols: pieces that no charsmap changes: SentencePiece's user-defined symbols.
        normalization: what is done to the characters before, of `normalization.STEPS`, and of
            `"charsmap"` and `"precompiled"`, which apply `charsmap` as SentencePiece does and as
            `Precompiled` in the `tokenizers` package does.
        charsmap: the rules that a SentencePiece model holds, in base 64.
        rule: `"metaspace"`, as in the `tokenizers` package: every `▁` begins a word;
            `"whitespace"`: as that, once white space, of which nothing remains, has parted the
            text; or `"sentencepiece"`: pieces may hold further `▁`.
        prefix_space: whether a text is read as if a blank stood before it; where there is one
            already, that one is taken, but by the rule of SentencePiece.
        byte_fallback: whether what is unknown is cut into bytes, pieces such as `<0x0A>`.

    Raises:
        ValueError: a field is wrong by itself, or does not fit the others.

    Example:

    >>> pieces = {"<unk>": 0.0, "▁": -2.0, "▁cat": -3.0, "s": -3.5, "▁ca": -4.0, "ts": -4.5}
    >>> tokenizer = Unigram(tuple(pieces), tuple(pieces.values()), SpecialTokens(unknown="<unk>"))
    >>> tokenizer.tokenize(tf.constant(["cats cat", "狗"])).to_list()
    [[2, 3, 2], [1, 0]]
    >>> tokenizer.detokenize(tf.constant([[2, 3, 2]])).numpy()
    array([b'cats cat'], dtype=object)
    """

    vocabulary: tuple[str, ...] = dataclasses.field(repr=False)
    scores: tuple[float, ...] = dataclasses.field(repr=False)
    special: SpecialTokens = XLM_R
    control: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    normalization: tuple[str, ...] = ("nmt", "NFKC", "strip_right", "collapse_blanks")
    charsmap: str = dataclasses.field(default="", repr=False)
    rule: str = "metaspace"
    prefix_space: bool = True
    byte_fallback: bool = False

    def __post_init__(self) -> None:
        """Checks the fields."""
        check_vocabulary("Unigram", self.vocabulary, self.special)
        check_steps("Unigram", self.normalization, _CHARSMAPS)
        if self.rule not in RULES:
            raise ValueError(f"Unigram: rule is {self.rule!r}; it has to be one of {list(RULES)}.")
        if len(self.scores) != len(self.vocabulary):
            raise ValueError(
                f"Unigram: there are {len(self.scores)} scores for {len(self.vocabulary)} pieces; "
                "every piece needs one."
            )
        wrong = [place for place, score in enumerate(self.scores) if not math.isfinite(score)]
        if wrong:
            raise ValueError(
                f"Unigram: the score of piece {self.vocabulary[wrong[0]]!r} is "
                f"{self.scores[wrong[0]]}; it has to be the logarithm of a probability."
            )
        for name in ("control", "symbols"):
            lacking = sorted(set(getattr(self, name)) - self._ids.keys())
            if lacking:
                raise ValueError(f"Unigram: {name} names {lacking[:3]}, which are no pieces.")
        bytes_there = sum(piece in self._ids for piece in BYTE_PIECES)
        if self.byte_fallback and bytes_there < 256:
            raise ValueError(
                f"Unigram: byte_fallback needs the 256 pieces '<0x00>' to '<0xFF>'; the "
                f"vocabulary has {bytes_there} of them."
            )
        if self.special.unknown is None and not self.byte_fallback:
            raise ValueError(
                "Unigram: special.unknown is None; name the piece that stands for characters which "
                "have no pieces, such as '<unk>', or set byte_fallback."
            )
        if bool(self.charsmap) != bool(_CHARSMAPS.keys() & set(self.normalization)):
            raise ValueError(
                "Unigram: a charsmap and one of the steps 'charsmap' and 'precompiled' in "
                "normalization go together; there is but one of both."
            )
        if self.charsmap:
            try:
                rules(self.charsmap)
            except ValueError as error:
                raise ValueError(f"Unigram: {error}") from error

    @property
    def marks(self) -> tuple[str, ...]:
        """The special tokens and the pieces of `control`."""
        return (*self.special.names, *self.control)

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {piece: id_ for id_, piece in enumerate(self.vocabulary)}

    @functools.cached_property
    def _hidden(self) -> frozenset[str]:
        """The pieces that no text is cut into."""
        bytes_ = BYTE_PIECES if self.byte_fallback else ()
        return frozenset((*self.marks, *bytes_))

    @functools.cached_property
    def _text_ids(self) -> list[int]:
        """The pieces of texts."""
        return [id_ for id_, piece in enumerate(self.vocabulary) if piece not in self._hidden]

    @functools.cached_property
    def unknown_score(self) -> float:
        """The score of one character that is no piece."""
        return min(self.scores) - _PENALTY

    @functools.cached_property
    def _segmentation(self) -> Segmentation:
        pieces = [self.vocabulary[i] for i in self._text_ids]
        scores = [self.scores[i] for i in self._text_ids]
        return Segmentation(pieces, scores, self.unknown_score)

    @functools.cached_property
    def _whole(self) -> tf.lookup.StaticHashTable:
        """Words that are best cut into one piece, to that piece; -1 for any other word."""
        pieces = [(self.vocabulary[i], self.scores[i]) for i in self._text_ids]
        # A piece of its own for what is unknown, which no text holds.
        unknown = ("\U0010ffff" * 2, 0.0)
        model = tokenizers.models.Unigram([unknown, *pieces], 0)
        whole = {
            piece: id_
            for id_, (place, (piece, _)) in zip(self._text_ids, enumerate(pieces))
            # A word is cut faster by the other library.
            if [token.id for token in model.tokenize(piece)] == [place + 1]
        }
        return static_table(list(whole), list(whole.values()), tf.string, -1)

    @functools.cached_property
    def _steps(self) -> list[Step]:
        return [
            _charsmap(name, self.charsmap, self.symbols) if name in _CHARSMAPS else step(name)
            for name in self.normalization
        ]

    @functools.cached_property
    def _inner_blank(self) -> bool:
        """Whether a piece holds a blank behind another character."""
        return any(BLANK in self.vocabulary[i].lstrip(BLANK) for i in self._text_ids)

    @property
    def resources(self) -> list[Any]:
        """The lookup tables of words, of pieces and of the steps of normalization."""
        steps = [table for each in self._steps for table in each.resources]
        return [self._whole, self._segmentation.trie.table, *steps]

    def normalize(self, characters: Characters) -> Characters:
        """The characters after the steps of `normalization`."""
        for each in self._steps:
            characters = each(characters)
        return characters

    def words(self, characters: Characters) -> tuple[Characters, tf.Tensor]:
        """Words with the `▁` before them."""
        if self.rule == "whitespace":
            characters, first = _parted(characters, self.prefix_space)
        else:
            first = characters.row_starts()
        codes = characters.codes
        codes = tf.where(codes == ord(" "), ord(BLANK), codes)
        characters = characters._replace(codes=codes)
        if self.prefix_space:
            there = (codes == ord(BLANK)) & (self.rule != "sentencepiece")
            characters = characters.prefixed(ord(BLANK), first & ~there)
            first = characters.row_starts()  # all other first characters are blanks now
        blank = characters.codes == ord(BLANK)
        if self.rule != "sentencepiece":
            return characters, first | blank
        if self._inner_blank:
            return characters, characters.row_starts()
        return characters, first | (blank & ~shifted(blank, 1, False))

    def word_pieces(self, words: tf.Tensor) -> WordPieces:
        """Words that are no piece themselves are searched, all at once."""
        whole, sizes = self._whole.lookup(words), tf.strings.length(words)
        others = tf.where(whole < 0)[:, 0]
        codes, splits, _ = decode(tf.gather(words, others))
        pieces, counts, word = self._segmentation(codes, tf.cast(splits, tf.int32))
        ids = np.array([*self._text_ids, -1], "int32")
        token_ids = tf.gather(ids, tf.where(pieces < 0, len(ids) - 1, pieces))
        if self.byte_fallback:
            return interleaved(whole, sizes, self._in_bytes(codes, token_ids, counts, word, others))
        ends = tf.gather(tf.cumsum(utf8_lengths(codes)), tf.cumsum(counts) - 1)
        # Of what is unknown in a row the last one tells where it ends.
        unknown = token_ids < 0
        goes_on = unknown & shifted(unknown, -1, False) & (word == shifted(word, -1, -1))
        kept = tf.where(~goes_on)[:, 0]
        token_ids, ends, word = (tf.gather(x, kept) for x in (token_ids, ends, word))
        token_ids = tf.where(token_ids < 0, self.unknown_id, token_ids)
        splits = lower_bound(word, tf.range(tf.size(others) + 1))
        return interleaved(whole, sizes, WordPieces(splits, token_ids, ends - shifted(ends, 1, 0)))

    def _in_bytes(
        self,
        codes: tf.Tensor,
        token_ids: tf.Tensor,
        counts: tf.Tensor,
        word: tf.Tensor,
        others: tf.Tensor,
    ) -> WordPieces:
        """The pieces with the bytes of what is unknown in its place."""
        lengths = utf8_lengths(codes)
        ends = tf.gather(tf.cumsum(lengths), tf.cumsum(counts) - 1)
        lengths = ends - shifted(ends, 1, 0)
        many = tf.where(token_ids < 0, lengths, 1)
        place, number = runs(many)
        text = tf.raw_ops.UnicodeEncode(
            input_values=codes,
            input_splits=tf.stack([0, tf.size(codes, tf.int64)]),
            output_encoding="UTF-8",
            errors="replace",
        )[0]
        raw = tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)
        byte = tf.gather(raw, tf.gather(ends - lengths, place) + number)
        byte_ids = np.array([self._ids[piece] for piece in BYTE_PIECES], "int32")
        known = tf.gather(token_ids, place)
        ids = tf.where(known < 0, tf.gather(byte_ids, byte), known)
        splits = lower_bound(tf.gather(word, place), tf.range(tf.size(others) + 1))
        return WordPieces(splits, ids, tf.where(known < 0, 1, tf.gather(lengths, place)))

    @functools.cached_property
    def spellings(self) -> list[bytes]:
        """See `SubwordTokenizer.spellings`."""
        hidden = set(self.marks) - {self.special.unknown}
        shown = [
            b"" if piece in hidden else piece.replace(BLANK, " ").encode()
            for piece in self.vocabulary
        ]
        if self.byte_fallback:
            for byte, piece in enumerate(BYTE_PIECES):
                shown[self._ids[piece]] = bytes([byte])
        return shown

    def detokenize(self, token_ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Joins pieces to texts; of the special tokens the unknown is shown.

        U+FFFD stands for half characters, where unknown ones were cut into bytes.

        Args:
            token_ids: int32 [B, None], ragged or padded.

        Returns:
            string [B].
        """
        with tf.device("CPU:0"):
            texts = self._joined(token_ids)
            if self.byte_fallback:
                texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
            return tf.strings.regex_replace(texts, "^ ", "") if self.prefix_space else texts

    @classmethod
    def learn(
        cls,
        texts: Iterable[str | bytes],
        vocabulary_size: int,
        special: SpecialTokens = XLM_R,
        **fields: Any,
    ) -> Self:
        """Learns pieces and their probabilities, with the trainer of the `tokenizers` package.

        The same texts, in whatever order, give the same tokenizer.

        Args:
            texts: the training texts, UTF-8 where they are bytes.
            vocabulary_size: the most pieces there may be, special ones included; letters are half
                of them at most, the rarest of them being left out if there are too many.
            special: the special tokens, whose ids are the first ones.
            **fields: further fields of the tokenizer, such as `normalization`.

        Raises:
            ValueError: there is no room for a single piece.
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.

        Example:

        >>> tokenizer = Unigram.learn(["low low lower lowest"] * 5, vocabulary_size=20)
        >>> [tokenizer.vocabulary[i] for i in tokenizer.tokenize(["lower low"])[0].numpy()]
        ['▁lowe', 'r', '▁low']
        """
        first = dict.fromkeys(special.names)
        if fields.get("byte_fallback"):
            first |= dict.fromkeys(BYTE_PIECES)
        first |= dict.fromkeys((*fields.get("control", ()), *fields.get("symbols", ())))
        first = tuple(first)
        room = vocabulary_size - len(first)
        if room < 1:
            raise ValueError(
                f"Unigram.learn: vocabulary_size is {vocabulary_size}, and {len(first)} of the "
                f"pieces are {list(first[:5])} and the like; ask for more."
            )
        counts = word_counts(cls(first, (0.0,) * len(first), special, **fields), texts)
        words = _of_frequent_letters({raw.decode(): n for raw, n in counts.items()}, room)
        trainer = tokenizers.trainers.UnigramTrainer(
            vocab_size=room + 1, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
        )
        learner = tokenizers.Tokenizer(tokenizers.models.Unigram())
        learner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        if words:
            learner.train_from_iterator(repeated(words), trainer)
        pieces = dict(json.loads(learner.to_str())["model"]["vocab"])
        pieces = _ranked(pieces | dict.fromkeys(("<unk>", *first)), words)
        vocabulary, scores = (*first, *pieces), (*(0.0 for _ in first), *pieces.values())
        return cls(vocabulary, scores, special, **fields)


@functools.cache
def _charsmap(name: str, written: str, symbols: tuple[str, ...]) -> Step:
    """The step that applies a charsmap."""
    return _CHARSMAPS[name](protected(rules(written), symbols))


@functools.cache
def _white_space() -> CharacterTable:
    return CharacterTable.of(matching(r"\s").astype("int64"))


def _parted(characters: Characters, prefix_space: bool) -> tuple[Characters, tf.Tensor]:
    """Characters without white space, and where it parted them: bool [N].

    If a blank is to stand before each word, the white space before it becomes that blank, and only
    the first word of a text still lacks it.
    """
    codes, origins = characters.codes, characters.origins
    space = _white_space()(codes) > 0
    row_start = characters.row_starts()
    kept = ~space
    if prefix_space:
        begins = kept & (codes != ord(BLANK)) & ~row_start
        blank = space & shifted(begins, -1, False)
        characters = characters._replace(
            codes=tf.where(blank, ord(BLANK), codes),
            origins=tf.where(blank, shifted(origins, -1, 0), origins),
        )
        kept |= blank
    taken = Characters(
        *tf.cond(
            tf.reduce_all(kept),
            lambda: characters,
            lambda: characters.take(tf.where(kept)[:, 0]),
        )
    )
    if prefix_space:
        return taken, taken.row_starts()
    return taken, tf.boolean_mask(row_start | shifted(space, 1, False), kept)


def _letters(counts: Mapping[str, int]) -> list[str]:
    """The letters of counted words, the blank first, then by their frequency."""
    letters: collections.Counter[str] = collections.Counter()
    for word, count in counts.items():
        for letter in word:
            letters[letter] += count
    return sorted(letters, key=lambda letter: (letter != BLANK, -letters[letter], letter))


def _of_frequent_letters(counts: Mapping[str, int], room: int) -> dict[str, int]:
    """Words cut where they hold letters too rare for half of the room."""
    rare = {ord(letter): " " for letter in _letters(counts)[max(room // 2, 1) :]}
    kept: collections.Counter[str] = collections.Counter()
    for word, count in counts.items():
        for part in word.translate(rare).split(" "):
            kept[part] += count
    return {part: count for part, count in kept.items() if part}


def _ranked(learned: Mapping[str, float | None], counts: Mapping[str, int]) -> dict[str, float]:
    """Pieces with their scores, the best first, None being left out; the same in every run."""
    pieces = {piece: score for piece, score in learned.items() if score is not None}
    # Letters that were not worth a piece get one nevertheless, with scores from the lowest one up
    # which are given to them in the random order of a hash map.
    lowest = min(pieces.values(), default=0.0)
    letters = [
        letter
        for letter in _letters(counts)
        if pieces.get(letter, 0.0) < lowest + _LETTER_STEP * (len(pieces) + 1)
    ]
    ranked = sorted((pieces[letter] for letter in letters), reverse=True)
    # Threads add in whatever order, which shows in the last digits.
    pieces = {
        piece: round(score * _PRECISION) / _PRECISION
        for piece, score in (pieces | dict(zip(letters, ranked))).items()
    }
    return dict(sorted(pieces.items(), key=lambda item: (-item[1], item[0])))
