"""The numbers of a model that tuning goes by."""

import statistics
import time
from collections.abc import Callable, Collection, Mapping

import tensorflow as tf

from mmkeras.contracts import Source
from mmkeras.evaluation.report import evaluate
from mmkeras.evaluation.slices import Slices
from mmkeras.model import MultimodalModel
from mmkeras.training.recipe import Recipe

#: Takes a model and held-out samples, gives numbers by name.
Measure = Callable[[MultimodalModel, Source], Mapping[str, float]]

_WARM_UP, _TIMED = 5, 31


def numbers_of(
    model: MultimodalModel,
    source: Source,
    recipe: Recipe,
    wanted: Collection[str],
    measure: Measure | None = None,
    known: Mapping[str, float] | None = None,
    slices: Slices = (),
) -> dict[str, float]:
    """The measures of a model on held-out samples.

    Args:
        model: compiled.
        source: the samples.
        recipe: whose batches are made.
        wanted: what is looked for. `"latency_ms"` (see `latency_ms`) and `"parameters"` (the number
            of weights) are measured where they stand here.
        measure: gives further numbers.
        known: numbers that are there already; if None, those of the compiled metrics are measured,
            with `val_` before their names, as `fit` tells them.
        slices: see `mmkeras.evaluation.evaluate`, whose report is made where there are some, or
            where a number is wanted that is not there yet; see `Report.numbers`. What it adds has
            `val_` before its name too.

    Returns:
        `{name: number}`, the wanted ones among it if there are such.
    """
    if known is None:
        options = {"batch_size": recipe.batch_size} | dict(recipe.pipeline)
        found = model.evaluate(model.pipeline(source, **options), verbose=0, return_dict=True)
        known = {f"val_{name}": float(value) for name, value in found.items()}
    numbers_found = dict(known)
    if "parameters" in wanted:
        numbers_found["parameters"] = float(model.count_params())
    if "latency_ms" in wanted:
        numbers_found["latency_ms"] = latency_ms(model, source)
    if measure is not None:
        numbers_found |= {name: float(value) for name, value in measure(model, source).items()}
    if slices or not {*wanted} <= {*numbers_found}:
        told = evaluate(model, source, slices, times=0).numbers()
        numbers_found = {f"val_{name}": value for name, value in told.items()} | numbers_found
    return numbers_found


def latency_ms(model: MultimodalModel, source: Source) -> float:
    """How long the answer for one sample takes, in milliseconds, without reading the sample.

    The median of 31 forward passes of the first sample, each compiled as a TensorFlow graph, after
    five that are not counted.

    Args:
        model: the model.
        source: gives the sample.
    """
    forward = tf.function(lambda inputs: model(inputs, training=False))
    inputs = next(iter(model.pipeline(source, labels=False, batch_size=1)))
    times = []
    for _ in range(_WARM_UP + _TIMED):
        start = time.perf_counter()
        outputs = forward(inputs)
        # What runs on another device is done when its values are here.
        for each in tf.nest.flatten(outputs):
            each.numpy()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[_WARM_UP:])
