"""What is added to attention scores, described so that no [T, S] matrix need exist at once."""

import abc
import dataclasses
from typing import Any

from keras import ops


class AttentionBias(abc.ABC):
    """A bias of scores that can be asked for block by block.

    Attributes:
        tensors: what the bias is computed from and gradients go to, such as a learned table.
    """

    tensors: tuple[Any, ...]

    @abc.abstractmethod
    def block(self, tensors: tuple[Any, ...], start: Any, count: int, low: int, size: int) -> Any:
        """The bias of queries [start, start + count) and keys [low, low + size).

        Args:
            tensors: in place of `self.tensors`.
            start: int or int32 scalar.
            count: number of queries.
            low: first key.
            size: number of keys.

        Returns:
            float32 that broadcasts to [B, N, count, size].
        """


@dataclasses.dataclass(frozen=True)
class DenseBias(AttentionBias):
    """A bias that is there as a whole.

    Args:
        values: float that broadcasts to [B, N, T, S].

    Raises:
        ValueError: it is not of rank 4.

    Example:

    >>> import numpy as np
    >>> bias = DenseBias(np.arange(6.0).reshape(1, 1, 2, 3))
    >>> np.array(bias.block(bias.tensors, 1, 1, 0, 2)).tolist()
    [[[[3.0, 4.0]]]]
    """

    values: Any

    def __post_init__(self) -> None:
        """Checks the rank."""
        shape = tuple(ops.shape(self.values))
        if len(shape) != 4:
            raise ValueError(f"bias must broadcast to [B, N, T, S]; got shape {shape}.")

    @property
    def tensors(self) -> tuple[Any, ...]:
        """The values."""
        return (ops.convert_to_tensor(self.values),)

    def block(self, tensors: tuple[Any, ...], start: Any, count: int, low: int, size: int) -> Any:
        """See `AttentionBias.block`."""
        (values,) = tensors
        starts, shape = [0, 0, 0, 0], list(ops.shape(values))
        is_whole = True
        for axis, first, number in ((2, start, count), (3, low, size)):
            # A computed number is that of all keys.
            if values.shape[axis] not in (1, number) and isinstance(number, int):
                starts[axis], shape[axis] = first, number
                is_whole = False
        if not is_whole:
            values = ops.slice(values, starts, shape)
        return ops.cast(values, "float32")
