"""`Concat`: one Transformer over the tokens of all fields."""

from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops

from mmkeras.contracts.fusion import Fusion
from mmkeras.layers.composite import Composite
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.stack import TransformerStack
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class Concat(Composite, Fusion):
    """Joint self-attention over all tokens, each marked with a learned embedding of its field.

    Source: the single-stream fusion of Kim et al. 2021, "ViLT".

    Args:
        stack: the unbuilt Transformer, such as `Size(...).stack()`.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((1, 2, 4), "float32"), np.ones((1, 2), bool))
    >>> from mmkeras.layers import Size
    >>> fusion = Concat(Size(dim=8, depth=1, num_heads=2, mlp_dim=16).stack())
    >>> tuple(fusion({"a": tokens, "b": tokens})["b"].values.shape)
    (1, 2, 8)
    """

    parts = ("stack",)

    def __init__(
        self,
        stack: TransformerStack,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dim = stack.dim
        self.stack = stack
        self.projection = FieldProjection(self.dim, name="projection", dtype=self.dtype_policy)

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

    @classmethod
    def of_size(cls, size: str | Size = "small", dropout: float = 0.0) -> Self:
        """See `Fusion.of_size`."""
        return cls(size_of(size).stack(dropout, name="stack"))
