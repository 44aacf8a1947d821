"""`Goal`: directions by names, limits, and the order that a search goes by."""

import itertools
import math

import numpy as np
import pytest

from mmkeras.training import Goal


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_loss", "min"),
        ("val_category_accuracy", "max"),
        ("val_mood_f1", "max"),
        ("boxes_map50", "max"),
        ("text_wer", "min"),
        ("val_stars_rmse", "min"),
        ("latency_ms", "min"),
        ("accuracy", "max"),
        ("answer_exact_match", "max"),
    ],
)
def test_the_name_tells_the_direction(name, direction):
    assert Goal.of(name).direction == direction
    assert Goal.of(name, "min").direction == "min"


def test_a_name_that_does_not_tell_it_is_an_error():
    with pytest.raises(ValueError, match=r"'val_smile' is to become high or low is not known"):
        Goal.of("val_smile")


def test_excess_is_the_share_above_each_limit():
    goal = Goal.of("loss", limits={"a": 10.0, "b": 4.0, "zero": 0.0})
    assert goal.excess({"a": 10.0, "b": -3.0, "zero": 0.0}) == 0
    assert goal.excess({"a": 15.0, "b": 5.0, "zero": 0.5}) == pytest.approx(0.5 + 0.25 + 0.5)
    assert goal.excess({"a": math.nan, "b": 0.0, "zero": 0.0}) == math.inf


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_best_and_the_order_are_those_of_the_definition(direction):
    draw = np.random.default_rng(0)
    for _ in range(50):
        limits = {"a": draw.uniform(), "b": draw.uniform()}
        goal = Goal("x", direction, limits)
        trials = [{name: draw.uniform() for name in ("x", "a", "b")} for _ in range(6)]
        sign = -1 if direction == "max" else 1
        inside = [i for i, t in enumerate(trials) if all(t[n] <= limits[n] for n in limits)]
        best = min(inside, key=lambda i: sign * trials[i]["x"], default=None)
        assert goal.best(trials) == best
        scores = [sign * score for score in goal.scores(trials)]
        for one, other in itertools.permutations(range(6), 2):
            if one in inside and other in inside:
                assert (scores[one] < scores[other]) == (
                    sign * trials[one]["x"] < sign * trials[other]["x"]
                )
            elif one in inside:
                assert scores[one] < scores[other]
            elif other not in inside:
                less = goal.excess(trials[one]) < goal.excess(trials[other])
                assert (scores[one] < scores[other]) == less
        assert goal.excess(trials[goal.nearest(trials)]) == min(map(goal.excess, trials))


def test_the_first_of_equals_is_the_best():
    assert Goal.of("loss").best([{"loss": 1.0}, {"loss": 1.0}]) == 0
