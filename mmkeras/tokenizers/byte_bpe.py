"""Byte-level BPE: words cut into bytes, which are joined pair by pair, in the order learned.

Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (arXiv:1508.07909),
over bytes as in Radford et al., "Language Models are Unsupervised Multitask Learners" (2019); the
rules are those of `ByteLevel` and `BPE` in the `tokenizers` package.
"""

import collections
import dataclasses
import functools
import json
from collections.abc import Iterable
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
import tokenizers

from mmkeras.tokenizers.characters import Characters, lower_bound, runs
from mmkeras.tokenizers.learning import repeated, word_counts
from mmkeras.tokenizers.lookup import static_table
from mmkeras.tokenizers.merging import Merges
from mmkeras.tokenizers.normalization import check_steps, step
from mmkeras.tokenizers.pretokenization import RULES
from mmkeras.tokenizers.subwords import (
    SubwordTokenizer,
    WordPieces,
    check_vocabulary,
    interleaved,
)
from mmkeras.tokenizers.tokenizer import NO_SPECIAL_TOKENS, SpecialTokens


def byte_alphabet() -> tuple[str, ...]:
    """The 256 visible characters that stand for bytes in a vocabulary, such as `Ġ` for a blank.

    Example:

    >>> byte_alphabet()[ord("a")], byte_alphabet()[ord(" ")]
    ('a', 'Ġ')
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in visible else next(others)) for byte in range(256))


#: The special tokens of RoBERTa, the padding first.
ROBERTA = SpecialTokens("<pad>", "<unk>", "<s>", "</s>", "<mask>")

_BYTES = {character: byte for byte, character in enumerate(byte_alphabet())}


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class ByteBPE(SubwordTokenizer):
    """Byte-level BPE, as GPT-2, RoBERTa, Whisper and CLIP have it.

    Of 50,000 lines in 24 scripts all ids equal those of the `tokenizers` package, and all offsets
    but those of 2 lines under CLIP's normalization (see benchmarks/tokenization.py).

    Args:
        vocabulary: the pieces in `byte_alphabet`, a piece's id being its place.
        merges: the pairs of pieces that become one, `"left right"`, the first ones first.
        special: the special tokens.
        normalization: what is done to the characters before, of `normalization.STEPS`, such as
            `("NFC", "lowercase")` for CLIP.
        rule: where words are: `"gpt2"` or `"clip"` (see `pretokenization`).
        suffix: what the last piece of a word ends with, such as CLIP's `"</w>"`.
        prefix_space: whether a text that does not begin with a blank is read as if it did.
        trim_offsets: whether the blank before a word is left out of the offsets of its piece.

    Raises:
        ValueError: the vocabulary repeats a piece, lacks a byte that no unknown token stands in
            for, or a merge is of unknown pieces.
    """

    vocabulary: tuple[str, ...] = dataclasses.field(repr=False)
    merges: tuple[str, ...] = dataclasses.field(repr=False)
    special: SpecialTokens = NO_SPECIAL_TOKENS
    normalization: tuple[str, ...] = ()
    rule: str = "gpt2"
    suffix: str = ""
    prefix_space: bool = False
    trim_offsets: bool = False

    def __post_init__(self) -> None:
        """Checks the pieces and the merges."""
        check_vocabulary("ByteBPE", self.vocabulary, self.special)
        check_steps("ByteBPE", self.normalization)
        if self.rule not in RULES:
            raise ValueError(f"ByteBPE: rule is {self.rule!r}; it has to be one of {list(RULES)}.")
        for place, merge in enumerate(self.merges):
            pair = merge.split(" ")
            lacking = [p for p in (*pair, "".join(pair)) if p not in self._ids]
            if len(pair) != 2 or lacking:
                raise ValueError(
                    f"ByteBPE: merge {place} is {merge!r}; it has to be two pieces with a blank "
                    f"between them, both of which and what they make are in the vocabulary; "
                    f"{lacking} are not."
                )
        if len(set(self.merges)) < len(self.merges):
            twice = collections.Counter(self.merges).most_common(1)[0][0]
            raise ValueError(f"ByteBPE: merge {twice!r} stands more than once.")
        lacking = [byte for byte, id_ in enumerate(self._byte_ids.min(axis=0)) if id_ < 0]
        if lacking and self.special.unknown is None:
            raise ValueError(
                f"ByteBPE: the vocabulary lacks pieces for {len(lacking)} of 256 bytes, such as "
                f"{byte_alphabet()[lacking[0]]!r} for {lacking[0]:#04x}, and special.unknown is "
                "None; add the pieces, or name the one that stands for the unknown."
            )

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {piece: id_ for id_, piece in enumerate(self.vocabulary)}

    @functools.cached_property
    def _byte_ids(self) -> np.ndarray:
        """int32 [2, 256]: the pieces of single bytes, within a word and at its end."""
        return np.array(
            [
                [self._ids.get(character + end, -1) for character in byte_alphabet()]
                for end in ("", self.suffix)
            ],
            "int32",
        )

    @functools.cached_property
    def _raw(self) -> list[bytes]:
        """The bytes of each piece, the suffix left out; none for what is no piece of a text."""
        words = [piece.removesuffix(self.suffix) for piece in self.vocabulary]
        special = set(self.special.names)
        return [
            bytes(_BYTES[c] for c in word)
            if piece not in special and _BYTES.keys() >= set(word)
            else b""
            for piece, word in zip(self.vocabulary, words)
        ]

    @functools.cached_property
    def spellings(self) -> list[bytes]:
        """See `SubwordTokenizer.spellings`."""
        return [
            raw + b" " * bool(self.suffix and raw and piece.endswith(self.suffix))
            for piece, raw in zip(self.vocabulary, self._raw)
        ]

    @functools.cached_property
    def _lengths(self) -> np.ndarray:
        """int32 [V]: how many bytes of a text each piece covers; the unknown one stands for one."""
        return np.array([max(len(raw), 1) for raw in self._raw], "int32")

    @functools.cached_property
    def _blanks(self) -> np.ndarray:
        """int32 [2, V]: how many blanks each piece begins with, and ends with."""
        stripped = [(len(raw.lstrip(b" ")), len(raw.rstrip(b" "))) for raw in self._raw]
        return np.array([list(map(len, self._raw))] * 2, "int32") - np.array(stripped, "int32").T

    @functools.cached_property
    def _whole(self) -> tf.lookup.StaticHashTable:
        """Words that merging makes one piece of, to that piece; -1 for any other word."""
        named = {"unk_token": self.special.unknown, "end_of_word_suffix": self.suffix}
        model = tokenizers.models.BPE(
            self._ids,
            [tuple(merge.split(" ")) for merge in self.merges],
            **{name: value for name, value in named.items() if value},
        )
        alphabet = byte_alphabet()
        whole = {
            raw: id_
            for id_, (piece, raw) in enumerate(zip(self.vocabulary, self._raw))
            if raw
            and piece.endswith(self.suffix)
            # A few merges of one word are found faster by the trainer's own library.
            and [t.id for t in model.tokenize("".join(alphabet[b] for b in raw))] == [id_]
        }
        return static_table(list(whole), list(whole.values()), tf.string, -1)

    @functools.cached_property
    def _merging(self) -> Merges:
        pairs = [merge.split(" ") for merge in self.merges]
        ids = [(self._ids[a], self._ids[b], self._ids[a + b]) for a, b in pairs]
        return Merges(np.array(ids, "int64").reshape(-1, 3), self._lengths)

    @property
    def resources(self) -> list[Any]:
        """The lookup tables of words and of pairs."""
        steps = [table for name in self.normalization for table in step(name).resources]
        return [self._whole, self._merging.table, *steps]

    def normalize(self, characters: Characters) -> Characters:
        """The characters after the steps of `normalization`."""
        for name in self.normalization:
            characters = step(name)(characters)
        if self.prefix_space:
            blank = characters.codes == ord(" ")
            characters = characters.prefixed(ord(" "), characters.row_starts() & ~blank)
        return characters

    def words(self, characters: Characters) -> tuple[Characters, tf.Tensor]:
        """The words of `rule`."""
        return RULES[self.rule](characters)

    def word_pieces(self, words: tf.Tensor) -> WordPieces:
        """Words that are no piece themselves are merged, all at once."""
        whole, sizes = self._whole.lookup(words), tf.strings.length(words)
        others = tf.where(whole < 0)[:, 0]
        counts = tf.gather(sizes, others)
        text = tf.strings.reduce_join(tf.gather(words, others))
        places = tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)
        if self.suffix:
            places = tf.tensor_scatter_nd_add(
                places, tf.cumsum(counts)[:, None] - 1, tf.fill(tf.shape(counts), 256)
            )
        symbols = tf.gather(self._byte_ids.reshape(-1), places)
        symbols, word = self._merging(symbols, runs(counts)[0])
        symbols = tf.where(symbols < 0, -1 if self.unknown_id is None else self.unknown_id, symbols)
        splits = lower_bound(word, tf.range(tf.size(others) + 1))
        return interleaved(
            whole, sizes, WordPieces(splits, symbols, tf.gather(self._lengths, symbols))
        )

    def trim(
        self, token_ids: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor, row: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Leaves blanks out of the offsets, if `trim_offsets` says so."""
        if not self.trim_offsets:
            return starts, ends
        before, behind = tf.unstack(tf.gather(self._blanks, token_ids, axis=1))
        if self.prefix_space:  # one blank that begins a text was put there
            before = tf.where((starts == row) & (before == 1), 0, before)
        starts = tf.minimum(starts + before, ends)
        return starts, tf.maximum(ends - behind, starts)

    def detokenize(self, token_ids: tf.RaggedTensor | tf.Tensor) -> tf.Tensor:
        """Joins pieces to texts; special tokens are not shown, U+FFFD stands for half characters.

        Args:
            token_ids: int32 [B, None], ragged or padded.

        Returns:
            string [B].
        """
        with tf.device("CPU:0"):
            texts = self._joined(token_ids)
            texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
            return tf.strings.regex_replace(texts, " $", "") if self.suffix else texts

    @classmethod
    def learn(
        cls,
        texts: Iterable[str | bytes],
        vocabulary_size: int,
        special: SpecialTokens = ROBERTA,
        min_count: int = 2,
        **fields: Any,
    ) -> Self:
        """Learns pieces and merges from texts, with the trainer of the `tokenizers` package.

        The same texts, in whatever order, give the same tokenizer.

        Args:
            texts: the training texts, UTF-8 where they are bytes.
            vocabulary_size: the most pieces there may be; special tokens and bytes come first.
            special: the special tokens, whose ids are the first ones.
            min_count: how often two pieces have to stand together to become one.
            **fields: further fields of the tokenizer, such as `rule` and `normalization`.

        Raises:
            ValueError: there is no room for every byte.
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.

        Example:

        >>> tokenizer = ByteBPE.learn(["low low lower lowest"], vocabulary_size=264)
        >>> [tokenizer.vocabulary[i] for i in tokenizer.tokenize(["lower"])[0].numpy()]
        ['low', 'e', 'r']
        """
        alphabet, suffix = byte_alphabet(), fields.get("suffix", "")
        first = [*dict.fromkeys(special.names), *alphabet]
        if suffix:
            first += [character + suffix for character in alphabet]
        if vocabulary_size < len(first):
            raise ValueError(
                f"ByteBPE.learn: vocabulary_size is {vocabulary_size}, and {len(first)} of the "
                "pieces are the special tokens and the bytes; ask for more."
            )
        counts = word_counts(cls(tuple(first), (), special, **fields), texts)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            min_frequency=min_count,
            special_tokens=first,
            show_progress=False,
            **({"end_of_word_suffix": suffix} if suffix else {}),
        )
        learner = tokenizers.Tokenizer(tokenizers.models.BPE())
        learner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        learner.train_from_iterator(
            repeated({"".join(alphabet[b] for b in word): n for word, n in counts.items()}), trainer
        )
        model = json.loads(learner.to_str())["model"]
        pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
        merges = tuple(m if isinstance(m, str) else " ".join(m) for m in model["merges"])
        return cls(tuple(pieces), merges, special, **fields)
