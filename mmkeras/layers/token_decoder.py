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
        self, size: Size, num_classes: int, max_length: int, dropout: float = 0.0, **kwargs: Any
    ) -> Any:
        """A built layer of the kind.

        Args:
            size: how large it is; `dim` is the width of the source, too.
            num_classes: K, the token ids.
            max_length: the longest text, in tokens.
            dropout: fraction of units dropped in training.
            kwargs: `dtype` of the layer and its parts.

        Raises:
            ValueError: the number of heads does not divide the width.
        """
        if size.dim % size.num_heads:
            fitting = [n for n in range(1, size.dim + 1) if size.dim % n == 0]
            raise ValueError(
                f"num_heads is {size.num_heads}, which does not divide the width {size.dim} of "
                f"its tokens; give it a num_heads of {fitting}."
            )
        embedding = TokenEmbedding(
            num_classes, size.dim, max_length, dropout, name="embedding", **kwargs
        )
        decoder = size.decoder(
            dropout, cross_attention=self.cross_attention, name="decoder", **kwargs
        )
        made = self.kind(decoder, embedding, name="token_decoder", **kwargs)
        made.build((None, None), (None, None, size.dim))
        return made


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Attending(TextDecoder):
    """The text looks at its source by cross-attention: a `TokenDecoder`.

    Example:

    >>> size = Size(dim=8, depth=1, num_heads=2, mlp_dim=16)
    >>> type(Attending().layer(size, num_classes=10, max_length=6)).__name__
    'TokenDecoder'
    """

    kind: ClassVar[type[Composite]] = TokenDecoder
    cross_attention: ClassVar[bool] = True


def forced(
    decoder: Any,
    token_ids: Any,
    source: Any,
    source_mask: Any,
    end_id: int,
    training: bool | None = None,
) -> Any:
    """How probable every token is behind the given ones before it (teacher forcing).

    Source: Williams & Zipser 1989, "A Learning Algorithm for Continually Running Fully Recurrent
    Neural Networks".

    Args:
        decoder: a layer that a `TextDecoder` made.
        token_ids: int [B, T], the true tokens, the end among them, and 0 behind it.
        source: float [B, S, D].
        source_mask: bool [B, S], True = keep.
        end_id: the token that ends a sequence, and also stands before the first one.
        training: True applies dropout.

    Returns:
        float32 [B, T, K - 1]: log-probabilities of the tokens from 1 on, since 0, the padding, is
        nothing that could follow.

    Example:

    >>> import numpy as np
    >>> decoder = Attending().layer(Size(8, 1, 2, 16), num_classes=10, max_length=6)
    >>> source, mask = np.ones((1, 4, 8), "float32"), np.ones((1, 4), bool)
    >>> gains = forced(decoder, np.array([[3, 4, 9]]), source, mask, end_id=9)
    >>> np.exp(gains).sum(axis=-1).round(4).tolist()
    [[1.0, 1.0, 1.0]]
    """
    before = ops.pad(token_ids[:, :-1], [[0, 0], [1, 0]], constant_values=end_id)
    logits = decoder(before, source, source_mask, training=training)
    return ops.log_softmax(ops.cast(logits, "float32")[..., 1:], axis=-1)


def gains_of(gains: Any, token_ids: Any) -> Any:
    """Of what `forced` gives, the log-probabilities of the true tokens.

    Args:
        gains: float [B, T, K - 1].
        token_ids: int [B, T], 0 behind the end.

    Returns:
        float [B, T], 0 behind the end.

    Example:

    >>> import numpy as np
    >>> np.array(gains_of(np.array([[[-3.0, -0.5], [-2.0, -1.0]]]), np.array([[2, 0]]))).tolist()
    [[-0.5, 0.0]]
    """
    found = ops.take_along_axis(gains, ops.maximum(token_ids - 1, 0)[..., None], axis=-1)
    return ops.where(token_ids > 0, found[..., 0], 0.0)
