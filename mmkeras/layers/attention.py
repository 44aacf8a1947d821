"""Scaled dot-product attention and its multi-head layer; the only attention of the package.

Source: Vaswani et al. 2017, "Attention Is All You Need", equation 1 and section 3.2.2.
"""

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from mmkeras.layers.masks import AttentionMask


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


class KVCache(NamedTuple):
    """Keys and values of the tokens so far; as a state of `decoding`, B leads.

    Attributes:
        key: float [B, M, N, D], M = room.
        value: float [B, M, N, D].
        length: int32 scalar, number of tokens there are.
    """

    key: Any
    value: Any
    length: Any


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
        self.supports_masking = True
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
        cache: KVCache | None = None,
        training: bool | None = None,
    ) -> Any:
        """Attends from `query` to `source`.

        Args:
            query: float [B, T, D].
            source: float [B, S, D'], or None for self-attention.
            attention_mask: bool [B, S], True = this token of the source may be attended to; or
                bool [B, T, S], for each query apart; or an `AttentionMask`.
            cache: for incremental decoding.
            training: True applies dropout.

        Returns:
            float [B, T, D]; with a cache, that and the new cache.
        """
        queries = self._heads(self.query(query))
        length = ops.shape(query)[1]
        mask = attention_mask
        offset = 0
        if cache is None:
            source = query if source is None else source
            keys, values = self._heads(self.key(source)), self._heads(self.value(source))
        elif isinstance(attention_mask, AttentionMask):
            offset = cache.length
            at = (0, offset, 0, 0)
            keys = ops.slice_update(cache.key, at, self._heads(self.key(query)))
            values = ops.slice_update(cache.value, at, self._heads(self.value(query)))
            cache = KVCache(keys, values, offset + length)
        else:
            keys, values = cache.key, cache.value
        if isinstance(mask, AttentionMask):
            here = ops.arange(length, dtype="int32")[:, None] + offset
            causal = ops.arange(ops.shape(keys)[1], dtype="int32")[None, :] <= here
            wide = causal[None, None]
            mask = wide if mask.keys is None else wide & mask.keys[:, None, None, :]
        elif mask is not None:
            mask = mask[:, None, None, :] if len(mask.shape) == 2 else mask[:, None, :, :]
        attended = dot_product_attention(queries, keys, values, mask)
        merged = ops.reshape(attended, (*ops.shape(attended)[:2], self.dim))
        result = self.dropout(self.output_projection(merged), training=training)
        return result if cache is None else (result, cache)

    def initial_cache(self, batch: Any, length: int) -> KVCache:
        """Room for `length` tokens."""
        shape = (batch, length, self.num_heads, self.dim // self.num_heads)
        empty = ops.zeros(shape, dtype=self.compute_dtype)
        return KVCache(empty, empty, ops.zeros((), dtype="int32"))

    def project_source(self, source: Any) -> KVCache:
        """The keys and values of a source."""
        length = ops.cast(ops.shape(source)[1], "int32")
        return KVCache(self._heads(self.key(source)), self._heads(self.value(source)), length)

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
