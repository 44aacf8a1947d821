"""Pre-tokenization: which characters belong to words, and where a word begins.

Every rule takes `Characters` and returns those that stand in words, with a flag (bool [N]) at the
first character of each word. Regular expressions of tokenizers look ahead (`\\s+(?!\\S)`), which
TensorFlow's cannot; all that they ask is local, so that comparing a character with its neighbours
answers the same.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tokenizers

from mmkeras.tokenizers.characters import (
    Characters,
    CharacterTable,
    assigned,
    each,
    matching,
    shifted,
    spread,
)

#: How CLIP's words are written as a regular expression; see `clip`.
CLIP_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

Rule = Callable[[Characters], tuple[Characters, tf.Tensor]]

_OTHER, _LETTER, _NUMBER, _SPACE = range(4)
_BLANK, _APOSTROPHE = ord(" "), ord("'")


@functools.cache
def _kinds() -> CharacterTable:
    """Letter, number, space or other."""
    numbers = np.full(0x110000, _OTHER)
    numbers[matching(r"\p{L}")] = _LETTER
    numbers[matching(r"\p{N}")] = _NUMBER
    numbers[matching(r"\s")] = _SPACE
    return CharacterTable.of(numbers)


def gpt2(characters: Characters) -> tuple[Characters, tf.Tensor]:
    r"""The words of GPT-2: runs of letters, of numbers or of others, each with the blank before it.

    `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` (Radford et al.,
    "Language Models are Unsupervised Multitask Learners", 2019); also RoBERTa's and Whisper's.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> characters, first = gpt2(decode(tf.constant(["it's  ok"])))
    >>> tf.where(first)[:, 0].numpy().tolist()
    [0, 2, 4, 5]
    """
    codes, row_start = characters.codes, characters.row_starts()
    kinds = _kinds()(codes)
    space = kinds == _SPACE
    changes = row_start | (kinds != shifted(kinds, 1, -1))
    after_blank = shifted(codes == _BLANK, 1, False) & ~row_start
    # Of white space, the last character before a word stands apart, or with the word.
    before_word = shifted(~(space | row_start), -1, False)
    first = tf.where(space, changes | before_word, changes & ~after_blank)
    return characters, _contractions(codes, kinds, row_start, first)


def clip(characters: Characters) -> tuple[Characters, tf.Tensor]:
    r"""The words of CLIP: runs of letters, single numbers, runs of others; no white space.

    `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+` (Radford et al., "Learning
    Transferable Visual Models From Natural Language Supervision", arXiv:2103.00020).

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> characters, first = clip(decode(tf.constant(["it's 42"])))
    >>> tf.where(first)[:, 0].numpy().tolist(), characters.origins.numpy().tolist()
    ([0, 2, 4, 5], [0, 1, 2, 3, 5, 6])
    """
    kinds, row_start = _kinds()(characters.codes), characters.row_starts()
    first = row_start | (kinds != shifted(kinds, 1, -1)) | (kinds == _NUMBER)
    first = _contractions(characters.codes, kinds, row_start, first)
    inside = tf.where(kinds != _SPACE)[:, 0]
    return characters.take(inside), tf.gather(first, inside)


def _contractions(
    codes: tf.Tensor, kinds: tf.Tensor, row_start: tf.Tensor, first: tf.Tensor
) -> tf.Tensor:
    """Makes words of `'s`, `'t`, `'m`, `'d`, `'re`, `'ve` and `'ll` where a word begins so."""
    place = tf.where(first & (codes == _APOSTROPHE))[:, 0]
    size = tf.size(codes, tf.int64)

    def following(by: int) -> tuple[tf.Tensor, tf.Tensor]:
        at = tf.minimum(place + by, size - 1)
        return tf.gather(codes, at), (place + by < size) & ~tf.gather(row_start, at)

    (next_, there), (second, second_there) = following(1), following(2)
    one = there & functools.reduce(tf.logical_or, [next_ == ord(c) for c in "stmd"])
    two = (there & second_there) & functools.reduce(
        tf.logical_or, [(next_ == ord(a)) & (second == ord(b)) for a, b in ("re", "ve", "ll")]
    )
    whole = tf.boolean_mask(place, one | two)
    ends = whole + tf.boolean_mask(tf.where(two, tf.constant(3, tf.int64), 2), one | two)
    # Letters behind go on as a word of their own; anything else begins one anyway.
    ends = tf.boolean_mask(ends, ends < size)
    letters = tf.boolean_mask(ends, tf.gather(kinds, ends) == _LETTER)
    first = tf.tensor_scatter_nd_update(first, whole[:, None] + 1, tf.zeros_like(whole, tf.bool))
    return tf.tensor_scatter_nd_update(first, letters[:, None], tf.ones_like(letters, tf.bool))


@functools.cache
def _bert_kinds() -> CharacterTable:
    """What stands alone (punctuation and ideographs), white space, and letters of words."""
    sources = assigned()
    # Behind a letter each, so that what stands alone is told from a word of one character.
    oracle = tokenizers.pre_tokenizers.BertPreTokenizer()
    numbers = np.full(2 * len(sources), _SPACE)
    for _, (start, end) in oracle.pre_tokenize_str("".join(f"a{c}" for c in sources)):
        numbers[start:end] = _OTHER if start % 2 and end == start + 1 else _LETTER
    kinds = spread(numbers[1::2])
    ideographs = tokenizers.normalizers.BertNormalizer(False, True, False, False)
    for code, spaced in zip(map(ord, sources), each(ideographs)):
        if len(spaced) > 1:
            kinds[code] = _OTHER
    return CharacterTable.of(kinds)


def bert(characters: Characters) -> tuple[Characters, tf.Tensor]:
    r"""The words of BERT: what stands between white space; punctuation and ideographs stand alone.

    Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (arXiv:1810.04805), as
    `BertPreTokenizer` and the blanks of `BertNormalizer` in the `tokenizers` package have it.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> characters, first = bert(decode(tf.constant(["it's 猫猫"])))
    >>> tf.where(first)[:, 0].numpy().tolist(), characters.origins.numpy().tolist()
    ([0, 2, 3, 4, 5], [0, 1, 2, 3, 5, 6])
    """
    kinds, row_start = _bert_kinds()(characters.codes), characters.row_starts()
    first = row_start | (kinds == _OTHER) | (kinds != shifted(kinds, 1, -1))
    inside = tf.where(kinds != _SPACE)[:, 0]
    return characters.take(inside), tf.gather(first, inside)


def blanks(characters: Characters) -> tuple[Characters, tf.Tensor]:
    """Words that a blank begins, which is part of them; no character is left out.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> _, first = blanks(decode(tf.constant(["to be"])))
    >>> tf.where(first)[:, 0].numpy().tolist()
    [0, 2]
    """
    return characters, characters.row_starts() | (characters.codes == _BLANK)


#: The rules by their names, as tokenizers state them.
RULES: dict[str, Rule] = {"gpt2": gpt2, "clip": clip}
