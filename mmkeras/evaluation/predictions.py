"""`predictions`: one pass of a model over a source, from which a report is made."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts import Source, Task
from mmkeras.evaluation.in_order import check_in_order
from mmkeras.evaluation.lacking import lacking
from mmkeras.evaluation.states import Additive, of_loss, of_metric
from mmkeras.model import MultimodalModel
from mmkeras.quiet import quiet_tensorflow
from mmkeras.tasks import Classification

#: So many samples are asked whether a metric is a sum over samples.
_ASKED = 8
_WEIGHTS, _TARGETS, _LOGITS = "weights", "targets", "logits"


@dataclasses.dataclass(frozen=True)
class Classified:
    """What a `Classification` made of its samples.

    Attributes:
        targets: int [N], classes; or float [N, K], 1 where one of several applies.
        logits: float [N, K], before the task's temperature.
    """

    targets: np.ndarray
    logits: np.ndarray

    def of(self, chosen: np.ndarray) -> "Classified":
        """Those of the samples that are chosen, bool [N]."""
        return Classified(self.targets[chosen], self.logits[chosen])


@dataclasses.dataclass(frozen=True)
class TaskPredictions:
    """What one task's outputs amount to, sample by sample.

    Attributes:
        weights: float [N], 1 where a sample has a label.
        measures: those of the task that are sums: its loss and its metrics.
        sums: for each measure float [N, S], what each sample adds to it.
        dependent: names of those that are not: what they say of a sample depends on its batch.
        classified: of a `Classification`; None of other tasks.
    """

    weights: np.ndarray
    measures: tuple[Additive, ...]
    sums: Mapping[str, np.ndarray]
    dependent: tuple[str, ...] = ()
    classified: Classified | None = None

    @property
    def labelled(self) -> np.ndarray:
        """bool [N], which samples have a label."""
        return self.weights > 0

    @property
    def losses(self) -> np.ndarray | None:
        """float [N], the loss of each sample, NaN where it has no label; None: it is no sum."""
        first = self.measures[0].name if self.measures else ""
        if not first.endswith("_loss"):
            return None
        return np.where(self.labelled, self.sums[first][:, 0], np.nan)


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model made of the samples of a source, in its order.

    Attributes:
        tasks: by name; those that the source has labels for.
        absent: the fields and tasks that it has no column for.
        present: bool [N] for each field, whether a sample has it; nothing where it was not asked.
        size: N, the number of samples.
    """

    tasks: Mapping[str, TaskPredictions]
    absent: tuple[str, ...]
    present: Mapping[str, np.ndarray]
    size: int

    def __len__(self) -> int:
        return self.size


def predictions(
    model: MultimodalModel,
    source: Source,
    batch_size: int = 64,
    presence: bool = True,
    **options: Any,
) -> Predictions:
    """One pass over the samples, as `model.evaluate` makes it.

    Tasks that write, such as captions, are told the true text so far here, as in `fit`.

    Args:
        model: the model; it need not be compiled.
        source: held-out samples, at least one.
        batch_size: samples in one forward pass.
        presence: whether it is looked up which fields a sample has, which reads them again.
        **options: of `mmkeras.pipeline`, as far as every sample keeps its place; a bad one stops
            the evaluation.

    Raises:
        KeyError: the source has none of the fields, or none of the tasks.
        ValueError: the source is empty, samples were to be skipped or to change places, or Keras'
            backend is not TensorFlow.
    """
    (tasks,), absent = predictions_without(model, source, [()], batch_size, **options)
    present = {
        field: _presence(source, field, modality.encode, modality.is_file)
        for field, modality in model.fields.items()
        if presence and field not in absent
    }
    return Predictions(tasks, tuple(absent), present, len(source))


def predictions_without(
    model: MultimodalModel,
    source: Source,
    hidden: Sequence[Collection[str]],
    batch_size: int = 64,
    **options: Any,
) -> tuple[list[dict[str, TaskPredictions]], list[str]]:
    """What a model makes of samples of which some fields are hidden, for several such sets at once.

    Args:
        model: the model.
        source: held-out samples, at least one; each is read once.
        hidden: the sets of fields.
        batch_size: samples in one forward pass.
        **options: of `mmkeras.pipeline`; a bad sample stops it.

    Returns:
        For each set the predictions of the tasks that a sample has a label for; and the fields and
        tasks that the source has no column for.

    Raises:
        KeyError, ValueError: see `predictions`.
    """
    check_in_order(options)
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "a report is made with Keras' TensorFlow backend; set KERAS_BACKEND=tensorflow and "
            f"load the model anew. The backend is {keras.backend.backend()}."
        )
    if not len(source):
        raise ValueError(f"{source!r} has no samples to evaluate on.")
    absent = lacking(model, source, options.get("without", ()))
    names = [name for name in model.tasks if name not in absent]
    passes: dict[str, _Pass] = {}

    @tf.function(reduce_retracing=True, autograph=False)
    def forward(x: Any) -> Any:
        return model(x, training=False)

    options = options | {"without": absent}
    # Every evaluation makes its graphs anew, which TensorFlow warns of after a few.
    with quiet_tensorflow():
        for x, y, w in model.pipeline(source, batch_size=batch_size, **options):
            for number, fields in enumerate(hidden):
                outputs = forward(model.fields.without(x, fields) if fields else x)
                for name in names:
                    batch = y[name], dict(outputs[name]), w[name]
                    if name not in passes:
                        passes[name] = _Pass(name, model.tasks[name], *batch)
                    passes[name].add(number, *batch)
    made = [{name: one.gathered(i) for name, one in passes.items()} for i in range(len(hidden))]
    return [{n: part for n, part in each.items() if part.weights.any()} for each in made], absent


def _presence(source: Source, field: str, encode: Any, is_file: bool) -> np.ndarray:
    rows = source.rows({field: encode}, [field] if is_file else [])
    raw = rows.map(lambda _, row: source.load(row)[field] != "")
    return np.array(list(raw.as_numpy_iterator()), bool)


class _Pass:
    """What is gathered of one task, batch by batch."""

    def __init__(self, name: str, task: Task, target: Any, outputs: Mapping[str, Any], weight: Any):
        self.task = task
        # What of the outputs each measure compares; "" stands for all.
        compared = {f"{name}_loss": ""}
        measures = [of_loss(f"{name}_loss", task.loss)]
        for output, metrics in task.metrics().items():
            for metric in metrics:
                metric.name = f"{name}_{metric.name}"
                compared[metric.name] = output
                measures.append(of_metric(metric, target, self._of(outputs, output)))
        few = tf.nest.map_structure(lambda t: t[:_ASKED], (target, dict(outputs), weight))
        sound = {
            measure.name: not task.compares
            and measure.adds_up(few[0], self._of(few[1], compared[measure.name]), few[2])
            for measure in measures
        }
        self.measures = tuple(measure for measure in measures if sound[measure.name])
        self.dependent = tuple(each for each, adds_up in sound.items() if not adds_up)
        self.kept: dict[tuple[int, str], list[np.ndarray]] = {}

        @tf.function(reduce_retracing=True, autograph=False)
        def contributions(y: Any, made: Any, w: Any) -> Any:
            return {
                measure.name: measure.each(y, self._of(made, compared[measure.name]), w)
                for measure in self.measures
            }

        self.contributions = contributions

    @staticmethod
    def _of(outputs: Mapping[str, Any], name: str) -> Any:
        return outputs[name] if name else dict(outputs)

    def add(self, number: int, target: Any, outputs: Mapping[str, Any], weight: Any) -> None:
        """Keeps what a batch adds, of the fields hidden that have this number."""
        made = self.contributions(target, dict(outputs), weight) | {_WEIGHTS: weight}
        if isinstance(self.task, Classification):
            made |= {_TARGETS: target, _LOGITS: outputs["logits"]}
        for what, values in made.items():
            self.kept.setdefault((number, what), []).append(values.numpy())

    def gathered(self, number: int) -> TaskPredictions:
        """All batches together."""
        kept = {
            what: np.concatenate(parts) for (i, what), parts in self.kept.items() if i == number
        }
        return TaskPredictions(
            weights=kept[_WEIGHTS],
            measures=self.measures,
            sums={measure.name: kept[measure.name] for measure in self.measures},
            dependent=self.dependent,
            classified=Classified(kept[_TARGETS], kept[_LOGITS]) if _LOGITS in kept else None,
        )
