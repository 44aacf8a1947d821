"""What learning a vocabulary needs of texts: how often each word stands in them."""

import collections
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from mmkeras.tokenizers.subwords import SubwordTokenizer

_BATCH = 1_024
# The trainers read texts, not counts.
_LONGEST = 1_000


def word_counts(
    tokenizer: "SubwordTokenizer", texts: Iterable[str | bytes]
) -> collections.Counter[bytes]:
    """How often the words of texts stand in them, as a tokenizer normalizes and parts them.

    Args:
        tokenizer: any one with the rules in question; its vocabulary does not matter.
        texts: UTF-8 where they are bytes.

    Raises:
        tf.errors.InvalidArgumentError: a text is not valid UTF-8.
    """
    cut = tf.function(tokenizer.cut, input_signature=[tf.TensorSpec([None], tf.string)])
    counts: collections.Counter[bytes] = collections.Counter()
    texts = iter(texts)
    while batch := list(itertools.islice(texts, _BATCH)):
        words, _, number = tf.unique_with_counts(cut(tf.constant(batch, tf.string)))
        for word, count in zip(words.numpy(), number.numpy().tolist()):
            counts[word] += count
    return counts


def repeated(counts: Mapping[str, int]) -> Iterator[str]:
    """Texts that hold every word as often as counted, with blanks between them, words sorted."""
    for word in sorted(counts):
        for done in range(0, counts[word], _LONGEST):
            yield f"{word} " * min(_LONGEST, counts[word] - done)
