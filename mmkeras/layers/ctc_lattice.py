"""The lattice of connectionist temporal classification: all ways to spread labels over frames.

Source: Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented Sequence
Data with Recurrent Neural Networks", section 4.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

from keras import ops

from mmkeras.layers.walk import walk

#: Stands for minus infinity: differences of it are still numbers, and so are sums over frames.
_NEVER = -1e30


class CTCLattice(NamedTuple):
    """States blank, label 1, blank, label 2, …, blank, which every frame keeps or moves on from.

    A way through the lattice is in one state at each frame. It begins in one of the first two and
    ends in one of the last two; from frame to frame it stays, goes to the next state, or goes from
    one label to the next over the blank between them if the labels differ. S = 2L + 1.

    Attributes:
        emissions: float32 [T, B, S], finite: the log-probability of each state's class; time leads,
            because every algorithm walks along it.
        counts: bool [T, B], True = a frame that counts; the others are passed over.
        skips: bool [B, S]: whether a way may come from the state before the last one.
        finals: bool [B, S]: the states in which a way may end.
        alignable: bool [B]: whether there is any way.

    Example:

    >>> import numpy as np
    >>> logits, mask = np.zeros((2, 3, 4), "float32"), np.ones((2, 3), bool)
    >>> lattice = CTCLattice.of(logits, mask, np.array([[1, 2, 0], [3, 3, 3]]))
    >>> np.array(lattice.alignable).tolist()  # 3 3 3 needs two blanks: five frames
    [True, False]
    >>> loss = lattice.negative_log_likelihood()
    >>> round(float(np.exp(-loss[0])) * 4**3)  # 112 122 012 102 120
    5
    """

    emissions: Any
    counts: Any
    skips: Any
    finals: Any
    alignable: Any

    @classmethod
    def of(cls, logits: Any, mask: Any, labels: Any) -> Self:
        """The lattice, from what models and datasets have.

        Args:
            logits: float [B, T, K], class 0 the blank; where masked anything, NaN too.
            mask: bool [B, T], True = a frame that counts.
            labels: int [B, L], classes from 1 on, 0 behind them.

        Raises:
            ValueError: a shape or a dtype is another.
        """
        logits, mask, labels = (ops.convert_to_tensor(part) for part in (logits, mask, labels))
        if len(logits.shape) != 3:
            raise ValueError(f"logits must be float [B, T, K]; got shape {tuple(logits.shape)}.")
        mask, labels = _checked(mask, labels)
        size = logits.shape[-1]
        batch, length = ops.shape(logits)[0], ops.shape(logits)[1]
        logits = ops.where(mask[..., None], ops.cast(logits, "float32"), 0.0)
        gain = ops.maximum(ops.log_softmax(logits, axis=-1), _NEVER)

        count = ops.sum(ops.cast(labels > 0, "int32"), axis=1)
        blanks = ops.zeros_like(labels)
        states = ops.stack([blanks, labels], axis=2)
        states = ops.pad(ops.reshape(states, (batch, -1)), ((0, 0), (0, 1)))
        two_before = ops.pad(states, ((0, 0), (2, 0)))[:, :-2]
        # Whole rows of frames are gathered, and their gradients added up, faster than numbers.
        rows = ops.reshape(ops.transpose(gain, (0, 2, 1)), (batch * size, length))
        first = ops.arange(batch, dtype="int32")[:, None] * size
        place = ops.arange(ops.shape(states)[1], dtype="int32")[None, :]
        from_end = 2 * count[:, None] - place
        return cls(
            ops.transpose(ops.take(rows, first + states, axis=0), (2, 0, 1)),
            ops.transpose(mask),
            ops.logical_and(states > 0, ops.not_equal(states, two_before)),
            ops.logical_and(from_end >= 0, from_end <= 1),
            alignable(mask, labels),
        )

    @property
    def start(self) -> Any:
        """float32 [B, S]: as if a blank came before the first frame; the ways go on from it."""
        zero = ops.zeros_like(self.skips, dtype="float32")
        return ops.where(ops.arange(ops.shape(zero)[1]) == 0, zero, _NEVER)

    def forward(self, combine: Callable[[Any, Any, Any], Any]) -> Any:
        """Walks to the last frame, combining all ways that lead to each state.

        Args:
            combine: three float [B, S] to one: the maximum gives the score of the best way,
                `add` that of all of them together.

        Returns:
            float32 [T, B, S]: the combined score of all ways up to each frame, this one included.
        """
        skips = allowed(self.skips)

        def step(t: Any, ways: Any) -> tuple[Any, Any]:
            padded = ops.pad(ways, ((0, 0), (2, 0)), constant_values=_NEVER)
            reached = combine(ways, padded[:, 1:-1], padded[:, :-2] + skips) + self.emissions[t]
            ways = ops.where(self.counts[t][:, None], reached, ways)
            return ways, ways

        return self.walk(step, self.start)

    def backward(self) -> Any:
        """float32 [T, B, S]: the score of all ways from each frame's state on, its own excluded."""
        skips = ops.pad(allowed(self.skips), ((0, 0), (0, 2)))[:, 2:]

        def step(t: Any, ways: Any) -> tuple[Any, Any]:
            ahead = ops.pad(ways + self.emissions[t], ((0, 0), (0, 2)), constant_values=_NEVER)
            reached = add(ahead[:, :-2], ahead[:, 1:-1], ahead[:, 2:] + skips)
            return ops.where(self.counts[t][:, None], reached, ways), ways

        return self.walk(step, allowed(self.finals), back=True)

    def walk(
        self, step: Callable[[Any, Any], tuple[Any, Any]], state: Any, back: bool = False
    ) -> Any:
        """Goes from frame to frame.

        Args:
            step: `(t int32 [], state) -> (state, here)`, both tensors like the state.
            state: what `step` takes at the frame that comes first.
            back: begin with the last frame.

        Returns:
            [T, ...]: what `step` finds at each frame.
        """
        return walk(step, state, ops.shape(self.emissions)[0], back)[1]

    def negative_log_likelihood(self) -> Any:
        """float32 [B]: -log Σ exp(score) over all ways; 0 where there is none, or no frame.

        Its gradients are the probabilities of the states at each frame, from one walk forwards and
        one backwards instead of through the first: so they are finite wherever the logits are.
        """

        @ops.custom_gradient
        def value(emissions: Any) -> tuple[Any, Any]:
            # A sure model's small loss is not the difference of two large numbers.
            peaks = ops.max(emissions, axis=2, keepdims=True)
            lattice = self._replace(emissions=emissions - peaks)
            before = lattice.forward(add)

            def gradients(upstream: Any) -> Any:
                states = ops.softmax(before + lattice.backward(), axis=2)
                there = ops.logical_and(self.counts, self.alignable)[..., None]
                return ops.where(there, -states * upstream[None, :, None], 0.0)

            last = ops.concatenate([lattice.start[None], before], axis=0)[-1]
            total = ops.logsumexp(last + allowed(self.finals), axis=1)
            total = total + ops.sum(ops.where(self.counts, peaks[..., 0], 0.0), axis=0)
            return ops.where(self.alignable, -total, 0.0), gradients

        return value(self.emissions)


def alignable(mask: Any, labels: Any) -> Any:
    """Whether there are frames enough: one for each label, and one between two that are equal.

    Args:
        mask: bool [B, T], True = a frame that counts.
        labels: int [B, L], classes from 1 on, 0 behind them.

    Returns:
        bool [B]; no labels at all need no frame.

    Raises:
        ValueError: a shape or a dtype is another.

    Example:

    >>> import numpy as np
    >>> mask = np.array([[True, True, True, False]] * 3)
    >>> labels = np.array([[1, 2, 1, 0], [1, 1, 2, 0], [0, 0, 0, 0]])
    >>> np.array(alignable(mask, labels)).tolist()
    [True, False, True]
    """
    mask, labels = _checked(*(ops.convert_to_tensor(part) for part in (mask, labels)))
    again = ops.logical_and(labels[:, 1:] > 0, ops.equal(labels[:, 1:], labels[:, :-1]))
    frames, needed, more = (
        ops.sum(ops.cast(part, "int32"), axis=1) for part in (mask, labels > 0, again)
    )
    return frames >= needed + more


def add(*scores: Any) -> Any:
    """log Σ exp of tensors of log-probabilities that are all finite, element by element.

    Example:

    >>> import numpy as np
    >>> round(float(np.exp(add(*np.log([[0.1], [0.2], [0.3]]))[0])), 4)
    0.6
    """
    highest = scores[0]
    for score in scores[1:]:
        highest = ops.maximum(highest, score)
    return highest + ops.log(sum(ops.exp(score - highest) for score in scores))


def allowed(where: Any) -> Any:
    """float32: 0 where bool `where` is true, else what stands for minus infinity.

    Example:

    >>> import numpy as np
    >>> bool(np.array(allowed(np.array([True, False])))[1] < -1e29)
    True
    """
    return ops.where(where, 0.0, _NEVER)


def _checked(mask: Any, labels: Any) -> tuple[Any, Any]:
    if len(mask.shape) != 2 or ops.dtype(mask) != "bool":
        raise ValueError(
            "mask must be bool [B, T], True = a frame that counts; got "
            f"{ops.dtype(mask)} {tuple(mask.shape)}."
        )
    if len(labels.shape) != 2 or "int" not in ops.dtype(labels):
        raise ValueError(
            "labels must be int [B, L], classes from 1 on and 0 behind them; got "
            f"{ops.dtype(labels)} {tuple(labels.shape)}."
        )
    return mask, ops.cast(labels, "int32")
