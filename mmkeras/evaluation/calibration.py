"""Calibration: whether a probability of 0.8 is right in 8 of 10 cases, and how it is made so."""

import dataclasses
from typing import Any

import numpy as np

from mmkeras.contracts import Source
from mmkeras.contracts.task import task_of
from mmkeras.evaluation.predictions import Classified, predictions
from mmkeras.model import MultimodalModel
from mmkeras.tasks import Classification


@dataclasses.dataclass(frozen=True)
class Reliability:
    """How often answers are right, by how sure the model was of them.

    Attributes:
        confidence: float [b], mean probability of the answers of each bin that has some.
        accuracy: float [b], the share of them that is right.
        count: int [b], how many they are.
        ece: expected calibration error: the mean distance of the two, weighted by count.
    """

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    count: tuple[int, ...]
    ece: float


def reliability(probabilities: np.ndarray, targets: np.ndarray, bins: int = 15) -> Reliability:
    """The reliability curve of the answers, and its expected calibration error.

    Source: Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks", eq. 3.

    Args:
        probabilities: float [N, K]; the answer is the likeliest class.
        targets: int [N], the true classes; or float [N, K], 1 where one of several classes applies:
            then every class of every sample is an answer.
        bins: of equal width, from 0 to 1.

    Raises:
        ValueError: there are not as many answers as targets.

    Example:

    >>> made = reliability(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    >>> made.confidence, made.accuracy, round(made.ece, 6)
    ((0.9,), (0.5,), 0.4)
    """
    _check_lengths(probabilities, targets)
    if targets.ndim == 2:
        sure = np.maximum(probabilities, 1 - probabilities).ravel()
        right = ((probabilities >= 0.5) == (targets >= 0.5)).ravel()
    else:
        sure = probabilities.max(axis=1)
        right = probabilities.argmax(axis=1) == targets
    places = np.minimum((sure.astype("float64") * bins).astype(int), bins - 1)
    count = np.bincount(places, minlength=bins)
    filled = count > 0
    means = [
        np.bincount(places, values, minlength=bins)[filled] / count[filled]
        for values in (sure.astype("float64"), right)
    ]
    ece = float(np.sum(np.abs(means[0] - means[1]) * count[filled]) / max(count.sum(), 1))
    confidence, accuracy = (tuple(float(v) for v in mean) for mean in means)
    return Reliability(confidence, accuracy, tuple(int(n) for n in count[filled]), ece)


def fitted_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """By what to divide logits so that the true classes are as likely as can be.

    The negative log-likelihood is convex in the inverse of the temperature: there is one best,
    which bisection of its derivative finds. It stays between 0.05 and 20.

    Source: Guo et al. 2017, section 4.2.

    Args:
        logits: float [N, K].
        targets: int [N], classes; or float [N, K], 1 where one of several classes applies.

    Raises:
        ValueError: there are not as many answers as targets.

    Example: twice as sure as is right.

    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(20_000, 3))
    >>> odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    >>> targets = np.array([rng.choice(3, p=p) for p in odds])
    >>> round(fitted_temperature(2 * logits, targets), 1)
    2.0
    """
    _check_lengths(logits, targets)
    logits = logits.astype("float64")
    true = targets if targets.ndim == 2 else np.eye(logits.shape[1])[targets]
    aimed = np.sum(logits * true)

    def slope(inverse: float) -> float:
        """Of the negative log-likelihood."""
        return float(np.sum(shares(Classified(targets, logits), 1 / inverse) * logits) - aimed)

    low, high = 1 / 20, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 2 / (low + high)


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """What `calibrate` did to a task.

    Attributes:
        task: its name.
        temperature: what its logits are divided by from now on.
        before: expected calibration error on the samples it was fitted on.
        after: the same afterwards.
    """

    task: str
    temperature: float
    before: float
    after: float


def calibrate(
    model: MultimodalModel, source: Source, task: str | None = None, **options: Any
) -> Calibrated:
    """Temperature scaling: the model's probabilities become as sure as they are right.

    The temperature becomes a part of the task, and with it of the saved and the exported model. No
    decision changes: with several labels at once neither does which are at least one half.

    Args:
        model: a trained model.
        source: samples that it was not trained on, such as validation.
        task: which `Classification`, if the model has several.
        **options: of `mmkeras.pipeline`.

    Returns:
        What changed, as measured on these samples; see `reliability` for others.

    Raises:
        ValueError: the model has no such task, or no sample a label for it.
    """
    name = task_of(Classification, model.tasks, task)
    part = predictions(model, source, **options).tasks.get(name)
    if part is None or part.classified is None:
        raise ValueError(f"no sample of {source!r} has a label for {name!r}.")
    kept, old = part.classified.of(part.labelled), model.tasks[name].temperature
    temperature = fitted_temperature(kept.logits, kept.targets)
    before, after = (reliability(shares(kept, by), kept.targets).ece for by in (old, temperature))
    model.set_task(name, temperature=temperature)
    return Calibrated(name, temperature, before, after)


def _check_lengths(answers: np.ndarray, targets: np.ndarray) -> None:
    if len(answers) != len(targets):
        raise ValueError(f"there are {len(answers)} answers, but {len(targets)} targets.")


def shares(made: Classified, temperature: float = 1.0) -> np.ndarray:
    """The probabilities of the classes, float64 [N, K].

    Example:

    >>> shares(Classified(np.array([0]), np.zeros([1, 2])))
    array([[0.5, 0.5]])
    """
    scaled = made.logits.astype("float64") / temperature
    if made.targets.ndim == 2:
        return 1 / (1 + np.exp(-np.clip(scaled, -500, 500)))
    odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
