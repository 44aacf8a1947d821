"""Measures that need all answers at once, such as mean average precision."""

from collections.abc import Callable, Mapping
from typing import Any

from mmkeras.contracts import Source, Task
from mmkeras.evaluation.lacking import lacking
from mmkeras.model import MultimodalModel
from mmkeras.pipeline import pipeline


def evaluate_scores(
    model: MultimodalModel,
    source: Source,
    batch_size: int = 32,
    predict: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
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
        ValueError: bad samples were to be skipped, which would part answers from labels.
        KeyError: the source has none of the fields, or none of the tasks.
    """
    if options.get("on_error", "raise") != "raise":
        raise ValueError("scores need every sample: on_error has to be 'raise'.")
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
        if name not in labelled:
            data = pipeline(source, model.fields, {name: task}, batch_size=batch_size, **options)
            targets = [target for _, y, _ in data for target in y[name].numpy()]
            results[name] = task.scores([answer[name] for answer in answers], targets)
            continue
        pairs = [(a[name], row[name]) for a, row in zip(answers, labels, strict=True) if row[name]]
        results[name] = task.scores([a for a, _ in pairs], [label for _, label in pairs])
    return results


def _labels(source: Source, tasks: Mapping[str, Task]) -> list[Any]:
    """The raw labels of all samples: `{task: bytes}` each."""
    columns = {name: task.encode for name, task in tasks.items()}
    files = [name for name, task in tasks.items() if task.is_file]
    rows = source.rows(columns, files).map(lambda _, row: source.load(row))
    return list(rows.as_numpy_iterator())
