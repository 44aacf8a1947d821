"""Prefix beam search against all ways there are, and against the same search with dictionaries."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.decoding import CTCBeams, NGramModel, ctc_beam

MODEL = NGramModel.learn([[1, 2, 1], [2, 1, 2, 2], [1], [1, 2]], order=3, num_tokens=3)
FUSIONS = {
    "alone": {},
    "bonus": {"insertion_bonus": 0.7},
    "language": {"language_model": MODEL, "lm_weight": 0.8, "insertion_bonus": 0.3},
}


def prior(tokens, language_model=None, lm_weight=0.0, insertion_bonus=0.0, end=True):
    """What the language model and the bonus give, token by token."""
    total = insertion_bonus * len(tokens)
    if language_model is not None:
        whole = language_model.log_probability(tokens)
        if not end:
            state = language_model.start
            for token in tokens:
                state = int(language_model.advance(np.int32(state), np.int32(token)))
            whole -= float(language_model.scores(np.int32(state))[0])
        total += lm_weight * whole
    return total


def sequences(made, row):
    return [
        tuple(tokens[:length].tolist())
        for tokens, length in zip(np.array(made.token_ids[row]), np.array(made.lengths[row]))
    ]


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("seed", range(3))
def test_with_enough_beams_it_is_brute_force(every_alignment, fusion, seed):
    logits = np.random.default_rng(seed).normal(size=(4, 5, 3), scale=1.5).astype("float32")
    mask = np.arange(5) < np.array([[5], [4], [2], [0]])
    logits[~mask] = np.nan
    made = ctc_beam(logits, mask, num_beams=70, **FUSIONS[fusion])
    assert made.token_ids.shape == (4, 70, 5)
    assert (made.token_ids.dtype, made.scores.dtype) == ("int32", "float32")
    for row in range(4):
        expected = {
            tokens: np.logaddexp.reduce(list(ways.values())) + prior(tokens, **FUSIONS[fusion])
            for tokens, ways in every_alignment(logits[row], mask[row]).items()
        }
        found, scores = sequences(made, row), np.array(made.scores[row])
        count = len(expected)
        assert len(set(found[:count])) == count
        assert (np.diff(scores[:count]) <= 0).all()
        for tokens, score in zip(found[:count], scores):
            assert score == pytest.approx(expected[tokens], rel=1e-4, abs=1e-4)
        assert (scores[count:] == -np.inf).all()
        assert set(found[count:]) <= {()}
        padding = np.arange(5) >= np.array(made.lengths[row])[:, None]
        assert not np.array(made.token_ids[row])[padding].any()


def by_hand(logits, num_beams, top_k=None, **fusion):
    """The same search, with prefixes as keys of a dictionary."""
    scores = logits.astype("float64")
    scores = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    never = -np.inf
    beams = {(): (0.0, never)}
    for frame in scores:
        grown = collections.defaultdict(lambda: [never, never])
        allowed = 1 + np.argsort(-frame[1:], kind="stable")[:top_k]
        for tokens, (blank, spoken) in beams.items():
            both = np.logaddexp(blank, spoken)
            grown[tokens][0] = np.logaddexp(grown[tokens][0], both + frame[0])
            if tokens:
                grown[tokens][1] = np.logaddexp(grown[tokens][1], spoken + frame[tokens[-1]])
            for token in range(1, len(frame)):
                longer = (*tokens, token)
                if token in allowed or longer in beams:
                    onto = blank if tokens[-1:] == (token,) else both
                    grown[longer][1] = np.logaddexp(grown[longer][1], onto + frame[token])
        best = {
            tokens: np.logaddexp(*parts) + prior(tokens, **fusion, end=False)
            for tokens, parts in grown.items()
        }
        kept = sorted((tokens for tokens in best if best[tokens] > never), key=lambda t: -best[t])
        beams = {tokens: grown[tokens] for tokens in kept[:num_beams]}
    final = {
        tokens: np.logaddexp(*both) + prior(tokens, **fusion) for tokens, both in beams.items()
    }
    return sorted(final.items(), key=lambda item: -item[1])


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize(("num_beams", "top_k"), [(1, None), (2, None), (3, 1), (5, 2), (8, None)])
def test_few_beams_are_the_search_of_the_paper(fusion, num_beams, top_k):
    # Tokens that come and go: beginnings are dropped and found again.
    logits = np.random.default_rng(num_beams).normal(size=(3, 14, 3), scale=1.2).astype("float32")
    made = ctc_beam(
        logits, np.ones((3, 14), bool), num_beams=num_beams, top_k=top_k, **FUSIONS[fusion]
    )
    for row in range(3):
        expected = by_hand(logits[row], num_beams, top_k, **FUSIONS[fusion])
        assert sequences(made, row)[: len(expected)] == [tokens for tokens, _ in expected]
        np.testing.assert_allclose(
            np.array(made.scores[row])[: len(expected)],
            [score for _, score in expected],
            rtol=1e-4,
            atol=1e-4,
        )


@settings(max_examples=25, deadline=None)
@given(
    logits=st.lists(st.floats(-60, 60, width=32), min_size=48, max_size=48),
    num_beams=st.sampled_from([1, 3, 6]),
)
def test_no_two_sequences_are_equal(logits, num_beams):
    logits = np.array(logits, "float32").reshape(2, 8, 3)
    made = ctc_beam(logits, np.ones((2, 8), bool), num_beams=num_beams)
    for row in range(2):
        there = np.array(made.scores[row]) > -np.inf
        found = [tokens for tokens, kept in zip(sequences(made, row), there) if kept]
        assert found and len(set(found)) == len(found)
        assert (np.array(made.scores[row]) <= 1e-3).all()


def decode(logits, mask):
    return ctc_beam(logits, mask, num_beams=4, top_k=2, **FUSIONS["language"])


def check(made, expected):
    np.testing.assert_array_equal(made[0], expected[0])
    np.testing.assert_array_equal(made[1], expected[1])
    np.testing.assert_allclose(made[2], expected[2], rtol=1e-4)


def recordings():
    logits = np.random.default_rng(0).normal(size=(2, 20, 3), scale=2).astype("float32")
    return logits, np.arange(20) < np.array([[20], [13]])


def test_in_a_graph_of_unknown_shape_and_under_xla():
    given = recordings()
    expected = decode(*given)
    unknown = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], tf.bool)]
    for options in ({"input_signature": unknown}, {"jit_compile": True}):
        check(tf.function(decode, **options)(*given), expected)
    alone = decode(given[0][1:, :13], given[1][1:, :13])
    np.testing.assert_array_equal(alone.token_ids[0], expected.token_ids[1][:, :13])


ON_JAX = """
import jax
import keras
import numpy as np

from mmkeras.decoding import NGramModel, ctc_align, ctc_beam, ctc_greedy

assert keras.backend.backend() == "jax"
model = NGramModel.learn([[1, 2, 1], [2, 1, 2, 2], [1], [1, 2]], order=3, num_tokens=3)
fusion = {"language_model": model, "lm_weight": 0.8, "insertion_bonus": 0.3}

@jax.jit
def decode(logits, mask):
    greedy = ctc_greedy(logits, mask)
    aligned = ctc_align(logits, mask, greedy.token_ids)
    return *ctc_beam(logits, mask, num_beams=4, top_k=2, **fusion), *greedy[:4], *aligned[:2]

np.savez("made.npz", *decode(*np.load("given.npz").values()))
"""


def test_jax_finds_the_same(in_backend, tmp_path):
    given = recordings()
    np.savez(tmp_path / "given.npz", *given)
    in_backend("jax", ON_JAX)
    *beams, token_ids, lengths, starts, ends, first, last = np.load(tmp_path / "made.npz").values()
    check(beams, decode(*given))
    # The greedy way is the best there is for its own tokens.
    assert lengths.tolist() == (token_ids > 0).sum(axis=1).tolist() and lengths.min() > 0
    np.testing.assert_array_equal(first, starts)
    np.testing.assert_array_equal(last, ends)


def test_bad_input():
    given = (np.zeros((1, 2, 4)), np.ones((1, 2), bool))
    with pytest.raises(ValueError, match="num_beams must be at least 1, a whole number; got 0"):
        ctc_beam(*given, num_beams=0)
    with pytest.raises(ValueError, match="top_k must be at least 1, a whole number; got 0"):
        ctc_beam(*given, num_beams=1, top_k=0)
    for options, says in (
        ({"num_beams": 2.5}, "num_beams must be at least 1, a whole number; got 2.5"),
        ({"top_k": 1.5}, "top_k must be at least 1, a whole number; got 1.5"),
        ({"lm_weight": np.nan}, "lm_weight must be a number of at least 0; got nan"),
        ({"lm_weight": -0.5}, "lm_weight must be a number of at least 0; got -0.5"),
        ({"insertion_bonus": np.inf}, "insertion_bonus must be a finite number; got inf"),
        ({"language_model": "x"}, "language_model must be None or .* got 'x'"),
    ):
        with pytest.raises(ValueError, match=says):
            CTCBeams(**options)
    with pytest.raises(ValueError, match="language model has 3 tokens and the logits have 4"):
        ctc_beam(*given, num_beams=1, language_model=MODEL)
