"""A walk along time, as all algorithms on chains and lattices take it."""

from collections.abc import Callable
from typing import Any

from keras import ops


def walk(
    step: Callable[[Any, Any], tuple[Any, Any]], state: Any, length: Any, back: bool = False
) -> tuple[Any, Any]:
    """Goes from place to place, and keeps what it finds at each.

    Args:
        step: `(t int32 [], state) -> (state, here)`, with `here` a tensor.
        state: what `step` takes at the place that comes first, a tensor.
        length: T, the number of places; it need not be known before.
        back: begin with the last place.

    Returns:
        The state behind the last step; and [T, ...], what was found.

    Example:

    >>> state, found = walk(lambda t, total: (total + t, 2 * t), ops.zeros((), "int32"), 4)
    >>> int(state), ops.convert_to_numpy(found).tolist()
    (6, [0, 2, 4, 6])
    """
    # Over numbers, because Keras scans but one tensor if its length is unknown.
    places = ops.arange(length, dtype="int32")
    return ops.scan(lambda state, t: step(t, state), state, places, reverse=back)
