"""The loop of every decoder that makes one token at a time, as one graph of fixed shapes."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from mmkeras.contracts.configured import Configured

#: `(token_ids int32 [B], state) -> (logits float [B, K], state)`: one token of each sequence goes
#: in, the scores of the next come out. `state` is any nesting of tensors (tuples, named tuples,
#: lists, dicts) whose shapes a step does not change; B leads all of them but scalars.
Step = Callable[[Any, Any], tuple[Any, Any]]


class Sequences(NamedTuple):
    """Token sequences that a model made; [B, T] from greedy search, [B, beams, T] from beams.

    Attributes:
        token_ids: int32 [..., T], T = `max_new_tokens`: the end token is the last of a finished
            sequence, and `pad_id` stands behind it.
        lengths: int32 [...]: number of tokens that are not padding.
        scores: float32 [...]: the sum of the tokens' log-probabilities; beam search divides it by
            its length penalty.
    """

    token_ids: Any
    lengths: Any
    scores: Any


class Search(Configured, abc.ABC):
    """How the tokens of a sequence are chosen, as a value: greedily, with beams, or by chance."""

    @property
    def repeatable(self) -> bool:
        """False where sequences are drawn, others in every call."""
        return True

    @property
    def draws(self) -> bool:
        """Whether it needs random numbers, with a seed of its own or without."""
        return False

    @abc.abstractmethod
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
        """One sequence for each of `first_ids`.

        Args:
            step: see `Step`.
            state: what `step` takes with the first token.
            first_ids: int [B]: the beginning-of-sequence token.
            max_new_tokens: T, the longest sequence.
            end_id: the token that ends a sequence; 0 stands behind it.
            seed: what a search that draws goes on from, from call to call.

        Returns:
            `Sequences` of [B, T], whose scores are sums of log-probabilities.
        """


#: `(logits float32 [B, K], index int32 []) -> token ids [B]`; `index` counts the tokens so far.
Choose = Callable[[Any, Any], Any]


class ForwardSearch(Search):
    """A search that goes forward alone: what it chose stays, so that it can be told at once."""

    @abc.abstractmethod
    def chooser(self, batch: Any, max_new_tokens: int, seed: Any = None) -> Choose:
        """How tokens are chosen, for one call of the search.

        Args:
            batch: B, how many sequences.
            max_new_tokens: the longest sequence.
            seed: see `Search`.
        """

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
        choose = self.chooser(ops.shape(first_ids)[0], max_new_tokens, seed)
        return autoregress(
            step, state, first_ids, choose, max_new_tokens=max_new_tokens, end_id=end_id
        )


def autoregress(
    step: Step,
    state: Any,
    first_ids: Any,
    choose: Choose,
    *,
    max_new_tokens: int,
    end_id: int | None = None,
    pad_id: int = 0,
) -> Sequences:
    """Feeds each chosen token back to `step` until all sequences ended or are full.

    All in `keras.ops`: within a `tf.function` it is one `while` of static shapes, for XLA too.

    Args:
        step: see `Step`.
        state: what `step` takes with the first token, such as empty key-value caches.
        first_ids: int [B]: the beginning-of-sequence token, or the last of each prompt. It does
            not appear in the result.
        choose: see `Choose`.
        max_new_tokens: T of the result.
        end_id: the token that ends a sequence; None: all sequences become full.
        pad_id: the token behind the end.

    Raises:
        ValueError: `max_new_tokens` is below 1, or `first_ids` is not a vector of integers.

    Example:

    >>> import numpy as np
    >>> def counting(token_ids, state):  # after token i comes i + 1
    ...     return ops.one_hot(token_ids + 1, 5), state
    >>> made = autoregress(
    ...     counting, (), np.array([0, 2]), lambda logits, _: ops.argmax(logits, axis=-1),
    ...     max_new_tokens=4, end_id=3,
    ... )
    >>> np.array(made.token_ids).tolist(), np.array(made.lengths).tolist()
    ([[1, 2, 3, 0], [3, 0, 0, 0]], [3, 1])
    """
    first_ids = checked_first_ids(first_ids, max_new_tokens)
    batch = ops.shape(first_ids)[0]
    nothing = ops.zeros((batch,), dtype="int32")
    made = ops.full((batch, max_new_tokens), pad_id, dtype="int32")

    def unfinished(index: Any, finished: Any, *_: Any) -> Any:
        # Ends early only where something can end: a loop of known length compiles to less.
        full = index >= max_new_tokens
        return ops.logical_not(full if end_id is None else full | ops.all(finished))

    def advance(
        index: Any, finished: Any, ids: Any, made: Any, lengths: Any, scores: Any, state: Any
    ) -> tuple[Any, ...]:
        logits, state = step(ids, state)
        logits = ops.cast(logits, "float32")
        ids = ops.cast(choose(logits, index), "int32")
        chosen = ops.take_along_axis(logits, ids[:, None], axis=-1)[:, 0]
        scores = scores + ops.where(finished, 0.0, chosen - ops.logsumexp(logits, axis=-1))
        ids = ops.where(finished, pad_id, ids)
        here = ops.arange(max_new_tokens, dtype="int32")[None, :] == index
        made = ops.where(here, ids[:, None], made)
        lengths = lengths + ops.cast(ops.logical_not(finished), "int32")
        if end_id is not None:
            finished = finished | (ids == end_id)
        return index + 1, finished, ids, made, lengths, scores, state

    _, _, _, made, lengths, scores, _ = ops.while_loop(
        unfinished,
        advance,
        (
            ops.zeros((), dtype="int32"),
            ops.zeros_like(nothing, dtype="bool"),
            first_ids,
            made,
            nothing,
            ops.zeros_like(nothing, dtype="float32"),
            state,
        ),
    )
    return Sequences(made, lengths, scores)


def checked_first_ids(first_ids: Any, max_new_tokens: int) -> Any:
    """`first_ids` as int32 [B].

    Raises:
        ValueError: it is no vector of integers, or `max_new_tokens` is below 1.

    Example:

    >>> checked_first_ids([[1]], 3)
    Traceback (most recent call last):
    ValueError: first_ids must be integers [B], one token for each sequence; got int32 (1, 1).
    """
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1; got {max_new_tokens}.")
    first_ids = ops.convert_to_tensor(first_ids)
    dtype = ops.dtype(first_ids)
    if len(first_ids.shape) != 1 or "int" not in dtype:
        raise ValueError(
            "first_ids must be integers [B], one token for each sequence; got "
            f"{dtype} {tuple(first_ids.shape)}."
        )
    return ops.cast(first_ids, "int32")
