"""`MultiHeadAttention`: attention between projections of tokens, in several heads.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2.
"""

import contextlib
import dataclasses
from typing import Any

import keras
from keras import ops

from mmkeras.layers.attention import attention_weights, dot_product_attention, weighted
from mmkeras.layers.composite import Composite
from mmkeras.layers.kv_cache import KVCache, ProjectedSource
from mmkeras.layers.masks import AttentionMask


@keras.saving.register_keras_serializable(package="mmkeras")
class MultiHeadAttention(Composite):
    """Self- or cross-attention with several heads; projections are Keras `Dense` layers.

    Because they are, `quantize` of a model and `enable_lora` work on them. A mask that Keras
    carries along with a tensor (from `Masking` or `Embedding(mask_zero=True)`) hides keys.

    Sources: heads that share keys and values, Ainslie et al. 2023, "GQA"; normalised queries and
    keys, Dehghani et al. 2023, "Scaling Vision Transformers to 22 Billion Parameters"; the gate,
    Qiu et al. 2025, "Gated Attention for Large Language Models".

    Args:
        dim: D of queries and of the result.
        num_heads: number of heads.
        num_kv_heads: number of heads of keys and values, which must divide `num_heads`; None: as
            many.
        head_dim: size of a head; None: `dim` / `num_heads`.
        dropout: fraction of the result's units dropped in training.
        attention_dropout: fraction of the attention weights dropped in training.
        use_bias: whether projections add a bias.
        qk_norm: whether queries and keys are normalised (RMS) in each head.
        gate: whether a sigmoid of a projection of the query multiplies what the heads found.
        rotary: an unbuilt `RotaryPositions` that turns queries and keys, or None.
        bias: an unbuilt layer whose `at(offset)` is an `AttentionBias`, such as `ALiBi` or
            `RelativeBias`, or None.
        soft_cap: see `dot_product_attention`.

    Raises:
        ValueError: numbers of heads do not divide what they must.

    Example:

    >>> import numpy as np
    >>> attention = MultiHeadAttention(dim=8, num_heads=4, num_kv_heads=2)
    >>> x = np.ones((1, 3, 8), "float32")
    >>> tuple(attention(x, attention_mask=AttentionMask(causal=True)).shape)
    (1, 3, 8)
    >>> cache = attention.initial_cache(1, 3)
    >>> first, cache = attention(x[:, :1], cache=cache)  # token by token
    """

    parts = ("rotary", "bias")

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        use_bias: bool = True,
        qk_norm: bool = False,
        gate: bool = False,
        rotary: Any = None,
        bias: Any = None,
        soft_cap: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if num_heads < 1 or (head_dim is None and dim % num_heads):
            raise ValueError(
                f"num_heads must divide dim, or head_dim be given; got num_heads={num_heads} and "
                f"dim={dim}."
            )
        shared = num_heads if num_kv_heads is None else num_kv_heads
        if shared < 1 or num_heads % shared:
            raise ValueError(
                f"num_kv_heads must divide num_heads; got num_kv_heads={shared} and "
                f"num_heads={num_heads}."
            )
        if not 0 <= attention_dropout < 1:
            raise ValueError(f"attention_dropout must be in [0, 1); got {attention_dropout}.")
        self.supports_masking = True
        self.dim, self.num_heads, self.num_kv_heads = dim, num_heads, shared
        self.head_dim = dim // num_heads if head_dim is None else head_dim
        self.attention_dropout = attention_dropout
        self.use_bias, self.soft_cap = use_bias, soft_cap
        policy = self.dtype_policy

        def projection(name: str, units: int) -> keras.layers.Layer:
            return keras.layers.Dense(units, use_bias=use_bias, name=name, dtype=policy)

        self.query = projection("query", num_heads * self.head_dim)
        self.key = projection("key", shared * self.head_dim)
        self.value = projection("value", shared * self.head_dim)
        self.output_projection = projection("output", dim)
        self.gate = projection("gate", num_heads * self.head_dim) if gate else None
        self.query_norm = self.key_norm = None
        if qk_norm:
            self.query_norm, self.key_norm = (
                keras.layers.RMSNormalization(epsilon=1e-6, name=name, dtype=policy)
                for name in ("query_norm", "key_norm")
            )
        self.rotary, self.bias = rotary, bias
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)
        self.seed = keras.random.SeedGenerator()

    def build(self, query_shape: Any, source_shape: Any = None) -> None:
        source_shape = query_shape if source_shape is None else source_shape
        self.query.build(query_shape)
        self.key.build(source_shape)
        self.value.build(source_shape)
        self.output_projection.build((*query_shape[:-1], self.num_heads * self.head_dim))
        if self.gate is not None:
            self.gate.build(query_shape)
        for part in (self.query_norm, self.key_norm, self.rotary, self.bias):
            if part is not None:
                part.build((None, None, None, self.head_dim))

    def call(
        self,
        query: Any,
        source: Any = None,
        attention_mask: Any = None,
        cache: KVCache | None = None,
        return_attention_weights: bool = False,
        training: bool | None = None,
        mask: Any = None,
        query_mask: Any = None,
        source_mask: Any = None,
    ) -> Any:
        """Attends from `query` to `source`.

        Args:
            query: float [B, T, D].
            source: float [B, S, D'], or what `project_source` made of it; None: the query itself.
            attention_mask: an `AttentionMask`; or bool [B, S], True = this token of the source may
                be attended to; or bool [B, T, S], for each query apart.
            cache: what the call before this one gave, or `initial_cache`, for self-attention of
                the tokens that come next. Attention is causal then; `keys` of a mask covers the
                whole room. Tokens beyond the room, where it cannot be foreseen, overwrite its end.
            return_attention_weights: whether to compute and return all weights.
            training: True applies dropout.
            mask, query_mask, source_mask: bool [B, T] or [B, S], given by Keras where it carries a
                mask along with the tensors.

        Returns:
            float [B, T, D]. With weights asked for, a tuple of that and float32 [B, N, T, S]; with
            a cache, a tuple that ends with the cache with the new tokens.

        Raises:
            ValueError: the mask does not fit, or the cache is too short or has a source beside it.
        """
        allowed = AttentionMask.of(attention_mask)
        if isinstance(source, ProjectedSource):
            carried = None
        else:
            carried = source_mask if source is not None else query_mask if mask is None else mask
        if carried is not None and cache is None:
            carried = ops.cast(carried, "bool")
            keys = carried if allowed.keys is None else ops.logical_and(allowed.keys, carried)
            allowed = dataclasses.replace(allowed, keys=keys)
        offset = allowed.offset
        if cache is not None:
            self._check_cache(cache, query, source)
            offset = cache.length
            allowed = dataclasses.replace(allowed, causal=True, offset=offset)
        queries = self._projected(self.query, query, self.num_heads, self.query_norm)
        if self.rotary is not None:
            queries = self.rotary(queries, offset=offset)
        if isinstance(source, ProjectedSource):
            keys, values = source
        else:
            keys, values = self._keys_and_values(
                query if source is None else source, offset if source is None else 0
            )
        if cache is not None:
            at = (0, cache.length, 0, 0)
            keys = ops.slice_update(cache.key, at, ops.cast(keys, cache.key.dtype))
            values = ops.slice_update(cache.value, at, ops.cast(values, cache.value.dtype))
            cache = KVCache(keys, values, cache.length + ops.shape(query)[1])
        bias = None if self.bias is None else self.bias.at(offset)
        dropout = self.attention_dropout if training else 0.0
        weights = None
        if return_attention_weights:
            allowed.check_lengths(queries.shape[1], keys.shape[1])
            weights = attention_weights(queries, keys, allowed, bias, soft_cap=self.soft_cap)
            kept = keras.random.dropout(weights, dropout, seed=self.seed) if dropout else weights
            attended = weighted(ops.cast(kept, values.dtype), values)
        else:
            attended = dot_product_attention(
                queries,
                keys,
                values,
                allowed,
                bias=bias,
                soft_cap=self.soft_cap,
                dropout=dropout,
                seed=self.seed,
            )
        width = self.num_heads * self.head_dim
        merged = ops.reshape(attended, (*ops.shape(attended)[:2], width))
        if self.gate is not None:
            merged = merged * ops.sigmoid(self.gate(query))
        result = self.dropout(self.output_projection(merged), training=training)
        found = [result]
        if weights is not None:
            found.append(weights)
        if cache is not None:
            found.append(cache)
        return result if len(found) == 1 else tuple(found)

    def initial_cache(self, batch: Any, length: int) -> KVCache:
        """Room for `length` tokens of `batch` sequences, for self-attention.

        Raises:
            ValueError: there is no room for a token.
        """
        if isinstance(length, int) and length < 1:
            raise ValueError(f"a cache needs room for at least one token; got length={length}.")
        shape = (batch, length, self.num_kv_heads, self.head_dim)
        empty = ops.zeros(shape, dtype=self.compute_dtype)
        return KVCache(empty, empty, ops.zeros((), dtype="int32"))

    def project_source(self, source: Any) -> ProjectedSource:
        """The keys and values of a source, float [B, S, D'], to be given in its place."""
        return ProjectedSource(*self._keys_and_values(source, 0))

    def enable_lora(self, rank: int) -> None:
        """Trains low-rank changes of all projections instead of them; see Keras' `Dense`."""
        for projection in (self.query, self.key, self.value, self.output_projection, self.gate):
            if projection is not None:
                projection.enable_lora(rank)

    def _keys_and_values(self, source: Any, offset: Any) -> tuple[Any, Any]:
        keys = self._projected(self.key, source, self.num_kv_heads, self.key_norm)
        if self.rotary is not None:
            keys = self.rotary(keys, offset=offset)
        return keys, self._projected(self.value, source, self.num_kv_heads, None)

    def _projected(self, projection: keras.layers.Layer, tokens: Any, heads: int, norm: Any) -> Any:
        values = projection(tokens)
        values = ops.reshape(values, (*ops.shape(values)[:2], heads, self.head_dim))
        return values if norm is None else norm(values)

    def _check_cache(self, cache: KVCache, query: Any, source: Any) -> None:
        if source is not None:
            raise ValueError("a cache is for self-attention; give the projected source as source.")
        room, needed = cache.key.shape[1], query.shape[1]
        with contextlib.suppress(TypeError, ValueError):
            # The length is known where nothing is being traced.
            needed = needed + int(cache.length)
        if None not in (room, needed) and needed > room:
            raise ValueError(
                f"the cache has room for {room} tokens, but {needed} are needed; make it with "
                f"initial_cache(batch, {needed}) or longer."
            )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dim": self.dim,
            "num_heads": self.num_heads,
            "num_kv_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "dropout": self.dropout.rate,
            "attention_dropout": self.attention_dropout,
            "use_bias": self.use_bias,
            "qk_norm": self.query_norm is not None,
            "gate": self.gate is not None,
            "soft_cap": self.soft_cap,
        }
