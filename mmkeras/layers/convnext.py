"""A ConvNeXt block over steps in time: what is near is mixed in each channel, then the channels."""

from typing import Any

import keras
from keras import ops

from mmkeras.layers.layer_scale import LayerScale


@keras.saving.register_keras_serializable(package="mmkeras")
class ConvNeXtBlock(keras.layers.Layer):
    """Depthwise convolution, layer normalisation, two dense layers with GELU, and layer scale.

    Tokens that the mask leaves out are zeros to the convolution, as places behind the ends are:
    padding changes nothing.

    Sources: Liu et al. 2022, "A ConvNet for the 2020s", figure 4; over time in Siuzdak 2023,
    "Vocos", section 3.3.

    Args:
        dim: D of the tokens.
        mlp_dim: width between the two dense layers; the papers take 4 D and 3 D.
        kernel_size: odd number of tokens that the convolution sees.
        initial_scale: of the residual branch; see `LayerScale`.

    Raises:
        ValueError: `kernel_size` is not odd.

    Example:

    >>> import numpy as np
    >>> block = ConvNeXtBlock(dim=8, mlp_dim=24)
    >>> tuple(block(np.ones((1, 5, 8), "float32")).shape)
    (1, 5, 8)
    """

    def __init__(
        self,
        dim: int,
        mlp_dim: int,
        kernel_size: int = 7,
        initial_scale: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive; got {kernel_size}.")
        self.config = {
            "dim": dim,
            "mlp_dim": mlp_dim,
            "kernel_size": kernel_size,
            "initial_scale": initial_scale,
        }
        policy = self.dtype_policy
        self.depthwise = keras.layers.DepthwiseConv1D(
            kernel_size, padding="valid", name="depthwise", dtype=policy
        )
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.expand = keras.layers.Dense(mlp_dim, activation="gelu", name="expand", dtype=policy)
        self.contract = keras.layers.Dense(dim, name="contract", dtype=policy)
        self.scale = LayerScale(initial_scale, name="scale", dtype=policy)

    def build(self, values_shape: Any, token_mask_shape: Any = None) -> None:
        dim = self.config["dim"]
        # Padded by hand, sequences may be shorter than the kernel.
        self.depthwise.build((None, None, dim))
        self.norm.build((None, None, dim))
        self.expand.build((None, None, dim))
        self.contract.build((None, None, self.config["mlp_dim"]))
        self.scale.build((None, None, dim))

    def call(self, values: Any, token_mask: Any = None) -> Any:
        """float [B, T, D] and bool [B, T], True = keep (None: all), to float [B, T, D]."""
        seen = values
        if token_mask is not None:
            seen = ops.where(token_mask[..., None], values, ops.zeros_like(values))
        reach = self.config["kernel_size"] // 2
        mixed = self.depthwise(ops.pad(seen, [[0, 0], [reach, reach], [0, 0]]))
        return values + self.scale(self.contract(self.expand(self.norm(mixed))))

    def compute_output_shape(self, values_shape: Any, token_mask_shape: Any = None) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
