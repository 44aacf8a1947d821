"""`assemble`: texts, or pairs of texts, as the rows of ids that a model reads.

As BERT puts pairs together (Devlin et al., arXiv:1810.04805: `[CLS] a [SEP] b [SEP]`) and RoBERTa
(Liu et al., arXiv:1907.11692: `<s> a </s></s> b </s>`).
"""

from typing import NamedTuple

import tensorflow as tf

from mmkeras.tokenizers.subwords import Pieces, SubwordTokenizer
from mmkeras.tokenizers.tokenizer import Tokenizer

#: What gives way where there are too many pieces; see `assemble`.
TRUNCATIONS = ("longest_first", "only_first", "only_second")
#: How many special tokens stand where; see `assemble`.
LAYOUTS = ("bert", "roberta", "start", "none")
PADDINGS = ("max", "longest")
SIDES = ("right", "left")


class Assembled(NamedTuple):
    """Rows of ids.

    Attributes:
        token_ids: int32 [B, T].
        segment_ids: int32 [B, T], 1 for the second text (and, by BERT's layout, for the end token
            behind it), 0 elsewhere.
        mask: bool [B, T], where there is no padding.
        texts: int32 [B, T], 0 or 1 for a piece of the first text or the second one, -1 for special
            tokens and padding.
        starts: int32 [B, T], where in its text a piece begins, in characters; 0 elsewhere. None
            where no offsets were asked for.
        ends: int32 [B, T], where it ends.
    """

    token_ids: tf.Tensor
    segment_ids: tf.Tensor
    mask: tf.Tensor
    texts: tf.Tensor
    starts: tf.Tensor | None = None
    ends: tf.Tensor | None = None


def assemble(
    tokenizer: Tokenizer,
    texts: tf.Tensor,
    pairs: tf.Tensor | None = None,
    *,
    max_length: int,
    layout: str = "bert",
    truncation: str = "longest_first",
    truncation_side: str = "right",
    padding: str = "max",
    padding_side: str = "right",
    offsets: bool = False,
) -> Assembled:
    """Cuts texts into pieces and puts them, with special tokens and padding, into rows.

    A special token that the tokenizer has not is left out; padding is 0 where there is none.

    Args:
        tokenizer: what cuts texts.
        texts: string [B], UTF-8.
        pairs: string [B], what stands behind each text.
        max_length: the most ids a row may have, special tokens included.
        layout: `"bert"`: start a end, or start a end b end; `"roberta"`: start a end, or start a
            end end b end; `"start"`: start a b; `"none"`: a b.
        truncation: what gives way where there are too many pieces: `"longest_first"`, the longer
            of both texts, until they are equal; `"only_first"` or `"only_second"`.
        truncation_side: the side at which pieces are left out.
        padding: to `"max"`, `max_length`, or to the `"longest"` row of the batch.
        padding_side: the side at which it stands.
        offsets: whether to tell where pieces stand; the tokenizer has to know.

    Raises:
        ValueError: an argument is none of these, there is no room for a piece, or the tokenizer
            tells no offsets.
        tf.errors.InvalidArgumentError: a text is not valid UTF-8; or the text that alone may give
            way has fewer pieces than there are too many.

    Example:

    >>> from mmkeras.tokenizers import WordPiece
    >>> names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    >>> tokenizer = WordPiece((*names, "cat", "dog", "and"))
    >>> made = assemble(tokenizer, ["cat and dog"], ["dog"], max_length=8, padding="longest")
    >>> made.token_ids.numpy().tolist(), made.segment_ids.numpy().tolist()
    ([[2, 5, 7, 6, 3, 6, 3]], [[0, 0, 0, 0, 0, 1, 1]])
    """
    for name, value, known in (
        ("layout", layout, LAYOUTS),
        ("truncation", truncation, TRUNCATIONS),
        ("truncation_side", truncation_side, SIDES),
        ("padding", padding, PADDINGS),
        ("padding_side", padding_side, SIDES),
    ):
        if value not in known:
            raise ValueError(f"assemble: {name} is {value!r}; it has to be one of {list(known)}.")
    if truncation == "only_second" and pairs is None:
        raise ValueError("assemble: truncation is 'only_second', and there is no second text.")
    if offsets and not isinstance(tokenizer, SubwordTokenizer):
        raise ValueError(f"assemble: {type(tokenizer).__name__} tells no offsets.")
    marks = special_ids(tokenizer, layout, pairs is not None)
    room = max_length - sum(map(len, marks))
    if room < 1:
        raise ValueError(
            f"assemble: max_length is {max_length}, and {sum(map(len, marks))} of the ids are "
            "special tokens; ask for more."
        )
    # What is cut off for sure need not be looked for; of two texts one has to know the lengths.
    limit = room if pairs is None and truncation_side == "right" else None
    with tf.device("CPU:0"):
        parts = [
            _pieces(tokenizer, tf.convert_to_tensor(raw, tf.string), limit, offsets)
            for raw in ([texts] if pairs is None else [texts, pairs])
        ]
        parts = _truncated(parts, room, truncation, truncation_side)
        return _rows(tokenizer, parts, marks, max_length, layout, padding, padding_side, offsets)


def special_ids(tokenizer: Tokenizer, layout: str, paired: bool = False) -> list[list[int]]:
    """The special tokens before the first text, behind it, and behind the second one.

    Args:
        tokenizer: which may have them.
        layout: see `assemble`.
        paired: whether there is a second text.
    """
    start = [id_ for id_ in [tokenizer.start_id] if id_ is not None and layout != "none"]
    end = [id_ for id_ in [tokenizer.end_id] if id_ is not None and layout in ("bert", "roberta")]
    between = end * 2 if layout == "roberta" and paired else end
    return [start, between, end if paired else []]


def _pieces(tokenizer: Tokenizer, raw: tf.Tensor, limit: int | None, offsets: bool) -> Pieces:
    if offsets and isinstance(tokenizer, SubwordTokenizer):
        return tokenizer.tokenize_with_offsets(raw, limit)
    token_ids = tokenizer.tokenize(raw, limit)
    return Pieces(token_ids, token_ids, token_ids)


def _truncated(parts: list[Pieces], room: int, truncation: str, side: str) -> list[Pieces]:
    """The texts without the pieces that there is no room for."""
    counts = [part.token_ids.row_lengths() for part in parts]
    too_many = tf.maximum(tf.add_n(counts) - room, 0)
    if len(parts) == 1:
        kept = [counts[0] - too_many]
    elif truncation == "longest_first":
        # The shorter one keeps all it has, up to half of the room.
        first, second = counts
        shorter = tf.minimum(tf.minimum(first, second), room // 2)
        longer = tf.minimum(tf.maximum(first, second), room - shorter)
        kept = [
            tf.where(first > second, longer, shorter),
            tf.where(first > second, shorter, longer),
        ]
    else:
        place = TRUNCATIONS.index(truncation) - 1
        asserted = tf.debugging.assert_less(
            too_many,
            tf.maximum(counts[place], 1),
            message=f"truncation={truncation!r} would leave nothing of that text; ask for a larger "
            "max_length, or for truncation='longest_first'",
        )
        with tf.control_dependencies([] if asserted is None else [asserted]):
            kept = [tf.identity(count) for count in counts]
        kept[place] -= too_many
    return [
        Pieces(*(_cut(values, count, side) for values in part)) for part, count in zip(parts, kept)
    ]


def _cut(values: tf.RaggedTensor, kept: tf.Tensor, side: str) -> tf.RaggedTensor:
    """So many values of each row (int64 [B])."""
    begins = values.row_starts() if side == "right" else values.row_limits() - kept
    places = tf.ragged.range(begins, begins + kept)
    return places.with_flat_values(tf.gather(values.flat_values, places.flat_values))


def _rows(
    tokenizer: Tokenizer,
    parts: list[Pieces],
    marks: list[list[int]],
    max_length: int,
    layout: str,
    padding: str,
    padding_side: str,
    offsets: bool,
) -> Assembled:
    """The pieces with special tokens and padding."""
    count = parts[0].token_ids.nrows()

    def alike(ids: list[int]) -> tf.RaggedTensor:
        repeated = tf.tile(tf.constant(ids, tf.int32)[None], [count, 1])
        return tf.RaggedTensor.from_tensor(repeated)

    def joined(values: list[tf.RaggedTensor], fill: list[list[int]], pad: int) -> tf.Tensor:
        row = [alike(fill[0])]
        for value, behind in zip(values, fill[1:]):
            row += [value, alike(behind)]
        whole = tf.concat(row, axis=1)
        length = max_length if padding == "max" else tf.reduce_max(whole.row_lengths())
        if padding_side == "left":
            whole = whole[:, ::-1]
        made = whole.to_tensor(pad, shape=[None, length if padding == "max" else None])
        return made[:, ::-1] if padding_side == "left" else made

    def everywhere(number: int) -> list[list[int]]:
        return [[number] * len(mark) for mark in marks]

    ids = [part.token_ids for part in parts]
    numbers = [tf.ones_like(value) * number for number, value in enumerate(ids)]
    second = everywhere(0)
    if layout == "bert":
        second[2] = [1] * len(marks[2])
    segments = numbers if layout != "roberta" else [tf.zeros_like(value) for value in ids]
    pad = tokenizer.pad_id or 0
    return Assembled(
        joined(ids, marks, pad),
        joined(segments, second, 0),
        joined([tf.ones_like(value) for value in ids], everywhere(1), 0) > 0,
        joined(numbers, everywhere(-1), -1),
        *(
            joined([getattr(part, name) for part in parts], everywhere(0), 0) if offsets else None
            for name in ("starts", "ends")
        ),
    )
