"""`CrossAttention`: every field looks at all the others."""

import functools
from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops

from mmkeras.contracts.fusion import Fusion
from mmkeras.layers.composite import Composite, copied
from mmkeras.layers.encoder_block import TransformerEncoderBlock
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.sizes import Size, size_of
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossAttention(Composite, Fusion):
    """In each of `depth` rounds, the tokens of a field attend to the tokens of all other fields.

    A model of one field has nobody to look at: its tokens pass unchanged. Where the others are
    absent in one sample, attention finds nothing there and adds no message.

    Source: the pairwise cross-modal Transformers of Tsai et al. 2019, "Multimodal Transformer for
    Unaligned Multimodal Language Sequences", with one source instead of one for each pair.

    Args:
        block: the unbuilt block that is copied for every field and round, such as
            `Size(...).block()`.
        depth: number of rounds.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((1, 2, 4), "float32"), np.ones((1, 2), bool))
    >>> from mmkeras.layers import Size
    >>> block = Size(dim=8, depth=1, num_heads=2, mlp_dim=16).block()
    >>> fusion = CrossAttention(block, depth=1)
    >>> tuple(fusion({"a": tokens, "b": tokens})["b"].values.shape)
    (1, 2, 8)
    """

    parts = ("block",)

    def __init__(
        self,
        block: TransformerEncoderBlock,
        depth: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dim = block.attention.dim
        self.depth = depth
        # Not the layer: it would count as one of the fusion's own.
        self.new_block = functools.partial(copied, block)
        self.projection = FieldProjection(self.dim, name="projection", dtype=self.dtype_policy)
        self.rounds: list[dict[str, TransformerEncoderBlock]] = []

    @property
    def block(self) -> TransformerEncoderBlock:
        """The pattern of every field's blocks."""
        return self.new_block()

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        self.projection.build(tokens_shape)
        shape = (None, None, self.dim)
        for i in range(self.depth if len(tokens_shape) > 1 else 0):
            blocks = {
                field: self.new_block(name=f"{field}_block_{i}") for field in sorted(tokens_shape)
            }
            for block in blocks.values():
                block.build(shape, shape)
            self.rounds.append(blocks)

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Tokens]:
        """See `Fusion.call`."""
        fused: dict[str, Tokens] = self.projection(dict(tokens))
        for blocks in self.rounds:
            others = {field: _others(fused, field) for field in fused}
            fused = {
                field: Tokens(
                    blocks[field](
                        values,
                        source=others[field].values,
                        attention_mask=others[field].mask,
                        training=training,
                    ),
                    mask,
                )
                for field, (values, mask) in fused.items()
            }
        return fused

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> dict[str, Tokens]:
        return self.projection.compute_output_shape(tokens_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"depth": self.depth}

    @classmethod
    def of_size(cls, size: str | Size = "small", dropout: float = 0.0) -> Self:
        """See `Fusion.of_size`."""
        size = size_of(size)
        return cls(size.block(dropout, name="block"), size.depth)


def _others(tokens: Mapping[str, Tokens], field: str) -> Tokens:
    """The tokens of all fields but one, one behind the other in the order of the fields' names."""
    others = [tokens[name] for name in sorted(tokens) if name != field]
    return Tokens(
        ops.concatenate([t.values for t in others], axis=1),
        ops.concatenate([t.mask for t in others], axis=1),
    )
