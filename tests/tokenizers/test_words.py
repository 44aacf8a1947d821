"""Words of a text, whatever the tokenizer: against a regular expression over the text itself."""

import re

import pytest
import tensorflow as tf
from hypothesis import given, strategies

from mmkeras.tokenizers import ByteBPE, WordPiece
from mmkeras.tokenizers.words import words_of

TEXTS = ["the cats, and a dog!", "it's 42", "a  猫猫 b", "naïve\tcafé", "x-y", "don't stop"]
TOKENIZERS = [
    WordPiece.learn(TEXTS, vocabulary_size=60),
    WordPiece.learn(TEXTS, vocabulary_size=60, lowercase=False),
    ByteBPE.learn(TEXTS, vocabulary_size=270),
    ByteBPE.learn(TEXTS, vocabulary_size=270, prefix_space=True, trim_offsets=True),
]
#: Letters and digits in a row, or one of anything else that is no white space.
WORD = re.compile(r"[a-zA-Z0-9ïé]+|[^\sa-zA-Z0-9ïé]")


def words(tokenizer, text):
    """`(start, end, word)` of every piece."""
    pieces = tokenizer.tokenize_with_offsets([text])
    return list(zip(*(part.to_list()[0] for part in words_of([text], pieces))))


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(text=strategies.text(alphabet="abz09ïé猫,.!- \t", max_size=20))
def test_pieces_lie_in_the_words_of_the_text(tokenizer, text):
    expected = [match.span() for match in WORD.finditer(text)]
    found: dict[int, list[int]] = {}
    for start, end, word in words(tokenizer, text):
        if word < 0:
            assert not text[start:end].strip()
            continue
        begin, stop = found.get(word, [start, end])
        found[word] = [min(begin, start), max(stop, end)]
    assert [tuple(span) for _, span in sorted(found.items())] == expected
    assert list(found) == list(range(len(expected)))


def test_every_text_of_a_batch_begins_anew():
    tokenizer = TOKENIZERS[0]
    pieces = tokenizer.tokenize_with_offsets(["a dog", "", " , cats"])
    starts, ends, numbers = words_of(["a dog", "", " , cats"], pieces)
    assert [row[0] if row else None for row in starts.to_list()] == [0, None, 1]
    assert [row[-1] if row else None for row in ends.to_list()] == [5, None, 7]
    assert [sorted(set(row)) for row in numbers.to_list()] == [[0, 1], [], [0, 1]]


def test_a_piece_across_words_belongs_to_the_one_it_begins_in():
    tokenizer = ByteBPE.learn(["!a!a!a"], vocabulary_size=262, rule="gpt2")
    assert {word for *_, word in words(tokenizer, "!!a")} <= {0, 1, 2}
    # GPT-2 takes punctuation in a row for one word, which it is not here.
    tokenizer = ByteBPE.learn(["!! !! !!"], vocabulary_size=264)
    assert words(tokenizer, "!!") == [(0, 2, 0)]


def test_runs_in_a_graph_of_unknown_size():
    tokenizer = TOKENIZERS[0]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def graph(texts):
        return words_of(texts, tokenizer.tokenize_with_offsets(texts))

    for texts in (TEXTS, [], [""]):
        texts = tf.constant(texts, tf.string)
        eager = words_of(texts, tokenizer.tokenize_with_offsets(texts))
        for made, expected in zip(graph(texts), eager):
            assert made.to_list() == expected.to_list()
