"""`Mix`: several samples become one, for training."""

import abc
import dataclasses
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from mmkeras.contracts.configured import Configured


class Mixture(NamedTuple):
    """What of each of n pictures a mixed one shows, in shares of width and height.

    Attributes:
        shares: float32 [n], how much of the mixed picture is of each; their sum is 1.
        places: float32 [n, 4], the box of the mixed picture that each whole picture would fill.
        shown: float32 [n, 4], the box in which it is seen; later ones lie on top.
        blended: whether pictures shine through each other, so that no place is of one alone.
    """

    shares: tf.Tensor
    places: tf.Tensor
    shown: tf.Tensor
    blended: bool


@dataclasses.dataclass(frozen=True)
class Mix(Configured, abc.ABC):
    """How the pictures of several samples become one, and what of each it then shows.

    The tasks mix their targets by what the `Mixture` says; see `Task.mix`. Every subclass is a
    frozen dataclass of plain Python values with a `chance`, of a sample to be mixed at all.
    """

    #: n: how many samples become one.
    samples: ClassVar[int]

    chance: float = 1.0

    def __post_init__(self) -> None:
        """Checks the chance."""
        if not 0 < self.chance <= 1:
            raise ValueError(
                f"{type(self).__name__}: chance is {self.chance}; it has to be in (0, 1], such as "
                "0.5."
            )

    @abc.abstractmethod
    def mix(self, pixels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, Mixture]:
        """The mixed picture.

        Args:
            pixels: float32 [n, H, W, C].
            seed: int32 [2], the only source of randomness.

        Returns:
            float32 [H, W, C], and what it shows.
        """


#: Used where a mixture is all of one picture.
WHOLE: Any = (0.0, 0.0, 1.0, 1.0)
