"""`Tokenizer`: what is asked of every tokenizer, and the special tokens it may have."""

import abc
import dataclasses
from collections.abc import Iterable
from typing import Any, Self

import keras
import tensorflow as tf

from mmkeras.contracts.configured import Configured


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class SpecialTokens(Configured):
    """The names of the pieces that no text is cut into, None where a tokenizer has no such piece.

    Args:
        pad: fills up what is shorter than a batch.
        unknown: stands for what has no pieces.
        start: what a model may want before the first piece.
        end: what a model may want behind the last piece.
        mask: hides a piece.
    """

    pad: str | None = None
    unknown: str | None = None
    start: str | None = None
    end: str | None = None
    mask: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(name for name in self.get_config().values() if name is not None)


#: A tokenizer that knows pieces of texts only.
NO_SPECIAL_TOKENS = SpecialTokens()


class Tokenizer(Configured, abc.ABC):
    """Makes ids of texts, vectorised over a batch.

    Made of core TensorFlow operations only, so that it runs eagerly, in `tf.data`, in a
    `tf.function` and in a SavedModel that plain TensorFlow loads. Subclasses are frozen dataclasses
    of plain values.

    Text is never read as a special token: `"[SEP]"` in a text is cut into pieces as any other, so
    that nobody can forge a boundary.
    """

    @property
    @abc.abstractmethod
    def vocabulary_size(self) -> int:
        """How many ids there are, those of special tokens included."""

    @property
    @abc.abstractmethod
    def resources(self) -> list[Any]:
        """What an export has to track so that the lookup tables travel with the SavedModel."""

    @abc.abstractmethod
    def tokenize(self, texts: tf.Tensor, limit: int | None = None) -> tf.RaggedTensor:
        """Cuts texts into pieces.

        Args:
            texts: string [B], UTF-8.
            limit: reads no more than so many words of a text, which has at least as many pieces.

        Returns:
            int32 [B, None], the ids of the pieces, without any special token but the unknown one.

        Raises:
            tf.errors.InvalidArgumentError: a text is not valid UTF-8.
        """

    @classmethod
    @abc.abstractmethod
    def learn(cls, texts: Iterable[str | bytes], vocabulary_size: int, **options: Any) -> Self:
        """Learns a tokenizer of at most so many ids from texts."""

    @abc.abstractmethod
    def special_id(self, role: str) -> int | None:
        """The id of the piece that plays a part, one of the names of `SpecialTokens`."""

    @property
    def pad_id(self) -> int | None:
        """The id of the padding; None where there is none."""
        return self.special_id("pad")

    @property
    def shift(self) -> int:
        """By how much ids have to be raised so that 0 is no piece: 0 where it is the padding."""
        return 0 if self.pad_id == 0 else 1

    @property
    def unknown_id(self) -> int | None:
        """The id of what stands for the unknown; None where there is none."""
        return self.special_id("unknown")

    @property
    def start_id(self) -> int | None:
        """The id of what a model may want before the first piece; None where there is none."""
        return self.special_id("start")

    @property
    def end_id(self) -> int | None:
        """The id of what a model may want behind the last piece; None where there is none."""
        return self.special_id("end")

    @property
    def mask_id(self) -> int | None:
        """The id of what hides a piece; None where there is none."""
        return self.special_id("mask")
