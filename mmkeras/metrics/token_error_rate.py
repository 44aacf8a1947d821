"""`TokenErrorRate`: token errors over true tokens, during `fit`."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenErrorRate(keras.metrics.Metric):
    """Token errors over the number of true tokens, all samples together, during `fit`.

    The errors of a sample are the fewest insertions, deletions and substitutions of tokens that
    make the truth of the prediction (Levenshtein 1966). With characters as tokens it is the
    character error rate.

    Args:
        name: of the metric.
        dtype: of the counts.

    Example:

    >>> import numpy as np
    >>> metric = TokenErrorRate()
    >>> metric.update_state(np.array([[1, 2, 3, 0], [4, 0, 0, 0]]), np.array([[2, 3], [4, 4]]))
    >>> float(metric.result())  # 1 deleted, 4 inserted; 4 true tokens
    0.5
    """

    def __init__(self, name: str = "token_error_rate", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.errors, self.tokens = (
            self.add_weight(initializer="zeros", name=count) for count in ("errors", "tokens")
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts the errors of a batch.

        Args:
            y_true: int [B, L], the true token ids from 1 on, 0 behind them.
            y_pred: int [B, M], the predicted ones, likewise.
            sample_weight: None, or float [B].
        """
        y_true, y_pred = (ops.cast(ids, "int32") for ids in (y_true, y_pred))
        errors = ops.cast(_edit_distance(y_true, y_pred), self.dtype)
        tokens = ops.sum(ops.cast(y_true > 0, self.dtype), axis=1)
        if sample_weight is not None:
            weight = ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))
            errors, tokens = errors * weight, tokens * weight
        self.errors.assign_add(ops.sum(errors))
        self.tokens.assign_add(ops.sum(tokens))

    def result(self) -> Any:
        """float []: the rate; 0 where nothing was counted."""
        return ops.divide_no_nan(self.errors, self.tokens)


#: More than any distance.
_FAR = 2**20


def _edit_distance(first: Any, second: Any) -> Any:
    """int32 [B]: Levenshtein's distance of int32 [B, L] and [B, M], both with 0 behind the ids.

    Along the diagonals of the table, whose places do not depend on each other: place i of diagonal
    d compares the first i ids of the one with the first d - i of the other.
    """
    length, other = ops.shape(first)[1], ops.shape(second)[1]
    sizes = [ops.sum(ops.cast(ids > 0, "int32"), axis=1) for ids in (first, second)]
    total = sizes[0] + sizes[1]
    place = ops.arange(length + 1, dtype="int32")
    # One id more, so that there is one to look at even where none is asked for.
    second = ops.pad(second, ((0, 0), (0, 1)))

    def unfinished(d: Any, *_: Any) -> Any:
        return d <= ops.max(total)

    def advance(d: Any, last: Any, before: Any, found: Any) -> tuple[Any, ...]:
        facing = ops.take(second, ops.clip(d - 2 - place[:-1], 0, other), axis=1)
        changed = ops.cast(ops.not_equal(first, facing), "int32")
        left = ops.pad(
            ops.minimum(last[:, :-1] + 1, before[:, :-1] + changed),
            ((0, 0), (1, 0)),
            constant_values=_FAR,
        )
        here = ops.minimum(left, last + 1)
        here = ops.where(place <= d, here, _FAR)
        ended = ops.take_along_axis(here, sizes[0][:, None], axis=1)[:, 0]
        return d + 1, here, last, ops.where(total == d, ended, found)

    none = ops.zeros_like(total)
    last = ops.where(place == 0, 0, _FAR) + none[:, None]
    start = (ops.ones((), dtype="int32"), last, ops.zeros_like(last) + _FAR, none)
    return ops.while_loop(unfinished, advance, start)[3]
