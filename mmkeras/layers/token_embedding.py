"""`TokenEmbedding`: token ids to vectors that know their place, and vectors to logits."""

from typing import Any

import keras
from keras import ops

from mmkeras.layers.positions import sinusoids


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenEmbedding(keras.layers.Layer):
    """Embeddings times √D and sinusoidal positions; transposed, the embedding gives logits.

    Source: Vaswani et al. 2017, sections 3.4 and 3.5.

    Args:
        size: K, the number of token ids.
        dim: D of the vectors.
        max_length: the longest sequence, in tokens.
        dropout: fraction of units dropped in training.

    Raises:
        ValueError: an argument is below 1.

    Example:

    >>> import numpy as np
    >>> embedding = TokenEmbedding(size=10, dim=8, max_length=4)
    >>> values = embedding(np.array([[3, 1, 0]]))
    >>> tuple(values.shape), tuple(embedding.logits(values).shape)
    ((1, 3, 8), (1, 3, 10))
    """

    def __init__(self, size: int, dim: int, max_length: int, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        for name, number in (("size", size), ("dim", dim), ("max_length", max_length)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1; got {number}.")
        self.size, self.dim, self.max_length = size, dim, max_length
        self.embedding = keras.layers.ReversibleEmbedding(
            size,
            dim,
            # Times √D in the sum: so the first embeddings are as long as the positions.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=dim**-0.5),
            name="embedding",
            dtype=self.dtype_policy,
        )
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.table = sinusoids(max_length, dim)

    def build(self, token_ids_shape: Any) -> None:
        self.embedding.build(token_ids_shape)

    def call(self, token_ids: Any, position: Any = None, training: bool | None = None) -> Any:
        """The vectors of token ids.

        Args:
            token_ids: int [B, T].
            position: int scalar, the place of all of them, where T is 1; None: 0 to T - 1.
            training: True applies dropout.

        Returns:
            float [B, T, D].

        Raises:
            ValueError: T is known and above `max_length`.
        """
        length = ops.shape(token_ids)[1]
        if isinstance(length, int) and length > self.max_length:
            raise ValueError(
                f"{length} tokens are more than max_length={self.max_length}; shorten them or "
                "build the layer with a larger max_length."
            )
        values = self.embedding(token_ids)
        table = ops.convert_to_tensor(self.table, dtype=values.dtype)
        positions = table[:length] if position is None else ops.take(table, position, axis=0)
        return self.dropout(values * self.dim**0.5 + positions, training=training)

    def check_length(self, max_new_tokens: int) -> None:
        """Raises a ValueError where a text of so many tokens would be too long."""
        if max_new_tokens > self.max_length:
            raise ValueError(
                f"max_new_tokens must be at most max_length={self.max_length}; got "
                f"{max_new_tokens}."
            )

    def logits(self, values: Any) -> Any:
        """float [..., D] to float [..., K]."""
        return self.embedding(values, reverse=True)

    def compute_output_shape(self, token_ids_shape: Any, *shapes: Any) -> Any:
        return (*token_ids_shape, self.dim)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "size": self.size,
            "dim": self.dim,
            "max_length": self.max_length,
            "dropout": self.dropout.rate,
        }
