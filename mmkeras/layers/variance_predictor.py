"""`VariancePredictor`: a number for each token, from it and its neighbours."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class VariancePredictor(keras.layers.Layer):
    """Two convolutions and a projection: how long, how high or how loud each token is to be said.

    Masked tokens are zeros to the convolutions, and their number is 0.

    Source: Ren et al. 2021, "FastSpeech 2: Fast and High-Quality End-to-End Text to Speech",
    section 2.3.

    Args:
        dim: width of the convolutions.
        kernel_size: tokens that a convolution sees.
        dropout: fraction of units dropped in training.

    Example:

    >>> import numpy as np
    >>> predictor = VariancePredictor(dim=8)
    >>> tuple(predictor(np.ones((2, 5, 4), "float32"), np.ones((2, 5), bool)).shape)
    (2, 5)
    """

    def __init__(self, dim: int, kernel_size: int = 3, dropout: float = 0.1, **kwargs: Any):
        super().__init__(**kwargs)
        self.dim, self.kernel_size = dim, kernel_size
        policy = self.dtype_policy
        self.convolutions = [
            keras.layers.Conv1D(
                dim,
                kernel_size,
                padding="same",
                activation="relu",
                name=f"convolution_{i}",
                dtype=policy,
            )
            for i in range(2)
        ]
        self.norms = [
            keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{i}", dtype=policy)
            for i in range(2)
        ]
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)
        self.projection = keras.layers.Dense(1, name="projection", dtype=policy)

    def build(self, values_shape: Any, mask_shape: Any = None) -> None:
        shape = values_shape
        for convolution, norm in zip(self.convolutions, self.norms):
            convolution.build(shape)
            shape = (*values_shape[:-1], self.dim)
            norm.build(shape)
        self.projection.build(shape)

    def call(self, values: Any, mask: Any, training: bool | None = None) -> Any:
        """float [B, T, D] and bool [B, T] to float32 [B, T]."""
        for convolution, norm in zip(self.convolutions, self.norms):
            values = ops.where(mask[..., None], values, ops.zeros_like(values))
            values = self.dropout(norm(convolution(values)), training=training)
        number = ops.cast(self.projection(values)[..., 0], "float32")
        return ops.where(mask, number, 0.0)

    def compute_output_shape(self, values_shape: Any, mask_shape: Any = None) -> Any:
        return values_shape[:-1]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dim": self.dim,
            "kernel_size": self.kernel_size,
            "dropout": self.dropout.rate,
        }
