"""Stochastic depth: in training, whole branches of a residual network are left out at random."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class StochasticDepth(keras.layers.Layer):
    """In training, zeros for a sample with probability `rate`, else the sample / (1 - rate).

    Source: Huang et al. 2016, "Deep Networks with Stochastic Depth", with the survivors scaled in
    training instead of at inference.

    Args:
        rate: probability, in [0, 1), that a sample's branch is left out.
        seed: for repeatable draws.

    Raises:
        ValueError: `rate` is not in [0, 1).

    Example:

    >>> import numpy as np
    >>> branch = StochasticDepth(0.5, seed=0)(np.ones((100, 2, 3), "float32"), training=True)
    >>> sorted(set(np.array(branch).ravel().tolist()))
    [0.0, 2.0]
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"rate must be in [0, 1); got {rate}.")
        self.rate = rate
        self.seed = seed
        if rate > 0.0:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, values: Any, training: bool | None = None) -> Any:
        """float [B, ...] to the same."""
        if not training or self.rate == 0.0:
            return values
        shape = (ops.shape(values)[0], *[1] * (len(values.shape) - 1))
        kept = keras.random.uniform(shape, seed=self.seed_generator) >= self.rate
        return ops.where(kept, values / (1.0 - self.rate), ops.zeros_like(values))

    def compute_output_shape(self, values_shape: Any) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "seed": self.seed}
