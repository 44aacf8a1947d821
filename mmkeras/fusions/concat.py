"""`Concat`: one Transformer over the tokens of all fields."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops

from mmkeras.contracts.fusion import Fusion
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.sizes import Size, size_named
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class Concat(Fusion):
    """Joint self-attention over all tokens, each marked with a learned embedding of its field.

    Source: the single-stream fusion of Kim et al. 2021, "ViLT".

    Args:
        dim, depth, num_heads, mlp_dim: see `Size`.
        dropout: fraction of units dropped in training.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((1, 2, 4), "float32"), np.ones((1, 2), bool))
    >>> fusion = Concat(dim=8, depth=1, num_heads=2, mlp_dim=16)
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
        policy = self.dtype_policy
        self.projection = FieldProjection(dim, name="projection", dtype=policy)
        self.stack = Size(dim, depth, num_heads, mlp_dim).stack(dropout, name="stack", dtype=policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        self.projection.build(tokens_shape)
        self.stack.build((None, None, self.dim))
        self.field_embeddings = {
            field: self.add_weight(
                shape=(self.dim,),
                initializer=keras.initializers.TruncatedNormal(stddev=0.02),
                name=f"{field}_embedding",
            )
            for field in sorted(tokens_shape)
        }

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Tokens]:
        """See `Fusion.call`."""
        tokens = self.projection(dict(tokens))
        fields = sorted(tokens)
        marked = [
            tokens[field].values + ops.cast(self.field_embeddings[field], self.compute_dtype)
            for field in fields
        ]
        joint = self.stack(
            ops.concatenate(marked, axis=1),
            attention_mask=ops.concatenate([tokens[field].mask for field in fields], axis=1),
            training=training,
        )
        fused, start = {}, 0
        for field in fields:
            length = ops.shape(tokens[field].mask)[1]
            fused[field] = Tokens(joint[:, start : start + length], tokens[field].mask)
            start += length
        return fused

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> dict[str, Tokens]:
        return self.projection.compute_output_shape(tokens_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config

    @classmethod
    def of_size(cls, size: str = "small", dropout: float = 0.0) -> Self:
        """See `Fusion.of_size`."""
        return cls(**dataclasses.asdict(size_named(size)), dropout=dropout)
