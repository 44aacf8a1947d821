"""LayerScale: a residual branch begins near zero and each of its channels learns its weight."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class LayerScale(keras.layers.Layer):
    """Multiplies every channel by a learned number.

    Source: Touvron et al. 2021, "Going Deeper with Image Transformers", equation 4.

    Args:
        initial: what all channels begin with; the paper takes 0.1 for 18 blocks, 1e-5 for 24 and
            1e-6 for more.

    Example:

    >>> import numpy as np
    >>> np.array(LayerScale(0.5)(np.array([[2.0, 4.0]], "float32"))).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, initial: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.initial = initial

    def build(self, values_shape: Any) -> None:
        self.scale = self.add_weight(
            shape=(values_shape[-1],),
            initializer=keras.initializers.Constant(self.initial),
            name="scale",
        )

    def call(self, values: Any) -> Any:
        """float [..., D] to the same."""
        return values * ops.cast(self.scale, values.dtype)

    def compute_output_shape(self, values_shape: Any) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"initial": self.initial}
