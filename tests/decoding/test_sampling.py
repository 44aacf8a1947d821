"""Sampling: what is drawn, how often, and from which part of the distribution."""

import keras
import numpy as np
import pytest
import scipy.stats

from mmkeras.decoding import draw, greedy_search, keep_top_k, keep_top_p, sample

DRAW = np.random.default_rng(0)
LOGITS = np.array([1.0, -2.0, 0.3, 2.0, 0.9, -0.5], "float32")
MANY = 20_000


def probabilities(temperature=1.0, kept=slice(None)):
    weights = np.zeros(len(LOGITS))
    weights[kept] = np.exp(LOGITS[kept].astype("float64") / temperature)
    return weights / weights.sum()


def drawn(**options):
    """One token of each of many sequences that all have the same distribution."""

    def step(token_ids, state):
        return np.broadcast_to(LOGITS, (MANY, len(LOGITS))), state

    first = np.zeros(MANY, int)
    made = sample(step, (), first, max_new_tokens=2, seed=3, **options)
    return np.array(made.token_ids)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, probabilities()),
        ({"temperature": 0.5}, probabilities(0.5)),
        ({"temperature": 3.0}, probabilities(3.0)),
        ({"top_k": 3}, probabilities(kept=[3, 0, 4])),
        # The three most probable have 0.50, 0.19 and 0.17.
        ({"top_p": 0.6}, probabilities(kept=[3, 0])),
        ({"top_p": 0.1}, probabilities(kept=[3])),
        ({"top_k": 3, "top_p": 0.9, "temperature": 0.7}, probabilities(0.7, kept=[3, 0, 4])),
    ],
)
def test_frequencies_are_the_probabilities(options, expected):
    tokens = drawn(**options)
    for place in range(2):
        counts = np.bincount(tokens[:, place], minlength=len(LOGITS))
        assert not counts[expected == 0].any()
        there = expected > 0
        if there.sum() > 1:
            test = scipy.stats.chisquare(counts[there], MANY * expected[there])
            assert test.pvalue > 1e-3
    # Two draws of one sequence do not know of each other.
    joint = np.histogram2d(tokens[:, 0], tokens[:, 1], bins=6, range=[[-0.5, 5.5]] * 2)[0]
    independent = MANY * np.outer(expected, expected)
    np.testing.assert_allclose(joint, independent, atol=4 * np.sqrt(independent.max()))


def test_top_k_and_top_p_are_their_definitions():
    logits = DRAW.normal(size=(20, 30)).astype("float32")
    order = np.argsort(-logits, axis=-1)
    for k in (1, 4, 30, 99):
        kept = np.isfinite(np.array(keep_top_k(logits, k)))
        expected = np.zeros_like(kept)
        np.put_along_axis(expected, order[:, :k], True, axis=-1)
        np.testing.assert_array_equal(kept, expected)
    exact = np.exp(logits.astype("float64"))
    exact /= exact.sum(axis=-1, keepdims=True)
    for p in (1e-6, 0.3, 0.77, 0.99, 1.0):
        result = np.array(keep_top_p(logits, p))
        for row in range(len(logits)):
            total = np.cumsum(exact[row, order[row]])
            count = min(int(np.searchsorted(total, p)) + 1, 30)
            assert set(np.flatnonzero(np.isfinite(result[row]))) == set(order[row, :count])
        kept = np.isfinite(result)
        np.testing.assert_array_equal(result[kept], logits[kept])


def test_nothing_is_drawn_that_has_no_probability():
    logits = np.full((4, 7), -np.inf, "float32")
    logits[:, [2, 5]] = 0.0
    ends = np.array([0.0, 1e-8, 0.5, np.nextafter(np.float32(1), np.float32(0))], "float32")
    np.testing.assert_array_equal(draw(logits, ends), [2, 2, 5, 5])


def test_one_candidate_is_greedy_search(recurrent):
    model = recurrent(size=6)
    first, options = np.array([1, 2, 3]), {"max_new_tokens": 8, "end_id": 4, "pad_id": 5}
    greedy = greedy_search(model.step, model.start(3), first, **options)
    for head in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        made = sample(model.step, model.start(3), first, **options, **head)
        np.testing.assert_array_equal(made.token_ids, greedy.token_ids)
        np.testing.assert_allclose(made.scores, greedy.scores, rtol=1e-5)


def test_seeds(recurrent):
    model = recurrent(size=6, sharpness=0.1)

    def run(seed):
        made = sample(model.step, model.start(3), np.array([1, 2, 3]), max_new_tokens=20, seed=seed)
        return np.array(made.token_ids).tolist()

    assert run(1) == run(1) != run(2)
    generator = keras.random.SeedGenerator(1)
    assert run(generator) != run(generator)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be above 0; got 0.0"),
        ({"top_k": 0}, "top_k must be at least 1; got 0"),
        ({"top_p": 0.0}, r"top_p must be in \(0, 1\]; got 0.0"),
        ({"top_p": 1.5}, r"top_p must be in \(0, 1\]; got 1.5"),
    ],
)
def test_bad_input(recurrent, options, message):
    model = recurrent(size=6)
    with pytest.raises(ValueError, match=message):
        sample(model.step, model.start(1), np.array([1]), max_new_tokens=3, **options)
