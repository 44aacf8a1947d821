"""`Modality`: how one raw value becomes tensors."""

import abc
import dataclasses
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import tensorflow as tf

from mmkeras.contracts.configured import Configured


class TensorSpec(NamedTuple):
    """Shape and dtype of one tensor of one sample.

    Attributes:
        shape: the static shape, batch dimension left out.
        dtype: the dtype's name, such as `"float32"`.
    """

    shape: tuple[int, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class Modality(Configured, abc.ABC):
    """How one raw value (text, an encoded picture, a recording) becomes tensors. Holds no weights.

    A raw value is a byte string, the same in `tf.data` and in a served request; the empty string
    means that the value is absent. Every subclass is a frozen dataclass whose fields are plain
    Python values, so that it can be written into a model's configuration.

    `preprocess` may use core TensorFlow operations only, because the same function runs in
    `tf.data` and inside the exported signature. It knows nothing of models and tasks.
    """

    #: True where a `str` handed in by a user is the path of a file that holds the raw value.
    is_file: ClassVar[bool] = False
    #: The name of the tensor dimension that `trim` may shorten, or None where every shape is fixed.
    ragged: ClassVar[str | None] = None

    @abc.abstractmethod
    def encode(self, value: Any) -> bytes:
        """Turns what a person hands in into the raw byte string.

        Args:
            value: None (absent), bytes (already raw), or what the modality calls natural: a `str`
                for text, a NumPy array for pictures and sound. Paths are read by the caller.

        Returns:
            The raw value; `b""` for an absent one.

        Raises:
            TypeError: the value is of a kind that the modality cannot read.
            ValueError: the value is of the right kind and wrong, such as an array of wrong rank.
        """

    def convert(self, contents: tf.Tensor) -> tf.Tensor:
        """Contents of files as `preprocess` reads them; by default they are that already.

        Runs between reading and `preprocess` wherever Python runs, in `pipeline` and in `answer`:
        here an optional package may read what core TensorFlow cannot. An exported model does
        without it.

        Args:
            contents: string [B], raw values and files of other formats.

        Returns:
            string [B], raw values; these and the empty string stay as they are.
        """
        return contents

    @abc.abstractmethod
    def specs(self) -> dict[str, TensorSpec]:
        """The tensors that `preprocess` makes of one sample, all shapes static."""

    @abc.abstractmethod
    def preprocess(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Turns one raw value into the tensors that `specs` states.

        Args:
            raw: string tensor of shape [], the raw value.

        Returns:
            A tensor for every entry of `specs`. An empty string gives what `absent` gives.
        """

    @abc.abstractmethod
    def absent(self) -> dict[str, np.ndarray]:
        """The tensors of one sample in which this field is absent."""

    def origins(self) -> dict[str, TensorSpec]:
        """What is known of the place in the raw value that each tensor comes from; by default none.

        Tasks read it whose labels and answers point into the raw value, as named entities point
        into a text. No encoder reads it, and it is made only where a task asks for it.
        """
        return {}

    def located(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One raw value's tensors, and those of `origins`; by default there are none of these."""
        return self.preprocess(raw)

    def preprocess_batch(self, raw: tf.Tensor, origins: bool = False) -> dict[str, tf.Tensor]:
        """`preprocess` over a batch.

        Args:
            raw: string [B], the raw values.
            origins: whether the tensors of `origins` are made too; a modality that has some
                overrides `located`, or this method.

        Returns:
            The tensors, with a leading B.
        """
        specs = self.specs() | (self.origins() if origins else {})
        signature = {name: tf.TensorSpec(spec.shape, spec.dtype) for name, spec in specs.items()}

        def read(raw: tf.Tensor) -> dict[str, tf.Tensor]:
            made = self.located(raw)
            return {name: made[name] for name in specs}

        return tf.map_fn(read, raw, fn_output_signature=signature)

    def augment(self, tensors: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """A randomly changed copy of one preprocessed sample that means the same; by default none.

        Args:
            tensors: what `preprocess` gave, and `origins` where they were made.
            seed: int32 [2], the only source of randomness.
        """
        del seed
        return tensors

    def length(self, tensors: dict[str, tf.Tensor]) -> tf.Tensor:
        """int32 []: how much of the ragged dimension one sample fills; 0 where none is ragged."""
        del tensors
        return tf.constant(0, tf.int32)

    def trim(self, batch: dict[str, tf.Tensor], length: tf.Tensor) -> dict[str, tf.Tensor]:
        """Cuts the padding of a batch behind `length` (int32 []); by default nothing is ragged."""
        del length
        return batch

    def resources(self) -> list[Any]:
        """TensorFlow resources, such as lookup tables, that an export has to take along."""
        return []

    @classmethod
    @abc.abstractmethod
    def tiny(cls) -> Self:
        """A smallest working instance, for tests."""

    @abc.abstractmethod
    def samples(self) -> list[bytes]:
        """A few valid raw values, different from each other, for tests and warm-up requests."""
