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
        `{subset: {metric: value}}`, the whole set of fields last.

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
        part = data.map(lambda x, y, w, hidden=hidden: (model.fields.without(x, hidden), y, w))
        results[subset] = model.evaluate(part, verbose=0, return_dict=True)
    return results
