"""`WordTransformer`: words by their parts to tokens, one for each word."""

from typing import Any, Self

import keras
from keras import ops

from mmkeras.contracts.encoder import Encoder
from mmkeras.layers.composite import Composite
from mmkeras.layers.positions import LearnedPositions
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.stack import TransformerStack
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class WordTransformer(Composite, Encoder):
    """A word is the sum of the embeddings of its parts; a Transformer stack makes words aware.

    The sum is divided by the root of the number of parts, so that long words vary as much as short
    ones; learned positions are added and the result is normalised. Id 0 is padding.

    Source: words as sums of n-grams, Bojanowski et al. 2017, "Enriching Word Vectors with Subword
    Information", section 3.2; what follows them, Devlin et al. 2019.

    Args:
        vocabulary_size: number of ids of parts.
        max_length: the longest text, in words.
        stack: the unbuilt Transformer, such as `Size(...).stack()`.
        dropout: fraction of units dropped in training in front of it.

    Example:

    >>> import numpy as np
    >>> stack = Size(dim=16, depth=1, num_heads=2, mlp_dim=32).stack()
    >>> encoder = WordTransformer(50, max_length=8, stack=stack)
    >>> tokens = encoder({"part_ids": np.array([[[3, 7, 0], [5, 7, 9], [0, 0, 0]]])})
    >>> tuple(tokens.values.shape), np.array(tokens.mask).tolist()
    ((1, 3, 16), [[True, True, False]])
    """

    parts = ("stack",)
    reads = frozenset({"part_ids"})

    def __init__(
        self,
        vocabulary_size: int,
        max_length: int,
        stack: TransformerStack,
        dropout: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.config = {
            "vocabulary_size": vocabulary_size,
            "max_length": max_length,
            "dropout": dropout,
        }
        self.dim = stack.dim
        self.stack = stack
        policy = self.dtype_policy
        self.embedding = keras.layers.Embedding(
            vocabulary_size, self.dim, name="embedding", dtype=policy
        )
        self.positions = LearnedPositions(max_length, name="positions", dtype=policy)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)

    def build(self, tensors_shape: dict[str, Any]) -> None:
        shape = (*tensors_shape["part_ids"][:-1], self.dim)
        self.embedding.build(tensors_shape["part_ids"])
        self.positions.build(shape)
        self.norm.build(shape)
        self.stack.build(shape)

    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """`part_ids` int [B, T, P] to tokens [B, T, D]."""
        ids = tensors["part_ids"]
        there = ops.not_equal(ids, 0)
        mask = ops.any(there, axis=-1)
        parts = self.embedding(ids)
        kept = ops.cast(there, parts.dtype)
        count = ops.maximum(ops.sum(kept, axis=-1, keepdims=True), 1.0)
        words = ops.einsum("btp,btpd->btd", kept / ops.sqrt(count), parts)
        values = self.dropout(self.norm(self.positions(words)), training=training)
        return Tokens(self.stack(values, attention_mask=mask, training=training), mask)

    def compute_output_shape(self, tensors_shape: dict[str, Any]) -> Tokens:
        shape = tensors_shape["part_ids"][:-1]
        return Tokens((*shape, self.dim), shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config

    @classmethod
    def for_modality(
        cls, modality: Any, size: str | Size = "small", *, dropout: float = 0.1, **overrides: Any
    ) -> Self:
        """The encoder of a named size for a `Words`; see `Encoder.for_modality`."""
        cls.check_reads(modality)
        fitted = {
            "stack": size_of(size).stack(dropout, name="stack", dtype=overrides.get("dtype")),
            "dropout": dropout,
            "vocabulary_size": modality.vocabulary_size,
            "max_length": modality.max_length,
        }
        return cls(**fitted | overrides)
