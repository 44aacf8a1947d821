"""`MultimodalModel`: fields, encoders, a fusion and tasks joined into one Keras model."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from mmkeras import answers
from mmkeras import encoders as encoder_kinds
from mmkeras.contracts import Encoder, Fusion, Modality, Source, Task
from mmkeras.contracts.task import NO_ORIGINS, Tensors, hint_name, hints_of, pointed_into
from mmkeras.fields import Fields
from mmkeras.fusions import Concat, Late
from mmkeras.layers import ModalityDropout
from mmkeras.losses import uncertainty_weighted
from mmkeras.pipeline import pipeline
from mmkeras.rows import shown
from mmkeras.tokens import Layout, Tokens

#: Of `loss_weights`: those are learned.
LEARNED = "learned"


@keras.saving.register_keras_serializable(package="mmkeras")
class MultimodalModel(keras.Model):
    """Any fields in, any tasks out; a functional Keras model, so that all of Keras works on it.

    Inputs are the tensors of all fields in one flat dict (see `Fields`); outputs are
    `{task: {output: tensor}}`. Loss and metrics come with the tasks: `compile` needs an optimizer
    alone. The total loss is the weighted sum, over tasks, of each task's mean over the samples
    that have its label.

    Args:
        fields: `{name: modality}`.
        tasks: `{name: task}`.
        size: `"tiny"`, `"small"` or `"base"`, of the encoders and the fusion not given.
        encoders: `{field: encoder}` for fields that shall not have their modality's default.
        fusion: how the fields become aware of each other; where none is given, `Concat`, or `Late`
            if a task compares fields with each other.
        dropout: of the encoders and the fusion not given.
        modality_dropout: chance that a field is hidden from the model, in each sample, while
            training; makes the model good at every subset of fields.
        loss_weights: `{task: weight}`, 1 where not given; or `"learned"`: each task's loss counts
            by how uncertain the model is of it (see `mmkeras.losses.uncertainty_weighted`), which
            is learned with the rest.

    Raises:
        ValueError: no field or no task; a name that is no identifier or given twice; other words
            for `loss_weights`; an encoder for an unknown field or one that does not fit its
            modality; a fusion that mixes the fields that a task compares.

    Example:

    >>> from mmkeras.modalities import Image, Text
    >>> from mmkeras.tasks import Classification
    >>> model = MultimodalModel(
    ...     fields={"review": Text.tiny(), "photo": Image.tiny()},
    ...     tasks={"sentiment": Classification(["negative", "positive"])},
    ...     size="tiny",
    ... )
    >>> model.compile(optimizer="adam")
    >>> answer = model.answer({"review": "the dog!"})
    >>> answer["sentiment"]["label"] in ("negative", "positive")
    True
    """

    def __init__(
        self,
        fields: Mapping[str, Modality],
        tasks: Mapping[str, Task],
        size: str = "small",
        encoders: Mapping[str, Encoder] | None = None,
        fusion: Fusion | None = None,
        dropout: float = 0.1,
        modality_dropout: float = 0.0,
        loss_weights: Mapping[str, float] | str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        fields = Fields(fields)
        encoders = dict(encoders or {})
        learned = loss_weights == LEARNED
        if isinstance(loss_weights, str) and not learned:
            raise ValueError(
                f"loss_weights must be {{task: weight}} or {LEARNED!r}; got {loss_weights!r}."
            )
        _check_names("task", tasks)
        _check_known("encoders", encoders, fields)
        _check_known("loss_weights", {} if learned else loss_weights or {}, tasks)
        for task_name, task in tasks.items():
            _check_pointing(task_name, task, fields)
            _check_comparing(task_name, task, fields, fusion)
        for field, modality in fields.items():
            if field in encoders:
                encoders[field].check_reads(modality)
            else:
                encoders[field] = _default_encoder(modality, size, field, dropout)
        if fusion is None:
            compared = any(task.compares for task in tasks.values())
            fusion = (Late if compared else Concat).of_size(size, dropout)

        inputs = {
            name: keras.Input(_free(spec.shape, modality_is_ragged), dtype=spec.dtype, name=name)
            for field, modality in fields.items()
            for name, spec in fields.join({field: modality.specs()}).items()
            for modality_is_ragged in [name == f"{field}_{modality.ragged}"]
        }
        tokens = {
            field: encoders[field](tensors) for field, tensors in fields.split(inputs).items()
        }
        if modality_dropout:
            tokens = ModalityDropout(modality_dropout, name="modality_dropout")(tokens)
        tokens = fusion(tokens)
        layouts = _layouts(encoders)
        outputs, hints = {}, {}
        for task_name, task in tasks.items():
            told = {
                hint: keras.Input(
                    spec.shape, dtype=spec.dtype, name=hint_name(task_name, hint), optional=True
                )
                for hint, spec in task.hints().items()
            }
            hints |= hints_of(task_name, told)
            outputs[task_name] = task.head(task_name, layouts)(tokens, *([told] if told else []))
        super().__init__(inputs=inputs | hints, outputs=outputs, name=name, **kwargs)

        self.fields = fields
        self.tasks = dict(tasks)
        self.encoders = encoders
        self.fusion = fusion
        self.modality_dropout = modality_dropout
        self.loss_weights = LEARNED if learned else dict(loss_weights or {})
        self.log_variances = {
            task: self.add_weight((), "zeros", "float32", name=f"{task}_log_variance")
            for task in (tasks if learned else ())
        }
        self.measures = {}
        self._measured: dict[str, tuple[str, str]] = {}
        for task_name, task in tasks.items():
            for output, metrics in task.metrics().items():
                for metric in metrics:
                    metric.name = f"{task_name}_{metric.name}"
                    self.measures[metric.name] = metric
                    self._measured[metric.name] = (task_name, output)
        #: Whom it learns from beside the labels; see `mmkeras.training.distil`. No part of it.
        self.teacher: Any = None
        self.loss_means = {
            task: keras.metrics.Mean(name=f"{task}_loss") for task in tasks if len(tasks) > 1
        }

    @property
    def input_spec(self) -> None:
        """None: Keras would ask for the hints, which are there in training alone."""
        return None

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The outputs of all tasks, `{task: {output: tensor}}`.

        Args:
            inputs: `{field_tensor: tensor}`, and the hints of the tasks (see `Task.hints`) where
                they are known.
            training: True applies dropout.
            mask: unused.

        Raises:
            ValueError: a tensor of a field is missing.
        """
        missing = sorted(set(self.fields.specs()) - set(inputs))
        if missing:
            raise ValueError(
                f"the inputs lack {missing}; the model takes {sorted(self.fields.specs())}."
            )
        inputs = {name: inputs.get(name) for name in self.input}
        return super().call(inputs, training=training, mask=mask)

    def fused(self, inputs: Mapping[str, Any]) -> dict[str, Tokens]:
        """The tokens of all fields as the heads of tasks are given them, outside of training.

        Args:
            inputs: `{field_tensor: tensor}`.

        Returns:
            `{field: Tokens}`.
        """
        parts = self.fields.split(inputs)
        tokens = {
            field: self.encoders[field](tensors, training=False) for field, tensors in parts.items()
        }
        return self.fusion(tokens, training=False)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The weighted sum of the tasks' losses, each the mean over its labelled samples.

        Where there is a teacher, what it says of the batch counts in training too.

        Args:
            x: the inputs, for the teacher.
            y: `{task: target}`; tasks that are not in it are left out.
            y_pred: `{task: {output: tensor}}`.
            sample_weight: None, or `{task: float [B]}`, 0 where a sample has no label.
            training: False leaves the teacher out.
        """
        teacher = self.teacher if training else None
        taught = {} if teacher is None else teacher.model(x, training=False)
        mean = _LabelledMean()
        total = ops.zeros(())
        for loss in self.losses:
            total = total + mean(ops.reshape(loss, (1,)))
        for name in y:
            loss = self.tasks[name].loss(y[name], y_pred[name])
            weight = _weight(sample_weight, name, loss)
            if name in self.loss_means:
                self.loss_means[name].update_state(loss, sample_weight=weight)
            loss = mean(loss, weight)
            if teacher is not None:
                soft = self.tasks[name].distil(
                    y[name], y_pred[name], taught[name], teacher.temperature
                )
                soft = mean(soft, ops.ones_like(soft))
                loss = teacher.alpha * loss + (1.0 - teacher.alpha) * soft
            total = total + self._weighed(name, loss, weight)
        return total

    def _weighed(self, task: str, loss: Any, weights: Any) -> Any:
        """How much of a task's loss counts; none where no sample has a label."""
        if task not in self.log_variances:
            return self.loss_weights.get(task, 1.0) * loss
        there = ops.cast(ops.any(weights > 0), loss.dtype)
        return there * uncertainty_weighted(loss, self.log_variances[task])

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Updates the tasks' metrics and returns all results by name."""
        del x
        for name, metric in self.measures.items():
            task, output = self._measured[name]
            if task in y:
                weight = None if sample_weight is None else sample_weight.get(task)
                made = y_pred[task][output] if output else y_pred[task]
                metric.update_state(y[task], made, sample_weight=weight)
        return self.get_metrics_result()

    def pipeline(
        self, source: Source, labels: bool = True, origins: bool = False, **options: Any
    ) -> Any:
        """`mmkeras.pipeline` with this model's fields and, if `labels`, its tasks.

        Args:
            source: where the samples come from.
            labels: whether targets and weights come along.
            origins: whether, without labels, elements are (inputs, origins), origins being what
                `decode` needs of the fields that tasks point into.
            **options: of `mmkeras.pipeline`.
        """
        if labels:
            return pipeline(source, self.fields, self.tasks, **options)
        pointed = pointed_into(self.tasks) if origins else None
        return pipeline(source, self.fields, origins=pointed, **options)

    def make_train_function(self, force: bool = False) -> Any:
        """As Keras does it; before, the optimizer makes its variables for the weights that train.

        TensorFlow traces a step twice that makes variables, which is most of the time to the first
        step and leaves two graphs.
        """
        optimizer, weights = self.optimizer, self.trainable_variables
        is_whole = all(layer.built for layer in self._flatten_layers())
        if optimizer is not None and not optimizer.built and weights and is_whole:
            optimizer.build(weights)
        return super().make_train_function(force)

    def predict_on_batch(self, x: Any) -> Any:
        """As Keras does it, and on every backend of what `pipeline` gives: TensorFlow's tensors."""
        return super().predict_on_batch(keras.tree.map_structure(ops.convert_to_tensor, x))

    def answer(
        self,
        samples: Any,
        batch_size: int = 32,
        hints: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Any:
        """What a person reads, for one raw sample or several.

        Args:
            samples: `{field: value}` or a list of such dicts; a value is a text, a path, encoded
                bytes, an array, or None. Fields may be missing.
            batch_size: samples in one forward pass.
            hints: `{task: {hint: value}}`, what heads are told beside the samples, the same for
                all of them; see the task's `hints`, such as the `control` of `SpeechSynthesis`.
                Those that are made of true labels may not be given.

        Returns:
            `{task: {name: value}}` for one sample, a list of these for a list.

        Raises:
            ValueError: a sample names no known field, or a value cannot be read; the message names
                sample, field, value and reason. A hint is unknown, of another shape, out of its
                range or made of labels.
        """
        predict = self.predict_on_batch
        return answers.answer(self.fields, self.tasks, predict, samples, batch_size, hints)

    def embed(self, samples: Any, batch_size: int = 32) -> dict[str, np.ndarray]:
        """The vectors of samples in the space that a task `Contrastive` makes.

        Args:
            samples: one or several, as `answer` takes them.
            batch_size: samples in one forward pass.

        Returns:
            `{field: float32 [D]}` for one sample, `{field: float32 [N, D]}` for a list: vectors of
            length 1, or zeros where the field is absent.

        Raises:
            ValueError: the model has no such task, or several; or see `answer`.
        """
        task = self.compared()
        answers = self.answer(samples, batch_size)
        if isinstance(samples, Mapping):
            return {field: np.array(v, "float32") for field, v in answers[task].items()}
        dim = self.output[task][self.tasks[task].compares[0]].shape[-1]
        return {
            field: np.array([answer[task][field] for answer in answers], "float32").reshape(-1, dim)
            for field in self.tasks[task].compares
        }

    def compared(self, field: str | None = None) -> str:
        """The name of the one task that makes a space of fields.

        Args:
            field: one that has to be in this space; None: any.

        Raises:
            ValueError: there is no such task, or several, or the field is in none.
        """
        found = [name for name, task in self.tasks.items() if task.compares]
        if len(found) != 1:
            raise ValueError(
                f"the model needs one task Contrastive; it has the tasks {list(self.tasks)}."
            )
        fields = self.tasks[found[0]].compares
        if field is not None and field not in fields:
            raise ValueError(f"task {found[0]!r} has vectors of {list(fields)}, not of {field!r}.")
        return found[0]

    def draw(self, sample: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
        """An answer drawn over the picture that it is about, for every task that can.

        Args:
            sample: `{field: value}`, as `answer` takes it.
            answer: what `answer` gave for it.

        Returns:
            `{task: uint8 array [h, w, 3]}`.

        Raises:
            ImportError: Pillow is not installed.
        """
        return answers.drawn(self.fields, self.tasks, sample, answer)

    def set_task(self, name: str, **changes: Any) -> None:
        """Changes how a task of this model answers; the weights stay as they are.

        Args:
            name: the task's.
            **changes: arguments of its constructor, such as `beams` of a `SpeechRecognition`.

        Raises:
            ValueError: the model has no such task, or the task no such argument; or the argument is
                no matter of answers alone, such as the tokenizer or what the head is made of.

        Example:

        >>> from mmkeras.decoding import CTCBeams
        >>> from mmkeras.modalities import Audio
        >>> from mmkeras.tasks import SpeechRecognition
        >>> task = SpeechRecognition.tiny()
        >>> model = MultimodalModel({"speech": Audio.tiny()}, {"text": task}, size="tiny")
        >>> model.set_task("text", beams=CTCBeams(num_beams=4))
        >>> model.tasks["text"].beams.num_beams
        4
        """
        if name not in self.tasks:
            raise ValueError(f"the model has no task {name!r}; it has {list(self.tasks)}.")
        known = [field.name for field in dataclasses.fields(self.tasks[name])]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise ValueError(f"task {name!r} has no {unknown}; it has {known}.")
        for argument in sorted(self.tasks[name].trained_with & set(changes)):
            if changes[argument] != getattr(self.tasks[name], argument):
                raise ValueError(
                    f"task {name!r} cannot change its {argument} to {shown(changes[argument])}: "
                    "its weights were trained with the one it has, and would give wrong answers "
                    "with another; make a new model, and train that."
                )
        changed = dataclasses.replace(self.tasks[name], **changes)
        head, there = changed.head(name, _layouts(self.encoders)), self.get_layer(name)
        changed.guide(there)
        same = [layer.get_config() | {"dtype": None} for layer in (head, there)]
        if type(head) is not type(there) or same[0] != same[1]:
            self.tasks[name].guide(there)
            raise ValueError(
                f"with other {sorted(changes)}, the head of task {name!r} would have to be made "
                "anew, and set_task only changes how the one that is there answers; make a new "
                "model, and copy the weights that fit."
            )
        # Keras keeps the graphs in which the head answered as before.
        self.predict_function = self.test_function = self.train_function = None
        self.tasks[name] = changed

    def decode(
        self, outputs: Mapping[str, Mapping[str, Any]], origins: Tensors = NO_ORIGINS
    ) -> list[dict[str, Any]]:
        """What a person reads, from the model's outputs for a batch: a dict for each sample.

        Args:
            outputs: `{task: {output: array [B, ...]}}`.
            origins: of the fields that tasks point into; see `pipeline`.

        Raises:
            ValueError: a task points into a field whose origins are missing.
        """
        return answers.decode(self.tasks, outputs, origins)

    def get_config(self) -> dict[str, Any]:
        """Everything but the weights."""
        # "trainable" is left out where it is True: setting it would thaw frozen encoders.
        return ({} if self.trainable else {"trainable": False}) | {
            "name": self.name,
            "dtype": self.dtype_policy.name,
            "fields": _serialize(self.fields),
            "tasks": _serialize(self.tasks),
            "encoders": _serialize(self.encoders),
            "fusion": keras.saving.serialize_keras_object(self.fusion),
            "modality_dropout": self.modality_dropout,
            "loss_weights": self.loss_weights,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The model that `get_config` described, with new weights."""
        config = dict(config)
        for part in ("fields", "tasks", "encoders"):
            config[part] = {
                name: keras.saving.deserialize_keras_object(value, custom_objects)
                for name, value in config[part].items()
            }
        config["fusion"] = keras.saving.deserialize_keras_object(config["fusion"], custom_objects)
        # Heads are made anew: in the precision in which the model was made, not today's.
        today = keras.config.dtype_policy()
        keras.config.set_dtype_policy(config.pop("dtype"))
        try:
            model = cls(**config)
        finally:
            keras.config.set_dtype_policy(today)
        # A layer that is made frozen does not freeze the layers it is made of, and to set again
        # what is set does nothing.
        for layer in model.layers:
            if not layer.trainable:
                layer.trainable = True
                layer.trainable = False
        return model


def _layouts(encoders: Mapping[str, Encoder]) -> dict[str, Layout]:
    """Those of the tokens of each field."""
    return {field: encoder.layout for field, encoder in encoders.items()}


class _LabelledMean(keras.losses.Loss):
    """The mean of the losses of the samples that count; Keras divides it among replicas."""

    def __init__(self) -> None:
        super().__init__("labelled_mean", reduction="mean_with_sample_weight")

    def __call__(self, losses: Any, weights: Any = None) -> Any:
        return super().__call__(losses, losses, weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        del y_true
        return y_pred


def _default_encoder(modality: Modality, size: str, field: str, dropout: float) -> Encoder:
    for kind in (getattr(encoder_kinds, name) for name in encoder_kinds.__all__):
        if kind.is_default and kind.reads == frozenset(modality.specs()):
            return kind.for_modality(modality, size, name=f"{field}_encoder", dropout=dropout)
    raise ValueError(
        f"field {field!r}: {type(modality).__name__} has no default encoder; pass one in "
        "encoders={field: ...}."
    )


def _free(shape: tuple[int, ...], ragged: bool) -> tuple[int | None, ...]:
    """The shape with its first dimension left open where batches may be trimmed."""
    return (None, *shape[1:]) if ragged else shape


def _weight(sample_weight: Any, task: str, loss: Any) -> Any:
    if sample_weight is None or task not in sample_weight:
        return ops.ones_like(loss)
    return ops.cast(sample_weight[task], loss.dtype)


def _check_names(kind: str, named: Mapping[str, Any]) -> None:
    if not named:
        raise ValueError(f"a model needs at least one {kind}; got none.")
    for name in named:
        if not name.isidentifier():
            raise ValueError(f"a {kind}'s name must be a Python identifier; got {name!r}.")


def _check_known(argument: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{argument} names {unknown}, but there are only {sorted(known)}.")


def _check_pointing(name: str, task: Task, fields: Fields) -> None:
    for field in task.points_into:
        if field not in fields:
            raise ValueError(
                f"task {name!r} points into field {field!r}, but the fields are {list(fields)}."
            )
        missing = sorted(task.reads - set(fields[field].origins()))
        if missing:
            raise ValueError(
                f"task {name!r} points into field {field!r}, whose {type(fields[field]).__name__} "
                f"cannot tell the {missing} of its tensors; an Image can, and so can a Text with a "
                "tokenizer that knows offsets, such as WordPiece."
            )


def _check_comparing(name: str, task: Task, fields: Fields, fusion: Fusion | None) -> None:
    unknown = sorted(set(task.compares) - set(fields))
    if unknown:
        raise ValueError(f"task {name!r} compares {unknown}, but the fields are {list(fields)}.")
    if task.compares and fusion is not None and fusion.mixes:
        raise ValueError(
            f"task {name!r} compares the fields {list(task.compares)}, which the fusion "
            f"{type(fusion).__name__} lets know of each other; use Late."
        )


def _serialize(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
