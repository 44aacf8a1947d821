"""The accuracy of VQA against the mean over subsets of nine people, which it approximates."""

import itertools

import pytest

from mmkeras.metrics.vqa_accuracy import vqa_accuracy


@pytest.mark.parametrize(("agreeing", "right"), [(0, 0), (1, 1 / 3), (2, 2 / 3), (3, 1), (10, 1)])
def test_three_people_make_an_answer_right(agreeing, right):
    people = ["two"] * agreeing + [f"other {i}" for i in range(10 - agreeing)]
    assert vqa_accuracy([people], ["Two "]) == pytest.approx(right)
    # What the scripts of the challenge do: each group of nine votes, and the mean counts.
    groups = [
        min(sum(answer == "two" for answer in group) / 3, 1)
        for group in itertools.combinations(people, 9)
    ]
    assert sum(groups) / len(groups) == pytest.approx(right, abs=0.11)


def test_is_the_mean_over_questions():
    assert vqa_accuracy([["a"] * 3, ["b", "b", "c"]], ["a", "b"]) == pytest.approx((1 + 2 / 3) / 2)


def test_what_cannot_be_measured():
    with pytest.raises(ValueError, match="answers to 1 questions and 0 hypotheses"):
        vqa_accuracy([["a"]], [])
