"""`Bottleneck`: fields speak to each other through a few shared tokens."""

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
class Bottleneck(Composite, Fusion):
    """In each of `depth` rounds, every field attends to itself and to shared bottleneck tokens.

    The new bottleneck is the mean of what the present fields made of it, so that all exchange has
    to pass through `num_bottlenecks` tokens. The cost is linear in the number of fields.

    Source: Nagrani et al. 2021, "Attention Bottlenecks for Multimodal Fusion", equations 6 to 9.

    Args:
        block: the unbuilt block that is copied for every field and round, such as
            `Size(...).block()`.
        depth: number of rounds.
        num_bottlenecks: number of shared tokens; the paper takes 4.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((1, 2, 4), "float32"), np.ones((1, 2), bool))
    >>> from mmkeras.layers import Size
    >>> block = Size(dim=8, depth=1, num_heads=2, mlp_dim=16).block()
    >>> fusion = Bottleneck(block, depth=1)
    >>> tuple(fusion({"a": tokens, "b": tokens})["b"].values.shape)
    (1, 2, 8)
    """

    parts = ("block",)

    def __init__(
        self,
        block: TransformerEncoderBlock,
        depth: int,
        num_bottlenecks: int = 4,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dim = block.attention.dim
        self.depth = depth
        # Not the layer: it would count as one of the fusion's own.
        self.new_block = functools.partial(copied, block)
        self.num_bottlenecks = num_bottlenecks
        self.projection = FieldProjection(self.dim, name="projection", dtype=self.dtype_policy)
        self.rounds: list[dict[str, TransformerEncoderBlock]] = []

    @property
    def block(self) -> TransformerEncoderBlock:
        """The pattern of every field's blocks."""
        return self.new_block()

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        self.projection.build(tokens_shape)
        self.bottlenecks = self.add_weight(
            shape=(self.num_bottlenecks, self.dim),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="bottlenecks",
        )
        for i in range(self.depth):
            blocks = {
                field: self.new_block(name=f"{field}_block_{i}") for field in sorted(tokens_shape)
            }
            for block in blocks.values():
                block.build((None, None, self.dim))
            self.rounds.append(blocks)

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Tokens]:
        """See `Fusion.call`."""
        fused: dict[str, Tokens] = self.projection(dict(tokens))
        fields = sorted(fused)
        batch = ops.shape(fused[fields[0]].mask)[0]
        shared = ops.cast(self.bottlenecks, self.compute_dtype)
        shared = ops.broadcast_to(shared, (batch, self.num_bottlenecks, self.dim))
        open_mask = ops.ones((batch, self.num_bottlenecks), dtype="bool")
        for blocks in self.rounds:
            votes = present_count = 0.0
            for field in fields:
                values, mask = fused[field]
                joint = blocks[field](
                    ops.concatenate([shared, values], axis=1),
                    attention_mask=ops.concatenate([open_mask, mask], axis=1),
                    training=training,
                )
                fused[field] = Tokens(joint[:, self.num_bottlenecks :], mask)
                present = ops.cast(ops.any(mask, axis=1), joint.dtype)[:, None, None]
                votes = votes + joint[:, : self.num_bottlenecks] * present
                present_count = present_count + present
            shared = votes / ops.maximum(present_count, 1.0)
        return fused

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> dict[str, Tokens]:
        return self.projection.compute_output_shape(tokens_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"depth": self.depth, "num_bottlenecks": self.num_bottlenecks}

    @classmethod
    def of_size(cls, size: str | Size = "small", dropout: float = 0.0) -> Self:
        """See `Fusion.of_size`."""
        size = size_of(size)
        return cls(size.block(dropout, name="block"), size.depth)
