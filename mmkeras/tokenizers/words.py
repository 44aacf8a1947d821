"""Which words of a text the pieces of a tokenizer belong to."""

import tensorflow as tf

from mmkeras.tokenizers.characters import decode, lower_bound, row_numbers, shifted
from mmkeras.tokenizers.pretokenization import bert
from mmkeras.tokenizers.subwords import Pieces


def words_of(
    texts: tf.Tensor, pieces: Pieces
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """The places of pieces without white space, and the word that each of them begins in.

    Words are those of the text, whatever the tokenizer: letters and digits run between white space,
    punctuation and ideographs stand alone (see `bert`). So tags of words, and masks over whole
    words, mean the same for every tokenizer.

    Args:
        texts: string [B], UTF-8.
        pieces: of these texts, offsets in characters.

    Returns:
        starts, ends: int32 [B, None], in characters of the text; and words: int32 [B, None],
        numbered from 0 in each text in the order of its pieces, -1 for pieces of white space alone.

    Example:

    >>> from mmkeras.tokenizers import WordPiece
    >>> tokenizer = WordPiece(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "##s", "!"))
    >>> pieces = tokenizer.tokenize_with_offsets(["cats! cat"])
    >>> [part.to_list() for part in words_of(["cats! cat"], pieces)]
    [[[0, 3, 4, 6]], [[3, 4, 5, 9]], [[0, 0, 1, 2]]]
    """
    with tf.device("CPU:0"):
        characters = decode(tf.convert_to_tensor(texts, tf.string))
        inside, first = bert(characters)
        size = tf.size(characters.codes, tf.int64)
        begins = tf.gather(inside.origins, tf.where(first)[:, 0])
        number = row_numbers(pieces.token_ids.row_splits)
        row = tf.gather(characters.splits, number)
        places = inside.origins
        # The first and the last character of each piece that is no white space.
        start = tf.cast(row, tf.int32) + pieces.starts.flat_values
        end = tf.cast(row, tf.int32) + pieces.ends.flat_values
        before, behind = lower_bound(places, start), lower_bound(places, end)
        blank = before >= behind
        edge = tf.maximum(tf.size(places, tf.int64) - 1, 0)
        places = tf.concat([places, tf.cast(size, tf.int32)[None]], axis=0)
        start = tf.where(blank, start, tf.gather(places, tf.minimum(before, edge)))
        end = tf.where(blank, end, tf.gather(places, tf.clip_by_value(behind - 1, 0, edge)) + 1)
        word = tf.cast(lower_bound(begins, start + 1), tf.int32)
        word = _renumbered(word, blank, pieces.token_ids.row_splits, number)
        row = tf.cast(row, tf.int32)
        return tuple(
            pieces.token_ids.with_flat_values(values) for values in (start - row, end - row, word)
        )


def _renumbered(word: tf.Tensor, blank: tf.Tensor, splits: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Words numbered without gaps in each text, int32 [P]; -1 for blanks.

    Words of the batch ascend; some have no pieces of their own.

    Args:
        word, blank: [P], of pieces.
        splits: int64 [B + 1], the pieces at which texts begin.
        row: int64 [P], the text of each piece.
    """
    solid = tf.where(~blank)[:, 0]
    kept = tf.gather(word, solid)
    new = tf.cast(kept != shifted(kept, 1, -1), tf.int32)
    count = tf.cumsum(new)
    # How many words there are before each text.
    splits = lower_bound(solid, splits)
    before = tf.gather(tf.concat([[0], count], axis=0), splits)
    rows = tf.gather(row, solid)
    number = count - 1 - tf.gather(before, rows)
    return tf.tensor_scatter_nd_update(tf.fill(tf.shape(word), -1), solid[:, None], number)
