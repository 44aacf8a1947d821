"""Scaled dot-product attention and its multi-head layer; the only attention of the package.

Source: Vaswani et al. 2017, "Attention Is All You Need", equation 1 and section 3.2.2.
"""

import math
from typing import Any

import keras
from keras import ops


def dot_product_attention(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    """softmax(QKᵀ / √d) V, where masked keys get no weight at all.

    The softmax is computed in float32 whatever the dtype of the inputs. A query whose keys are all
    masked attends to nothing and gets zeros, in value and in gradient, never NaN.

    Args:
        query: float [B, T, N, D].
        key: float [B, S, N, D].
        value: float [B, S, N, D].
        mask: None, or bool that broadcasts to [B, N, T, S], True = attend.

    Returns:
        [B, T, N, D] of the value's dtype.

    Raises:
        ValueError: the shapes do not fit, or the mask is not boolean.

    Example:

    >>> import numpy as np
    >>> q = k = np.zeros((1, 2, 1, 4), "float32")
    >>> v = np.arange(8, dtype="float32").reshape(1, 2, 1, 4)
    >>> np.array(dot_product_attention(q, k, v))[0, :, 0].tolist()  # equal scores: the mean
    [[2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 4.0, 5.0]]
    """
    if len(query.shape) != 4 or len(key.shape) != 4 or len(value.shape) != 4:
        raise ValueError(
            "query, key and value must be [B, T, N, D]; got shapes "
            f"{tuple(query.shape)}, {tuple(key.shape)}, {tuple(value.shape)}."
        )
    scores = ops.einsum("btnd,bsnd->bnts", query, key)
    scores = ops.cast(scores, "float32") / math.sqrt(query.shape[-1])
    if mask is not None:
        if keras.backend.standardize_dtype(mask.dtype) != "bool":
            raise ValueError(f"mask must be boolean, True = attend; got dtype {mask.dtype}.")
        scores = ops.where(mask, scores, -1e30)
    # Subtracting the maximum keeps exp finite; masked weights are then set to exactly zero, so that
    # a row without any key sums to zero instead of spreading over the padding.
    weights = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
    if mask is not None:
        weights = ops.where(mask, weights, 0.0)
    total = ops.sum(weights, axis=-1, keepdims=True)
    weights = weights / ops.maximum(total, 1e-30)
    return ops.einsum("bnts,bsnd->btnd", ops.cast(weights, value.dtype), value)


@keras.saving.register_keras_serializable(package="mmkeras")
class MultiHeadAttention(keras.layers.Layer):
    """Self- or cross-attention with several heads; projections are Keras `Dense` layers.

    Args:
        dim: D of queries and of the result.
        num_heads: number of heads; must divide `dim`.
        dropout: fraction of the result's units dropped in training.

    Raises:
        ValueError: `num_heads` does not divide `dim`.

    Example:

    >>> import numpy as np
    >>> attention = MultiHeadAttention(dim=8, num_heads=2)
    >>> x = np.ones((1, 3, 8), "float32")
    >>> tuple(attention(x).shape)
    (1, 3, 8)
    """

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        if num_heads < 1 or dim % num_heads:
            raise ValueError(f"num_heads must divide dim; got num_heads={num_heads} and dim={dim}.")
        self.dim = dim
        self.num_heads = num_heads
        self.query = keras.layers.Dense(dim, name="query", dtype=self.dtype_policy)
        self.key = keras.layers.Dense(dim, name="key", dtype=self.dtype_policy)
        self.value = keras.layers.Dense(dim, name="value", dtype=self.dtype_policy)
        self.output_projection = keras.layers.Dense(dim, name="output", dtype=self.dtype_policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(
        self, query_shape: Any, source_shape: Any = None, attention_mask_shape: Any = None
    ) -> None:
        source_shape = query_shape if source_shape is None else source_shape
        self.query.build(query_shape)
        self.key.build(source_shape)
        self.value.build(source_shape)
        self.output_projection.build((*query_shape[:-1], self.dim))

    def call(
        self,
        query: Any,
        source: Any = None,
        attention_mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Attends from `query` to `source`.

        Args:
            query: float [B, T, D].
            source: float [B, S, D'], or None for self-attention.
            attention_mask: bool [B, S], True = this token of the source may be attended to; or
                bool [B, T, S], for each query apart.
            training: True applies dropout.

        Returns:
            float [B, T, D].
        """
        source = query if source is None else source
        mask = attention_mask
        if mask is not None:
            mask = mask[:, None, None, :] if len(mask.shape) == 2 else mask[:, None, :, :]
        attended = dot_product_attention(
            self._heads(self.query(query)),
            self._heads(self.key(source)),
            self._heads(self.value(source)),
            mask,
        )
        merged = ops.reshape(attended, (*ops.shape(attended)[:2], self.dim))
        return self.dropout(self.output_projection(merged), training=training)

    def compute_output_shape(
        self, query_shape: Any, source_shape: Any = None, attention_mask_shape: Any = None
    ) -> Any:
        return (*query_shape[:-1], self.dim)

    def _heads(self, projected: Any) -> Any:
        batch, length = ops.shape(projected)[:2]
        return ops.reshape(projected, (batch, length, self.num_heads, self.dim // self.num_heads))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dim": self.dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout.rate,
        }
