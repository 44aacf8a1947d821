"""Error rates against the edit distance as its recursion states it."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.metrics.error_rate import error_rate


def distance(a, b):
    @functools.cache
    def changes(i, j):
        if i == 0 or j == 0:
            return i + j
        same = changes(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(same, changes(i - 1, j) + 1, changes(i, j - 1) + 1)

    return changes(len(a), len(b))


TEXTS = st.lists(st.sampled_from(["a", "b", "ab", "ba"]), max_size=6).map(" ".join)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_is_the_edit_distance_over_all_texts(pairs):
    references, hypotheses = map(list, zip(*pairs))
    for unit, cut in (("words", str.split), ("characters", list)):
        found = error_rate(references, hypotheses, unit)
        errors = sum(distance(tuple(cut(r)), tuple(cut(h))) for r, h in pairs)
        units = sum(len(cut(r)) for r in references)
        assert found.substitutions + found.deletions + found.insertions == errors
        assert found.units == units
        if units:
            assert found.rate == pytest.approx(errors / units)


def test_nothing_was_said():
    assert error_rate(["", " "], ["", ""]).rate == 0.0
    assert error_rate([""], ["a b"]).rate == float("inf")
    assert error_rate(["", "a"], ["b", "a"]).rate == 1.0
    assert error_rate([], []).rate == 0.0


def test_what_cannot_be_counted():
    with pytest.raises(ValueError, match="1 references and 0"):
        error_rate(["a"], [])
    with pytest.raises(ValueError, match="syllables"):
        error_rate(["a"], ["a"], "syllables")
