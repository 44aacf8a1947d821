"""`ALiBi`: scores fall with distance, so that no positions need be learned.

Source: Press, Smith & Lewis 2022, "Train Short, Test Long: Attention with Linear Biases".
"""

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from mmkeras.layers.attention_bias import AttentionBias


@keras.saving.register_keras_serializable(package="mmkeras")
class ALiBi(keras.layers.Layer):
    """The bias -slope · |distance|, with a slope for each head, from 1/2 geometrically down.

    Args:
        num_heads: N.

    Raises:
        ValueError: there is no head.

    Example:

    >>> import numpy as np
    >>> bias = ALiBi(num_heads=2).at(0)
    >>> np.array(bias.block((), 0, 2, 0, 3))[0, 0].tolist()
    [[0.0, -0.0625, -0.125], [-0.0625, 0.0, -0.0625]]
    """

    def __init__(self, num_heads: int, **kwargs: Any):
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"num_heads must be at least 1; got {num_heads}.")
        self.num_heads = num_heads

    def build(self, heads_shape: Any) -> None:
        del heads_shape

    def at(self, offset: Any) -> AttentionBias:
        """The bias for queries whose first stands at `offset` (int or int32 [])."""
        return _Slopes(tuple(slopes(self.num_heads)), offset)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_heads": self.num_heads}


def slopes(num_heads: int) -> list[float]:
    """How steeply each head's scores fall: 2^(-8/N), 2^(-16/N), ...

    If N is no power of two, those of the next smaller one, and every second of the next larger.

    Example:

    >>> slopes(3)
    [0.0625, 0.00390625, 0.25]
    """
    power = 2 ** math.floor(math.log2(num_heads))
    found = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    return found + [2 ** (-4 * (2 * i + 1) / power) for i in range(num_heads - power)]


@dataclasses.dataclass(frozen=True)
class _Slopes(AttentionBias):
    slopes: tuple[float, ...]
    offset: Any
    tensors: tuple[Any, ...] = ()

    def block(self, tensors: tuple[Any, ...], start: Any, count: int, low: int, size: int) -> Any:
        queries = self.offset + start + ops.arange(count, dtype="int32")
        keys = low + ops.arange(size, dtype="int32")
        distances = ops.cast(ops.abs(queries[:, None] - keys[None, :]), "float32")
        falls = ops.convert_to_tensor(self.slopes, dtype="float32")[:, None, None]
        return (0.0 - falls * distances)[None]
