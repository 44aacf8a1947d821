"""`PrefixDecoder`: a source and the text about it as one sequence of a causal language model."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from mmkeras.layers.composite import Composite
from mmkeras.layers.decoder import TransformerDecoder
from mmkeras.layers.decoder_block import DecoderBlockCache
from mmkeras.layers.masks import AttentionMask
from mmkeras.layers.token_decoder import TextDecoder
from mmkeras.layers.token_embedding import TokenEmbedding


class PrefixDecoderState(NamedTuple):
    """What a `PrefixDecoder` keeps from one token to the next.

    Attributes:
        position: int32 scalar: number of tokens of the text so far.
        cache: of its blocks, source and text in one.
        there: bool [B, S + L], False where the source has no token.
    """

    position: Any
    cache: tuple[DecoderBlockCache, ...]
    there: Any


@keras.saving.register_keras_serializable(package="mmkeras")
class PrefixDecoder(Composite):
    """Token ids behind the tokens of a source, which all see each other, to logits.

    Without tokens in the source it is a causal language model of the text alone. What it is called
    with is what `TokenDecoder` is called with.

    Sources: the prefix of Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a
    Unified Text-to-Text Transformer", section 3.2.1; tokens of a picture in it, through two dense
    layers, as in Liu et al. 2024, "Improved Baselines with Visual Instruction Tuning".

    Args:
        decoder: an unbuilt `TransformerDecoder` without cross-attention, such as
            `Size(...).decoder(cross_attention=False)`.
        embedding: an unbuilt `TokenEmbedding`.

    Example:

    >>> import numpy as np
    >>> from mmkeras.layers import Size
    >>> small = Size(dim=8, depth=1, num_heads=2, mlp_dim=16).decoder(cross_attention=False)
    >>> decoder = PrefixDecoder(small, TokenEmbedding(10, 8, max_length=6))
    >>> state = decoder.start(np.ones((1, 4, 8), "float32"), np.ones((1, 4), bool), 6)
    >>> logits, state = decoder.step(np.array([1]), state)
    >>> tuple(logits.shape)
    (1, 10)
    """

    parts = ("decoder", "embedding")

    def __init__(self, decoder: TransformerDecoder, embedding: TokenEmbedding, **kwargs: Any):
        super().__init__(**kwargs)
        self.decoder, self.embedding = decoder, embedding
        dim, policy = embedding.dim, self.dtype_policy
        self.expand = keras.layers.Dense(dim, activation="gelu", name="expand", dtype=policy)
        self.contract = keras.layers.Dense(dim, name="contract", dtype=policy)

    def build(self, token_ids_shape: Any, source_shape: Any, *shapes: Any, **named: Any) -> None:
        joined = (None, None, self.embedding.dim)
        self.embedding.build(token_ids_shape)
        self.expand.build(source_shape)
        self.contract.build(joined)
        self.decoder.build(joined)

    def call(
        self, token_ids: Any, source: Any, source_mask: Any, training: bool | None = None
    ) -> Any:
        """Whole sequences; see `TokenDecoder.call`."""
        prefix, length = self._prefix(source)
        text = self.embedding(token_ids, training=training)
        there = ops.concatenate([source_mask, ops.ones_like(token_ids, dtype="bool")], axis=1)
        values = self.decoder(
            ops.concatenate([prefix, text], axis=1),
            attention_mask=AttentionMask(keys=there, prefix=length),
            training=training,
        )
        return self.embedding.logits(values[:, length:])

    def start(self, source: Any, source_mask: Any, max_new_tokens: int) -> PrefixDecoderState:
        """The state behind the source and before the first token; see `TokenDecoder.start`."""
        self.embedding.check_length(max_new_tokens)
        prefix, length = self._prefix(source)
        batch = ops.shape(prefix)[0]
        room = ops.ones((batch, max_new_tokens), dtype="bool")
        there = ops.concatenate([source_mask, room], axis=1)
        _, cache = self.decoder(
            prefix,
            attention_mask=AttentionMask(keys=there, prefix=length),
            cache=self.decoder.initial_cache(batch, length + max_new_tokens),
            training=False,
        )
        return PrefixDecoderState(ops.zeros((), dtype="int32"), cache, there)

    def step(self, token_ids: Any, state: PrefixDecoderState) -> tuple[Any, PrefixDecoderState]:
        """See `TokenDecoder.step`."""
        values, cache = self.decoder(
            self.embedding(token_ids[:, None], state.position, training=False),
            attention_mask=state.there,
            cache=state.cache,
            training=False,
        )
        logits = self.embedding.logits(values[:, 0])
        return logits, PrefixDecoderState(state.position + 1, cache, state.there)

    def _prefix(self, source: Any) -> tuple[Any, Any]:
        """The source as the decoder takes it, and how many tokens it has."""
        return self.contract(self.expand(source)), ops.shape(source)[1]

    def compute_output_shape(self, token_ids_shape: Any, *shapes: Any, **named: Any) -> Any:
        return (*token_ids_shape, self.embedding.size)


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Prefix(TextDecoder):
    """The text stands behind its source, in one causal language model: a `PrefixDecoder`.

    Example:

    >>> from mmkeras.layers import Size
    >>> size = Size(dim=8, depth=1, num_heads=2, mlp_dim=16)
    >>> type(Prefix().layer(size, num_classes=10, max_length=6)).__name__
    'PrefixDecoder'
    """

    kind: ClassVar[type[Composite]] = PrefixDecoder
    cross_attention: ClassVar[bool] = False
