"""`Task`: from a raw label to a target, a head, a loss, metrics and back to what a person reads."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.configured import Configured
from mmkeras.contracts.mix import Mixture
from mmkeras.contracts.modality import TensorSpec
from mmkeras.tokens import Layout

#: `{field: {name: tensor}}`.
Tensors = Mapping[str, Mapping[str, tf.Tensor]]
#: Where nothing points into a field.
NO_ORIGINS: Tensors = {}
#: Where it is not known what of a field its tokens stand for.
NO_LAYOUTS: Mapping[str, Layout] = {}


@dataclasses.dataclass(frozen=True)
class Task(Configured, abc.ABC):
    """What a model is asked, from raw label to readable answer. Holds no weights.

    A raw label is a byte string, as every raw value is; the empty string means that the sample
    has no label for this task, which weights it 0. Every subclass is a frozen dataclass of plain
    Python values, so that it can be written into a model's configuration.

    The head's outputs are named (a dict); loss and metrics read them by name, and `decode` uses
    core TensorFlow operations only, because it runs inside the exported signature.
    """

    #: False where the target is made of the sample itself: no column holds labels.
    labelled: ClassVar[bool] = True
    #: True where a `str` handed in as a label is the path of a file that holds the raw label.
    is_file: ClassVar[bool] = False
    #: False where an answer is never quite equal to a label, as a voice is not.
    exact: ClassVar[bool] = True
    #: The arguments that a trained head depends on, whatever it looks like: they do not change.
    trained_with: ClassVar[frozenset[str]] = frozenset({"field", "fields", "tokenizer"})
    #: The origins that it needs of the fields that it points into; see `Modality.origins`.
    reads: ClassVar[frozenset[str]] = frozenset()

    @property
    def points_into(self) -> tuple[str, ...]:
        """The fields that targets or answers point into: `target` and `decode` get their origins.

        See `Modality.origins`. By default none.
        """
        return ()

    @property
    def repeatable(self) -> bool:
        """False where an answer is drawn, another each time. By default True."""
        return True

    @property
    def distils(self) -> tuple[str, ...]:
        """The outputs by which a teacher teaches this task; see `distil`. By default none."""
        return ()

    @property
    def draws(self) -> bool:
        """Whether answers need random numbers, which LiteRT does not have. By default False."""
        return False

    @property
    def compares(self) -> tuple[str, ...]:
        """The fields that it compares with each other, and that must not know of each other.

        A model that has such a task needs the fusion `Late`. By default none.
        """
        return ()

    @abc.abstractmethod
    def encode(self, value: Any) -> bytes:
        """Turns the label a person hands in into the raw byte string; None gives `b""`.

        Raises:
            TypeError: the label is of a kind that the task cannot read.
        """

    @abc.abstractmethod
    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """The training target of one raw label, in core TensorFlow operations.

        Any target of the right shape does for an empty string: its weight is 0.

        Args:
            raw: string [], the label; the empty string where there is none.
            origins: of the fields that the task points into, of one sample.

        Raises:
            tf.errors.InvalidArgumentError: the label is not one the task knows, or does not fit
                the sample; the message states the label and what is right.
        """

    def prepare(
        self, inputs: Tensors, target: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """One sample as the model meets it, after augmentation; by default as it is.

        For tasks that hide something of the sample and ask for it, and for targets that follow a
        sample's random changes. It runs in training and in evaluation.

        Args:
            inputs: the tensors of all fields, with the origins of those that the task points into.
            target: what `target` gave.
            seed: int32 [2], the only source of randomness.

        Returns:
            The inputs and the target.
        """
        del seed
        return inputs, target

    def hints(self) -> dict[str, TensorSpec]:
        """What of its target the head is told while it is trained; by default nothing.

        For heads that make a sequence, and learn each step from the true steps before it (teacher
        forcing, Williams & Zipser 1989). Such a head is called with the tokens and, where there is
        a target, with the hints; without them it makes everything itself. Both ways its outputs
        have the same names.
        """
        return {}

    def hint(self, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """The tensors of `hints`, of one sample's target, in core TensorFlow operations."""
        del target
        return {}

    def check_hint(self, name: str, value: np.ndarray) -> None:
        """Checks a hint that a person gives with a sample to be answered; by default none may be.

        Hints that are made of the target would be the answer itself.

        Args:
            name: of `hints`.
            value: of the shape and the dtype that `hints` states.

        Raises:
            ValueError: it may not be given, or is out of its range.
        """
        del value
        raise ValueError(
            f"hint {name!r} of {type(self).__name__} is made of true labels, in training alone; "
            "leave it out, and the answer is the model's own."
        )

    def trim(self, hints: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Cuts what is padding in all samples of a batch of hints; by default nothing."""
        return hints

    def mix(self, targets: tf.Tensor, mixture: Mixture) -> tf.Tensor:
        """The target of a sample that was mixed of several; see `Mix`.

        Args:
            targets: those of the n samples, as `prepare` gave them, with a leading n.
            mixture: what the mixed picture shows of each.

        Raises:
            ValueError: the task has no target of mixed pictures, which is the default.
        """
        del targets, mixture
        raise ValueError(f"{type(self).__name__} has no target of pictures that are mixed.")

    @abc.abstractmethod
    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """A layer from `{field: Tokens}` to `{output name: tensor [B, ...]}`.

        Args:
            name: of the layer.
            layouts: of each field's tokens; see `Encoder.layout`.

        Where the task has `hints`, the layer's call takes them, or None, as its second argument.
        """

    def guide(self, head: keras.layers.Layer) -> None:
        """Tells a head how to answer, where that is no matter of its weights; by default nothing.

        For heads that search for their answer. They begin as `head` made them; this is how a
        trained one is changed, see `MultimodalModel.set_task`.
        """
        del head

    @abc.abstractmethod
    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The loss of each sample, float [B], in `keras.ops`, from all outputs of the head."""

    def distil(
        self, target: Any, outputs: dict[str, Any], taught: dict[str, Any], temperature: float
    ) -> Any:
        """How far the outputs are from a teacher's, float [B], in `keras.ops`; see `distils`.

        Args:
            target: as in `loss`; it may tell which places count, and is no label to learn.
            outputs: the student's.
            taught: the teacher's for the same batch.
            temperature: by which logits are divided; see `mmkeras.losses.distillation`.

        Raises:
            ValueError: the task has no outputs that are choices, which is the default.
        """
        del target, outputs, taught, temperature
        raise ValueError(f"{type(self).__name__} has no choices that a teacher could soften.")

    @abc.abstractmethod
    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """New metric objects, by the name of the output that each compares with the target.

        Under the empty name stand those that compare all outputs, a dict, with the target.
        """

    def conclude(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The outputs as they leave the model on a device, in `keras.ops`; by default as they are.

        For tasks whose outputs are many and whose answer is small: it holds what of `decode` needs
        neither origins nor words.

        Args:
            outputs: what the head gave for a batch.

        Returns:
            Named tensors with a leading B, of static shapes where those of the outputs are.
        """
        return outputs

    @abc.abstractmethod
    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """What a person reads, from the head's outputs, in core TensorFlow operations.

        Args:
            outputs: what the head gave for a batch.
            origins: of the fields that the task points into, with a leading B.

        Returns:
            Named tensors with a leading B; strings where a person wants words.
        """

    def read(self, answer: dict[str, Any]) -> dict[str, Any]:
        """One sample's decoded values, as plain Python, in the form a person reads best.

        What comes first is the answer itself, in a form that `encode` takes for a label.
        """
        return answer

    def draw(self, picture: np.ndarray, answer: Any) -> np.ndarray | None:
        """The answer drawn over the picture that it points into; None where it is not for the eye.

        Args:
            picture: uint8 [h, w, 3], upright.
            answer: what `read` gave, or a label of the same form.

        Returns:
            uint8 [H, W, 3], perhaps enlarged.
        """
        del picture, answer
        return None

    def files(self, answer: Any, reference: bytes = b"") -> dict[str, Any]:
        """What of an answer belongs into files of its own; by default nothing.

        Args:
            answer: what `read` gave.
            reference: the raw label of the sample, to be shown beside it; empty where there is
                none.

        Returns:
            Bytes, or a picture, uint8 [h, w, 3], by the suffix of the file's name.
        """
        del answer, reference
        return {}

    def scores(self, answers: Sequence[Any], labels: Sequence[Any]) -> dict[str, float]:
        """Measures that need all answers at once, in plain Python; by default there are none.

        Args:
            answers: what `read` gave for each sample.
            labels: their raw labels, none of them empty; where the task takes none, the targets
                that `prepare` made, as arrays.
        """
        del answers, labels
        return {}

    def scoring(
        self, answers: Sequence[Any], labels: Sequence[Any]
    ) -> Callable[[Sequence[int]], dict[str, float]]:
        """`scores` of any choice of the samples, such as those of a group.

        Where samples are looked for among each other, all of them stay to be found.

        Args:
            answers: see `scores`.
            labels: see `scores`.

        Returns:
            From places of samples, some of them perhaps several times, to their scores.
        """
        return lambda chosen: self.scores([answers[i] for i in chosen], [labels[i] for i in chosen])

    def evidence(self, outputs: dict[str, Any], of: str | None = None) -> Any:
        """What an answer rests on, as one number for each sample, in `keras.ops`.

        Explanations tell where it comes from: it has gradients everywhere and no bounds, as
        log-odds.

        Args:
            outputs: what the head gave for a batch.
            of: the answer to explain, such as the name of a class; None: the one that is given.

        Returns:
            float [B].

        Raises:
            ValueError: there is no such number, which is the default, or no such answer.
        """
        del outputs, of
        raise ValueError(
            f"an answer of {type(self).__name__} is no single number or class, which is what can "
            "be explained; tasks that can be are Classification and Regression."
        )

    def undefined(self, measure: str, targets: np.ndarray | None) -> str:
        """Why a metric says nothing of some samples; by default it says something of all.

        Args:
            measure: its name, without the task's.
            targets: those of the samples, with a leading N; None where they were not kept.

        Returns:
            The reason; empty where the metric is defined.
        """
        del measure, targets
        return ""

    @classmethod
    @abc.abstractmethod
    def tiny(cls) -> Self:
        """A smallest working instance, for tests."""

    @abc.abstractmethod
    def labels(self) -> list[bytes]:
        """A few valid raw labels, different from each other, for tests."""


def task_of(kind: type[Task], tasks: Mapping[str, Task], name: str | None = None) -> str:
    """The name of a model's one task of a kind.

    Args:
        kind: its class.
        tasks: the model's.
        name: which of several it is; None: there is one.

    Raises:
        ValueError: there is no such task, or several and none is named.

    Example:

    >>> from mmkeras.tasks import Regression, TextGeneration
    >>> task_of(TextGeneration, {"caption": TextGeneration.tiny(), "stars": Regression()})
    'caption'
    """
    found = [each for each, task in tasks.items() if isinstance(task, kind)]
    if name is not None and name not in found:
        raise ValueError(
            f"{name!r} is no task {kind.__name__} of the model; those are {found}, of "
            f"{list(tasks)}."
        )
    if name is None and len(found) != 1:
        told = f"{found}; name one of them" if found else f"of {list(tasks)}"
        raise ValueError(f"the model has {len(found)} tasks {kind.__name__}, {told}.")
    return name or found[0]


def pointed_into(tasks: Mapping[str, Task]) -> list[str]:
    """The fields that at least one of the tasks points into."""
    return sorted({field for task in tasks.values() for field in task.points_into})


def hint_name(task: str, hint: str) -> str:
    """What a model calls the input that is a task's hint.

    Example:

    >>> hint_name("caption", "token_ids")
    'caption_given_token_ids'
    """
    return f"{task}_given_{hint}"


def hints_of(task: str, hints: Mapping[str, Any]) -> dict[str, Any]:
    """The hints of a task by the names of a model's inputs."""
    return {hint_name(task, name): value for name, value in hints.items()}
