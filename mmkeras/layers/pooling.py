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
    """`{field: Tokens}` to one token for each field: its vote, the projected mean of its tokens.

    Each field's mean is normalised and projected by its own dense layer. An absent field votes
    zero and is masked, so that `masked_mean` over the votes gives every present field one voice.

    Args:
        dim: D of the votes.
        dropout: fraction of units dropped in training before the projections.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((2, 3, 4), "float32"), np.ones((2, 3), bool))
    >>> votes = FieldPooling(dim=8)({"a": tokens, "b": tokens})
    >>> tuple(votes.values.shape), tuple(votes.mask.shape)
    ((2, 2, 8), (2, 2))
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

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> Tokens:
        """`{field: Tokens}` to Tokens [B, F, D], the F fields in the order of their names."""
        votes, presence = [], []
        for field in sorted(tokens):
            values, mask = tokens[field]
            pooled = self.norms[field](masked_mean(values, mask))
            pooled = self.projections[field](self.dropout(pooled, training=training))
            present = ops.any(mask, axis=1)
            votes.append(pooled * ops.cast(present, pooled.dtype)[:, None])
            presence.append(present)
        return Tokens(ops.stack(votes, axis=1), ops.stack(presence, axis=1))

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> Tokens:
        batch = next(iter(tokens_shape.values())).values[0]
        return Tokens((batch, len(tokens_shape), self.dim), (batch, len(tokens_shape)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"dim": self.dim, "dropout": self.dropout.rate}
