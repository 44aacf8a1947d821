"""`field_shares`: how much of what a model reaches each field brings."""

from typing import Any

import numpy as np

from mmkeras.contracts import Source
from mmkeras.evaluation.lacking import lacking
from mmkeras.evaluation.predictions import predictions_without
from mmkeras.evaluation.report import measured_of
from mmkeras.model import MultimodalModel
from mmkeras.sources import Sampled
from mmkeras.transparency.shapley import coalitions, shapley_values


def field_shares(
    model: MultimodalModel,
    source: Source,
    most: int = 300,
    batch_size: int = 64,
    seed: int = 0,
    **options: Any,
) -> dict[str, dict[str, float]]:
    """The Shapley values of the fields, of what the model reaches on a source.

    Of each task the first of its metrics is shared out: the shares sum to what it is with all
    fields less what it is with none, when the model can but say what is likely anyway. Each sample
    is read once, and answered for every subset of the fields. What `contributions` of
    `mmkeras.transparency` tells of one answer, this tells of all of them.

    Args:
        model: a trained model; it need not be compiled.
        source: held-out samples.
        most: so many samples at most are drawn of the source.
        batch_size: samples in one forward pass.
        seed: of the draw.
        **options: of `mmkeras.pipeline`.

    Returns:
        `{measure: {field: share}}`, such as `{"mood_accuracy": {"text": 0.3, "photo": 0.1}}`;
        without tasks that have no label or point into a field, and without measures that are
        undefined.

    Raises:
        KeyError, ValueError: see `mmkeras.evaluate`.

    Example:

    >>> import mmkeras as mm
    >>> rows = mm.sources.Table([{"text": "dog", "stars": 1}, {"text": "cat", "stars": 2}])
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()}, {"stars": mm.Regression()},
    ...                            size="tiny")
    >>> [(measure, list(shares)) for measure, shares in field_shares(model, rows).items()]
    [('stars_mae', ['text'])]
    """
    absent = lacking(model, source, options.get("without", ()))
    there = [field for field in model.fields if field not in absent]
    kept = coalitions(there)
    hidden = [{*model.fields} - {*absent} - coalition for coalition in kept]
    found, _ = predictions_without(
        model, Sampled(source, most, seed), hidden, batch_size, **options
    )
    shares = {}
    for name, task in model.tasks.items():
        if name not in found[0] or not task.labelled or task.points_into:
            continue
        everyone = np.ones(len(found[0][name].weights), bool)
        worth = [measured_of(task, name, part[name], everyone) for part in found]
        measure = next((each for each in worth[0] if each != f"{name}_loss"), f"{name}_loss")
        values = [each[measure].value for each in worth if measure in each]
        known = {c: value for c, value in zip(kept, values, strict=True) if value is not None}
        if len(known) == len(kept):
            of_fields = shapley_values(known)
            shares[measure] = {field: float(of_fields[field]) for field in there}
    return shares
