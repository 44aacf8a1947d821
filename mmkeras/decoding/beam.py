"""Beam search: the most probable sequences among those whose every beginning is probable."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from mmkeras.contracts.arguments import check_count, check_number
from mmkeras.layers.autoregression import Search, Sequences, Step, checked_first_ids


def length_divisor(length: Any, length_penalty: float) -> Any:
    """((5 + length) / 6) ** length_penalty, by which a sequence's log-probability is divided.

    Source: Wu et al. 2016, "Google's Neural Machine Translation System", equation 14.

    Args:
        length: number of tokens, the end token among them.
        length_penalty: 0 favours short sequences; the paper takes 0.2, many take 0.6.

    Example:

    >>> length_divisor(7, 1.0)
    2.0
    """
    return ((5.0 + length) / 6.0) ** length_penalty


def beam_search(
    step: Step,
    state: Any,
    first_ids: Any,
    *,
    num_beams: int,
    max_new_tokens: int,
    end_id: int | None = None,
    pad_id: int = 0,
    length_penalty: float = 0.6,
) -> Sequences:
    """The `num_beams` best sequences found by keeping as many beginnings at every length.

    Finished sequences are kept apart from the beginnings that go on, and the search stops when no
    beginning can overtake them any more: with as many beams as there are beginnings it is exact.
    Sequences that reach `max_new_tokens` without an end count like finished ones.

    Args:
        step: `(token_ids int32 [B * beams], state) -> (logits, state)`; see `Step`.
        state: of B sequences; it is repeated for the beams, and its rows follow them.
        first_ids: int [B]: the beginning-of-sequence token, or the last of each prompt.
        num_beams: number of beginnings kept, and of sequences returned.
        max_new_tokens: the longest sequence.
        end_id: the token that ends a sequence; None: none does.
        pad_id: the token behind the end.
        length_penalty: exponent of the `length_divisor`.

    Returns:
        `Sequences` of [B, num_beams, max_new_tokens], the best first. Where fewer sequences exist,
        the others are padding alone, with score -inf.

    Raises:
        ValueError: `num_beams` or `max_new_tokens` is below 1, `length_penalty` is not finite, or
            `first_ids` is not a vector of integers.

    Example:

    >>> import numpy as np
    >>> table = np.log(np.array([[0.1, 0.5, 0.4], [0.4, 0.3, 0.3], [0.0, 1.0, 0.0]]) + 1e-9)
    >>> def step(token_ids, state):
    ...     return ops.take(table, token_ids, axis=0), state
    >>> made = beam_search(
    ...     step, (), np.array([0]), num_beams=2, max_new_tokens=2, length_penalty=0.0
    ... )
    >>> np.array(made.token_ids)[0, 0].tolist()  # 0.4 x 1.0; greedy search finds 0.5 x 0.4
    [2, 1]
    """
    check_count("num_beams", num_beams)
    check_number("length_penalty", length_penalty)
    first_ids = checked_first_ids(first_ids, max_new_tokens)
    batch = ops.shape(first_ids)[0]

    def unfinished(search: _Search) -> Any:
        full = search.index >= max_new_tokens
        if end_id is None:
            return ops.logical_not(full)
        # The alive can only lose probability, and gain at most what their length makes of it.
        length = max_new_tokens if length_penalty > 0.0 else ops.cast(search.index + 1, "float32")
        reachable = ops.max(search.alive, axis=1) / length_divisor(length, length_penalty)
        lost = ops.all(ops.min(search.scores, axis=1) >= reachable)
        return ops.logical_not(full | lost)

    def advance(search: _Search) -> tuple[_Search]:
        logits, state = step(ops.reshape(search.ids, (-1,)), search.state)
        size = logits.shape[-1]
        gain = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        total = search.alive[:, :, None] + ops.reshape(gain, (-1, num_beams, size))
        # Each beginning can end in one way only: of twice as many, enough go on.
        total, places = ops.top_k(
            ops.reshape(total, (-1, num_beams * size)), num_beams * min(2, size)
        )
        places = ops.cast(places, "int32")
        parents, tokens = places // size, places % size
        here = ops.arange(max_new_tokens, dtype="int32") == search.index
        grown = ops.where(here, tokens[:, :, None], _beams(search.made, parents))
        done, lengths, scores = search.done, search.lengths, search.scores
        if end_id is not None:
            ended = tokens == end_id
            length = search.index + 1
            score = total / length_divisor(ops.cast(length, "float32"), length_penalty)
            done, lengths, scores = _best(
                num_beams,
                (done, grown),
                (lengths, ops.zeros_like(tokens) + length),
                (scores, ops.where(ended, score, _NEVER)),
            )
            total = ops.where(ended, _NEVER, total)
        alive, kept = ops.top_k(total, num_beams)
        parents = _beams(parents, kept)
        rows = ops.arange(ops.shape(parents)[0], dtype="int32")[:, None] * num_beams + parents
        return (
            _Search(
                index=search.index + 1,
                ids=_beams(tokens, kept),
                alive=alive,
                made=_beams(grown, kept),
                done=done,
                lengths=lengths,
                scores=scores,
                state=_each(lambda x: ops.take(x, ops.reshape(rows, (-1,)), axis=0), state),
            ),
        )

    nothing = ops.full((batch, num_beams, max_new_tokens), pad_id, dtype="int32")
    # The beams begin alike: all but one would be copies of it.
    first_beam = ops.arange(num_beams, dtype="int32") == 0
    start = _Search(
        index=ops.zeros((), dtype="int32"),
        ids=ops.broadcast_to(first_ids[:, None], (batch, num_beams)),
        alive=ops.broadcast_to(ops.where(first_beam, 0.0, _NEVER), (batch, num_beams)),
        made=nothing,
        done=nothing,
        lengths=ops.zeros((batch, num_beams), dtype="int32"),
        scores=ops.full((batch, num_beams), _NEVER, dtype="float32"),
        state=_each(lambda x: ops.repeat(x, num_beams, axis=0), state),
    )
    (end,) = ops.while_loop(unfinished, advance, (start,))
    # Where the search stopped early, what is still alive has lost; else it is full.
    score = end.alive / length_divisor(max_new_tokens, length_penalty)
    done, lengths, scores = _best(
        num_beams,
        (end.done, end.made),
        (end.lengths, ops.full_like(end.lengths, max_new_tokens)),
        (end.scores, ops.where(end.index >= max_new_tokens, score, _NEVER)),
    )
    there = scores > _NEVER
    return Sequences(
        ops.where(there[:, :, None], done, pad_id), ops.where(there, lengths, 0), scores
    )


_NEVER = -float("inf")


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Beams(Search):
    """`beam_search` as a value: the best sequence that it finds.

    Args:
        num_beams: number of beginnings kept.
        length_penalty: exponent of the `length_divisor`.

    Raises:
        ValueError: `num_beams` is no whole number from 1 on, or `length_penalty` no finite number.
    """

    num_beams: int = 4
    length_penalty: float = 0.6

    def __post_init__(self) -> None:
        """Checks the arguments."""
        check_count("num_beams", self.num_beams)
        check_number("length_penalty", self.length_penalty)

    def __call__(
        self,
        step: Step,
        state: Any,
        first_ids: Any,
        *,
        max_new_tokens: int,
        end_id: int,
        seed: keras.random.SeedGenerator | None = None,
    ) -> Sequences:
        """See `Search`."""
        del seed
        found = beam_search(
            step,
            state,
            first_ids,
            num_beams=self.num_beams,
            max_new_tokens=max_new_tokens,
            end_id=end_id,
            length_penalty=self.length_penalty,
        )
        ids, lengths, scores = (part[:, 0] for part in found)
        penalty = length_divisor(ops.cast(lengths, "float32"), self.length_penalty)
        return Sequences(ids, lengths, scores * penalty)


class _Search(NamedTuple):
    """What the loop carries: the beginnings that are alive, and the sequences that are done."""

    index: Any  # int32, number of tokens made
    ids: Any  # int32 [B, beams], the last token of each beginning
    alive: Any  # float32 [B, beams], log-probability of each beginning, falling
    made: Any  # int32 [B, beams, T]
    done: Any  # int32 [B, beams, T]
    lengths: Any  # int32 [B, beams]
    scores: Any  # float32 [B, beams], of what is done, falling
    state: Any  # leaves [B * beams, ...]


def _beams(values: Any, beams: Any) -> Any:
    """Of values [B, M, ...], those at `beams` int [B, N]."""
    beams = ops.reshape(beams, (*ops.shape(beams), *[1] * (len(values.shape) - 2)))
    return ops.take_along_axis(values, beams, axis=1)


def _best(count: int, done: Any, lengths: Any, scores: Any) -> tuple[Any, Any, Any]:
    """The sequences with the `count` highest scores, of two sets."""
    scores, kept = ops.top_k(ops.concatenate(scores, axis=1), count)
    done, lengths = (_beams(ops.concatenate(both, axis=1), kept) for both in (done, lengths))
    return done, lengths, scores


def _each(change: Callable[[Any], Any], state: Any) -> Any:
    """The state with its leaves changed; scalars belong to no sequence and stay."""
    leaves = keras.tree.map_structure(ops.convert_to_tensor, state)
    return keras.tree.map_structure(lambda x: change(x) if len(x.shape) else x, leaves)
