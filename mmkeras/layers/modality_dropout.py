"""Fields made absent at random in training, so that a model copes when they are absent for real.

Source: Neverova et al. 2016, "ModDrop: Adaptive Multi-modal Gesture Recognition".
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmkeras.tokens import Tokens


class ModalityDropout(keras.layers.Layer):
    """Masks all tokens of a field, in each sample, with probability `rate`; only in training.

    One present field, chosen at random, is always kept, so that no sample becomes empty.

    Args:
        rate: probability, in [0, 1), that a field of a sample is dropped.
        seed: for repeatable draws.

    Raises:
        ValueError: `rate` is not in [0, 1).

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((2, 3, 4), "float32"), np.ones((2, 3), bool))
    >>> dropped = ModalityDropout(0.5, seed=0)({"a": tokens, "b": tokens}, training=True)
    >>> present = [np.array(t.mask).any(axis=1) for t in dropped.values()]
    >>> (present[0] | present[1]).tolist()
    [True, True]
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"rate must be in [0, 1); got {rate}.")
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Tokens]:
        """`{field: Tokens}` to the same with some masks all False."""
        if not training or self.rate == 0.0:
            return dict(tokens)
        fields = sorted(tokens)
        present = ops.stack([ops.any(tokens[field].mask, axis=1) for field in fields], axis=1)
        draw = keras.random.uniform(ops.shape(present), seed=self.seed_generator)
        # Of the fields that are there, the one with the highest draw stays whatever the rate.
        highest = ops.where(present, draw, -1.0)
        keep = (draw >= self.rate) | (highest >= ops.max(highest, axis=1, keepdims=True))
        return {
            field: Tokens(tokens[field].values, tokens[field].mask & keep[:, i, None])
            for i, field in enumerate(fields)
        }

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> dict[str, Tokens]:
        return dict(tokens_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "seed": self.seed}
