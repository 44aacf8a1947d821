"""`TextTransformer`: token ids to tokens."""

from typing import Any, Self

import keras
from keras import ops

from mmkeras.contracts.encoder import Encoder
from mmkeras.layers.composite import Composite
from mmkeras.layers.positions import LearnedPositions
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.stack import TransformerStack
from mmkeras.layers.windows import check_window, joined, windows_of
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class TextTransformer(Composite, Encoder):
    """Embeddings of token ids, learned positions and a Transformer stack. Id 0 is padding.

    Source: the encoder of Vaswani et al. 2017 with learned positions, as in Devlin et al. 2019.

    Args:
        vocabulary_size: number of token ids.
        max_length: the longest text, in tokens.
        stack: the unbuilt Transformer, such as `Size(...).stack()`.
        dropout: fraction of units dropped in training in front of it.
        window: reads texts in windows of so many tokens, for texts of thousands of them, at a cost
            that grows with their length and not with its square; None reads them as a whole.
        overlap: tokens at either side of a window that it sees too; see `windows_of`.

    Raises:
        ValueError: the window is not larger than twice the overlap.

    Example:

    >>> import numpy as np
    >>> stack = Size(dim=16, depth=1, num_heads=2, mlp_dim=32).stack()
    >>> encoder = TextTransformer(50, max_length=8, stack=stack)
    >>> tokens = encoder({"token_ids": np.array([[3, 7, 0]])})
    >>> tuple(tokens.values.shape), np.array(tokens.mask).tolist()
    ((1, 3, 16), [[True, True, False]])
    """

    parts = ("stack",)
    reads = frozenset({"token_ids"})

    def __init__(
        self,
        vocabulary_size: int,
        max_length: int,
        stack: TransformerStack,
        dropout: float = 0.1,
        window: int | None = None,
        overlap: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.config = {
            "vocabulary_size": vocabulary_size,
            "max_length": max_length,
            "dropout": dropout,
            "window": window,
            "overlap": overlap,
        }
        if window is not None:
            check_window(window, overlap)
        self.dim = stack.dim
        self.stack = stack
        policy = self.dtype_policy
        self.embedding = keras.layers.Embedding(
            vocabulary_size, self.dim, name="embedding", dtype=policy
        )
        self.positions = LearnedPositions(window or max_length, name="positions", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)

    def build(self, tensors_shape: dict[str, Any]) -> None:
        batch, length = tensors_shape["token_ids"]
        shape = (batch, self.config["window"] or length, self.dim)
        self.embedding.build(shape[:2])
        self.positions.build(shape)
        self.stack.build(shape)

    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """`token_ids` int [B, T] to tokens [B, T, D]."""
        ids = tensors["token_ids"]
        window, overlap = self.config["window"], self.config["overlap"]
        if window is None:
            return Tokens(self._encoded(ids, training), ops.not_equal(ids, 0))
        length = ids.shape[1] or ops.shape(ids)[1]
        values = self._encoded(windows_of(ids, window, overlap), training)
        return Tokens(joined(values, length, window, overlap), ops.not_equal(ids, 0))

    def _encoded(self, ids: Any, training: bool | None) -> Any:
        values = self.dropout(self.positions(self.embedding(ids)), training=training)
        return self.stack(values, attention_mask=ops.not_equal(ids, 0), training=training)

    def compute_output_shape(self, tensors_shape: dict[str, Any]) -> Tokens:
        shape = tensors_shape["token_ids"]
        return Tokens((*shape, self.dim), shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config

    @classmethod
    def for_modality(
        cls, modality: Any, size: str | Size = "small", *, dropout: float = 0.1, **overrides: Any
    ) -> Self:
        """The encoder of a named size for a `Text`; see `Encoder.for_modality`."""
        cls.check_reads(modality)
        fitted = {
            "stack": size_of(size).stack(dropout, name="stack", dtype=overrides.get("dtype")),
            "dropout": dropout,
            "vocabulary_size": modality.vocabulary_size,
            "max_length": modality.max_length,
        }
        return cls(**fitted | overrides)
