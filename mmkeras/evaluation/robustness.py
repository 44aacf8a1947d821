"""`robustness`: how a model's measures fall as one of its fields is spoiled more and more."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.contracts import Source
from mmkeras.evaluation.corruptions import Change, Corrupted, corruptions
from mmkeras.evaluation.estimate import Estimate
from mmkeras.evaluation.lacking import lacking
from mmkeras.evaluation.predictions import predictions
from mmkeras.evaluation.report import measured
from mmkeras.modalities import Text, Words
from mmkeras.model import MultimodalModel
from mmkeras.sources import Sampled


def robustness(
    model: MultimodalModel,
    source: Source,
    severities: Sequence[float] = (0.0, 0.25, 0.5, 1.0),
    most: int = 300,
    batch_size: int = 64,
    times: int = 200,
    seed: int = 0,
    **options: Any,
) -> dict[str, dict[float, dict[str, Estimate]]]:
    """The measures on samples of which one field is spoiled; see `corruptions`.

    Measures are those of `evaluate` that are sums over samples, of the tasks that have labels: what
    is made of the sample itself would be spoiled with it. The letters of a text that a task points
    into stay in their places, and so there are no typing errors in it.

    Args:
        model: a trained model; it need not be compiled.
        source: held-out samples.
        severities: how much is spoiled, in [0, 1]; 0 is the samples as they are.
        most: so many samples at most are drawn of the source.
        batch_size: samples in one forward pass.
        times: resamples for the intervals; 0 for none.
        seed: of the draw, of what is random in corruptions, and of the resamples.
        **options: of `mmkeras.pipeline`.

    Returns:
        `{corruption and field: {severity: {measure: Estimate}}}`, such as `"blur of photo"`.

    Raises:
        KeyError: the source has none of the fields or tasks.
        ValueError: a severity is out of its range; see also `predictions`.

    Example:

    >>> import mmkeras as mm
    >>> rows = [{"text": f"word {i}", "kind": "ab"[i % 2]} for i in range(8)]
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()},
    ...                            {"kind": mm.Classification(["a", "b"])}, size="tiny")
    >>> curves = robustness(model, mm.sources.Table(rows), severities=[0, 1], times=0)
    >>> {name: list(points) for name, points in curves.items()}
    {'typos of text': [0.0, 1.0], 'absence of text': [0.0, 1.0]}
    """
    absent = lacking(model, source, options.get("without", ()))
    severities = sorted({float(severity) for severity in severities})
    pointed = {field for task in model.tasks.values() for field in task.points_into}
    kinds = [
        (field, name)
        for field, modality in model.fields.items()
        if field not in absent
        for name in corruptions(modality)
        if not (field in pointed and isinstance(modality, Text | Words) and name == "typos")
    ]
    # As they are, the samples are the same for every corruption.
    ways = [Change(*kind, severity) for kind in kinds for severity in severities if severity]
    ways = [*([Change("", "", 0.0)] if 0.0 in severities else []), *ways]
    spoiled = Corrupted(Sampled(source, most, seed), model.fields, ways, seed)
    made = predictions(model, spoiled, batch_size, presence=False, **options)
    labelled = tuple(f"{name}_" for name, task in model.tasks.items() if task.labelled)
    found: dict[Change, dict[str, Estimate]] = {}
    for number, way in enumerate(ways):
        member = np.arange(len(made)) % len(ways) == number
        measures = measured(model, made, member, times, seed)
        found[way] = {name: m for name, m in measures.items() if name.startswith(labelled)}
    return {
        f"{name} of {field}": {
            severity: found[Change(field, name, severity) if severity else Change("", "", 0.0)]
            for severity in severities
        }
        for field, name in kinds
    }
