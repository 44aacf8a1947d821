"""The Conformer: attention for what is far, convolution for what is near.

Source: Gulati et al. 2020, "Conformer: Convolution-augmented Transformer for Speech Recognition".
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from mmkeras.layers.composite import Composite, copied
from mmkeras.layers.masks import AttentionMask
from mmkeras.layers.multi_head_attention import MultiHeadAttention
from mmkeras.layers.residual import Residual


@keras.saving.register_keras_serializable(package="mmkeras")
class ConformerConvolution(Composite):
    """The convolution module: gated linear unit, depthwise convolution, norm, SiLU, projection.

    Tokens that the mask leaves out are zeros to the convolution, as places behind the ends are:
    padding changes nothing.

    Source: section 2.2, figure 2, without the normalisation before it and the dropout behind,
    which belong to the residual connection and `dropout`.

    Args:
        dim: D of the tokens.
        kernel_size: odd number of tokens that the convolution sees; the paper takes 31.
        dropout: fraction of units of the result dropped in training.
        norm: an unbuilt normalisation behind the convolution; None: layer normalisation, which
            looks at one token alone. The paper's `keras.layers.BatchNormalization()` gets the mask
            too, so that its statistics are those of the real tokens.
        causal: whether a token sees those before it alone, as streaming needs.

    Raises:
        ValueError: `kernel_size` is not odd.

    Example:

    >>> import numpy as np
    >>> module = ConformerConvolution(dim=8, kernel_size=3)
    >>> tuple(module(np.ones((1, 5, 8), "float32"), attention_mask=np.ones((1, 5), bool)).shape)
    (1, 5, 8)
    """

    parts = ("norm",)

    def __init__(
        self,
        dim: int,
        kernel_size: int = 31,
        dropout: float = 0.0,
        norm: keras.layers.Layer | None = None,
        causal: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive; got {kernel_size}.")
        policy = self.dtype_policy
        self.dim = dim
        self.kernel_size = kernel_size
        self.causal = causal
        self.expand = keras.layers.Dense(dim, name="expand", dtype=policy)
        self.gate = keras.layers.Dense(dim, activation="sigmoid", name="gate", dtype=policy)
        self.depthwise = keras.layers.DepthwiseConv1D(
            kernel_size, padding="valid", name="depthwise", dtype=policy
        )
        if norm is None:
            norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.norm: Any = norm
        self.contract = keras.layers.Dense(dim, name="contract", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)

    def build(self, values_shape: Any, attention_mask_shape: Any = None) -> None:
        hidden = (*values_shape[:-1], self.dim)
        self.expand.build(values_shape)
        self.gate.build(values_shape)
        # Padded by hand, sequences may be shorter than the kernel.
        self.depthwise.build((hidden[0], None, self.dim))
        self.norm.build(hidden)
        self.contract.build(hidden)

    def call(self, values: Any, attention_mask: Any = None, training: bool | None = None) -> Any:
        """The module.

        Args:
            values: float [B, T, D].
            attention_mask: bool [B, T], True = keep, or an `AttentionMask` with such `keys`.
            training: True applies dropout.

        Returns:
            float [B, T, D].
        """
        mask = AttentionMask.of(attention_mask).keys
        hidden = self.expand(values) * self.gate(values)
        if mask is not None:
            hidden = ops.where(mask[:, :, None], hidden, ops.zeros_like(hidden))
        before = self.kernel_size - 1 if self.causal else self.kernel_size // 2
        behind = self.kernel_size - 1 - before
        hidden = self.depthwise(ops.pad(hidden, [[0, 0], [before, behind], [0, 0]]))
        if isinstance(self.norm, keras.layers.BatchNormalization):
            hidden = self.norm(hidden, mask=mask, training=training)
        else:
            hidden = self.norm(hidden)
        hidden = self.contract(keras.activations.silu(hidden))
        return self.dropout(hidden, training=training)

    def compute_output_shape(self, values_shape: Any, attention_mask_shape: Any = None) -> Any:
        return (*values_shape[:-1], self.dim)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dim": self.dim,
            "kernel_size": self.kernel_size,
            "dropout": self.dropout.rate,
            "causal": self.causal,
        }


class ConformerContext(NamedTuple):
    """What a block remembers of a stream: what entered its parts at the places before.

    Attributes:
        attention: float [B, W, D], the tokens that attention looks back at.
        convolution: float [B, kernel_size - 1, D].
    """

    attention: Any
    convolution: Any


@keras.saving.register_keras_serializable(package="mmkeras")
class ConformerBlock(Composite):
    """Half a feed-forward step, attention, convolution, another half step, and a normalisation.

    Source: section 2.4, equation 1.

    Args:
        feed_forward: an unbuilt feed-forward layer; it is copied for the second half step.
        attention: an unbuilt attention layer.
        convolution: an unbuilt `ConformerConvolution`.
        residual: the pattern of the residual connections; None: layer normalisation before each
            sub-layer. The last normalisation is a copy of its `norm`.

    Example:

    >>> import numpy as np
    >>> from mmkeras.layers import FeedForward
    >>> block = ConformerBlock(
    ...     FeedForward(8, 32, activation="silu"),
    ...     MultiHeadAttention(8, num_heads=2),
    ...     ConformerConvolution(8, kernel_size=3),
    ... )
    >>> tuple(block(np.ones((1, 5, 8), "float32")).shape)
    (1, 5, 8)
    """

    parts = ("feed_forward", "attention", "convolution", "residual")

    def __init__(
        self,
        feed_forward: keras.layers.Layer,
        attention: MultiHeadAttention,
        convolution: ConformerConvolution,
        residual: Residual | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.feed_forward = feed_forward
        self.attention = attention
        self.convolution = convolution
        self.second_feed_forward = copied(feed_forward, name="second_feed_forward")
        pattern = Residual(dtype=self.dtype_policy) if residual is None else residual
        self.feed_forward_residual = copied(pattern, factor=0.5, name="feed_forward_residual")
        self.attention_residual = copied(pattern, name="attention_residual")
        self.convolution_residual = copied(pattern, name="convolution_residual")
        self.second_residual = copied(pattern, factor=0.5, name="second_residual")
        self.norm = copied(pattern.norm, name="norm")

    @property
    def residual(self) -> Residual:
        """The pattern of the residual connections."""
        return copied(self.attention_residual, name="residual")

    def build(self, values_shape: Any, attention_mask_shape: Any = None) -> None:
        for layer in (
            self.feed_forward,
            self.attention,
            self.convolution,
            self.second_feed_forward,
            self.feed_forward_residual,
            self.attention_residual,
            self.convolution_residual,
            self.second_residual,
            self.norm,
        ):
            layer.build(values_shape)

    def call(self, values: Any, attention_mask: Any = None, training: bool | None = None) -> Any:
        """float [B, T, D] and what its attention takes as a mask to float [B, T, D]."""
        masked = {"attention_mask": attention_mask}
        for layer, residual, arguments in (
            (self.feed_forward, self.feed_forward_residual, {}),
            (self.attention, self.attention_residual, masked),
            (self.convolution, self.convolution_residual, masked),
            (self.second_feed_forward, self.second_residual, {}),
        ):
            change = layer(residual.before(values), **arguments, training=training)
            values = residual(values, change, training=training)
        return self.norm(values)

    def compute_output_shape(self, values_shape: Any, attention_mask_shape: Any = None) -> Any:
        return values_shape

    def initial_context(self, batch: Any, width: int) -> ConformerContext:
        """The context in front of a stream, of which attention sees `width` tokens.

        Raises:
            ValueError: the convolution looks ahead, or further back than `width`.
        """
        before = self.convolution.kernel_size - 1
        if not self.convolution.causal or before > width:
            raise ValueError(
                "a stream needs a causal convolution that looks back no further than attention; "
                f"its kernel_size is {before + 1}, causal={self.convolution.causal}, and attention "
                f"sees {width} tokens."
            )
        sizes = (width, before)
        return ConformerContext(
            *(ops.zeros((batch, n, self.convolution.dim), dtype=self.compute_dtype) for n in sizes)
        )

    def stream(
        self, values: Any, context: ConformerContext, heard: Any, mask: Any
    ) -> tuple[Any, ConformerContext]:
        """`call` for the tokens that come next, which see each other and the context.

        Args:
            values: float [B, C, D].
            context: what the call before gave, or `initial_context`.
            heard: bool [B, W], True = the context has a token there.
            mask: bool [B, C], True = a token.

        Returns:
            float [B, C, D], and the context of the tokens behind them.
        """
        width, before = context.attention.shape[1], context.convolution.shape[1]
        residual = self.feed_forward_residual
        values = residual(values, self.feed_forward(residual.before(values)))

        residual = self.attention_residual
        entering = residual.before(values)
        seen = ops.concatenate([context.attention, entering], axis=1)
        keys = ops.concatenate([heard, mask], axis=1)
        change = self.attention(
            entering, seen, attention_mask=AttentionMask(keys=keys, offset=width)
        )
        values = residual(values, change)

        residual = self.convolution_residual
        near = ops.concatenate([context.convolution, residual.before(values)], axis=1)
        change = self.convolution(near, attention_mask=keys[:, width - before :])
        values = residual(values, change[:, before:])

        residual = self.second_residual
        values = residual(values, self.second_feed_forward(residual.before(values)))
        left = ConformerContext(seen[:, seen.shape[1] - width :], near[:, near.shape[1] - before :])
        return self.norm(values), left
