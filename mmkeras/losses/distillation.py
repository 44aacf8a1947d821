"""How far a student's choice is from its teacher's."""

from typing import Any

from keras import ops


def distillation(teacher: Any, student: Any, temperature: float, mask: Any = None) -> Any:
    """T² · Σ p log(p / q), with p and q the softmax of the logits divided by the temperature T.

    It is the cross-entropy with softened targets less the teacher's own entropy, which has no
    gradient: equal logits have none to lose. T² keeps the gradient as large as that of labels,
    whatever T is. No gradient goes to the teacher.

    Source: Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network", section 2.

    Args:
        teacher: float [B, ..., K], logits.
        student: float [B, ..., K], logits.
        temperature: T, above 0; the higher it is, the more the unlikely classes tell.
        mask: bool [B, ...], the places that count; None: all.

    Returns:
        float32 [B], the mean over the places; 0 where none counts.

    Example:

    >>> import numpy as np
    >>> logits = np.array([[2.0, 0.0]])
    >>> float(distillation(logits, logits, temperature=2.0)[0])
    0.0
    >>> round(float(distillation(logits, np.zeros((1, 2)), temperature=1.0)[0]), 4)
    0.3278
    """
    teacher = ops.stop_gradient(ops.cast(teacher, "float32")) / temperature
    student = ops.cast(student, "float32") / temperature
    apart = ops.log_softmax(teacher) - ops.log_softmax(student)
    losses = temperature**2 * ops.sum(ops.softmax(teacher) * apart, axis=-1)
    places = tuple(range(1, len(losses.shape)))
    if mask is None:
        return ops.mean(losses, axis=places) if places else losses
    counts = ops.cast(mask, losses.dtype)
    # What stands in a place that does not count may be infinite.
    losses = ops.where(mask, losses, 0.0)
    return ops.sum(losses, axis=places) / ops.maximum(ops.sum(counts, axis=places), 1.0)
