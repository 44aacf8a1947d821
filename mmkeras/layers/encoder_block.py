"""The Transformer block of encoders: attention, then a feed-forward layer."""

from typing import Any

import keras

from mmkeras.layers.composite import Composite, copied
from mmkeras.layers.feed_forward import FeedForward
from mmkeras.layers.multi_head_attention import MultiHeadAttention
from mmkeras.layers.residual import Residual


@keras.saving.register_keras_serializable(package="mmkeras")
class TransformerEncoderBlock(Composite):
    """Attention and a feed-forward layer, both in a residual connection, built of given parts.

    With a `source`, attention goes from the tokens to the source's tokens (cross-attention);
    without, to the tokens themselves.

    Source: Vaswani et al. 2017, section 3.1.

    Args:
        attention: an unbuilt attention layer.
        feed_forward: an unbuilt layer from [B, T, D] to [B, T, D].
        residual: the pattern of both residual connections, which says what normalises where; None:
            layer normalisation before each sub-layer.

    Example:

    >>> import numpy as np
    >>> block = TransformerEncoderBlock(
    ...     MultiHeadAttention(dim=8, num_heads=2),
    ...     FeedForward(dim=8, mlp_dim=16, activation="silu", gated=True),
    ...     Residual(keras.layers.RMSNormalization(), stochastic_depth=0.1),
    ... )
    >>> tuple(block(np.ones((1, 3, 8), "float32")).shape)
    (1, 3, 8)
    """

    parts = ("attention", "feed_forward", "residual")

    def __init__(
        self,
        attention: MultiHeadAttention,
        feed_forward: FeedForward | keras.layers.Layer,
        residual: Residual | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.attention = attention
        self.feed_forward = feed_forward
        pattern = Residual(dtype=self.dtype_policy) if residual is None else residual
        self.attention_residual = copied(pattern, name="attention_residual")
        self.feed_forward_residual = copied(pattern, name="feed_forward_residual")

    @property
    def residual(self) -> Residual:
        """The pattern of the residual connections."""
        return copied(self.attention_residual, name="residual")

    def build(
        self, values_shape: Any, source_shape: Any = None, attention_mask_shape: Any = None
    ) -> None:
        self.attention.build(values_shape, source_shape)
        self.feed_forward.build(values_shape)
        self.attention_residual.build(values_shape)
        self.feed_forward_residual.build(values_shape)

    def call(
        self,
        values: Any,
        source: Any = None,
        attention_mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        """One block.

        Args:
            values: float [B, T, D].
            source: None, or float [B, S, D'].
            attention_mask: over the attended tokens, as the attention layer takes it: bool [B, S]
                (or [B, T] without a source), True = keep, among others.
            training: True applies dropout and stochastic depth.

        Returns:
            float [B, T, D].
        """
        change = self.attention(
            self.attention_residual.before(values),
            source=source,
            attention_mask=attention_mask,
            training=training,
        )
        values = self.attention_residual(values, change, training=training)
        change = self.feed_forward(self.feed_forward_residual.before(values), training=training)
        return self.feed_forward_residual(values, change, training=training)

    def compute_output_shape(
        self, values_shape: Any, source_shape: Any = None, attention_mask_shape: Any = None
    ) -> Any:
        return values_shape
