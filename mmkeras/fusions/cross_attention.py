"""`CrossAttention`: every field looks at all the others."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops

from mmkeras.contracts.fusion import Fusion
from mmkeras.layers.encoder_block import TransformerEncoderBlock
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.sizes import Size, size_named
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossAttention(Fusion):
    """In each of `depth` rounds, the tokens of a field attend to the tokens of all other fields.

    A model of one field has nobody to look at: its tokens pass unchanged. Where the others are
    absent in one sample, attention finds nothing there and adds no message.

    Source: the pairwise cross-modal Transformers of Tsai et al. 2019, "Multimodal Transformer for
    Unaligned Multimodal Language Sequences", with one source instead of one for each pair.

    Args:
        dim, num_heads, mlp_dim: see `Size`.
        depth: number of rounds.
        dropout: fraction of units dropped in training.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((1, 2, 4), "float32"), np.ones((1, 2), bool))
    >>> fusion = CrossAttention(dim=8, depth=1, num_heads=2, mlp_dim=16)
    >>> tuple(fusion({"a": tokens, "b": tokens})["b"].values.shape)
    (1, 2, 8)
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        num_heads: int,
        mlp_dim: int,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.config = {
            "dim": dim,
            "depth": depth,
            "num_heads": num_heads,
            "mlp_dim": mlp_dim,
            "dropout": dropout,
        }
        self.dim = dim
        self.size = Size(dim, depth, num_heads, mlp_dim)
        self.projection = FieldProjection(dim, name="projection", dtype=self.dtype_policy)
        self.rounds: list[dict[str, TransformerEncoderBlock]] = []

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        self.projection.build(tokens_shape)
        shape = (None, None, self.dim)
        for i in range(self.config["depth"] if len(tokens_shape) > 1 else 0):
            blocks = {
                field: self.size.block(
                    self.config["dropout"], name=f"{field}_block_{i}", dtype=self.dtype_policy
                )
                for field in sorted(tokens_shape)
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
        return super().get_config() | self.config

    @classmethod
    def of_size(cls, size: str = "small", dropout: float = 0.0) -> Self:
        """See `Fusion.of_size`."""
        return cls(**dataclasses.asdict(size_named(size)), dropout=dropout)


def _others(tokens: Mapping[str, Tokens], field: str) -> Tokens:
    """The tokens of all fields but one, one behind the other in the order of the fields' names."""
    others = [tokens[name] for name in sorted(tokens) if name != field]
    return Tokens(
        ops.concatenate([t.values for t in others], axis=1),
        ops.concatenate([t.mask for t in others], axis=1),
    )
