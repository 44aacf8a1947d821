"""`Late`: fields stay apart until the task's head."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras

from mmkeras.contracts.fusion import Fusion
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.sizes import Size, size_of
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class Late(Fusion):
    """No exchange between fields: the head alone brings them together, each with one voice.

    The cheapest fusion and the hardest to beat where data are few.

    Args:
        dim: D of the result.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(np.ones((1, 2, 4), "float32"), np.ones((1, 2), bool))
    >>> tuple(Late(dim=8)({"a": tokens})["a"].values.shape)
    (1, 2, 8)
    """

    mixes: ClassVar[bool] = False

    def __init__(self, dim: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.dim = dim
        self.projection = FieldProjection(dim, name="projection", dtype=self.dtype_policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        self.projection.build(tokens_shape)

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Tokens]:
        """See `Fusion.call`."""
        return self.projection(dict(tokens))

    def compute_output_shape(self, tokens_shape: Mapping[str, Tokens]) -> dict[str, Tokens]:
        return self.projection.compute_output_shape(tokens_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"dim": self.dim}

    @classmethod
    def of_size(cls, size: str | Size = "small", dropout: float = 0.0) -> Self:
        """See `Fusion.of_size`; nothing is dropped here."""
        del dropout
        return cls(size_of(size).dim)
