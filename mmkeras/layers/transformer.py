"""Transformer blocks and stacks of them: the one set that every encoder and fusion shares.

Source: Vaswani et al. 2017; normalisation before each sub-layer as in Xiong et al. 2020, "On Layer
Normalization in the Transformer Architecture".
"""

from typing import Any

import keras

from mmkeras.layers.attention import MultiHeadAttention


class FeedForward(keras.layers.Layer):
    """Two dense layers with a GELU between them, applied to every token alike.

    Args:
        dim: D of the tokens.
        mlp_dim: width between the two layers.
        dropout: fraction of units dropped behind either layer in training.

    Example:

    >>> import numpy as np
    >>> tuple(FeedForward(dim=4, mlp_dim=8)(np.ones((1, 2, 4), "float32")).shape)
    (1, 2, 4)
    """

    def __init__(self, dim: int, mlp_dim: int, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.expand = keras.layers.Dense(
            mlp_dim, activation="gelu", name="expand", dtype=self.dtype_policy
        )
        self.contract = keras.layers.Dense(dim, name="contract", dtype=self.dtype_policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        self.expand.build(input_shape)
        self.contract.build((*input_shape[:-1], self.expand.units))

    def call(self, values: Any, training: bool | None = None) -> Any:
        """float [B, T, D] to float [B, T, D]."""
        hidden = self.dropout(self.expand(values), training=training)
        return self.dropout(self.contract(hidden), training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.contract.units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dim": self.contract.units,
            "mlp_dim": self.expand.units,
            "dropout": self.dropout.rate,
        }


class TransformerBlock(keras.layers.Layer):
    """x + attention(norm(x)), then x + feed-forward(norm(x)).

    With a `source`, attention goes from the tokens to the source's tokens (cross-attention);
    without, to the tokens themselves.

    Args:
        dim: D of the tokens.
        num_heads: number of attention heads; must divide `dim`.
        mlp_dim: width of the feed-forward layer.
        dropout: fraction of units dropped in training.

    Example:

    >>> import numpy as np
    >>> block = TransformerBlock(dim=8, num_heads=2, mlp_dim=16)
    >>> tuple(block(np.ones((1, 3, 8), "float32")).shape)
    (1, 3, 8)
    """

    def __init__(self, dim: int, num_heads: int, mlp_dim: int, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=1e-6, name="attention_norm", dtype=policy
        )
        self.attention = MultiHeadAttention(dim, num_heads, dropout, name="attention", dtype=policy)
        self.feed_forward_norm = keras.layers.LayerNormalization(
            epsilon=1e-6, name="feed_forward_norm", dtype=policy
        )
        self.feed_forward = FeedForward(dim, mlp_dim, dropout, name="feed_forward", dtype=policy)

    def build(
        self, values_shape: Any, source_shape: Any = None, attention_mask_shape: Any = None
    ) -> None:
        self.attention_norm.build(values_shape)
        self.attention.build(values_shape, source_shape)
        self.feed_forward_norm.build(values_shape)
        self.feed_forward.build(values_shape)

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
            attention_mask: bool over the attended tokens, [B, S] (or [B, T] without a source),
                True = keep; or bool [B, T, S].
            training: True applies dropout.

        Returns:
            float [B, T, D].
        """
        attended = self.attention(
            self.attention_norm(values),
            source=source,
            attention_mask=attention_mask,
            training=training,
        )
        values = values + attended
        return values + self.feed_forward(self.feed_forward_norm(values), training=training)

    def compute_output_shape(
        self, values_shape: Any, source_shape: Any = None, attention_mask_shape: Any = None
    ) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dim": self.attention.dim,
            "num_heads": self.attention.num_heads,
            "mlp_dim": self.feed_forward.expand.units,
            "dropout": self.attention.dropout.rate,
        }


class TransformerStack(keras.layers.Layer):
    """`depth` self-attention blocks and a last normalisation.

    Args:
        dim: D of the tokens.
        depth: number of blocks; 0 leaves the normalisation alone.
        num_heads: number of attention heads; must divide `dim`.
        mlp_dim: width of the feed-forward layers.
        dropout: fraction of units dropped in training.

    Example:

    >>> import numpy as np
    >>> stack = TransformerStack(dim=8, depth=2, num_heads=2, mlp_dim=16)
    >>> tuple(stack(np.ones((1, 3, 8), "float32")).shape)
    (1, 3, 8)
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        num_heads: int,
        mlp_dim: int,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.config = {
            "dim": dim,
            "depth": depth,
            "num_heads": num_heads,
            "mlp_dim": mlp_dim,
            "dropout": dropout,
        }
        policy = self.dtype_policy
        self.blocks = [
            TransformerBlock(dim, num_heads, mlp_dim, dropout, name=f"block_{i}", dtype=policy)
            for i in range(depth)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)

    def build(self, values_shape: Any, attention_mask_shape: Any = None) -> None:
        for block in self.blocks:
            block.build(values_shape)
        self.norm.build(values_shape)

    def call(self, values: Any, attention_mask: Any = None, training: bool | None = None) -> Any:
        """float [B, T, D] and bool [B, T] (True = keep) to float [B, T, D]."""
        for block in self.blocks:
            values = block(values, attention_mask=attention_mask, training=training)
        return self.norm(values)

    def compute_output_shape(self, values_shape: Any, attention_mask_shape: Any = None) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
