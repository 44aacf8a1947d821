"""How good a model is when only some of its fields are there."""

import itertools
from collections.abc import Iterable
from typing import Any

from mmkeras.contracts import Source
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
    served request that lacks them. Each sample is read and preprocessed once.

    Args:
        model: a compiled model.
        source: held-out samples.
        batch_size: samples in one forward pass.
        **options: of `mmkeras.pipeline`, such as `on_error="skip"`.

    Returns:
        `{subset: {metric: value}}`, the whole set of fields last; without the metrics of tasks that
        point into a field that is hidden.

    Raises:
        ValueError: the model is not compiled.
    """
    if not model.compiled:
        raise ValueError("the model has no metrics yet; call model.compile(optimizer=...) first.")
    options = {"cache": True} | options
    data = model.pipeline(source, batch_size=batch_size, **options)
    results = {}
    for subset in subsets(model.fields):
        hidden = [field for field in model.fields if field not in subset]
        # A task that points into what is hidden has nothing to answer.
        asked = [name for name, t in model.tasks.items() if not {*t.points_into} & {*hidden}]

        def shown(x: Any, y: Any, w: Any, hidden: Any = hidden, asked: Any = asked) -> Any:
            y, w = ({name: part[name] for name in asked} for part in (y, w))
            return model.fields.without(x, hidden), y, w

        if not asked:
            results[subset] = {}
            continue
        found = model.evaluate(data.map(shown), verbose=0, return_dict=True)
        silent = tuple(f"{name}_" for name in model.tasks if name not in asked)
        results[subset] = {k: v for k, v in found.items() if not silent or not k.startswith(silent)}
    return results
