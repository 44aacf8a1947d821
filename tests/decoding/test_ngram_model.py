"""The n-gram model against dictionaries of counts, and against what it must be."""

import collections
import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.decoding import NGramModel

SIZE = 4
SEQUENCES = st.lists(st.lists(st.integers(1, SIZE - 1), max_size=6), min_size=1, max_size=8)


def by_hand(sequences, order, min_count):
    """P(token | history) from dictionaries, by the recursion of the formula."""
    counts = collections.defaultdict(collections.Counter)
    for sequence in sequences:
        whole = [0, *sequence, 0]
        for place in range(1, len(whole)):
            for length in range(min(order - 1, place) + 1):
                counts[tuple(whole[place - length : place])][whole[place]] += 1

    def probability(token, context):
        seen = counts[context]
        if not context:
            below = 1 / SIZE
        else:
            below = probability(token, context[1:])
            if seen.total() < min_count:
                return below
        return (seen[token] + len(seen) * below) / (seen.total() + len(seen))

    def of(history):
        context = ((0, *history))[-(order - 1) :] if order > 1 else ()
        return [probability(token, context) for token in range(SIZE)]

    return of


@settings(max_examples=40, deadline=None)
@given(
    sequences=SEQUENCES,
    asked=SEQUENCES,
    order=st.integers(1, 5),
    min_count=st.sampled_from([1, 1, 2, 5]),
)
def test_is_the_formula(sequences, asked, order, min_count):
    model = NGramModel.learn(sequences, order, SIZE, min_count)
    expected = by_hand(sequences, order, min_count)
    for history in asked:
        state, total = np.int32(model.start), 0.0
        for place, token in enumerate((*history, 0)):
            probabilities = np.exp(np.array(model.scores(state), "float64"))
            assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)
            np.testing.assert_allclose(probabilities, expected(history[:place]), rtol=1e-5)
            total += np.log(probabilities[token])
            state = model.advance(state, np.int32(token))
        assert model.log_probability(history) == pytest.approx(total, rel=1e-5)
        assert int(state) == model.start


@settings(max_examples=20, deadline=None)
@given(sequences=SEQUENCES, order=st.integers(1, 4))
def test_comes_back_from_its_configuration(sequences, order):
    model = NGramModel.learn(sequences, order, SIZE)
    written = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    again = keras.saving.deserialize_keras_object(written)
    assert again == model and hash(again) == hash(model) and again.start == model.start
    states = np.arange(model.num_states)
    np.testing.assert_array_equal(again.scores(states), model.scores(states))
    for token in range(SIZE):
        np.testing.assert_array_equal(again.advance(states, token), model.advance(states, token))


TEXT = """the cat sat on the mat and the dog sat on the log then the cat ran to the dog and
the dog ran to the cat and that was that for the cat and the dog on the mat and the log"""


def test_more_context_knows_more():
    words = TEXT.split()
    ids = [[ord(letter) - 96 for letter in word] for word in words]
    learned, held_out = ids[::2] * 2, ids[1::2]
    number = sum(len(word) + 1 for word in held_out)
    perplexities = []
    for order in (1, 2, 3):
        model = NGramModel.learn(learned, order, 27)
        total = sum(model.log_probability(word) for word in held_out)
        perplexities.append(np.exp(-total / number))
    assert 27 > perplexities[0] > perplexities[1] > perplexities[2]


def test_rare_contexts_may_be_forgotten():
    sequences = [[1, 2, 3], [1, 2, 3], [3, 1]]
    small, whole = (NGramModel.learn(sequences, 3, SIZE, count) for count in (2, 1))
    assert 1 < small.num_states < whole.num_states
    assert small != whole and small != 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 0}, "order must be at least 1; got 0"),
        ({"sequences": []}, "no sequence"),
        ({"sequences": [[1], [1, 4]]}, r"sequence 1: token ids must be in \[1, 4\).*\[1, 4\]"),
        ({"sequences": [[0]]}, r"sequence 0: .*got \[0, 0\]"),
        ({"min_count": 0}, "min_count must be at least 1; got 0"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        NGramModel.learn(**{"sequences": [[1]], "order": 2, "num_tokens": 4} | options)


@pytest.mark.parametrize(
    ("windows", "counts", "message"),
    [
        ([1, 2], [1, 1], "windows must be int"),
        ([[1, 2]], [1, 1], "windows must be int"),
        ([[1, 4]], [1], r"token ids must be in \[0, 4\)"),
        ([[1, 2]], [0], "counts at least 1"),
    ],
)
def test_bad_counts(windows, counts, message):
    with pytest.raises(ValueError, match=message):
        NGramModel(np.array(windows), np.array(counts), 4)
