"""Beam search against all sequences there are."""

import itertools

import numpy as np
import pytest

from mmkeras.decoding import beam_search, greedy_search, length_divisor

FIRST = np.array([1, 2])
LENGTH = 4


def every(model, row, end_id, length_penalty):
    """All sequences that end with the end token or are full, the best first."""
    size = len(model.table)
    found = {}
    for tokens in itertools.product(range(size), repeat=LENGTH):
        if end_id in tokens:
            tokens = tokens[: tokens.index(end_id) + 1]
        score = model.log_probability(row, len(FIRST), FIRST[row], tokens)
        found[tokens] = score / length_divisor(len(tokens), length_penalty)
    return sorted(found.items(), key=lambda item: -item[1])


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 2.0, -1.0])
@pytest.mark.parametrize("end_id", [None, 0, 3])
def test_with_enough_beams_it_is_brute_force(recurrent, length_penalty, end_id):
    model = recurrent(size=4)
    made = beam_search(
        model.step,
        model.start(2),
        FIRST,
        num_beams=4**LENGTH,
        max_new_tokens=LENGTH,
        end_id=end_id,
        pad_id=9,
        length_penalty=length_penalty,
    )
    for row in range(2):
        best = every(model, row, end_id, length_penalty)
        np.testing.assert_allclose(
            made.scores[row][: len(best)], [score for _, score in best], rtol=1e-3, atol=1e-4
        )
        assert np.all(np.array(made.scores[row])[len(best) :] == -np.inf)
        assert np.all(np.array(made.token_ids[row])[len(best) :] == 9)
        for beam in range(5):
            tokens = best[beam][0]
            assert int(made.lengths[row][beam]) == len(tokens)
            padded = [*tokens, *[9] * (LENGTH - len(tokens))]
            assert np.array(made.token_ids[row][beam]).tolist() == padded


def by_hand(model, row, num_beams, end_id, length_penalty):
    """The same search with Python lists and whole histories: no state, no early stop."""
    alive, done = [((), 0.0)], []
    for _ in range(LENGTH):
        grown = []
        for tokens, _ in alive:
            for token in range(len(model.table)):
                longer = (*tokens, token)
                grown.append((longer, model.log_probability(row, len(FIRST), FIRST[row], longer)))
        grown.sort(key=lambda item: -item[1])
        grown = grown[: 2 * num_beams]
        done += [item for item in grown if item[0][-1] == end_id]
        alive = [item for item in grown if item[0][-1] != end_id][:num_beams]
    done = [
        (tokens, score / length_divisor(len(tokens), length_penalty))
        for tokens, score in done + alive
    ]
    return sorted(done, key=lambda item: -item[1])[:num_beams]


@pytest.mark.parametrize("num_beams", [1, 2, 3])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 3.0])
@pytest.mark.parametrize("end_id", [0, 2])
def test_state_follows_the_beams_and_an_early_stop_is_safe(
    recurrent, num_beams, length_penalty, end_id
):
    model = recurrent(size=5)
    made = beam_search(
        model.step,
        model.start(2),
        FIRST,
        num_beams=num_beams,
        max_new_tokens=LENGTH,
        end_id=end_id,
        length_penalty=length_penalty,
    )
    for row in range(2):
        for beam, (tokens, score) in enumerate(
            by_hand(model, row, num_beams, end_id, length_penalty)
        ):
            length = int(made.lengths[row][beam])
            assert tuple(np.array(made.token_ids[row][beam])[:length].tolist()) == tokens
            assert float(made.scores[row][beam]) == pytest.approx(score, rel=1e-3)


def test_one_beam_without_an_end_is_greedy_search(recurrent):
    model = recurrent(size=6)
    options = {"max_new_tokens": 6}
    beam = beam_search(model.step, model.start(2), FIRST, num_beams=1, **options)
    greedy = greedy_search(model.step, model.start(2), FIRST, **options)
    np.testing.assert_array_equal(beam.token_ids[:, 0], greedy.token_ids)
    penalty = length_divisor(6, 0.6)
    np.testing.assert_allclose(np.array(beam.scores[:, 0]) * penalty, greedy.scores, rtol=1e-4)


def test_bad_input(recurrent):
    model = recurrent(size=4)
    with pytest.raises(ValueError, match="num_beams must be at least 1, a whole number; got 0"):
        beam_search(model.step, model.start(2), FIRST, num_beams=0, max_new_tokens=3)
    with pytest.raises(ValueError, match="first_ids"):
        beam_search(model.step, model.start(2), FIRST[None], num_beams=2, max_new_tokens=3)
