"""Fields of different widths brought to one width."""

from collections.abc import Mapping
from typing import Any

import keras

from mmkeras.tokens import Tokens


class FieldProjection(keras.layers.Layer):
    """A dense layer for every field whose tokens are not `dim` wide; the others pass unchanged.

    Args:
        dim: D of the result.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((2, 3, 4), "float32"), np.ones((2, 3), bool))
    >>> tuple(FieldProjection(dim=8)({"a": tokens})["a"].values.shape)
    (2, 3, 8)
    """

    def __init__(self, dim: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.dim = dim
        self.projections: dict[str, keras.layers.Layer] = {}

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        for field in sorted(tokens_shape):
            shape = tokens_shape[field].values
            if shape[-1] != self.dim:
                projection = keras.layers.Dense(self.dim, name=field, dtype=self.dtype_policy)
                projection.build(shape)
                self.projections[field] = projection

    def call(self, tokens: Mapping[str, Tokens]) -> dict[str, Tokens]:
        """`{field: Tokens}` to the same, every field `dim` wide."""
        return {
            field: Tokens(self.projections[field](t.values), t.mask)
            if field in self.projections
            else t
            for field, t in tokens.items()
        }

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> dict[str, Tokens]:
        return {
            field: Tokens((*shape.values[:-1], self.dim), shape.mask)
            for field, shape in tokens_shape.items()
        }

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"dim": self.dim}
