"""`NGramModel`: how probable a token is after the few tokens before it."""

import base64
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from mmkeras.contracts.configured import Configured


@keras.saving.register_keras_serializable(package="mmkeras")
class NGramModel(Configured):
    """A language model of token ids that looks back at `order` - 1 of them.

    What was seen after a context is mixed with what is probable after the context without its first
    token, down to all tokens alike (interpolated Witten-Bell smoothing):

        P(token | context) = (count + kinds · P(token | shorter context)) / (total + kinds)

    with `count` how often the token followed, `total` how often any did, `kinds` how many different
    ones. Where a context was not seen often enough, its longest known ending stands for it.

    All contexts are states of an automaton; what is probable in each, and where each token leads,
    is looked up in two tables [states, K]. That is fast in every runtime, and meant for alphabets
    and small sub-word vocabularies: `min_count` keeps the tables small.

    Sources: Witten & Bell 1991, "The Zero-Frequency Problem"; Chen & Goodman 1998, "An Empirical
    Study of Smoothing Techniques for Language Modeling", section 2.6.

    Args:
        windows: int [N, order], all that was seen: a token behind what came before it, 0 where
            nothing did, and 0 as the last token for the end of a sequence.
        counts: int [N], how often.
        num_tokens: K; ids from 1 on are tokens, and 0 is the end. It is also what a recogniser
            takes for its blank, so that both number their tokens alike.
        min_count: how often a context must have been seen to have a state of its own.

    Attributes:
        order: how many tokens are looked at together.
        start: int, the state before the first token.

    Raises:
        ValueError: an argument has another shape or an id out of its range.

    Example:

    >>> model = NGramModel.learn([[1, 2, 1, 2], [1, 2]], order=2, num_tokens=3)
    >>> state = model.advance(np.array(model.start), np.array(1))  # after 1, always 2
    >>> np.exp(np.array(model.scores(state), "float64")).round(4).tolist()  # the end, 1, 2
    [0.0682, 0.0909, 0.8409]
    """

    def __init__(
        self,
        windows: np.ndarray,
        counts: np.ndarray,
        num_tokens: int,
        min_count: int = 1,
    ):
        windows, counts = (np.asarray(part, "int32") for part in (windows, counts))
        if windows.ndim != 2 or counts.shape != windows.shape[:1] or not windows.size:
            raise ValueError(
                "windows must be int [N, order] and counts int [N], with N and order at least 1; "
                f"got {windows.shape} and {counts.shape}."
            )
        if windows.min() < 0 or windows.max() >= num_tokens or counts.min() < 1:
            raise ValueError(
                f"token ids must be in [0, {num_tokens}) and counts at least 1; got ids in "
                f"[{windows.min()}, {windows.max()}] and counts from {counts.min()} on."
            )
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1; got {min_count}.")
        self.windows, self.counts = windows, counts
        self.num_tokens, self.min_count = num_tokens, min_count
        self.order = windows.shape[1]
        self._build()

    @classmethod
    def learn(
        cls, sequences: Iterable[Sequence[int]], order: int, num_tokens: int, min_count: int = 1
    ) -> Self:
        """The model of what is in the sequences.

        Args:
            sequences: the token ids of each, from 1 on; without an end.
            order: how many tokens are looked at together; 1: none but the next one.
            num_tokens: K; see the class.
            min_count: see the class.

        Raises:
            ValueError: `order` is below 1, there is no sequence, or an id is out of its range.
        """
        if order < 1:
            raise ValueError(f"order must be at least 1; got {order}.")
        seen = []
        for number, sequence in enumerate(sequences):
            ids = np.asarray(sequence, "int32").reshape(-1)
            if ids.size and not (ids.min() > 0 and ids.max() < num_tokens):
                raise ValueError(
                    f"sequence {number}: token ids must be in [1, {num_tokens}); got "
                    f"[{ids.min()}, {ids.max()}]."
                )
            padded = np.pad(ids, (order - 1, 1))
            seen.append(np.lib.stride_tricks.sliding_window_view(padded, order))
        if not seen:
            raise ValueError("there is no sequence to learn from.")
        windows, counts = np.unique(np.concatenate(seen), axis=0, return_counts=True)
        return cls(windows, counts, num_tokens, min_count)

    def _build(self) -> None:
        """The tables, from the shortest context to the longest."""
        size = self.num_tokens
        numbers: dict[tuple[int, ...], int] = {(): 0}
        table = self._seen(0)[1]
        probabilities = _mixed(table, np.full((1, size), 1.0 / size))
        leads = np.zeros((1, size), "int32")
        for length in range(1, self.order):
            keys, table = self._seen(length)
            first = len(numbers)
            numbers |= {key: first + i for i, key in enumerate(keys)}
            shorter = [numbers[key[1:]] for key in keys]
            rows = _mixed(table, probabilities[shorter])
            probabilities = np.concatenate([probabilities, rows])
            # A token leads to the longer context that it makes, or to where it leads from the
            # context without its first token.
            parents, last = [numbers[key[:-1]] for key in keys], [key[-1] for key in keys]
            leads[parents, last] = np.arange(first, len(numbers))
            leads = np.concatenate([leads, leads[shorter]])
        self.start = numbers.get((0,), 0)
        self._scores, self._leads = np.log(probabilities).astype("float32"), leads

    def _seen(self, length: int) -> tuple[list[tuple[int, ...]], np.ndarray]:
        """The contexts of this length, and float64 [contexts, K]: how often each token followed."""
        # One beginning is enough to know: 0 0 1 tells no more than 0 1.
        known = np.minimum((self.windows[:, :-1] > 0).sum(axis=1) + 1, self.order - 1) >= length
        windows, counts = self.windows[known], self.counts[known]
        before = windows[:, self.order - 1 - length : -1].tolist()
        rows: dict[tuple[int, ...], int] = {}
        which = [rows.setdefault(tuple(context), len(rows)) for context in before]
        table = np.zeros((len(rows), self.num_tokens))
        np.add.at(table, (which, windows[:, -1]), counts)
        often = table.sum(axis=1) >= (self.min_count if length else 0)
        return [key for key, kept in zip(rows, often, strict=True) if kept], table[often]

    @property
    def num_states(self) -> int:
        """How many contexts are known."""
        return len(self._scores)

    def scores(self, states: Any) -> Any:
        """log P(next token | state).

        Args:
            states: int32 [...], from `start` and `advance`.

        Returns:
            float32 [..., K], the end's at 0.
        """
        return ops.take(self._scores, states, axis=0)

    def advance(self, states: Any, token_ids: Any) -> Any:
        """The states behind these tokens.

        Args:
            states: int32 [...].
            token_ids: int32 [...], from 1 on; 0 begins anew.

        Returns:
            int32 [...].
        """
        return ops.take(self._leads.reshape(-1), states * self.num_tokens + token_ids)

    def log_probability(self, sequence: Sequence[int]) -> float:
        """log P(tokens, end) of one whole sequence of token ids, in NumPy.

        Example:

        >>> model = NGramModel.learn([[1, 2, 1, 2], [1, 2]], order=2, num_tokens=3)
        >>> round(model.log_probability([1, 2]), 4)
        -1.0868
        """
        state, total = self.start, 0.0
        for token in (*sequence, 0):
            total += float(self._scores[state, token])
            state = self._leads[state, token]
        return total

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the arrays compressed, as text."""
        return {
            "windows": _written(self.windows),
            "counts": _written(self.counts),
            "order": self.order,
            "num_tokens": self.num_tokens,
            "min_count": self.min_count,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The model that `get_config` described."""
        windows, counts = (_read(config[name]) for name in ("windows", "counts"))
        return cls(
            windows.reshape(-1, config["order"]),
            counts,
            config["num_tokens"],
            config["min_count"],
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NGramModel):
            return NotImplemented
        return self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(tuple(self.get_config().values()))


def _mixed(table: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Witten-Bell smoothing of counts [N, K] with the probabilities of the shorter contexts."""
    kinds = (table > 0).sum(axis=1, keepdims=True)
    return (table + kinds * below) / (table.sum(axis=1, keepdims=True) + kinds)


def _written(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.astype("<i4").tobytes(), 9)).decode()


def _read(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i4")
