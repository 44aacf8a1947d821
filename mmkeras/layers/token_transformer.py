"""`TokenTransformer`: token ids around a `Transformer`, for translation and its like."""

from typing import Any, NamedTuple

import keras
from keras import ops

from mmkeras.layers.composite import Composite
from mmkeras.layers.token_embedding import TokenEmbedding
from mmkeras.layers.transformer import DecodingState, Transformer


class TokenState(NamedTuple):
    """What a `TokenTransformer` keeps from one token to the next.

    Attributes:
        position: int32 scalar: number of tokens so far.
        inner: the `Transformer`'s.
    """

    position: Any
    inner: DecodingState


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenTransformer(Composite):
    """Source and target token ids to logits of the next target token. Id 0 is padding.

    A `TokenEmbedding` of each goes in, and that of the targets gives the logits. `step` and `start`
    are what the functions of `mmkeras.decoding` take.

    Source: Vaswani et al. 2017, sections 3.4 and 3.5.

    Args:
        transformer: an unbuilt `Transformer`.
        source_size: number of source token ids.
        target_size: number of target token ids.
        max_length: the longest source, and the longest target, in tokens.

    Raises:
        ValueError: a size is below 1.

    Example:

    >>> import numpy as np
    >>> from mmkeras.decoding import greedy_search
    >>> model = TokenTransformer(
    ...     Transformer(d_model=8, nhead=2, num_layers=1), source_size=20, target_size=10,
    ...     max_length=6,
    ... )
    >>> source_ids = np.array([[5, 7, 3, 0]])
    >>> tuple(model(source_ids, np.array([[1, 4, 6]])).shape)
    (1, 3, 10)
    >>> made = greedy_search(
    ...     model.step, model.start(source_ids, 6), np.array([1]), max_new_tokens=6, end_id=2
    ... )
    >>> tuple(made.token_ids.shape)
    (1, 6)
    """

    parts = ("transformer",)

    def __init__(
        self,
        transformer: Transformer,
        source_size: int,
        target_size: int,
        max_length: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, size in (
            ("source_size", source_size),
            ("target_size", target_size),
            ("max_length", max_length),
        ):
            if size < 1:
                raise ValueError(f"{name} must be at least 1; got {size}.")
        self.transformer = transformer
        self.max_length = max_length
        self.source_embedding, self.target_embedding = (
            TokenEmbedding(
                size,
                transformer.d_model,
                max_length,
                transformer.dropout,
                name=name,
                dtype=self.dtype_policy,
            )
            for name, size in (("source", source_size), ("target", target_size))
        )

    def build(self, source_ids_shape: Any, target_ids_shape: Any = None) -> None:
        self.source_embedding.build(source_ids_shape)
        self.target_embedding.build(source_ids_shape)
        self.transformer.build((None, None, self.transformer.d_model))

    def call(self, source_ids: Any, target_ids: Any, training: bool | None = None) -> Any:
        """`source_ids` int [B, S] and `target_ids` int [B, T] to logits float [B, T, K].

        The targets begin with a beginning-of-sequence token; logits at t are for the token t + 1.
        """
        values = self.transformer(
            self.source_embedding(source_ids, training=training),
            self.target_embedding(target_ids, training=training),
            src_mask=ops.not_equal(source_ids, 0),
            tgt_mask=ops.not_equal(target_ids, 0),
            training=training,
        )
        return self.target_embedding.logits(values)

    def start(self, source_ids: Any, max_new_tokens: int) -> TokenState:
        """The state before the first target token.

        Args:
            source_ids: int [B, S].
            max_new_tokens: the most tokens that will be made.

        Raises:
            ValueError: `max_new_tokens` is above `max_length`.
        """
        if max_new_tokens > self.max_length:
            raise ValueError(
                f"max_new_tokens must be at most max_length={self.max_length}; got "
                f"{max_new_tokens}."
            )
        source = self.source_embedding(source_ids, training=False)
        mask = ops.not_equal(source_ids, 0)
        inner = self.transformer.start(source, max_new_tokens, mask)
        return TokenState(ops.zeros((), dtype="int32"), inner)

    def step(self, token_ids: Any, state: TokenState) -> tuple[Any, TokenState]:
        """Target tokens int [B] to the logits [B, K] of the next, and the new state."""
        values = self.target_embedding(token_ids[:, None], state.position, training=False)
        values, inner = self.transformer.step(values, state.inner)
        logits = self.target_embedding.logits(values[:, 0])
        return logits, TokenState(state.position + 1, inner)

    def compute_output_shape(self, source_ids_shape: Any, target_ids_shape: Any) -> Any:
        return (*target_ids_shape, self.target_embedding.size)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "source_size": self.source_embedding.size,
            "target_size": self.target_embedding.size,
            "max_length": self.max_length,
        }
