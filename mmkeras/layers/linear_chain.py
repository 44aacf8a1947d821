"""A linear chain: sequences of tags, scored by position and by what follows what.

Source: Lafferty et al. 2001, "Conditional Random Fields"; Lample et al. 2016, "Neural Architectures
for Named Entity Recognition", section 2.2.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

from keras import ops

from mmkeras.layers.walk import walk

#: Stands for minus infinity: differences of it are still numbers, and so are sums over a sequence.
_NEVER = -1e30


class LinearChain(NamedTuple):
    """The scores of all sequences of tags over the positions that count, for a batch.

    A sequence scores starts[first tag] + Σ scores[position, tag] + Σ transitions[tag, next tag] +
    ends[last tag]. Positions that do not count are skipped, wherever they stand: the chain goes
    from each position that counts to the next one that does.

    Attributes:
        scores: float32 [T, B, K], finite; time leads, because every algorithm walks along it.
        counts: bool [T, B], True = a position that counts.
        first: bool [T, B], True = the first position of its row that counts.
        transitions: float32 [K, K], row i for what may follow tag i.
        starts: float32 [K].
        ends: float32 [K].

    Example:

    >>> import numpy as np
    >>> scores, mask = np.zeros((1, 3, 2), "float32"), np.array([[True, False, True]])
    >>> chain = LinearChain.of(scores, mask, np.zeros((2, 2)), np.zeros(2), np.zeros(2))
    >>> round(float(np.exp(chain.log_partition()[0])), 4)  # 2 tags at each of 2 positions
    4.0
    """

    scores: Any
    counts: Any
    first: Any
    transitions: Any
    starts: Any
    ends: Any

    @classmethod
    def of(cls, scores: Any, mask: Any, transitions: Any, starts: Any, ends: Any) -> Self:
        """The chain, from what models have.

        Args:
            scores: float [B, T, K]; at masked places anything, NaN too.
            mask: bool [B, T], True = a position that counts.
            transitions: float [K, K]; -inf or a large negative number forbids.
            starts: float [K].
            ends: float [K].

        Raises:
            ValueError: a shape or a dtype is another.
        """
        scores, mask, transitions, starts, ends = (
            ops.convert_to_tensor(part) for part in (scores, mask, transitions, starts, ends)
        )
        if len(scores.shape) != 3:
            raise ValueError(f"scores must be float [B, T, K]; got shape {tuple(scores.shape)}.")
        if len(mask.shape) != 2 or ops.dtype(mask) != "bool":
            raise ValueError(
                "mask must be bool [B, T], True = a position that counts; got "
                f"{ops.dtype(mask)} {tuple(mask.shape)}."
            )
        size = scores.shape[-1]
        for name, part, shape in (
            ("transitions", transitions, (size, size)),
            ("starts", starts, (size,)),
            ("ends", ends, (size,)),
        ):
            if tuple(part.shape) != shape:
                raise ValueError(
                    f"{name} must have shape {shape}, as scores have {size} tags; got "
                    f"{tuple(part.shape)}."
                )
        scores = ops.where(mask[..., None], ops.cast(scores, "float32"), 0.0)
        counts = ops.transpose(mask)
        position = ops.cumsum(ops.cast(counts, "int32"), axis=0)
        return cls(
            ops.maximum(ops.transpose(scores, (1, 0, 2)), _NEVER),
            counts,
            ops.logical_and(counts, position == 1),
            *(
                ops.maximum(ops.cast(part, "float32"), _NEVER)
                for part in (transitions, starts, ends)
            ),
        )

    @property
    def occupied(self) -> Any:
        """bool [B]: whether anything in the row counts."""
        return ops.any(self.counts, axis=0)

    def forward(self, combine: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Walks to the end, combining all ways that lead to each tag.

        Args:
            combine: float [..., K] to [...]: the maximum gives the score of the best way,
                log-sum-exp that of all of them together.

        Returns:
            float32 [T, B, K]: what is known before each position: the combined score of all ways up
            to the last position that counts, by its tag. Then float32 [B, K], the same behind the
            last position, with `ends`.
        """
        from_all = ops.transpose(self.transitions)

        def step(t: Any, ways: Any) -> tuple[Any, Any]:
            reached = combine(ways[:, None, :] + from_all)
            reached = ops.where(self.first[t][:, None], self.starts, reached) + self.scores[t]
            return ops.where(self.counts[t][:, None], reached, ways), ways

        nothing = ops.sum(ops.zeros_like(self.scores), axis=0)
        ways, before = walk(step, nothing, ops.shape(self.scores)[0])
        return before, ways + self.ends

    def backward(
        self, step: Callable[[Any, Any, Any, Any], tuple[Any, Any]], state: Any
    ) -> tuple[Any, Any]:
        """Walks from the end to the beginning.

        Args:
            step: `(t int32 [], counts bool [B], moves bool [B], state) -> (state, here [B, ...])`:
                `counts` tells whether the position counts, `moves` whether one before it does too.
            state: what `step` takes at the last position, a tensor.

        Returns:
            The state at the beginning, and [T, B, ...], what `step` found at each position.
        """

        def retreat(t: Any, state: Any) -> tuple[Any, Any]:
            counts = self.counts[t]
            moves = ops.logical_and(counts, ops.logical_not(self.first[t]))
            return step(t, counts, moves, state)

        return walk(retreat, state, ops.shape(self.scores)[0], back=True)

    def posterior(self, before: Any, final: Any) -> tuple[Any, Any]:
        """How probable each tag and each pair of neighbours is, all sequences considered.

        Args:
            before: what `forward` with log-sum-exp gives.
            final: likewise.

        Returns:
            float32 [T, B, K]: the probability of each tag, 0 where nothing counts. And float32
            [B, K, K]: how often tag j is expected right after tag i.
        """
        from_all = ops.transpose(self.transitions)

        def pair(t: Any, moves: Any, tags: Any) -> Any:
            # Where a tag j came from, given j; a softmax, which is exact for scores of any size.
            origin = ops.softmax(before[t][:, None, :] + from_all, axis=-1)
            return ops.where(moves[:, None], tags, 0.0)[:, :, None] * origin

        def step(t: Any, counts: Any, moves: Any, tags: Any) -> tuple[Any, Any]:
            earlier = ops.where(moves[:, None], ops.sum(pair(t, moves, tags), axis=1), tags)
            return earlier, ops.where(counts[:, None], tags, 0.0)

        _, tags = self.backward(step, ops.softmax(final, axis=-1))
        none = ops.zeros_like(final)
        moves = ops.logical_and(self.counts, ops.logical_not(self.first))
        # Added up in a walk of its own, which keeps no pairs but the sum.
        pairs = ops.fori_loop(
            0,
            ops.shape(tags)[0],
            lambda t, pairs: pairs + pair(t, moves[t], tags[t]),
            none[:, :, None] * none[:, None, :],
        )
        return tags, ops.transpose(pairs, (0, 2, 1))

    def log_partition(self) -> Any:
        """float32 [B]: log Σ exp(score) over all sequences; 0 where no position counts.

        Its gradients are the probabilities that `posterior` gives, computed in one more walk
        instead of through the first: so they are finite wherever the scores are, and need no
        memory that grows with K².
        """

        @ops.custom_gradient
        def value(scores: Any, transitions: Any, starts: Any, ends: Any) -> tuple[Any, Any]:
            chain = self._replace(scores=scores, transitions=transitions, starts=starts, ends=ends)
            before, final = chain.forward(_log_sum_exp)

            def gradients(upstream: Any) -> tuple[Any, ...]:
                weight = ops.where(chain.occupied, upstream, 0.0)
                tags, pairs = chain.posterior(before, final)
                tags = tags * weight[None, :, None]
                first = ops.where(chain.first[..., None], tags, 0.0)
                return (
                    tags,
                    ops.sum(pairs * weight[:, None, None], axis=0),
                    ops.sum(first, axis=(0, 1)),
                    ops.sum(ops.softmax(final, axis=-1) * weight[:, None], axis=0),
                )

            return ops.where(chain.occupied, _log_sum_exp(final), 0.0), gradients

        return value(self.scores, self.transitions, self.starts, self.ends)


def _log_sum_exp(values: Any) -> Any:
    return ops.logsumexp(values, axis=-1)
