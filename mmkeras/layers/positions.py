"""Positions of tokens, as vectors added to them."""

from typing import Any

import keras
import numpy as np
from keras import ops


class LearnedPositions(keras.layers.Layer):
    """Adds a learned vector to the token at each position.

    Args:
        max_length: the longest sequence.

    Raises:
        ValueError: a sequence of known length is longer than `max_length`.

    Example:

    >>> import numpy as np
    >>> tuple(LearnedPositions(max_length=10)(np.ones((2, 3, 4), "float32")).shape)
    (2, 3, 4)
    """

    def __init__(self, max_length: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.max_length = max_length

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            shape=(self.max_length, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="embeddings",
        )

    def call(self, values: Any) -> Any:
        """float [B, T, D], T at most `max_length`, to float [B, T, D]."""
        length = ops.shape(values)[1]
        if isinstance(length, int) and length > self.max_length:
            raise ValueError(
                f"a sequence of {length} tokens is longer than max_length={self.max_length}; "
                "shorten the input or build the layer with a larger max_length."
            )
        return values + self.embeddings[:length]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"max_length": self.max_length}


class GridPositions(keras.layers.Layer):
    """Adds a learned vector to the token of each cell of a grid, interpolated for other grids.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.2: pictures of
    another size than those learned from.

    Args:
        grid: (rows, columns).

    Example:

    >>> layer = GridPositions((4, 4))
    >>> tuple(layer(np.ones((2, 4, 4, 8), "float32")).shape)
    (2, 4, 4, 8)
    >>> tuple(layer(np.ones((2, 6, 5, 8), "float32")).shape)
    (2, 6, 5, 8)
    """

    def __init__(self, grid: tuple[int, int], **kwargs: Any):
        super().__init__(**kwargs)
        self.grid = (int(grid[0]), int(grid[1]))

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            shape=(*self.grid, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="embeddings",
        )

    def call(self, values: Any) -> Any:
        """float [B, H, W, D] to the same."""
        return values + ops.cast(self.resized(tuple(values.shape[1:3])), values.dtype)

    def resized(self, grid: tuple[int, int]) -> Any:
        """float [H, W, D]: the vectors of a grid of this size, by bicubic interpolation."""
        if grid == self.grid:
            return ops.convert_to_tensor(self.embeddings)
        return ops.image.resize(
            ops.cast(self.embeddings, "float32"),
            grid,
            interpolation="bicubic",
            antialias=True,
            data_format="channels_last",
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"grid": self.grid}


def sinusoids(max_length: int, dim: int) -> np.ndarray:
    """Sines and cosines of geometrically spaced wavelengths (Vaswani et al. 2017, section 3.5).

    Args:
        max_length: number of positions T.
        dim: even D.

    Returns:
        float32 [T, D]: sines in the first half of D, cosines in the second.

    Example:

    >>> sinusoids(2, 4)[0].tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    if dim % 2:
        raise ValueError(f"dim must be even; got {dim}.")
    frequencies = 10_000.0 ** (-np.arange(dim // 2) / (dim // 2))
    angles = np.arange(max_length)[:, None] * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype("float32")


class SinusoidalPositions(keras.layers.Layer):
    """Adds the fixed `sinusoids` to the tokens; nothing is learned.

    Args:
        max_length: the longest sequence.

    Example:

    >>> import numpy as np
    >>> tuple(SinusoidalPositions(max_length=10)(np.ones((2, 3, 4), "float32")).shape)
    (2, 3, 4)
    """

    def __init__(self, max_length: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.max_length = max_length

    def build(self, input_shape: Any) -> None:
        self.table = sinusoids(self.max_length, input_shape[-1])

    def call(self, values: Any) -> Any:
        """float [B, T, D], T at most `max_length`, to float [B, T, D]."""
        table = ops.convert_to_tensor(self.table, dtype=values.dtype)
        return values + table[: ops.shape(values)[1]]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"max_length": self.max_length}
