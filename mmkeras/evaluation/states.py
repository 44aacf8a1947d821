"""What each sample adds to a metric, so that any choice of samples is measured without a model."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

#: From targets, outputs and weights of some samples, with a leading B, to sums, float [S].
Contribution = Callable[[Any, Any, Any], Any]


@dataclasses.dataclass(frozen=True)
class Additive:
    """A measure of sums over samples, as most of Keras' metrics are.

    A mean is a sum of values over a sum of weights, F1 is made of numbers of right and wrong
    answers, intersection over union of a confusion matrix. What a metric holds after some samples
    is then the sum of what it holds after each alone: slices, resamples and permutations are sums.

    Attributes:
        name: of the measure.
        contribution: what some samples add.
        result: float [S] to float [], from sums to the measure.
    """

    name: str
    contribution: Contribution
    result: Callable[[Any], Any]

    def each(self, targets: Any, outputs: Any, weights: Any) -> Any:
        """What every sample adds by itself, float [B, S]."""

        def alone(sample: Any) -> Any:
            return self.contribution(*tf.nest.map_structure(lambda t: t[None], sample))

        samples = (targets, outputs, weights)
        return tf.map_fn(alone, samples, fn_output_signature=tf.float32)

    def adds_up(self, targets: Any, outputs: Any, weights: Any) -> bool:
        """Whether samples together add what they add one by one.

        Not so where a sample is compared with the others of its batch.
        """
        together = self.contribution(targets, outputs, weights)
        apart = tf.reduce_sum(self.each(targets, outputs, weights), axis=0)
        return bool(np.allclose(together, apart, rtol=1e-3, atol=1e-4))

    def values(self, sums: np.ndarray) -> np.ndarray:
        """The measure of each row of sums.

        Args:
            sums: float [R, S].

        Returns:
            float64 [R].
        """
        return self._of_rows(tf.constant(sums, tf.float32)).numpy()

    @functools.cached_property
    def _of_rows(self) -> Any:
        """The result of each row, as one graph."""

        def measure(rows: Any) -> Any:
            return tf.map_fn(
                lambda row: tf.cast(self.result(row), tf.float64),
                rows,
                fn_output_signature=tf.float64,
            )

        return tf.function(measure, reduce_retracing=True, autograph=False)


def of_metric(metric: keras.metrics.Metric, target: Any, output: Any) -> Additive:
    """A Keras metric as sums.

    Args:
        metric: the metric; what it holds is reset.
        target: the targets of some samples; some metrics learn from them how much they hold.
        output: the outputs that they are compared with.
    """
    metric.update_state(target, output)
    metric.reset_state()
    shapes = [tuple(variable.shape) for variable in metric.variables]
    dtypes = [variable.dtype for variable in metric.variables]

    def contribution(target: Any, output: Any, weight: Any) -> Any:
        held = [tf.zeros(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
        held = metric.stateless_update_state(held, target, output, sample_weight=weight)
        return tf.concat([tf.reshape(tf.cast(v, tf.float32), [-1]) for v in held], axis=0)

    def result(sums: Any) -> Any:
        parts = tf.split(sums, [int(np.prod(shape)) for shape in shapes])
        held = [
            tf.cast(tf.reshape(part, shape), dtype)
            for part, shape, dtype in zip(parts, shapes, dtypes)
        ]
        return metric.stateless_result(held)

    return Additive(metric.name, contribution, result)


def of_loss(name: str, loss: Callable[[Any, Any], Any]) -> Additive:
    """The mean of a task's loss as sums.

    Args:
        name: of the measure.
        loss: from targets and outputs to the loss of each sample.
    """

    def contribution(target: Any, output: Any, weight: Any) -> Any:
        values = tf.cast(loss(target, output), tf.float32)
        # A sample without a label may have any loss, NaN too.
        counted = tf.where(weight > 0, values * weight, 0.0)
        return tf.stack([tf.reduce_sum(counted), tf.reduce_sum(weight)])

    return Additive(name, contribution, lambda sums: tf.math.divide_no_nan(sums[0], sums[1]))
