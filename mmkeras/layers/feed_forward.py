"""The feed-forward layer of a Transformer block: plain or gated, with any activation."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="mmkeras")
class FeedForward(keras.layers.Layer):
    """contract(activation(expand(x))), or contract(activation(gate(x)) * expand(x)) if gated.

    Sources: Vaswani et al. 2017, equation 2 (`activation="relu"`); Shazeer 2020, "GLU Variants
    Improve Transformer", equation 6 (SwiGLU: `activation="silu", gated=True, use_bias=False`). A
    gated layer has three matrices instead of two: two thirds of `mlp_dim` cost as much.

    Args:
        dim: D of the tokens.
        mlp_dim: width between the two layers.
        dropout: fraction of units dropped behind either layer in training.
        activation: name of a Keras activation, or a function.
        gated: whether a second projection, through the activation, gates the first.
        use_bias: whether the dense layers add one.

    Raises:
        ValueError: `dim` or `mlp_dim` is below 1.

    Example:

    >>> import numpy as np
    >>> swiglu = FeedForward(dim=4, mlp_dim=8, activation="silu", gated=True, use_bias=False)
    >>> tuple(swiglu(np.ones((1, 2, 4), "float32")).shape)
    (1, 2, 4)
    """

    def __init__(
        self,
        dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        *,
        activation: Any = "gelu",
        gated: bool = False,
        use_bias: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        if dim < 1 or mlp_dim < 1:
            raise ValueError(
                f"dim and mlp_dim must be at least 1; got dim={dim} and mlp_dim={mlp_dim}."
            )
        self.dim = dim
        self.mlp_dim = mlp_dim
        self.activation = keras.activations.get(activation)
        policy = self.dtype_policy
        expand = {"units": mlp_dim, "use_bias": use_bias, "dtype": policy}
        self.gate = None
        if gated:
            self.gate = keras.layers.Dense(**expand, activation=self.activation, name="gate")
            self.expand = keras.layers.Dense(**expand, name="expand")
        else:
            self.expand = keras.layers.Dense(**expand, activation=self.activation, name="expand")
        self.contract = keras.layers.Dense(dim, use_bias=use_bias, name="contract", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)

    def build(self, values_shape: Any) -> None:
        self.expand.build(values_shape)
        if self.gate is not None:
            self.gate.build(values_shape)
        self.contract.build((*values_shape[:-1], self.mlp_dim))

    def call(self, values: Any, training: bool | None = None) -> Any:
        """float [B, T, D] to float [B, T, D]."""
        hidden = self.expand(values)
        if self.gate is not None:
            hidden = hidden * self.gate(values)
        hidden = self.contract(self.dropout(hidden, training=training))
        return self.dropout(hidden, training=training)

    def compute_output_shape(self, values_shape: Any) -> Any:
        return (*values_shape[:-1], self.dim)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dim": self.dim,
            "mlp_dim": self.mlp_dim,
            "dropout": self.dropout.rate,
            "activation": keras.activations.serialize(self.activation),
            "gated": self.gate is not None,
            "use_bias": self.contract.use_bias,
        }
