"""The residual connection around every sub-layer of a Transformer block."""

from typing import Any

import keras

from mmkeras.layers.composite import Composite
from mmkeras.layers.layer_scale import LayerScale
from mmkeras.layers.stochastic_depth import StochasticDepth


@keras.saving.register_keras_serializable(package="mmkeras")
class Residual(Composite):
    """x + f(norm(x)), or norm(x + f(x)): what stands before and behind a sub-layer f.

    A block asks for `before(x)`, applies its sub-layer, and gives both to `call`. Blocks take one
    `Residual` as a pattern and copy it for each of their sub-layers.

    Sources: Vaswani et al. 2017, section 3.1 (`norm_first=False`); Xiong et al. 2020, "On Layer
    Normalization in the Transformer Architecture" (`norm_first=True`).

    Args:
        norm: an unbuilt normalisation, such as `keras.layers.RMSNormalization()`; None is layer
            normalisation.
        norm_first: whether it stands before the sub-layer, or behind the sum.
        layer_scale: what the channels of a `LayerScale` begin with; None: there is none.
        stochastic_depth: probability that the sub-layer is left out; see `StochasticDepth`.
        factor: by which the sub-layer's result is multiplied.

    Example:

    >>> import numpy as np
    >>> x = np.array([[[1.0, 3.0]]], "float32")
    >>> residual = Residual(factor=0.5)
    >>> residual.build(x.shape)
    >>> np.array(residual(x, 2 * residual.before(x))).round(3).tolist()
    [[[0.0, 4.0]]]
    """

    parts = ("norm",)

    def __init__(
        self,
        norm: keras.layers.Layer | None = None,
        *,
        norm_first: bool = True,
        layer_scale: float | None = None,
        stochastic_depth: float = 0.0,
        factor: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        if norm is None:
            norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.norm: Any = norm
        self.norm_first = norm_first
        self.factor = factor
        self.layer_scale = (
            None if layer_scale is None else LayerScale(layer_scale, name="scale", dtype=policy)
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth, name="depth", dtype=policy)

    def build(self, values_shape: Any, change_shape: Any = None) -> None:
        self.norm.build(values_shape)
        if self.layer_scale is not None:
            self.layer_scale.build(values_shape)

    def before(self, values: Any) -> Any:
        """What the sub-layer gets for the block's float [B, T, D]."""
        return self.norm(values) if self.norm_first else values

    def call(self, values: Any, change: Any, training: bool | None = None) -> Any:
        """The block's float [B, T, D] and the sub-layer's [B, T, D] to their sum."""
        if self.factor != 1.0:
            change = change * self.factor
        if self.layer_scale is not None:
            change = self.layer_scale(change)
        values = values + self.stochastic_depth(change, training=training)
        return values if self.norm_first else self.norm(values)

    def compute_output_shape(self, values_shape: Any, change_shape: Any = None) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "norm_first": self.norm_first,
            "layer_scale": None if self.layer_scale is None else self.layer_scale.initial,
            "stochastic_depth": self.stochastic_depth.rate,
            "factor": self.factor,
        }
