"""From token sequences to one embedding for each sample."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmkeras.tokens import Tokens


def masked_mean(values: Any, mask: Any) -> Any:
    """The mean over the tokens that the mask keeps; zeros where it keeps none.

    Args:
        values: float [B, T, D].
        mask: bool [B, T], True = keep.

    Returns:
        float [B, D].

    Example:

    >>> import numpy as np
    >>> values = np.array([[[1.0], [3.0], [50.0]]], "float32")
    >>> np.array(masked_mean(values, np.array([[True, True, False]]))).tolist()
    [[2.0]]
    """
    # `where` and not a product: a masked infinity must not become NaN.
    kept = ops.where(mask[..., None], values, ops.zeros_like(values))
    count = ops.sum(ops.cast(mask, values.dtype), axis=1)
    return ops.sum(kept, axis=1) / ops.maximum(count, 1.0)[:, None]


class FieldPooling(keras.layers.Layer):
    """`{field: Tokens}` to one embedding: the mean over tokens, then the mean over present fields.

    Each field's mean is normalised and projected by its own dense layer, so that the sum is a vote
    in which every present field has one voice; absent fields have none, and a sample without any
    field gets zeros.

    Args:
        dim: D of the embedding.
        dropout: fraction of units dropped in training before the projections.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((2, 3, 4), "float32"), np.ones((2, 3), bool))
    >>> tuple(FieldPooling(dim=8)({"a": tokens, "b": tokens}).shape)
    (2, 8)
    """

    def __init__(self, dim: int, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.dim = dim
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.norms: dict[str, keras.layers.Layer] = {}
        self.projections: dict[str, keras.layers.Layer] = {}

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        policy = self.dtype_policy
        for field in sorted(tokens_shape):
            width = tokens_shape[field].values[-1]
            self.norms[field] = keras.layers.LayerNormalization(
                epsilon=1e-6, name=f"{field}_norm", dtype=policy
            )
            self.projections[field] = keras.layers.Dense(
                self.dim, name=f"{field}_projection", dtype=policy
            )
            self.norms[field].build((None, width))
            self.projections[field].build((None, width))

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> Any:
        """`{field: Tokens}` to float [B, D]."""
        total = count = 0.0
        for field in sorted(tokens):
            values, mask = tokens[field]
            pooled = self.norms[field](masked_mean(values, mask))
            pooled = self.projections[field](self.dropout(pooled, training=training))
            present = ops.cast(ops.any(mask, axis=1), pooled.dtype)[:, None]
            total = total + pooled * present
            count = count + present
        return total / ops.maximum(count, 1.0)

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> Any:
        return (next(iter(tokens_shape.values())).values[0], self.dim)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"dim": self.dim, "dropout": self.dropout.rate}
