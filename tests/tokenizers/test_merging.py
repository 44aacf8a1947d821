"""`Merges` against the `tokenizers` package's BPE, one merge after the other."""

import numpy as np
import tensorflow as tf
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.tokenizers.merging import Merges


@st.composite
def systems(draw):
    """Merges in any order, those included that no training would make, and words."""
    letters = "abc"[: draw(st.integers(1, 3))]
    pieces, pairs = list(letters), []
    for _ in range(draw(st.integers(1, 12))):
        pair = draw(st.sampled_from(pieces)), draw(st.sampled_from(pieces))
        if pair not in pairs:
            pairs.append(pair)
            pieces += [] if "".join(pair) in pieces else ["".join(pair)]
    words = draw(st.lists(st.text(letters, min_size=1, max_size=40), min_size=1, max_size=12))
    return pieces, draw(st.permutations(pairs)), words


@settings(max_examples=60, deadline=None)
@given(systems())
def test_equals_one_merge_after_the_other(system):
    pieces, pairs, words = system
    ids = {piece: id_ for id_, piece in enumerate(pieces)}
    merges = Merges(
        np.array([[ids[a], ids[b], ids[a + b]] for a, b in pairs]),
        np.array([len(piece) for piece in pieces]),
    )
    symbols, owners = merges(
        tf.constant([ids[letter] for word in words for letter in word]),
        tf.constant([i for i, word in enumerate(words) for _ in word]),
    )
    got = [symbols.numpy()[owners.numpy() == i].tolist() for i in range(len(words))]
    oracle = tokenizers.models.BPE(ids, pairs)
    assert got == [[token.id for token in oracle.tokenize(word)] for word in words]


def test_an_unknown_symbol_joins_nothing():
    merges = Merges(np.array([[0, 1, 2], [1, 2, 3]]), np.array([1, 1, 2, 3]))
    symbols, _ = merges(tf.constant([0, -1, 1, -1, 0, 1, 3, -1]), tf.zeros([8], tf.int32))
    assert symbols.numpy().tolist() == [0, -1, 1, -1, 2, 3, -1]


def test_no_symbol_and_no_merge():
    merges = Merges(np.zeros([0, 3], "int64"), np.array([1, 1]))
    for symbols in ([], [0, 1, 1]):
        got, _ = merges(tf.constant(symbols, tf.int32), tf.zeros([len(symbols)], tf.int32))
        assert got.numpy().tolist() == symbols
