"""`Characters`: the code points of a batch of texts, and where in the texts each came from.

Every tokenizer works on flat arrays of code points, so that a rule about neighbours is a
comparison of shifted arrays, for all texts at once, and a character never loses its place in the
original text, whatever becomes of it.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf
import tokenizers

#: Stands for bytes that are no UTF-8.
REPLACEMENT = 0xFFFD
#: How many code points there are.
CODE_POINTS = 0x110000
# The first invalid place of a text, for a message that stays short however long the text is.
_AROUND_WRONG = r"(?s)^.*?(.{0,30}\x{FFFD}+.{0,30}).*$"
_BLOCK = 256
# No normalization changes it, or makes it of something else.
_SNOWMAN = "\u2603"
# Where Unicode has assigned characters that differ from each other; behind them there are planes
# of tags, of private use and of nothing, one of which stands for all of its kind.
_ASSIGNED = (range(0x33480), range(0xE0000, 0xE1000))
_ALIKE = (range(0x33480, 0xE0000), range(0xE1000, 0xF0000), range(0xF0000, CODE_POINTS))


class Characters(NamedTuple):
    """The characters of B texts, one after the other.

    Attributes:
        codes: int32 [N], code points.
        splits: int64 [B + 1], where each text begins, and N.
        origins: int32 [N], the character of the original texts (counted through the batch) that
            each came from.
    """

    codes: tf.Tensor
    splits: tf.Tensor
    origins: tf.Tensor

    def row_starts(self) -> tf.Tensor:
        """bool [N]: whether a character is the first one of its text."""
        size = tf.size(self.codes, tf.int64)
        marks = tf.scatter_nd(self.splits[:-1, None], tf.ones_like(self.splits[:-1]), [size + 1])
        return marks[:-1] > 0

    def take(self, places: tf.Tensor) -> "Characters":
        """The characters at `places` (integers, ascending, repeats allowed), of the same texts."""
        return Characters(
            tf.gather(self.codes, places),
            lower_bound(places, tf.cast(self.splits, places.dtype)),
            tf.gather(self.origins, places),
        )

    def prefixed(self, code: int, wanted: tf.Tensor) -> "Characters":
        """The characters with another one before those that are `wanted` (bool [N])."""
        before = tf.where(wanted)[:, 0]
        added = before + tf.range(tf.size(before, tf.int64))
        size = tf.size(wanted, tf.int64) + tf.size(added, tf.int64)
        is_added = tf.scatter_nd(added[:, None], tf.ones_like(added, tf.int32), size[None])
        places = tf.range(size) - tf.cast(tf.cumsum(is_added, exclusive=True), tf.int64)
        return Characters(
            tf.where(is_added > 0, code, tf.gather(self.codes, places)),
            self.splits + lower_bound(before, self.splits),
            tf.gather(self.origins, places),
        )


def decode(texts: tf.Tensor) -> Characters:
    """The characters of texts.

    Args:
        texts: string [B], UTF-8.

    Raises:
        tf.errors.InvalidArgumentError: a text is not valid UTF-8.

    Example:

    >>> characters = decode(tf.constant(["né", "", "a"]))
    >>> characters.codes.numpy(), characters.splits.numpy()
    (array([110, 233,  97], dtype=int32), array([0, 2, 2, 3]))
    """
    splits, codes = tf.raw_ops.UnicodeDecode(
        input=texts, input_encoding="UTF-8", errors="replace", replacement_char=REPLACEMENT
    )
    # A replacement character may also be written in the text.
    with tf.control_dependencies(
        [tf.cond(tf.reduce_any(codes == REPLACEMENT), lambda: valid(texts), lambda: texts)]
    ):
        codes = tf.identity(codes)
    return Characters(codes, splits, tf.range(tf.size(codes)))


def valid(texts: tf.Tensor) -> tf.Tensor:
    """Texts (string [B]) as they are.

    Raises:
        tf.errors.InvalidArgumentError: one is not valid UTF-8.
    """
    replaced = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    wrong = tf.where(texts == replaced, "", replaced)
    wrong = tf.strings.strip(tf.strings.reduce_join(wrong, separator=" "))
    asserted = tf.raw_ops.Assert(
        condition=wrong == "",
        data=[
            "a text is not valid UTF-8; decode it with its own encoding. U+FFFD marks where:",
            tf.strings.regex_replace(wrong, _AROUND_WRONG, r"\1"),
        ],
    )
    # Nothing to wait for where it ran at once.
    with tf.control_dependencies([] if asserted is None else [asserted]):
        return tf.identity(texts)


def byte_starts(texts: tf.Tensor) -> tf.Tensor:
    """Where the characters of texts (string [B]) begin, in bytes of their text: int32 [N]."""
    return tf.cast(
        tf.raw_ops.UnicodeDecodeWithOffsets(
            input=texts, input_encoding="UTF-8", errors="replace", replacement_char=REPLACEMENT
        ).char_to_byte_starts,
        tf.int32,
    )


def utf8_lengths(codes: tf.Tensor) -> tf.Tensor:
    """How many bytes code points take in UTF-8: int32 [N]."""
    return 1 + tf.add_n([tf.cast(codes >= least, tf.int32) for least in (0x80, 0x800, 0x10000)])


def shifted(values: tf.Tensor, by: int, fill: int | bool) -> tf.Tensor:
    """`values` [N], each moved `by` places to the right (to the left where negative)."""
    count = tf.minimum(abs(by), tf.size(values))
    filled = tf.fill([count], tf.constant(fill, values.dtype))
    if by > 0:
        return tf.concat([filled, values[: tf.size(values) - count]], axis=0)
    return tf.concat([values[count:], filled], axis=0)


def lower_bound(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """How many of `ascending` [N] are smaller than each of `values` [M]: int64 [M]."""
    return tf.raw_ops.LowerBound(
        sorted_inputs=ascending[None], values=values[None], out_type=tf.int64
    )[0]


def row_numbers(splits: tf.Tensor) -> tf.Tensor:
    """The row of each value of a ragged tensor with these splits (int64 [B + 1]): int64 [N].

    A small part of the operations that `RaggedTensor.value_rowids` and `tf.repeat` take.
    """
    return lower_bound(splits[1:], tf.range(1, splits[-1] + 1))


def runs(counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The run of each of N places, and its number in it, where runs (int32 [R]) are that long.

    `tf.repeat` would make a table of all runs times the longest one.

    Example:

    >>> [each.numpy().tolist() for each in runs(tf.constant([2, 0, 3]))]
    [[0, 0, 2, 2, 2], [0, 1, 0, 1, 2]]
    """
    ends = tf.cumsum(counts)
    run = tf.cast(lower_bound(ends, tf.range(1, tf.reduce_sum(counts) + 1)), tf.int32)
    return run, tf.range(tf.size(run)) - tf.gather(ends - counts, run)


@dataclasses.dataclass(frozen=True, eq=False)
class CharacterTable:
    """A number for every code point, small in memory: blocks of 256 that are alike are kept once.

    Attributes:
        blocks: int32 [256 n], the different blocks.
        block: int32 [4352], where the block of a code point's upper bits begins.
    """

    blocks: np.ndarray
    block: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> Self:
        """The table of `numbers`, int [0x110000]."""
        blocks, block = np.unique(numbers.reshape(-1, _BLOCK), axis=0, return_inverse=True)
        return cls(blocks.reshape(-1).astype("int32"), (block.reshape(-1) * _BLOCK).astype("int32"))

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        """The numbers (int32 [N]) of code points (int32 [N])."""
        upper = tf.bitwise.right_shift(codes, 8)
        place = tf.gather(self.block, upper) + tf.bitwise.bitwise_and(codes, _BLOCK - 1)
        return tf.gather(self.blocks, place)


@functools.cache
def assigned() -> str:
    """All characters that differ from each other, in the order of their code points."""
    codes = [c for part in _ASSIGNED for c in part] + [part[0] for part in _ALIKE]
    return "".join(chr(c) for c in sorted(codes) if not 0xD800 <= c < 0xE000)


def each(normalizer: tokenizers.normalizers.Normalizer) -> list[str]:
    """What a normalizer makes of each of the `assigned` characters."""
    sources = assigned()
    place = sources.index(_SNOWMAN)
    others = sources[:place] + sources[place + 1 :]
    targets = normalizer.normalize_str(_SNOWMAN.join(others)).split(_SNOWMAN)
    return [*targets[:place], _SNOWMAN, *targets[place:]]


def spread(numbers: Sequence[int], default: int = 0) -> np.ndarray:
    """Numbers of the `assigned` characters to int64 [0x110000]; surrogates get the default."""
    table = np.full(CODE_POINTS, default, "int64")
    table[[ord(c) for c in assigned()]] = numbers
    for part in _ALIKE:
        table[part.start : part.stop] = table[part.start]
    return table


@functools.cache
def matching(pattern: str) -> np.ndarray:
    """bool [0x110000]: which characters a regular expression for one character matches.

    The expression is read by the `tokenizers` package, so that its tables of Unicode decide, and
    not those inside TensorFlow, which are years older.

    Example:

    >>> matching(r"\\s")[[32, 97, 0x3000]]
    array([ True, False,  True])
    """
    split = tokenizers.pre_tokenizers.Split(
        tokenizers.Regex(f"(?:{pattern})+"), behavior="removed", invert=True
    )
    characters = assigned()
    flags = np.zeros(len(characters), "int64")
    for _, (start, end) in split.pre_tokenize_str(characters):
        flags[start:end] = 1
    return spread(flags) > 0
