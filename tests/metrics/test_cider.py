"""CIDEr-D against pycocoevalcap, and against its formula in closed form."""

import math

import pytest

from mmkeras.metrics.cider import cider

PEOPLE = [
    ["two runs cat the runs sits dog the", "on on mat dog", "runs dog the dog the sits"],
    ["red red dog dog a runs", "two red cat red mat cat runs sits"],
    ["the dog the cat dog dog", "a on cat a the sits", "mat cat dog a a a"],
    ["dog a the on a two two", "red"],
    ["runs the sits", "on the red the dog a red two"],
]
MADE = ["two runs cat the sits", "sits sits a a", "the dog the cat dog dog", "red", "dog on on a"]


def test_is_what_pycocoevalcap_gives():
    # Cider().compute_score of pycocoevalcap 1.2.
    assert cider(PEOPLE, MADE) == pytest.approx(1.6642650520003819, rel=1e-9)


def test_words_that_all_pictures_share_count_nothing():
    # Of two pictures, "a" is in both and tells nothing; the other word is the whole vector.
    assert cider([["a cat"], ["a dog"]], ["a cat", "a bird"]) == pytest.approx(
        # Orders 1 and 2 of four agree; in the second neither does.
        10 * (2 / 4 + 0) / 2
    )


def test_lengths_that_differ_cost():
    short = cider([["cat"], ["dog"]], ["cat", "dog"])
    long = cider([["cat"], ["dog"]], ["cat", "dog a a a"])
    # The four words' first order still points in one direction: rarity 0 is no part of it.
    assert short == pytest.approx(10 / 4)
    rarity_of_a = math.log(2)  # of no picture: as rare as what one has
    cosine = math.log(2) / math.hypot(math.log(2), 3 * rarity_of_a)
    assert long == pytest.approx(10 / 4 * (1 + math.exp(-9 / 72) * cosine) / 2)


def test_case_is_ignored_and_one_picture_tells_nothing():
    assert cider([["A Cat"], ["dogs"]], ["a cat", "Dogs"]) == cider(
        [["a cat"], ["dogs"]], ["a cat", "dogs"]
    )
    assert cider([["a cat"]], ["a cat"]) == 0.0


def test_what_cannot_be_measured():
    for references, made in (([], []), ([["a"]], []), ([[]], ["a"])):
        with pytest.raises(ValueError, match=f"{len(references)} pictures and {len(made)} hyp"):
            cider(references, made)
