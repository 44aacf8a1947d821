"""`Segmentation` against `Unigram` in the `tokenizers` package, ties and long words included."""

import itertools
import random

import numpy as np
import pytest
import tensorflow as tf
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.tokenizers.segmentation import Segmentation

SCORES = st.sampled_from([-0.5, -1.0, -1.25, -2.0, -3.0, -7.5])
PIECES = st.dictionaries(st.text("ab猫", min_size=1, max_size=5), SCORES, min_size=1, max_size=15)


def cut(pieces: dict[str, float], words: list[str]) -> list[list[str]]:
    """Unknown characters in a row are joined, as the package does it."""
    segmentation = Segmentation(tuple(pieces), tuple(pieces.values()), min(pieces.values()) - 10)
    codes = np.array([ord(c) for word in words for c in word], "int32")
    splits = np.cumsum([0, *map(len, words)]).astype("int32")
    search = tf.function(segmentation) if len(codes) > 1_000 else segmentation
    found, lengths, of_word = (x.numpy() for x in search(tf.constant(codes), splits))
    text, ends = "".join(words), np.cumsum(lengths)
    rows: list[list[str]] = [[] for _ in words]
    before = (None, None)
    for piece, word, start, end in zip(found, of_word, ends - lengths, ends, strict=True):
        if before == (-1, word) and piece == -1:
            rows[word][-1] += text[start:end]
        else:
            rows[word].append(text[start:end])
        before = (piece, word)
    return rows


def expected(pieces: dict[str, float], words: list[str]) -> list[list[str]]:
    model = tokenizers.models.Unigram([("<unk>", 0.0), *pieces.items()], 0)
    return [[token.value for token in model.tokenize(word)] for word in words]


@settings(max_examples=30, deadline=None)
@given(PIECES, st.lists(st.text("ab猫?", min_size=1, max_size=20), max_size=6))
def test_equals_the_tokenizers_package_for_any_vocabulary(pieces, words):
    assert cut(pieces, words) == expected(pieces, words)


@settings(max_examples=30, deadline=None)
@given(PIECES, st.text("ab", min_size=1, max_size=8))
def test_is_the_best_of_all_ways(pieces, word):
    unknown = min(pieces.values()) - 10

    def score(parts: list[str]) -> float:
        return sum(pieces.get(p, unknown if len(p) == 1 else -np.inf) for p in parts)

    ways = []
    for cuts in itertools.product([False, True], repeat=len(word) - 1):
        edges = [0, *(i for i, here in enumerate(cuts, 1) if here), len(word)]
        ways.append([word[a:b] for a, b in itertools.pairwise(edges)])
    (got,) = cut(pieces, [word])
    letters = [p for part in got for p in ([part] if part in pieces else part)]
    assert score(letters) == max(map(score, ways))


@pytest.mark.parametrize("alphabet", ["a", "ab", "abcde"])
def test_words_of_many_stretches_are_cut_as_a_whole(alphabet):
    draw = random.Random(0)
    for _ in range(3):
        pieces = {
            "".join(draw.choices(alphabet, k=draw.randint(1, 7))): -draw.randint(1, 20) / 4
            for _ in range(12)
        }
        words = ["".join(draw.choices(alphabet, k=n)) for n in (5_000, 3, 1_024, 512, 513, 9_999)]
        assert cut(pieces, words) == expected(pieces, words)
