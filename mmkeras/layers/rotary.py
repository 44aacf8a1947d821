"""Rotary positions: queries and keys are turned by angles that grow with their positions.

Source: Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding"; scaled
positions as in Chen et al. 2023, "Extending Context Window of Large Language Models via Positional
Interpolation"; two axes as in Heo et al. 2024, "Rotary Position Embedding for Vision Transformer".
"""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class RotaryPositions(keras.layers.Layer):
    """Turns pairs of channels (i, i + D/2) of token t by the angle t / (scale · base^(2i/D)).

    The product of a query and a key then depends on their distance alone.

    Args:
        base: how slowly the slowest pair turns.
        scale: what positions are divided by: above 1, longer sequences than were trained on come
            to the angles of those.

    Raises:
        ValueError: base or scale is not above 0, or (when built) the number of channels is odd.

    Example:

    >>> import numpy as np
    >>> heads = np.ones((1, 2, 1, 2), "float32")  # [B, T, N, D]
    >>> np.array(RotaryPositions()(heads), "float64")[0, :, 0].round(3).tolist()
    [[1.0, 1.0], [-0.301, 1.382]]
    """

    def __init__(self, base: float = 10_000.0, scale: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        if base <= 0 or scale <= 0:
            raise ValueError(f"base and scale must be above 0; got base={base}, scale={scale}.")
        self.base, self.scale = base, scale

    def build(self, heads_shape: Any) -> None:
        if heads_shape[-1] % 2:
            raise ValueError(
                f"rotary positions turn pairs of channels; heads have {heads_shape[-1]}, which is "
                "odd."
            )

    def call(self, heads: Any, offset: Any = 0) -> Any:
        """float [B, T, N, D] to the same; the first token stands at `offset` (int or int32 [])."""
        positions = offset + ops.arange(ops.shape(heads)[1], dtype="int32")
        return turned(heads, ops.cast(positions, "float32") / self.scale, self.base)

    def compute_output_shape(self, heads_shape: Any) -> Any:
        return heads_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"base": self.base, "scale": self.scale}


@keras.saving.register_keras_serializable(package="mmkeras")
class GridRotaryPositions(keras.layers.Layer):
    """Rotary positions of patches: half of the channels turn with the row, half with the column.

    Args:
        width: number of patches in a row; patch t stands in row t // width.
        base: as in `RotaryPositions`; smaller, since grids are shorter than texts.

    Raises:
        ValueError: the width is below 1, or (when built) 4 does not divide the channels.

    Example:

    >>> import numpy as np
    >>> heads = np.ones((1, 6, 1, 4), "float32")
    >>> tuple(GridRotaryPositions(width=3)(heads).shape)
    (1, 6, 1, 4)
    """

    def __init__(self, width: int, base: float = 100.0, **kwargs: Any):
        super().__init__(**kwargs)
        if width < 1 or base <= 0:
            raise ValueError(
                f"width must be at least 1 and base above 0; got width={width}, base={base}."
            )
        self.width, self.base = width, base

    def build(self, heads_shape: Any) -> None:
        if heads_shape[-1] % 4:
            raise ValueError(
                f"two axes turn pairs of half the channels each; heads have {heads_shape[-1]}, "
                "which 4 does not divide."
            )

    def call(self, heads: Any, offset: Any = 0) -> Any:
        """float [B, T, N, D] to the same; the first token is patch `offset` (int or int32 [])."""
        patches = offset + ops.arange(ops.shape(heads)[1], dtype="int32")
        by_row, by_column = ops.split(heads, 2, axis=-1)
        rows, columns = (
            ops.cast(part, "float32") for part in (patches // self.width, patches % self.width)
        )
        return ops.concatenate(
            [turned(by_row, rows, self.base), turned(by_column, columns, self.base)], axis=-1
        )

    def compute_output_shape(self, heads_shape: Any) -> Any:
        return heads_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"width": self.width, "base": self.base}


def turned(heads: Any, positions: Any, base: float) -> Any:
    """Channels (i, i + D/2) of float [B, T, N, D], turned by float32 [T] · base^(-2i/D)."""
    half = heads.shape[-1] // 2
    speeds = ops.power(base, -ops.arange(half, dtype="float32") / half)
    # Angles are float32 whatever the dtype: half precision does not tell large positions apart.
    angles = positions[:, None, None] * speeds
    cosine, sine = (ops.cast(f(angles), heads.dtype) for f in (ops.cos, ops.sin))
    first, second = ops.split(heads, 2, axis=-1)
    return ops.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )
