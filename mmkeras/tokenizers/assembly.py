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
        kept = _kept([part.token_ids for part in parts], room, truncation)
        return _rows(
            parts,
            kept,
            marks,
            tokenizer.pad_id or 0,
            layout,
            truncation_side,
            max_length if padding == "max" else None,
            padding_side,
            offsets,
        )


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


def _kept(parts: list[tf.RaggedTensor], room: int, truncation: str) -> list[tf.Tensor]:
    """How many pieces of each text (int32 [B]) there is room for."""
    counts = [tf.cast(part.row_lengths(), tf.int32) for part in parts]
    too_many = tf.maximum(tf.add_n(counts) - room, 0)
    if len(parts) == 1:
        return [counts[0] - too_many]
    if truncation == "longest_first":
        # The shorter one keeps all it has, up to half of the room.
        first, second = counts
        shorter = tf.minimum(tf.minimum(first, second), room // 2)
        longer = tf.minimum(tf.maximum(first, second), room - shorter)
        return [
            tf.where(first > second, longer, shorter),
            tf.where(first > second, shorter, longer),
        ]
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
    return kept


def _rows(
    parts: list[Pieces],
    kept: list[tf.Tensor],
    marks: list[list[int]],
    pad: int,
    layout: str,
    truncation_side: str,
    length: int | None,
    padding_side: str,
    offsets: bool,
) -> Assembled:
    """So many pieces of each text, with special tokens and padding."""
    # All values lie one behind the other, those of padding and special tokens first; where among
    # them those of a row are found is the same for ids and offsets.
    specials = [pad, *(id_ for mark in marks for id_ in mark)]
    # Of each stretch of a row: how many values it has, where the first is found, and of which text.
    stretches: list[tuple] = [(len(marks[0]), 1, -1)]
    special, piece = 1 + len(marks[0]), len(specials)
    for number, (part, count, mark) in enumerate(zip(parts, kept, marks[1:])):
        splits = tf.cast(part.token_ids.row_splits, tf.int32)
        first = splits[:-1] if truncation_side == "right" else splits[1:] - count
        stretches += [(count, piece + first, number), (len(mark), special, -1)]
        special += len(mark)
        piece += splits[-1]

    total = tf.add_n(kept) + len(specials) - 1
    longest = tf.maximum(tf.reduce_max(total), 0) if length is None else length
    place = tf.range(longest)[None]
    if padding_side == "left":
        place -= (longest - total)[:, None]
    begin = tf.zeros_like(total)
    found, texts = tf.constant(0), tf.constant(-1)
    for count, first, number in stretches:
        end = begin + count
        inside = (place >= begin[:, None]) & (place < end[:, None])
        found = tf.where(inside, place + (first - begin)[:, None], found)
        texts = tf.where(inside, number, texts)
        begin = end

    mask = (place >= 0) & (place < total[:, None])
    if len(parts) == 1 or layout == "roberta":
        segments = tf.zeros_like(texts)
    else:
        second = total - kept[1] - len(marks[2])
        segments = tf.cast(mask & (place >= second[:, None]), tf.int32)

    def values(name: str, first: list[int]) -> tf.Tensor:
        flat = [getattr(part, name).flat_values for part in parts]
        return tf.gather(tf.concat([first, *flat], axis=0), found)

    places = [values(n, [0] * len(specials)) for n in ("starts", "ends")] if offsets else []
    return Assembled(values("token_ids", specials), segments, mask, texts, *places)
