"""`Estimate`: a measured value with its interval, by the bootstrap."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A measure on some samples, and how far chance may have moved it.

    Attributes:
        value: the measure; None where it is undefined.
        low: where its 95 % interval begins; None where it was not resampled.
        high: where this ends.
        error: standard error, the deviation over resamples.
        count: how many samples it was measured on.
        note: why it is undefined, or what to bear in mind.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    count: int = 0
    note: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def undefined(count: int, reason: str) -> Estimate:
    """A measure that says nothing of these samples, and why.

    Example:

    >>> print(undefined(0, "no sample has a label"))
    undefined
    """
    return Estimate(None, count=count, note=reason)


def resamples(size: int, times: int, seed: int = 0) -> np.ndarray:
    """How often each sample is drawn when as many are drawn with replacement, several times over.

    Args:
        size: N, the number of samples.
        times: R, how many times.
        seed: of the draws.

    Returns:
        int64 [R, N]; each row sums to N.

    Example:

    >>> resamples(5, 3).sum(axis=1)
    array([5, 5, 5])
    """
    random = np.random.default_rng(seed)
    return random.multinomial(size, np.full(size, 1 / size), size=times)


def interval(value: float, redrawn: np.ndarray, count: int) -> Estimate:
    """A value with the middle 95 % of what resamples gave (the percentile bootstrap).

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.

    Args:
        value: of all samples.
        redrawn: float [R], of each resample; those that are undefined, NaN, do not count.
        count: the number of samples.

    Example:

    >>> print(interval(0.5, np.linspace(0.0, 1.0, 201), 100))
    0.5000 [0.0250, 0.9750]
    """
    if not math.isfinite(value):
        return undefined(count, "not a number")
    redrawn = redrawn[np.isfinite(redrawn)]
    if len(redrawn) < 2:
        return Estimate(value, count=count)
    low, high = np.quantile(redrawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high), float(redrawn.std(ddof=1)), count)
