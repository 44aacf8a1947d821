"""`TokenDecoder`: token ids around a `TransformerDecoder`, which says what comes next."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from mmkeras.contracts.configured import Configured
from mmkeras.layers.composite import Composite
from mmkeras.layers.decoder import TransformerDecoder
from mmkeras.layers.decoder_block import DecoderBlockCache
from mmkeras.layers.sizes import Size
from mmkeras.layers.token_embedding import TokenEmbedding


class TokenDecoderState(NamedTuple):
    """What a `TokenDecoder` keeps from one token to the next.

    Attributes:
        position: int32 scalar: number of tokens so far.
        cache: of its blocks.
        source_mask: bool [B, S].
    """

    position: Any
    cache: tuple[DecoderBlockCache, ...]
    source_mask: Any


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenDecoder(Composite):
    """Token ids, and the tokens of a source that they look at, to logits of the next token id.

    `step` and `start` are what the functions of `mmkeras.decoding` take.

    Source: the decoder of Vaswani et al. 2017, section 3.

    Args:
        decoder: an unbuilt `TransformerDecoder` with cross-attention, such as
            `Size(...).decoder()`.
        embedding: an unbuilt `TokenEmbedding`.

    Example:

    >>> import numpy as np
    >>> from mmkeras.decoding import greedy_search
    >>> from mmkeras.layers import Size
    >>> size = Size(dim=8, depth=1, num_heads=2, mlp_dim=16)
    >>> decoder = TokenDecoder(size.decoder(), TokenEmbedding(10, size.dim, max_length=6))
    >>> source, mask = np.ones((1, 4, 8), "float32"), np.ones((1, 4), bool)
    >>> tuple(decoder(np.array([[1, 4, 6]]), source, mask).shape)
    (1, 3, 10)
    >>> made = greedy_search(
    ...     decoder.step, decoder.start(source, mask, 6), np.array([1]), max_new_tokens=6, end_id=2
    ... )
    >>> tuple(made.token_ids.shape)
    (1, 6)
    """

    parts = ("decoder", "embedding")

    def __init__(self, decoder: TransformerDecoder, embedding: TokenEmbedding, **kwargs: Any):
        super().__init__(**kwargs)
        self.decoder, self.embedding = decoder, embedding

    def build(self, token_ids_shape: Any, source_shape: Any, *shapes: Any, **named: Any) -> None:
        self.embedding.build(token_ids_shape)
        self.decoder.build((None, None, self.embedding.dim), source_shape)

    def call(
        self, token_ids: Any, source: Any, source_mask: Any, training: bool | None = None
    ) -> Any:
        """Whole sequences, as in training.

        Args:
            token_ids: int [B, T], the first of them a beginning.
            source: float [B, S, D].
            source_mask: bool [B, S], True = keep.
            training: True applies dropout.

        Returns:
            Logits, float [B, T, K]: at t those of token t + 1.
        """
        values = self.embedding(token_ids, training=training)
        values = self.decoder(values, source, source_mask=source_mask, training=training)
        return self.embedding.logits(values)

    def start(self, source: Any, source_mask: Any, max_new_tokens: int) -> TokenDecoderState:
        """The state before the first token.

        Args:
            source: float [B, S, D].
            source_mask: bool [B, S], True = keep.
            max_new_tokens: the most tokens that will be made.

        Raises:
            ValueError: `max_new_tokens` is above the embedding's `max_length`.
        """
        self.embedding.check_length(max_new_tokens)
        cache = self.decoder.initial_cache(ops.shape(source)[0], max_new_tokens, source)
        return TokenDecoderState(ops.zeros((), dtype="int32"), cache, source_mask)

    def step(self, token_ids: Any, state: TokenDecoderState) -> tuple[Any, TokenDecoderState]:
        """Tokens int [B] to the logits [B, K] of the next, and the new state."""
        values = self.embedding(token_ids[:, None], state.position, training=False)
        values, cache = self.decoder(
            values, source_mask=state.source_mask, cache=state.cache, training=False
        )
        moved = state._replace(position=state.position + 1, cache=cache)
        return self.embedding.logits(values[:, 0]), moved

    def compute_output_shape(self, token_ids_shape: Any, *shapes: Any, **named: Any) -> Any:
        return (*token_ids_shape, self.embedding.size)


class TextDecoder(Configured):
    """How a text knows of its source, as a value: the decoder that is made of it.

    Attributes:
        kind: of the layer, with the `call`, `start` and `step` of `TokenDecoder`.
        cross_attention: whether the blocks in it look at a source.
    """

    kind: ClassVar[type[Composite]]
    cross_attention: ClassVar[bool]

    def layer(
        self, size: Size, embedding: TokenEmbedding, dropout: float = 0.0, **kwargs: Any
    ) -> Any:
        """An unbuilt layer of the kind.

        Args:
            size: how large it is.
            embedding: of the token ids.
            dropout: fraction of units dropped in training.
            kwargs: `name` and `dtype` of the layer; its parts get the same `dtype`.
        """
        dtype = {"dtype": kwargs["dtype"]} if "dtype" in kwargs else {}
        decoder = size.decoder(
            dropout, cross_attention=self.cross_attention, name="decoder", **dtype
        )
        return self.kind(decoder, embedding, **kwargs)


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Attending(TextDecoder):
    """The text looks at its source by cross-attention: a `TokenDecoder`.

    Example:

    >>> size = Size(dim=8, depth=1, num_heads=2, mlp_dim=16)
    >>> type(Attending().layer(size, TokenEmbedding(10, 8, max_length=6))).__name__
    'TokenDecoder'
    """

    kind: ClassVar[type[Composite]] = TokenDecoder
    cross_attention: ClassVar[bool] = True
