"""`TransformerDecoder`: decoder blocks one behind the other, whole or token by token."""

from collections.abc import Sequence
from typing import Any

import keras

from mmkeras.layers.checkpoint import checkpointed
from mmkeras.layers.composite import Composite
from mmkeras.layers.decoder_block import DecoderBlockCache, TransformerDecoderBlock


@keras.saving.register_keras_serializable(package="mmkeras")
class TransformerDecoder(Composite):
    """Decoder blocks and, where they normalise first, a last normalisation.

    Args:
        blocks: unbuilt blocks, at least one.
        norm: an unbuilt normalisation for the result, or None.
        checkpoint: whether training computes activations again instead of keeping them; see
            `TransformerStack`.

    Raises:
        ValueError: there is no block.

    Example:

    >>> import numpy as np
    >>> from mmkeras.layers import FeedForward, MultiHeadAttention
    >>> decoder = TransformerDecoder(
    ...     [TransformerDecoderBlock(MultiHeadAttention(8, num_heads=2), FeedForward(8, 16))]
    ... )
    >>> values = np.random.default_rng(0).normal(size=(1, 3, 8)).astype("float32")
    >>> whole, cache = decoder(values), decoder.initial_cache(batch=1, length=3)
    >>> for t in range(3):
    ...     last, cache = decoder(values[:, t : t + 1], cache=cache)
    >>> bool(np.allclose(last[:, 0], whole[:, 2], atol=1e-5))
    True
    """

    parts = ("blocks", "norm")

    def __init__(
        self,
        blocks: Sequence[TransformerDecoderBlock],
        norm: keras.layers.Layer | None = None,
        *,
        checkpoint: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not blocks:
            raise ValueError(f"blocks must hold at least one decoder block; got {blocks!r}.")
        self.blocks = list(blocks)
        self.norm = norm
        self.checkpoint = checkpoint

    def build(self, values_shape: Any, source_shape: Any = None, **shapes: Any) -> None:
        for block in self.blocks:
            block.build(values_shape, source_shape)
        if self.norm is not None:
            self.norm.build(values_shape)

    def call(
        self,
        values: Any,
        source: Any = None,
        attention_mask: Any = None,
        source_mask: Any = None,
        cache: tuple[DecoderBlockCache, ...] | None = None,
        training: bool | None = None,
    ) -> Any:
        """All blocks; see `TransformerDecoderBlock.call`.

        Returns:
            float [B, T, D]; with a `cache`, that and the new cache.
        """
        masks = {"attention_mask": attention_mask, "source_mask": source_mask}
        given = (values,) if source is None else (values, source)
        caches = []
        for i, block in enumerate(self.blocks):
            if cache is not None:
                values, kept = block(*given, **masks, cache=cache[i], training=training)
                caches.append(kept)
            elif self.checkpoint and training:
                values = checkpointed(block, *given, **masks, training=training)
            else:
                values = block(*given, **masks, training=training)
            given = (values, *given[1:])
        values = values if self.norm is None else self.norm(values)
        return values if cache is None else (values, tuple(caches))

    def initial_cache(
        self, batch: Any, length: int, source: Any = None
    ) -> tuple[DecoderBlockCache, ...]:
        """The cache before the first token; see `TransformerDecoderBlock.initial_cache`."""
        return tuple(block.initial_cache(batch, length, source) for block in self.blocks)

    def compute_output_shape(self, values_shape: Any, *shapes: Any, **named: Any) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"checkpoint": self.checkpoint}
