"""The Transformer block of decoders: causal self-attention, cross-attention, feed-forward."""

import dataclasses
from typing import Any, NamedTuple

import keras

from mmkeras.layers.composite import Composite, copied
from mmkeras.layers.feed_forward import FeedForward
from mmkeras.layers.kv_cache import KVCache, ProjectedSource
from mmkeras.layers.masks import AttentionMask
from mmkeras.layers.multi_head_attention import MultiHeadAttention
from mmkeras.layers.residual import Residual


class DecoderBlockCache(NamedTuple):
    """What a block keeps from one token to the next.

    Attributes:
        tokens: keys and values of the tokens so far.
        source: keys and values of the source, which stay; `()` without cross-attention.
    """

    tokens: KVCache
    source: ProjectedSource | tuple[()]


@keras.saving.register_keras_serializable(package="mmkeras")
class TransformerDecoderBlock(Composite):
    """Causal self-attention, attention to a source, feed-forward; each in a residual connection.

    Without `cross_attention` it is the block of a decoder-only language model.

    Source: Vaswani et al. 2017, section 3.1.

    Args:
        self_attention: an unbuilt attention layer; it is always causal here.
        feed_forward: an unbuilt layer from [B, T, D] to [B, T, D].
        cross_attention: an unbuilt attention layer, or None.
        residual: the pattern of all residual connections, which says what normalises where; None:
            layer normalisation before each sub-layer.

    Example:

    >>> import numpy as np
    >>> block = TransformerDecoderBlock(
    ...     MultiHeadAttention(8, num_heads=2), FeedForward(8, 16), MultiHeadAttention(8, 2)
    ... )
    >>> values, source = np.ones((1, 3, 8), "float32"), np.ones((1, 5, 8), "float32")
    >>> tuple(block(values, source).shape)
    (1, 3, 8)
    >>> cache = block.initial_cache(1, 3, source)
    >>> first, cache = block(values[:, :1], cache=cache)  # token by token
    """

    parts = ("self_attention", "feed_forward", "cross_attention", "residual")

    def __init__(
        self,
        self_attention: MultiHeadAttention,
        feed_forward: FeedForward | keras.layers.Layer,
        cross_attention: MultiHeadAttention | None = None,
        residual: Residual | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.self_attention = self_attention
        self.feed_forward = feed_forward
        self.cross_attention: Any = cross_attention
        pattern = Residual(dtype=self.dtype_policy) if residual is None else residual
        self.self_attention_residual = copied(pattern, name="self_attention_residual")
        self.cross_attention_residual: Any = None
        if cross_attention is not None:
            self.cross_attention_residual = copied(pattern, name="cross_attention_residual")
        self.feed_forward_residual = copied(pattern, name="feed_forward_residual")

    @property
    def residual(self) -> Residual:
        """The pattern of the residual connections."""
        return copied(self.self_attention_residual, name="residual")

    def build(self, values_shape: Any, source_shape: Any = None, **shapes: Any) -> None:
        self.self_attention.build(values_shape)
        self.feed_forward.build(values_shape)
        self.self_attention_residual.build(values_shape)
        self.feed_forward_residual.build(values_shape)
        if self.cross_attention is not None:
            if source_shape is None:
                raise ValueError(
                    "a block with cross_attention needs a source, which none was given; build it "
                    "with one, or make the block without cross_attention."
                )
            self.cross_attention.build(values_shape, source_shape)
            self.cross_attention_residual.build(values_shape)

    def call(
        self,
        values: Any,
        source: Any = None,
        attention_mask: Any = None,
        source_mask: Any = None,
        cache: DecoderBlockCache | None = None,
        training: bool | None = None,
    ) -> Any:
        """One block, over whole sequences or, with a `cache`, over the tokens that come next.

        Args:
            values: float [B, T, D].
            source: float [B, S, D'], where there is cross-attention; None with a cache, which
                holds it.
            attention_mask: bool [B, T], True = keep; None: all. Tokens never see later ones, but
                where it is an `AttentionMask` with a `prefix`, those in it.
            source_mask: bool [B, S], True = keep; None: all.
            cache: what the call before this one gave, or `initial_cache`.
            training: True applies dropout and stochastic depth.

        Returns:
            float [B, T, D]; with a `cache`, that and the cache with the new tokens.

        Raises:
            ValueError: a source is missing or has no use.
        """
        if cache is None and (source is None) != (self.cross_attention is None):
            raise ValueError(
                "source must be given where there is cross_attention, and there alone; got "
                f"source={'None' if source is None else tuple(source.shape)} and "
                f"cross_attention={self.cross_attention}."
            )
        residual = self.self_attention_residual
        tokens = None if cache is None else cache.tokens
        change = self.self_attention(
            residual.before(values),
            attention_mask=dataclasses.replace(AttentionMask.of(attention_mask), causal=True),
            cache=tokens,
            training=training,
        )
        if cache is not None:
            change, tokens = change
        values = residual(values, change, training=training)
        if self.cross_attention is not None:
            residual = self.cross_attention_residual
            change = self.cross_attention(
                residual.before(values),
                source=source if cache is None else cache.source,
                attention_mask=source_mask,
                training=training,
            )
            values = residual(values, change, training=training)
        change = self.feed_forward(self.feed_forward_residual.before(values), training=training)
        values = self.feed_forward_residual(values, change, training=training)
        return values if cache is None else (values, cache._replace(tokens=tokens))

    def initial_cache(self, batch: Any, length: int, source: Any = None) -> DecoderBlockCache:
        """Room for `length` tokens of `batch` sequences, and the keys and values of the source.

        Args:
            batch: B.
            length: the most tokens that will come.
            source: float [B, S, D'], where there is cross-attention.
        """
        return DecoderBlockCache(
            tokens=self.self_attention.initial_cache(batch, length),
            source=()
            if self.cross_attention is None
            else self.cross_attention.project_source(source),
        )

    def compute_output_shape(self, values_shape: Any, *shapes: Any, **named: Any) -> Any:
        return values_shape
