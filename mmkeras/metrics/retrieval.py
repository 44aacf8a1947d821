"""How well what is looked for is found among many: recall, rank and average precision."""

from collections.abc import Sequence

import numpy as np


def retrieval_scores(
    similarities: np.ndarray, relevant: np.ndarray, ks: Sequence[int] = (1, 5, 10)
) -> dict[str, float]:
    """Measures of a ranking, means over all queries.

    Of candidates that are equally alike, those that are not relevant count as the better ones, so
    that a model that cannot tell anything apart finds nothing.

    Args:
        similarities: float [Q, N], how alike each query is to each candidate.
        relevant: bool [Q, N], what each query looks for; at least one candidate.
        ks: how many of the best candidates are looked at; numbers above N are left out.

    Returns:
        `recall_at_{k}`, the share of queries with a relevant candidate among the best k (also
        called hit rate); `map_at_{k}`, mean average precision of the best k, at most min(k, number
        of relevant ones) counting as all (Manning et al. 2008, "Introduction to Information
        Retrieval", section 8.4); `median_rank`, of the best relevant candidate, from 1 on.

    Raises:
        ValueError: the shapes differ, there is no query, a query has nothing relevant, or a
            similarity is NaN.

    Example:

    >>> similarities = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.4]])
    >>> scores = retrieval_scores(similarities, np.eye(2, 3, dtype=bool), ks=(1, 2))
    >>> scores["recall_at_1"], scores["recall_at_2"], scores["map_at_2"], scores["median_rank"]
    (0.5, 1.0, 0.75, 1.5)
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
        scores[f"recall_at_{k}"] = float(np.mean(rank <= k))
        found = np.sum(precision[:, :k] * hits[:, :k], axis=1)
        scores[f"map_at_{k}"] = float(np.mean(found / np.minimum(relevant.sum(axis=1), k)))
    return scores | {"median_rank": float(np.median(rank))}
