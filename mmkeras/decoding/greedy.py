"""Greedy search: always the most probable next token."""

import dataclasses
from typing import Any

import keras

from mmkeras.layers.argmax import argmax
from mmkeras.layers.autoregression import (
    Choose,
    ForwardSearch,
    Sequences,
    Step,
    autoregress,
)


def greedy_search(
    step: Step,
    state: Any,
    first_ids: Any,
    *,
    max_new_tokens: int,
    end_id: int | None = None,
    pad_id: int = 0,
) -> Sequences:
    """The sequences that take the most probable token each time; of equals, the lowest id.

    Args:
        step: `(token_ids int32 [B], state) -> (logits [B, K], state)`; see `Step`.
        state: what `step` takes with the first token; see `Step`.
        first_ids: int [B]: the beginning-of-sequence token, or the last of each prompt.
        max_new_tokens: the longest sequence.
        end_id: the token that ends a sequence; None: none does.
        pad_id: the token behind the end.

    Returns:
        `Sequences` of [B, max_new_tokens].

    Raises:
        ValueError: `max_new_tokens` is below 1, or `first_ids` is not a vector of integers.

    Example:

    >>> import numpy as np
    >>> from keras import ops
    >>> table = np.eye(4, dtype="float32")[[1, 2, 3, 0]]  # after token i comes i + 1
    >>> def step(token_ids, state):
    ...     return ops.take(table, token_ids, axis=0), state
    >>> made = greedy_search(step, (), np.array([0, 1]), max_new_tokens=3, end_id=3)
    >>> np.array(made.token_ids).tolist()
    [[1, 2, 3], [2, 3, 0]]
    """

    return autoregress(
        step,
        state,
        first_ids,
        _most_probable,
        max_new_tokens=max_new_tokens,
        end_id=end_id,
        pad_id=pad_id,
    )


def _most_probable(logits: Any, index: Any) -> Any:
    del index
    return argmax(logits)


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Greedy(ForwardSearch):
    """`greedy_search` as a value.

    Example:

    >>> Greedy()
    Greedy()
    """

    def chooser(self, batch: Any, max_new_tokens: int, seed: Any = None) -> Choose:
        """See `ForwardSearch.chooser`."""
        del batch, max_new_tokens, seed
        return _most_probable
