"""Measures that need all answers at once, such as mean average precision."""

import dataclasses
import functools
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.contracts import Source, Task
from mmkeras.evaluation.in_order import check_in_order
from mmkeras.evaluation.lacking import lacking
from mmkeras.model import MultimodalModel
from mmkeras.pipeline import pipeline


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a model answered to the samples that a task can be scored on.

    Attributes:
        task: the task.
        samples: int [n], which samples of the source they are.
        answers: of each, what `Task.read` gave.
        labels: of each, what `Task.scores` compares it with.
    """

    task: Task
    samples: np.ndarray
    answers: list[Any]
    labels: list[Any]

    @functools.cached_property
    def scores(self) -> Callable[[Sequence[int]], dict[str, Any]]:
        """`Task.scores` of those chosen by their places in `samples`."""
        return self.task.scoring(self.answers, self.labels)


#: From a batch of inputs to the model's outputs.
Predict = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def scored_answers(
    model: MultimodalModel,
    source: Source,
    batch_size: int = 32,
    predict: Predict | None = None,
    **options: Any,
) -> dict[str, Answers]:
    """The answers of each task that has `Task.scores`; see `evaluate_scores`."""
    check_in_order(options)
    absent = lacking(model, source, options.get("without", ()))
    scored = {
        name: task
        for name, task in model.tasks.items()
        if type(task).scores is not Task.scores and name not in absent
    }
    labelled = {name: task for name, task in scored.items() if task.labelled}
    labels = _labels(source, labelled) if labelled else []
    unlabelled = [name for name in labelled if not any(row[name] for row in labels)]
    scored = {name: task for name, task in scored.items() if name not in unlabelled}
    if not scored:
        return {}
    answers, predict = [], predict or model.predict_on_batch
    options["without"] = [field for field in absent if field in model.fields]
    data = model.pipeline(source, labels=False, origins=True, batch_size=batch_size, **options)
    for inputs, origins in data:
        answers += model.decode(predict(inputs), origins)
    results = {}
    for name, task in scored.items():
        told = [answer[name] for answer in answers]
        if name in labelled:
            there = [i for i, row in enumerate(labels) if row[name]]
            true: list[Any] = [labels[i][name] for i in there]
        else:
            there = list(range(len(told)))
            data = pipeline(source, model.fields, {name: task}, batch_size=batch_size, **options)
            true = [target for _, y, _ in data for target in y[name].numpy()]
        results[name] = Answers(task, np.array(there, int), [told[i] for i in there], true)
    return results


def evaluate_scores(
    model: MultimodalModel,
    source: Source,
    batch_size: int = 32,
    predict: Predict | None = None,
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """The scores of each task that has some; see `Task.scores`.

    Every sample is answered as `model.answer` would answer it, in the places of the original, and
    compared with its label as it was written.

    Args:
        model: the model; it need not be compiled.
        source: held-out samples.
        batch_size: samples in one forward pass.
        predict: from a batch of inputs to `{task: {output: array}}`, where something else answers
            than the model itself, such as its exported file.
        **options: of `mmkeras.pipeline`; a bad sample stops the evaluation.

    Returns:
        `{task: {measure: value}}`, of the samples that have a label for the task, or of all where
        it takes none; a task that no sample has a label for is not in it, nor one that the source
        has no column for.

    Raises:
        ValueError: samples were to be skipped or to change places, which would part answers from
            labels.
        KeyError: the source has none of the fields, or none of the tasks.
    """
    made = scored_answers(model, source, batch_size, predict, **options)
    return {name: told.task.scores(told.answers, told.labels) for name, told in made.items()}


def single_numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    """Those of a task's scores that are one number, and not one for each class.

    Example:

    >>> single_numbers({"mAP": 0.5, "ap_by_class": {"cat": 0.5}})
    {'mAP': 0.5}
    """
    return {name: float(v) for name, v in scores.items() if isinstance(v, numbers.Real)}


def _labels(source: Source, tasks: Mapping[str, Task]) -> list[Any]:
    """The raw labels of all samples: `{task: bytes}` each."""
    columns = {name: task.encode for name, task in tasks.items()}
    files = [name for name, task in tasks.items() if task.is_file]
    rows = source.rows(columns, files).map(lambda _, row: source.load(row))
    return list(rows.as_numpy_iterator())
