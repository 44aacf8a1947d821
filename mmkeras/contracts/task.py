"""`Task`: from a raw label to a target, a head, a loss, metrics and back to what a person reads."""

import abc
import dataclasses
from typing import Any, Self

import keras
import tensorflow as tf

from mmkeras.contracts.configured import Configured


@dataclasses.dataclass(frozen=True)
class Task(Configured, abc.ABC):
    """What a model is asked, from raw label to readable answer. Holds no weights.

    A raw label is a byte string, as every raw value is; the empty string means that the sample
    has no label for this task, which weights it 0. Every subclass is a frozen dataclass of plain
    Python values, so that it can be written into a model's configuration.

    The head's outputs are named (a dict); loss and metrics read them by name, and `decode` uses
    core TensorFlow operations only, because it runs inside the exported signature.
    """

    @abc.abstractmethod
    def encode(self, value: Any) -> bytes:
        """Turns the label a person hands in into the raw byte string; None gives `b""`.

        Raises:
            TypeError: the label is of a kind that the task cannot read.
        """

    @abc.abstractmethod
    def target(self, raw: tf.Tensor) -> tf.Tensor:
        """The training target of one raw label (string []), in core TensorFlow operations.

        Any target of the right shape does for an empty string: its weight is 0.

        Raises:
            tf.errors.InvalidArgumentError: the label is not one the task knows; the message
                states the label and the known ones.
        """

    @abc.abstractmethod
    def head(self, name: str) -> keras.layers.Layer:
        """A layer from `{field: Tokens}` to `{output name: tensor [B, ...]}`."""

    @abc.abstractmethod
    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The loss of each sample, float [B], in `keras.ops`, from all outputs of the head."""

    @abc.abstractmethod
    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """New metric objects, by the name of the output that each compares with the target."""

    @abc.abstractmethod
    def decode(self, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What a person reads, from the head's outputs, in core TensorFlow operations.

        Returns:
            Named tensors with a leading B; strings where a person wants words.
        """

    def read(self, answer: dict[str, Any]) -> dict[str, Any]:
        """One sample's decoded values, as plain Python, in the form a person reads best."""
        return answer

    @classmethod
    @abc.abstractmethod
    def tiny(cls) -> Self:
        """A smallest working instance, for tests."""

    @abc.abstractmethod
    def labels(self) -> list[bytes]:
        """A few valid raw labels, different from each other, for tests."""
