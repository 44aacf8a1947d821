"""How much each task's loss counts, by how uncertain the model is of that task."""

from typing import Any

from keras import ops


def uncertainty_weighted(loss: Any, log_variance: Any) -> Any:
    """The loss divided by a variance, plus what a large variance costs.

    exp(-s) L + s / 2, s being the logarithm of the variance, which is learned: for a loss that
    stays at L it becomes log(2 L), and what is left of the loss is (1 + log(2 L)) / 2. So relative
    gains count alike in all tasks, however large their losses are.

    Source: Kendall, Gal & Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses",
    equation 10.

    Args:
        loss: float [...].
        log_variance: s, float [...].

    Returns:
        float [...].

    Example:

    >>> import numpy as np
    >>> round(float(uncertainty_weighted(np.float32(2.0), np.log(np.float32(4.0)))), 4)
    1.1931
    """
    return ops.exp(-log_variance) * loss + log_variance / 2
