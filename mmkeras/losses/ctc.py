"""Connectionist temporal classification: a text of which it is not known when each piece is heard.

Source: Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented Sequence
Data with Recurrent Neural Networks".
"""

from typing import Any

from keras import ops

#: The logarithm of no probability at all.
_NEVER = -1e30


def ctc_loss(logits: Any, mask: Any, labels: Any) -> Any:
    """-log of the probability of all ways to spread each label over its steps.

    Class 0 is "nothing heard"; between two equal pieces it is needed. A label that does not fit its
    steps (see `alignable`) has loss 0 and no gradient: its true loss, infinity, would spoil the
    weights. A label without a piece is the one that hears nothing throughout.

    Args:
        logits: float [B, T, K].
        mask: bool [B, T], True = a step; the real ones come first.
        labels: int [B, L], classes from 1 up, 0 behind the last.

    Returns:
        float32 [B], in nats.

    Example:

    >>> import numpy as np
    >>> logits = np.log(np.array([[[0.5, 0.5], [0.5, 0.5]]], "float32"))
    >>> loss = ctc_loss(logits, np.ones((1, 2), bool), np.array([[1]]))
    >>> float(np.exp(-np.array(loss)[0]).round(4))  # 1-, -1 and 11: three of four ways
    0.75
    """
    logits, labels = ops.cast(logits, "float32"), ops.cast(labels, "int32")
    steps = ops.sum(ops.cast(mask, "int32"), axis=1)
    fits = alignable(mask, labels) & (steps > 0)
    # What does not fit, or has no step, is computed as nothing heard in one step.
    labels, steps = ops.where(fits[:, None], labels, 0), ops.maximum(steps, 1)
    log_likelihood, occupied = _forward_backward(ops.stop_gradient(logits), steps, labels)
    # How much each class is too likely, in each step, is the gradient (Graves et al., equation 16).
    taught = (ops.cast(mask, "float32") * ops.cast(fits, "float32")[:, None])[..., None]
    gradient = ops.stop_gradient((ops.softmax(logits) - occupied) * taught)
    slope = ops.sum(logits * gradient, axis=(1, 2))
    value = ops.where(fits, -log_likelihood, 0.0)
    return ops.stop_gradient(value - slope) + slope


def _forward_backward(logits: Any, steps: Any, labels: Any) -> tuple[Any, Any]:
    """The log-likelihood of each label, float32 [B], and how likely each class is at each step.

    The latter, float32 [B, T, K], are probabilities given that the label was said: the states of a
    label are its classes with a "nothing" before, between and behind them, and a path stays in its
    state, goes on to the next, or leaves out a "nothing" between two classes that differ.
    """
    count, size = ops.shape(logits)[1], logits.shape[2]
    states = _states(labels)
    scores = ops.log_softmax(logits)
    heard = ops.take_along_axis(
        scores, ops.broadcast_to(states[:, None], (*ops.shape(scores)[:2], states.shape[1])), axis=2
    )
    # Backwards it is the same walk: last step first, over the same label read from its end.
    pieces = ops.sum(ops.cast(labels > 0, "int32"), axis=1)
    step_order = _reversed(steps, count)
    order = _reversed(2 * pieces + 1, states.shape[1])
    behind = ops.take_along_axis(heard, step_order[..., None], axis=1)
    behind = ops.take_along_axis(behind, order[:, None], axis=2)
    both = ops.concatenate([states, ops.take_along_axis(states, order, axis=1)], axis=0)
    reached = _walked(ops.concatenate([heard, behind], axis=0), both)
    forward, backward = ops.split(reached, 2, axis=0)

    last = ops.take_along_axis(forward, (steps - 1)[:, None, None], axis=1)[:, 0]
    ends = 2 * pieces[:, None] - ops.convert_to_tensor([[0, 1]], "int32")
    end = ops.take_along_axis(last, ops.maximum(ends, 0), axis=1)
    # A label without a piece has one state to end in.
    log_likelihood = ops.logsumexp(ops.where(ends >= 0, end, _NEVER), axis=1)

    backward = ops.take_along_axis(backward, step_order[..., None], axis=1)
    backward = ops.take_along_axis(backward, order[:, None], axis=2)
    path = forward + backward - heard - log_likelihood[:, None, None]
    within = ops.arange(states.shape[1], dtype="int32")[None, :] <= 2 * pieces[:, None]
    share = ops.where(within[:, None], ops.exp(ops.minimum(path, 0.0)), 0.0)
    return log_likelihood, ops.matmul(share, ops.one_hot(states, size, dtype="float32"))


def _states(labels: Any) -> Any:
    """int32 [B, L] to [B, 2 L + 1]: a 0 before, between and behind the classes."""
    pairs = ops.stack([ops.zeros_like(labels), labels], axis=2)
    pairs = ops.reshape(pairs, (-1, 2 * labels.shape[1]))
    return ops.pad(pairs, [[0, 0], [0, 1]])


def _reversed(lengths: Any, size: Any) -> Any:
    """int32 [B, size]: the places of each row's first `lengths`, last first; the others as is."""
    places = ops.arange(size, dtype="int32")[None, :]
    return ops.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)


def _walked(heard: Any, states: Any) -> Any:
    """log of the probability of all ways to each state at each step, float32 [B, T, S].

    Args:
        heard: float32 [B, T, S], the log-probability of each state's class at each step.
        states: int32 [B, S], their classes.
    """
    before = ops.pad(states[:, :-2], [[0, 0], [2, 0]])
    skips = (states > 0) & (states != before)
    # The first class has nothing before it to leave out.
    skips = skips & (ops.arange(states.shape[1])[None, :] > 1)

    def shifted(values: Any, by: int) -> Any:
        return ops.pad(values[:, :-by], [[0, 0], [by, 0]], constant_values=_NEVER)

    def advance(reached: Any, now: Any) -> tuple[Any, Any]:
        stay, on = reached, shifted(reached, 1)
        over = ops.where(skips, shifted(reached, 2), _NEVER)
        most = ops.maximum(ops.maximum(stay, on), over)
        total = ops.exp(stay - most) + ops.exp(on - most) + ops.exp(over - most)
        reached = most + ops.log(total) + now
        return reached, reached

    # Before the first step, all ways are in front of the first two states.
    start = ops.where(ops.arange(states.shape[1])[None, :] == 0, 0.0, _NEVER)
    start = ops.broadcast_to(start, ops.shape(states))
    _, reached = ops.scan(advance, start, ops.transpose(heard, (1, 0, 2)))
    return ops.transpose(reached, (1, 0, 2))


def alignable(mask: Any, labels: Any) -> Any:
    """Which labels have no more pieces, and nothings between equal ones, than there are steps.

    Args:
        mask: bool [B, T], True = a step.
        labels: int [B, L], classes from 1 up, 0 behind the last.

    Returns:
        bool [B].

    Example:

    >>> import numpy as np
    >>> labels = np.array([[1, 2], [1, 1]])
    >>> np.array(alignable(np.ones((2, 2), bool), labels)).tolist()
    [True, False]
    """
    labels = ops.cast(labels, "int32")
    twice = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] > 0)
    needed = ops.sum(ops.cast(labels > 0, "int32"), axis=1)
    needed = needed + ops.sum(ops.cast(twice, "int32"), axis=1)
    return needed <= ops.sum(ops.cast(mask, "int32"), axis=1)
