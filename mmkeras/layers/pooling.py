"""From token sequences to one embedding for each sample."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmkeras.tokens import Tokens


def masked_mean(values: Any, mask: Any) -> Any:
    """The mean over the tokens that the mask keeps; zeros where it keeps none.

    Args:
        values: float [B, T, D].
        mask: bool [B, T], True = keep.

    Returns:
        float [B, D].

    Example:

    >>> import numpy as np
    >>> values = np.array([[[1.0], [3.0], [50.0]]], "float32")
    >>> np.array(masked_mean(values, np.array([[True, True, False]]))).tolist()
    [[2.0]]
    """
    # `where` and not a product: a masked infinity must not become NaN.
    kept = ops.where(mask[..., None], values, ops.zeros_like(values))
    count = ops.sum(ops.cast(mask, values.dtype), axis=1)
    return ops.sum(kept, axis=1) / ops.maximum(count, 1.0)[:, None]


def masked_max(values: Any, mask: Any) -> Any:
    """The largest of each channel over the tokens that the mask keeps; zeros where it keeps none.

    Args:
        values: float [B, T, D].
        mask: bool [B, T], True = keep.

    Returns:
        float [B, D].

    Example:

    >>> import numpy as np
    >>> values = np.array([[[1.0], [3.0], [50.0]]], "float32")
    >>> np.array(masked_max(values, np.array([[True, True, False]]))).tolist()
    [[3.0]]
    """
    lowest = ops.cast(-3e4, values.dtype)  # float16 ends at 65504.
    largest = ops.max(ops.where(mask[..., None], values, lowest), axis=1)
    return ops.where(ops.any(mask, axis=1)[:, None], largest, ops.zeros_like(largest))


def first_token(values: Any, mask: Any) -> Any:
    """The first token, as BERT pools by its `[CLS]`; zeros where it is masked.

    Args:
        values: float [B, T, D].
        mask: bool [B, T], True = keep.

    Returns:
        float [B, D].
    """
    return ops.where(mask[:, :1], values[:, 0], ops.zeros_like(values[:, 0]))


class AttentionPooling(keras.layers.Layer):
    """The mean of the tokens that a mask keeps, weighted by how much a learned query attends to.

    Source: Yang et al. 2016, "Hierarchical Attention Networks for Document Classification",
    equations 5 to 7, with a linear score.

    Example:

    >>> import numpy as np
    >>> pooled = AttentionPooling()(np.ones((2, 3, 4), "float32"), np.ones((2, 3), bool))
    >>> tuple(pooled.shape)
    (2, 4)
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        # Zeros: it begins as the mean.
        self.score = keras.layers.Dense(
            1, use_bias=False, kernel_initializer="zeros", name="score", dtype=self.dtype_policy
        )

    def build(self, values_shape: Any, mask_shape: Any = None) -> None:
        self.score.build((None, None, values_shape[-1]))

    def call(self, values: Any, mask: Any) -> Any:
        """float [B, T, D] and bool [B, T] to float [B, D]; zeros where the mask keeps none."""
        kept = ops.where(mask[..., None], values, ops.zeros_like(values))
        scores = ops.cast(self.score(kept)[..., 0], "float32")
        scores = ops.where(mask, scores, -1e9)
        weights = ops.softmax(scores, axis=1) * ops.cast(mask, "float32")
        return ops.sum(ops.cast(weights, kept.dtype)[..., None] * kept, axis=1)

    def compute_output_shape(self, values_shape: Any, mask_shape: Any = None) -> Any:
        return (values_shape[0], values_shape[-1])


#: How the tokens of a field become one; `"attention"` learns which of them count.
POOLS = {"mean": masked_mean, "max": masked_max, "first": first_token, "attention": None}


def check_pool(pool: str) -> None:
    """Raises a ValueError unless there is such a pool; see `POOLS`."""
    if pool not in POOLS:
        raise ValueError(f"pool must be one of {list(POOLS)}; got {pool!r}.")


class FieldPooling(keras.layers.Layer):
    """`{field: Tokens}` to one token for each field: its vote, its projected, pooled tokens.

    What is pooled of a field is normalised and projected by its own dense layer. An absent field
    votes zero and is masked, so that `masked_mean` over the votes gives every present field one
    voice.

    Args:
        dim: D of the votes.
        dropout: fraction of units dropped in training before the projections.
        pool: `"mean"`, `"max"`, `"first"` or `"attention"`; see `POOLS`.

    Raises:
        ValueError: there is no such pool.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((2, 3, 4), "float32"), np.ones((2, 3), bool))
    >>> votes = FieldPooling(dim=8)({"a": tokens, "b": tokens})
    >>> tuple(votes.values.shape), tuple(votes.mask.shape)
    ((2, 2, 8), (2, 2))
    """

    def __init__(self, dim: int, dropout: float = 0.0, pool: str = "mean", **kwargs: Any):
        super().__init__(**kwargs)
        check_pool(pool)
        self.dim = dim
        self.pool = pool
        self.pools: dict[str, Any] = {}
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.norms: dict[str, keras.layers.Layer] = {}
        self.projections: dict[str, keras.layers.Layer] = {}

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        policy = self.dtype_policy
        for field in sorted(tokens_shape):
            width = tokens_shape[field].values[-1]
            self.norms[field] = keras.layers.LayerNormalization(
                epsilon=1e-6, name=f"{field}_norm", dtype=policy
            )
            self.projections[field] = keras.layers.Dense(
                self.dim, name=f"{field}_projection", dtype=policy
            )
            self.pools[field] = POOLS[self.pool] or AttentionPooling(
                name=f"{field}_pool", dtype=policy
            )
            self.norms[field].build((None, width))
            self.projections[field].build((None, width))

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> Tokens:
        """`{field: Tokens}` to Tokens [B, F, D], the F fields in the order of their names."""
        votes, presence = [], []
        for field in sorted(tokens):
            values, mask = tokens[field]
            pooled = self.norms[field](self.pools[field](values, mask))
            pooled = self.projections[field](self.dropout(pooled, training=training))
            present = ops.any(mask, axis=1)
            votes.append(pooled * ops.cast(present, pooled.dtype)[:, None])
            presence.append(present)
        return Tokens(ops.stack(votes, axis=1), ops.stack(presence, axis=1))

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> Tokens:
        batch = next(iter(tokens_shape.values())).values[0]
        return Tokens((batch, len(tokens_shape), self.dim), (batch, len(tokens_shape)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "dim": self.dim,
            "dropout": self.dropout.rate,
            "pool": self.pool,
        }
