"""`contributions`: how much of an answer each field brings."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from mmkeras.model import MultimodalModel
from mmkeras.transparency.opened import Opened
from mmkeras.transparency.shapley import coalitions, shapley_values


@dataclasses.dataclass(frozen=True)
class Contributions:
    """An answer's evidence, shared among the fields of the sample.

    Attributes:
        task: whose answer it is.
        of: the class that is explained; None where the answer is a number.
        fields: `{field: share}`; they sum to `full` less `base`.
        base: the evidence (see `Task.evidence`) where all fields are absent.
        full: the evidence of the sample.
    """

    task: str
    of: str | None
    fields: Mapping[str, float]
    base: float
    full: float


def contributions(
    model: MultimodalModel,
    sample: Mapping[str, Any],
    task: str | None = None,
    of: str | None = None,
) -> Contributions:
    """The Shapley values of the fields of one sample, exactly.

    The evidence is computed for every subset of its fields, the others being absent as they would
    be in a served request that lacks them. A field that the sample lacks brings nothing.

    Args:
        model: the model.
        sample: `{field: value}`, as `MultimodalModel.answer` takes it.
        task: whose answer is explained; None: the only one.
        of: the class to explain; None: the one that is answered.

    Raises:
        ValueError: the task's answers cannot be explained, there is no such class, or see `Opened`.

    Example:

    >>> import mmkeras as mm
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny(), "photo": mm.Image.tiny()},
    ...                            {"mood": mm.Classification(["up", "down"])}, size="tiny")
    >>> found = contributions(model, {"text": "the dog"})
    >>> found.fields["photo"], round(sum(found.fields.values()) - found.full + found.base, 4)
    (0.0, 0.0)
    """
    opened = Opened(model, sample, task)
    of = opened.answer() if of is None else of
    there = [field for field, present in opened.present.items() if present]
    kept = coalitions(there)
    hidden = [{*model.fields} - coalition for coalition in kept]
    batches = [model.fields.without(opened.tensors, fields) for fields in hidden]
    opened.tensors = {name: tf.concat([b[name] for b in batches], 0) for name in opened.tensors}
    evidence = opened.evidence(opened.fused(opened.tokens()), of).numpy()
    worth = {coalition: float(value) for coalition, value in zip(kept, evidence)}
    shares = dict.fromkeys(model.fields, 0.0) | shapley_values(worth)
    return Contributions(
        opened.task, of, shares, base=worth[frozenset()], full=worth[frozenset(there)]
    )
