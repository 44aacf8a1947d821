"""Measures of rankings against scikit-learn's and against rankings made by hand."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from mmkeras.metrics import retrieval_scores


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(2, 12))
def test_are_scikit_learns(seed, queries, candidates):
    draw = np.random.default_rng(seed)
    similarities = draw.permuted(np.tile(np.arange(candidates), (queries, 1)), axis=1) / candidates
    relevant = draw.random((queries, candidates)) < 0.3
    relevant[np.arange(queries), draw.integers(0, candidates, queries)] = True
    scores = retrieval_scores(similarities, relevant, ks=(1, 2, candidates))
    expected = [
        sklearn.metrics.average_precision_score(right, alike)
        for right, alike in zip(relevant, similarities)
    ]
    assert scores[f"map_at_{candidates}"] == pytest.approx(np.mean(expected))
    best = similarities.argmax(axis=1)
    assert scores["recall_at_1"] == pytest.approx(relevant[np.arange(queries), best].mean())
    assert scores["map_at_1"] == scores["recall_at_1"]
    ranks = [
        1 + sum(other > alike[right].max() for other in alike)
        for right, alike in zip(relevant, similarities)
    ]
    assert scores["median_rank"] == np.median(ranks)
    assert scores["recall_at_2"] == pytest.approx(np.mean(np.array(ranks) <= 2))


def test_what_tells_nothing_apart_finds_nothing():
    scores = retrieval_scores(np.zeros((4, 4)), np.eye(4, dtype=bool), ks=(1, 3, 4, 9))
    assert scores["recall_at_1"] == scores["recall_at_3"] == 0.0
    assert (scores["recall_at_4"], scores["median_rank"]) == (1.0, 4.0)
    assert "recall_at_9" not in scores


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"one shape \[Q, N\]; got \(2, 3\) and \(3, 2\)"):
        retrieval_scores(np.zeros((2, 3)), np.zeros((3, 2), bool))
    with pytest.raises(ValueError, match="query 1 has no relevant"):
        retrieval_scores(np.zeros((2, 2)), np.array([[True, False], [False, False]]))
    with pytest.raises(ValueError, match="NaN"):
        retrieval_scores(np.full((1, 1), np.nan), np.ones((1, 1), bool))
