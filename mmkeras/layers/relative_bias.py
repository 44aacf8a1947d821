"""`RelativeBias`: a learned bias for each head and each distance, far distances in common.

Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
Transformer" (T5), section 2.1.
"""

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from mmkeras.layers.attention_bias import AttentionBias


@keras.saving.register_keras_serializable(package="mmkeras")
class RelativeBias(keras.layers.Layer):
    """One learned number for each head and bucket of distances (key position - query position).

    Half of the buckets hold one distance each; the others grow geometrically up to `max_distance`,
    and what is farther shares the last.

    Args:
        num_heads: N.
        num_buckets: number of buckets; with `bidirectional`, half of them for later keys.
        max_distance: the distance from which on all are one.
        bidirectional: whether keys behind the query are told apart; else they count as distance 0.

    Raises:
        ValueError: a number is too small.

    Example:

    >>> import numpy as np
    >>> layer = RelativeBias(num_heads=2, num_buckets=4, max_distance=8)
    >>> layer.build(None)
    >>> bias = layer.at(0)
    >>> tuple(bias.block(bias.tensors, 0, 3, 0, 5).shape)
    (1, 2, 3, 5)
    """

    def __init__(
        self,
        num_heads: int,
        num_buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        per_side = num_buckets // 2 if bidirectional else num_buckets
        if num_heads < 1 or per_side < 2 or max_distance <= per_side // 2:
            raise ValueError(
                "RelativeBias needs a head, two buckets for each direction and a max_distance "
                f"above half of those; got num_heads={num_heads}, num_buckets={num_buckets}, "
                f"max_distance={max_distance}, bidirectional={bidirectional}."
            )
        self.num_heads, self.num_buckets = num_heads, num_buckets
        self.max_distance, self.bidirectional = max_distance, bidirectional

    def build(self, heads_shape: Any) -> None:
        del heads_shape
        self.table = self.add_weight(
            shape=(self.num_buckets, self.num_heads), initializer="random_normal", name="table"
        )

    def at(self, offset: Any) -> AttentionBias:
        """The bias for queries whose first stands at `offset` (int or int32 [])."""
        return _Table(self, offset, (ops.convert_to_tensor(self.table),))

    def buckets(self, distances: Any) -> Any:
        """int32 distances (key position - query position) to int32 buckets, of any shape."""
        per_side = self.num_buckets
        first = ops.zeros_like(distances)
        if self.bidirectional:
            per_side //= 2
            first = ops.where(distances > 0, per_side, 0)
            near = ops.abs(distances)
        else:
            near = ops.maximum(-distances, 0)
        exact = per_side // 2
        ratio = ops.cast(ops.maximum(near, 1), "float32") / exact
        steps = ops.log(ratio) / math.log(self.max_distance / exact) * (per_side - exact)
        far = ops.minimum(exact + ops.cast(steps, "int32"), per_side - 1)
        return first + ops.where(near < exact, near, far)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_heads": self.num_heads,
            "num_buckets": self.num_buckets,
            "max_distance": self.max_distance,
            "bidirectional": self.bidirectional,
        }


@dataclasses.dataclass(frozen=True)
class _Table(AttentionBias):
    layer: RelativeBias
    offset: Any
    tensors: tuple[Any, ...]

    def block(self, tensors: tuple[Any, ...], start: Any, count: int, low: int, size: int) -> Any:
        queries = self.offset + start + ops.arange(count, dtype="int32")
        keys = low + ops.arange(size, dtype="int32")
        buckets = self.layer.buckets(keys[None, :] - queries[:, None])
        found = ops.take(tensors[0], buckets, axis=0)
        return ops.cast(ops.transpose(found, (2, 0, 1))[None], "float32")
