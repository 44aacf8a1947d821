"""Measures of texts against the formulas of their papers, by brute force."""

import collections
import functools
import importlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.metrics.text import bleu, chrf, exact_match, rouge_l

TEXTS = st.lists(st.sampled_from(["a", "b", "cd"]), min_size=1, max_size=7).map(" ".join)
PAIRS = st.lists(st.tuples(st.lists(TEXTS, min_size=1, max_size=3), TEXTS), min_size=1, max_size=4)


def runs(parts, n):
    return collections.Counter(tuple(parts[i : i + n]) for i in range(len(parts) - n + 1))


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_bleu_is_papinenis(pairs):
    """Clipped precisions, their geometric mean, and the brevity penalty."""
    right = [[0, 0] for _ in range(4)]
    made_length = right_length = 0
    for references, made in pairs:
        words = made.split()
        lengths = [len(reference.split()) for reference in references]
        made_length += len(words)
        right_length += min(lengths, key=lambda n: (abs(n - len(words)), n))
        for n in range(1, 5):
            found = runs(words, n)
            most = functools.reduce(
                lambda a, b: a | b, (runs(reference.split(), n) for reference in references)
            )
            right[n - 1][0] += (found & most).total()
            right[n - 1][1] += found.total()
    score = bleu(*map(list, zip(*pairs)))
    if all(hits for hits, _ in right):  # else sacrebleu smooths
        brevity = min(1.0, math.exp(1 - right_length / made_length))
        expected = 100 * brevity * math.prod(hits / total for hits, total in right) ** 0.25
        assert score == pytest.approx(expected)
    else:
        assert 0 <= score < 100


def test_chrf_is_popovics():
    reference, made = "abcabd", "abdab"
    shares = []
    for n in range(1, 7):
        one, other = runs(reference, n), runs(made, n)
        if one and other:
            hits = (one & other).total()
            shares.append((hits / other.total(), hits / one.total()))
    precision, recall = (sum(values) / len(values) for values in zip(*shares))
    expected = 100 * 5 * precision * recall / (4 * precision + recall)
    assert chrf([reference], [made]) == pytest.approx(expected)


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_rouge_l_is_the_longest_common_subsequence(pairs):
    def longest(a, b):
        if not a or not b:
            return 0
        if a[0] == b[0]:
            return 1 + longest(a[1:], b[1:])
        return max(longest(a[1:], b), longest(a, b[1:]))

    def f(reference, made):
        a, b = reference.split(), made.split()
        return 2 * longest(a, b) / (len(a) + len(b))

    expected = [max(f(r, made) for r in references) for references, made in pairs]
    assert rouge_l(*map(list, zip(*pairs))) == pytest.approx(sum(expected) / len(expected))


def test_rouge_l_knows_words_of_any_script():
    assert rouge_l(["Кот, и пёс!"], ["кот и пёс"]) == 1.0
    assert rouge_l(["猫"], ["犬"]) == 0.0


def test_exact_match_takes_any_reference_and_ignores_blanks():
    assert exact_match([["a b", "c"], "a", "A", "a b"], ["c ", "a", "a", "ab"]) == 0.5


@pytest.mark.parametrize("measure", [bleu, chrf, exact_match, rouge_l])
def test_what_cannot_be_measured(measure):
    for references, made in (([], []), (["a"], []), (["a"], ["a", "b"])):
        with pytest.raises(ValueError, match=rf"{len(references)} texts and {len(made)} hyp"):
            measure(references, made)
    with pytest.raises(ValueError, match="hypothesis 1 has no reference"):
        measure(["a", []], ["a", "a"])


@pytest.mark.parametrize("measure", [bleu, chrf, rouge_l])
def test_a_missing_package_names_the_extra(measure, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r'pip install "mmkeras\[text\]"'):
        measure(["a"], ["a"])
