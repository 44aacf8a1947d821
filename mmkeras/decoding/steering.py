"""Steps that are steered: against repetition, and to an end behind certain sequences."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from mmkeras.layers.autoregression import Step

#: Far below any logit, and finite, so that nothing times 0 is NaN.
_NEVER = -1e9


class Seen(NamedTuple):
    """The state of a step that is steered against repetition.

    Attributes:
        state: that of the step itself.
        tokens: bool [B, K], what each sequence holds so far.
    """

    state: Any
    tokens: Any


def against_repetition(
    step: Step, state: Any, batch: Any, size: int, penalty: float, free: Sequence[int] = ()
) -> tuple[Step, Seen]:
    """A step that finds what a sequence holds already less probable, and its first state.

    Source: Keskar et al. 2019, "CTRL: A Conditional Transformer Language Model", section 4.1, with
    logits below 0 multiplied instead of divided, so that they fall too.

    Args:
        step: see `Step`.
        state: its first state.
        batch: B, how many sequences.
        size: K.
        penalty: 1 changes nothing; 1.2 is usual.
        free: tokens that may come again, such as the end.

    Raises:
        ValueError: `penalty` is below 1, or not finite.

    Example:

    >>> import numpy as np
    >>> def likes_2(token_ids, state):
    ...     return np.array([[0.5, 0.5, 1.0, -1.0]]), state
    >>> step, seen = against_repetition(likes_2, (), 1, 4, penalty=4.0)
    >>> logits, seen = step(np.array([2]), seen)
    >>> np.array(logits).round(2).tolist()
    [[0.5, 0.5, 0.25, -1.0]]
    """
    if not 1.0 <= penalty < float("inf"):
        raise ValueError(f"penalty must be a number from 1 up, such as 1.2; got {penalty}.")
    exempt = [token in free for token in range(size)]

    def steered(token_ids: Any, seen: Seen) -> tuple[Any, Seen]:
        tokens = seen.tokens | ops.one_hot(token_ids, size, dtype="bool")
        logits, state = step(token_ids, seen.state)
        logits = ops.cast(logits, "float32")
        less = ops.where(logits > 0, logits / penalty, logits * penalty)
        again = tokens & ops.logical_not(ops.convert_to_tensor(exempt))
        return ops.where(again, less, logits), Seen(state, tokens)

    return steered, Seen(state, ops.zeros((batch, size), dtype="bool"))


class Recent(NamedTuple):
    """The state of a step that ends behind certain sequences.

    Attributes:
        state: that of the step itself.
        tokens: int32 [B, M], the last M tokens of each sequence, -1 where there are fewer.
    """

    state: Any
    tokens: Any


def ending_behind(
    step: Step, state: Any, batch: Any, size: int, stops: Sequence[Sequence[int]], end_id: int
) -> tuple[Step, Recent]:
    """A step that lets nothing but the end follow certain sequences, and its first state.

    Args:
        step: see `Step`.
        state: its first state.
        batch: B, how many sequences.
        size: K.
        stops: sequences of tokens, none of them empty.
        end_id: the token that ends a sequence.

    Raises:
        ValueError: there is no sequence, or an empty one.

    Example:

    >>> import numpy as np
    >>> def counting(token_ids, state):
    ...     return np.eye(5)[np.array(token_ids) + 1], state
    >>> step, recent = ending_behind(counting, (), 1, 5, stops=[[2, 3]], end_id=0)
    >>> for token in (2, 3):
    ...     logits, recent = step(np.array([token]), recent)
    ...     print(int(np.argmax(logits)))
    3
    0
    """
    if not stops or not all(len(stop) for stop in stops):
        raise ValueError(f"stops must be one sequence or more, none of them empty; got {stops}.")
    length = max(map(len, stops))
    only_end = [0.0 if token == end_id else _NEVER for token in range(size)]

    def steered(token_ids: Any, recent: Recent) -> tuple[Any, Recent]:
        newest = ops.cast(token_ids, "int32")[:, None]
        tokens = ops.concatenate([recent.tokens[:, 1:], newest], axis=1)
        logits, state = step(token_ids, recent.state)
        logits = ops.cast(logits, "float32")
        over = ops.zeros_like(newest[:, 0], dtype="bool")
        for stop in stops:
            behind = tokens[:, length - len(stop) :] == ops.convert_to_tensor(stop, "int32")
            over = over | ops.all(behind, axis=1)
        logits = ops.where(over[:, None], ops.convert_to_tensor(only_end, "float32"), logits)
        return logits, Recent(state, tokens)

    return steered, Recent(state, ops.full((batch, length), -1, dtype="int32"))
