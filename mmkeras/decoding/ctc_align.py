"""Forced alignment: when each label was said, where it is known what was said."""

from typing import Any, NamedTuple

from keras import ops

from mmkeras.layers.argmax import argmax
from mmkeras.layers.ctc_lattice import CTCLattice, allowed


class Alignment(NamedTuple):
    """The frames of each label.

    Attributes:
        starts: int32 [B, L]: the first frame of each label; 0 where there is none.
        ends: int32 [B, L]: one past the last frame of each label; 0 where there is none.
        scores: float32 [B]: the log-probability of this way to spread the labels over the frames;
            -inf where the labels do not fit into them.
    """

    starts: Any
    ends: Any
    scores: Any


def ctc_align(logits: Any, mask: Any, labels: Any) -> Alignment:
    """The likeliest way to spread the labels over the frames, by Viterbi's algorithm.

    Source: Kürzinger et al. 2020, "CTC-Segmentation of Large Corpora for German End-to-End Speech
    Recognition", section 2, on the lattice of Graves et al. 2006.

    Args:
        logits: float [B, T, K], class 0 the blank; where masked anything, NaN too.
        mask: bool [B, T], True = a frame that counts.
        labels: int [B, L], classes from 1 on, 0 behind them.

    Raises:
        ValueError: a shape or a dtype is another.

    Example:

    >>> import numpy as np
    >>> logits = 5 * np.eye(3)[[[0, 2, 2, 0, 1, 0]]]
    >>> found = ctc_align(logits, np.ones((1, 6), bool), np.array([[2, 1, 0]]))
    >>> np.array(found.starts).tolist(), np.array(found.ends).tolist()
    ([[1, 4, 0]], [[3, 5, 0]])
    """
    lattice = CTCLattice.of(logits, mask, labels)
    labels = ops.convert_to_tensor(labels)
    skips = allowed(lattice.skips)
    reached = lattice.forward(lambda *ways: ops.maximum(ways[0], ops.maximum(*ways[1:])))
    ways = ops.concatenate([lattice.start[None], reached], axis=0)
    last = ways[-1] + allowed(lattice.finals)

    def step(t: Any, state: Any) -> tuple[Any, Any]:
        at = state[:, None]
        # It stayed, moved on, or skipped a blank.
        origins = ops.maximum(at - ops.arange(3, dtype="int32"), 0)
        scores = ops.take_along_axis(ways[t], origins, axis=1)
        skip = ops.take_along_axis(skips, at, axis=1)
        moves = ops.concatenate([scores[:, :2], scores[:, 2:] + skip], axis=1)
        before = ops.maximum(state - argmax(moves), 0)
        counts = lattice.counts[t]
        return ops.where(counts, before, state), ops.where(counts, state, -1)

    states = lattice.walk(step, argmax(last), back=True)
    length, count = ops.shape(states)[0], ops.shape(labels)[1]
    said = ops.equal(states[:, :, None], 2 * ops.arange(count, dtype="int32") + 1)
    frames = ops.arange(length, dtype="int32")[:, None, None]
    starts = ops.min(ops.where(said, frames, length), axis=0)
    ends = ops.max(ops.where(said, frames + 1, 0), axis=0)
    there = ops.logical_and(labels > 0, lattice.alignable[:, None])
    return Alignment(
        starts=ops.where(there, starts, 0),
        ends=ops.where(there, ends, 0),
        scores=ops.where(lattice.alignable, ops.max(last, axis=1), -float("inf")),
    )
