"""`learning_rates`: which learning rate to begin with."""

import dataclasses
from typing import Any

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class LearningRates:
    """The loss at rates that grow from step to step.

    Attributes:
        rates: of each step.
        losses: of each step, smoothed over its neighbours before it.
        suggestion: a tenth of the rate of the lowest loss; None where the loss never fell.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None


def learning_rates(
    model: keras.Model,
    data: Any,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    smoothing: float = 0.9,
) -> LearningRates:
    """Trains for a few steps at rates that grow evenly in orders of magnitude.

    It ends where the loss is four times its lowest. Afterwards, or when it is interrupted, weights
    and the state of the optimizer are what they were before.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.

    Args:
        model: a compiled model, whose optimizer has a number for its rate and no schedule.
        data: batches for `fit`; gone through again where they end.
        low: the first rate.
        high: the last rate.
        steps: how many.
        smoothing: weight of the losses before, in the moving average.

    Raises:
        ValueError: the model is not compiled, its optimizer follows a schedule, the rates are not
            above 0 and growing, or the first loss is not finite.

    Example:

    >>> import tensorflow as tf
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(), "mse")
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> data = tf.data.Dataset.from_tensor_slices((x, 3 * x)).batch(16)
    >>> found = learning_rates(model, data, 1e-4, 100.0)
    >>> 1e-3 < found.suggestion < 1
    True
    """
    if not model.compiled:
        raise ValueError("the model is not compiled yet; call model.compile(optimizer=...) first.")
    if not 0 < low < high:
        raise ValueError(f"rates must grow from above 0; got low={low}, high={high}.")
    optimizer: Any = model.optimizer
    if isinstance(optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(
            "the optimizer follows a schedule; compile the model with a number for its rate."
        )
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    before = [keras.ops.convert_to_numpy(variable) for variable in variables]
    climb = _Climb(np.geomspace(low, high, steps), smoothing)
    try:
        model.fit(
            data.repeat(),
            steps_per_epoch=steps,
            epochs=1,
            verbose=0,
            shuffle=False,
            callbacks=[climb],
        )
    finally:
        for variable, value in zip(variables, before):
            variable.assign(value)
    if not climb.losses:
        raise ValueError(
            f"the first loss is not finite, at a rate of {low}: look at the data and the weights, "
            "or begin lower."
        )
    rates, losses = tuple(climb.rates[: len(climb.losses)]), tuple(climb.losses)
    best = int(np.argmin(losses))
    suggestion = float(rates[best] / 10) if losses[best] < losses[0] else None
    return LearningRates(tuple(float(rate) for rate in rates), losses, suggestion)


class _Climb(keras.callbacks.Callback):
    """Raises the rate in each step, and keeps the loss of each."""

    def __init__(self, rates: np.ndarray, smoothing: float):
        super().__init__()
        self.rates, self.smoothing = rates, smoothing
        self.mean = 0.0
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = float(self.rates[batch])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = float((logs or {})["loss"])
        # Keras gives the mean of all steps so far: let there be one.
        self.model.reset_metrics()
        self.mean = self.smoothing * self.mean + (1 - self.smoothing) * loss
        smoothed = self.mean / (1 - self.smoothing ** (batch + 1))
        if not np.isfinite(smoothed) or (self.losses and smoothed > 4 * min(self.losses)):
            self.model.stop_training = True
            return
        self.losses.append(smoothed)
