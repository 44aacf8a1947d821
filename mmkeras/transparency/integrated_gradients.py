"""`integrated_gradients`: what each token adds to the evidence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.layers import entering
from mmkeras.model import MultimodalModel
from mmkeras.tokens import Tokens
from mmkeras.transparency.attribution import Attribution
from mmkeras.transparency.opened import Opened


def integrated_gradients(
    model: MultimodalModel,
    sample: Mapping[str, Any],
    task: str | None = None,
    of: str | None = None,
    steps: int = 64,
) -> Attribution:
    """Gradients of the evidence, gathered on the way from fields that say nothing to the sample.

    The way leads straight from what enters each encoder's Transformer where the field is absent (no
    pieces of text, a picture of one colour, silence) to what enters it in the sample. Where a
    Transformer sees other things than the encoder's tokens, as that of a pyramid does, these are
    taken as they leave the encoder. Scores sum to the difference of the evidence (see
    `Task.evidence`) between the two ends, up to the error of the sum that stands for the integral
    (Gauss-Legendre): every score is in units of the evidence.

    Source: Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks", equation 1.

    Args:
        model: the model.
        sample: `{field: value}`, as `MultimodalModel.answer` takes it.
        task: whose answer is explained; None: the only one.
        of: the class to explain; None: the one that is answered.
        steps: points on the way.

    Raises:
        ValueError: the task's answers cannot be explained, there is no such class, or see `Opened`.

    Example:

    >>> import mmkeras as mm
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()},
    ...                            {"mood": mm.Classification(["up", "down"])}, size="tiny")
    >>> integrated_gradients(model, {"text": "the dog"}).scores["text"].shape
    (12,)
    """
    opened = Opened(model, sample, task)
    of = opened.answer() if of is None else of
    ways = {
        field: _Way(opened, field, tensors, steps)
        for field, tensors in model.fields.split(opened.tensors).items()
    }
    points, weights = np.polynomial.legendre.leggauss(steps)
    share = tf.constant((points + 1) / 2, tf.float32)[:, None, None]
    on_the_way = {field: way.start + share * way.length for field, way in ways.items()}
    with tf.GradientTape() as tape:
        tape.watch(on_the_way)
        tokens = {field: way.tokens(on_the_way[field]) for field, way in ways.items()}
        evidence = opened.evidence(opened.fused(tokens), of)
    gradients = tape.gradient(
        evidence, on_the_way, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    scores = {}
    for field, way in ways.items():
        mean = tf.tensordot(tf.constant(weights / 2, tf.float32), gradients[field], 1)
        scores[field] = tf.where(
            way.mask, tf.reduce_sum(mean * way.length[0], axis=-1), 0.0
        ).numpy()
    return Attribution("integrated_gradients", opened.task, of, scores)


class _Way:
    """One field's way from saying nothing to the sample.

    Attributes:
        start: float32 [1, T, D], where it begins.
        length: float32 [1, T, D], from there to where it leads.
        mask: bool [T], the tokens that count.
    """

    def __init__(self, opened: Opened, field: str, tensors: Mapping[str, Any], steps: int):
        nothing = opened.model.fields.without(opened.tensors, [field])
        ends = []
        for given in (opened.model.fields.split(nothing)[field], tensors):
            entered: list[Any] = []

            def seen(values: Any, entered: list[Any] = entered) -> Any:
                entered.append(values)
                return values

            with entering(seen):
                made = opened.encoded(field, given)
            self.early = len(entered) == 1 and entered[0].shape[:2] == made.values.shape[:2]
            ends.append(tf.cast(entered[0] if self.early else made.values, tf.float32))
        self.mask = made.mask[0]
        self.start, self.length = ends[0], ends[1] - ends[0]
        self.repeated = {name: tf.repeat(value, steps, axis=0) for name, value in tensors.items()}
        self.encoded = lambda: opened.encoded(field, self.repeated)

    def tokens(self, values: Any) -> Tokens:
        """What the encoder makes at these points of the way."""
        if not self.early:
            return Tokens(values, tf.repeat(self.mask[None], len(values), axis=0))
        with entering(lambda usual: tf.cast(values, usual.dtype)):
            return self.encoded()
