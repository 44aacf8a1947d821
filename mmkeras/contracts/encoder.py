"""`Encoder`: tensors of one modality become `Tokens`."""

import abc
from typing import Any, ClassVar, Self

import keras

from mmkeras.contracts.modality import Modality
from mmkeras.tokens import Grids, Layout, Tokens


class Encoder(keras.layers.Layer, abc.ABC):
    """A layer from the tensors of one modality to `Tokens`, written in `keras.ops`.

    It does not pool, does not classify and does not know of other modalities. Padding in its
    input changes nothing in the tokens that are kept.

    Attributes:
        reads: the names of the tensors it takes; it fits every modality that makes just these.
        dim: D of the tokens it makes.
        is_default: whether a model takes it for a modality that it reads, where none is given.
    """

    reads: ClassVar[frozenset[str]]
    dim: int
    is_default: ClassVar[bool] = True

    @property
    def grids(self) -> Grids:
        """The grids, (rows, columns) each, finest first, whose cells the tokens are, row by row.

        The cells of a grid share the picture evenly. Empty where tokens are no cells; tasks that
        answer with places in a picture read them.
        """
        return ()

    @property
    def step_s(self) -> float:
        """Seconds between the beginnings of two tokens; 0 where tokens are not steps in time."""
        return 0.0

    @property
    def layout(self) -> Layout:
        """What of the raw value the tokens stand for."""
        return Layout(self.grids, self.step_s)

    @abc.abstractmethod
    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """Encodes a batch.

        Args:
            tensors: what the modality's `preprocess` gives, with a leading B.
            training: True applies dropout.
        """

    @classmethod
    @abc.abstractmethod
    def for_modality(
        cls, modality: Modality, size: Any = "small", *, dropout: float = 0.1, **overrides: Any
    ) -> Self:
        """The encoder that fits a modality.

        Args:
            modality: what makes its tensors.
            size: `"tiny"`, `"small"`, `"base"`, or a `mmkeras.layers.Size`.
            dropout: fraction of units dropped in training.
            overrides: other arguments of the constructor.

        Raises:
            ValueError: the size is unknown, or the modality makes other tensors.
        """

    @classmethod
    def check_reads(cls, modality: Modality) -> None:
        """Raises a ValueError unless the modality makes the tensors that this encoder reads."""
        made = frozenset(modality.specs())
        if made != cls.reads:
            raise ValueError(
                f"{cls.__name__} reads {sorted(cls.reads)}, but {type(modality).__name__} makes "
                f"{sorted(made)}; pass an encoder that fits."
            )
