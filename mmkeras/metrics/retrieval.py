"""How well what is looked for is found among many: recall, rank and average precision."""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def retrieval_scores(
    similarities: np.ndarray, relevant: np.ndarray, ks: Sequence[int] = (1, 5, 10)
) -> dict[str, float]:
    """Measures of a ranking, over all queries.

    Args:
        similarities: see `query_scores`.
        relevant: see `query_scores`.
        ks: see `query_scores`.

    Returns:
        See `summary`.

    Raises:
        ValueError: see `query_scores`; there is no query.

    Example:

    >>> similarities = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.4]])
    >>> scores = retrieval_scores(similarities, np.eye(2, 3, dtype=bool), ks=(1, 2))
    >>> scores["recall_at_1"], scores["recall_at_2"], scores["map_at_2"], scores["median_rank"]
    (0.5, 1.0, 0.75, 1.5)
    """
    return summary(query_scores(similarities, relevant, ks))


def query_scores(
    similarities: np.ndarray, relevant: np.ndarray, ks: Sequence[int] = (1, 5, 10)
) -> dict[str, np.ndarray]:
    """Measures of a ranking, query by query.

    Of candidates that are equally alike, those that are not relevant count as the better ones, so
    that a model that cannot tell anything apart finds nothing.

    Args:
        similarities: float [Q, N], how alike each query is to each candidate.
        relevant: bool [Q, N], what each query looks for; at least one candidate.
        ks: how many of the best candidates are looked at; numbers above N are left out.

    Returns:
        float64 [Q] each: `recall_at_{k}`, 1 where a relevant candidate is among the best k (also
        called a hit); `map_at_{k}`, the average precision of the best k, at most min(k, number of
        relevant ones) counting as all (Manning et al. 2008, "Introduction to Information
        Retrieval", section 8.4); `median_rank`, the rank of the best relevant candidate, from 1 on.

    Raises:
        ValueError: the shapes differ, there is no query, a query has nothing relevant, or a
            similarity is NaN.
    """
    similarities, relevant = np.asarray(similarities, np.float64), np.asarray(relevant, bool)
    if similarities.ndim != 2 or similarities.shape != relevant.shape or not len(similarities):
        raise ValueError(
            "similarities and relevant must be of one shape [Q, N]; got "
            f"{similarities.shape} and {relevant.shape}."
        )
    if np.isnan(similarities).any():
        raise ValueError("a similarity is NaN: embeddings must be finite.")
    if not relevant.any(axis=1).all():
        query = int(np.flatnonzero(~relevant.any(axis=1))[0])
        raise ValueError(f"query {query} has no relevant candidate.")
    # By similarity; of equals, the relevant last.
    order = np.lexsort((relevant, -similarities), axis=1)
    hits = np.take_along_axis(relevant, order, axis=1)
    rank = hits.argmax(axis=1) + 1
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    scores = {}
    for k in ks:
        if k > hits.shape[1]:
            continue
        scores[f"recall_at_{k}"] = (rank <= k).astype("float64")
        found = np.sum(precision[:, :k] * hits[:, :k], axis=1)
        scores[f"map_at_{k}"] = found / np.minimum(relevant.sum(axis=1), k)
    return scores | {"median_rank": rank.astype("float64")}


def summary(queries: Mapping[str, np.ndarray]) -> dict[str, float]:
    """What `query_scores` gave as one number each: medians of ranks, means of all else.

    Args:
        queries: `{measure: float [Q]}`; of no queries the number is NaN.

    Example:

    >>> summary({"recall_at_1": np.array([1.0, 0.0]), "median_rank": np.array([1.0, 4.0])})
    {'recall_at_1': 0.5, 'median_rank': 2.5}
    """
    return {
        name: float((np.median if name.endswith("median_rank") else np.mean)(values))
        if len(values)
        else math.nan
        for name, values in queries.items()
    }
