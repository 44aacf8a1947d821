"""`Fusion`: the tokens of several fields become aware of each other."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras

from mmkeras.tokens import Tokens


class Fusion(keras.layers.Layer, abc.ABC):
    """A layer from `{field: Tokens}` to `{field: Tokens}` with the same keys.

    It names no modality, does not depend on the dict's order, and accepts that any subset of the
    fields is absent (mask all False) in any sample: absent fields change nothing in the others.

    Attributes:
        dim: D of the tokens it makes, the same for every field.
    """

    #: False where the tokens of a field know nothing of other fields.
    mixes: ClassVar[bool] = True

    dim: int

    @abc.abstractmethod
    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Tokens]:
        """Mixes a batch of fields.

        Args:
            tokens: one `Tokens` for each field; T and D may differ between fields.
            training: True applies dropout.
        """

    def get_build_config(self) -> dict[str, Any] | None:
        """None: the model that holds the fusion builds it, from `Tokens` instead of lists."""
        return None

    @classmethod
    @abc.abstractmethod
    def of_size(cls, size: Any = "small", dropout: float = 0.0) -> Self:
        """The fusion of a size: `"tiny"`, `"small"`, `"base"`, or a `mmkeras.layers.Size`.

        Raises:
            ValueError: the size is unknown.
        """
