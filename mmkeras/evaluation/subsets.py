"""How good a model is when only some of its fields are there."""

import itertools
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from mmkeras.contracts import Source
from mmkeras.evaluation.lacking import lacking
from mmkeras.model import MultimodalModel


def subsets(fields: Iterable[str]) -> list[tuple[str, ...]]:
    """Every non-empty subset of the fields, single fields first.

    Example:

    >>> subsets(["image", "text"])
    [('image',), ('text',), ('image', 'text')]
    """
    fields = list(fields)
    return [
        subset
        for size in range(1, len(fields) + 1)
        for subset in itertools.combinations(fields, size)
    ]


def evaluate_subsets(
    model: MultimodalModel, source: Source, batch_size: int = 64, **options: Any
) -> dict[tuple[str, ...], dict[str, float]]:
    """The model's metrics on a source, for every subset of its fields.

    The fields that are not in a subset are made absent in every sample, as they would be in a
    served request that lacks them. Each sample is read and preprocessed once. Fields and tasks that
    the source has no column for are left out.

    Args:
        model: a compiled model.
        source: held-out samples.
        batch_size: samples in one forward pass.
        **options: of `mmkeras.pipeline`, such as `on_error="skip"`.

    Returns:
        `{subset: {metric: value}}`, all fields of the source last; without the metrics of tasks
        that point into a field that is hidden, or that no sample has a label for.

    Raises:
        ValueError: the model is not compiled, or no sample has a label for any task.
        KeyError: the source has none of the fields, or none of the tasks.
    """
    if not model.compiled:
        raise ValueError("the model has no metrics yet; call model.compile(optimizer=...) first.")
    absent = lacking(model, source, options.get("without", ()))
    options = {"cache": True} | options | {"without": absent}
    data = model.pipeline(source, batch_size=batch_size, **options)
    labelled = {name for _, _, w in data for name, weight in w.items() if tf.reduce_any(weight > 0)}
    if not labelled:
        raise ValueError(f"no sample of {source!r} has a label for any of {list(model.tasks)}.")
    results = {}
    for subset in subsets(name for name in model.fields if name not in absent):
        hidden = {field for field in model.fields if field not in subset}
        # A task that points into what is hidden has nothing to answer.
        silent = {name for name, task in model.tasks.items() if hidden & {*task.points_into}}
        silent |= {*model.tasks} - labelled
        if len(silent) == len(model.tasks):
            results[subset] = {}
            continue
        found = model.evaluate(_without(model, data, hidden, silent), verbose=0, return_dict=True)
        prefixes = tuple(f"{name}_" for name in silent)
        results[subset] = {name: v for name, v in found.items() if not name.startswith(prefixes)}
    return results


def _without(model: MultimodalModel, data: Any, fields: set[str], tasks: set[str]) -> Any:
    """Batches in which some fields are absent from every sample, and some tasks are left out."""

    def part(x: Any, y: Any, w: Any) -> Any:
        kept = [name for name in y if name not in tasks]
        y, w = ({name: of[name] for name in kept} for of in (y, w))
        return model.fields.without(x, fields), y, w

    return data.map(part)
