"""Which keys a query may attend to, as a value: no [T, S] matrix exists until it is asked for.

Windows as in Beltagy et al. 2020, "Longformer"; segments as in packed training, Krell et al.
2021, "Efficient Sequence Packing without Cross-contamination".
"""

import dataclasses
from typing import Any, Self

import keras
from keras import ops


@dataclasses.dataclass(frozen=True)
class AttentionMask:
    """What all of its parts allow: padding, order, distance, segments and any matrix besides.

    A prefix as in Raffel et al. 2020, "T5", section 3.2.1: what is read before the text is written.

    Query t stands at position `offset` + t, key s at position s.

    Args:
        keys: bool [B, S], True = a token; None: all are.
        causal: no query sees a key behind its own position.
        window: a query sees keys at a distance below this alone: with `causal` the `window` keys
            up to its own, without also `window` - 1 behind it.
        query_segments: int [B, T]: queries see keys of their own segment alone.
        key_segments: int [B, S]; None: those of the queries.
        dense: bool that broadcasts to [B, N, T, S], True = attend.
        offset: position of the first query, int or int32 scalar.
        prefix: how many of the first keys `causal` hides from no query, int or int32 scalar.

    Raises:
        ValueError: a part is of a wrong rank or dtype, or the window is below 1.

    Example:

    >>> import numpy as np
    >>> np.array(AttentionMask(causal=True, window=2).block(0, 3, 0, 3))[0, 0].astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [0, 1, 1]])
    """

    keys: Any = None
    causal: bool = False
    window: int | None = None
    query_segments: Any = None
    key_segments: Any = None
    dense: Any = None
    offset: Any = 0
    prefix: Any = 0

    def __post_init__(self) -> None:
        """Checks ranks and dtypes."""
        if self.window is not None and self.window < 1:
            raise ValueError(f"window must be at least 1, the key itself; got {self.window}.")
        if isinstance(self.prefix, int) and self.prefix < 0:
            raise ValueError(f"prefix must be a number of keys, from 0 up; got {self.prefix}.")
        if self.key_segments is not None and self.query_segments is None:
            raise ValueError("key_segments need query_segments to be compared with; got None.")
        _check("keys", self.keys, ("bool",), (2,), "bool [B, S], True = attend")
        whole = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
        _check("query_segments", self.query_segments, whole, (2,), "int [B, T]")
        _check("key_segments", self.key_segments, whole, (2,), "int [B, S]")
        _check("dense", self.dense, ("bool",), (4,), "bool [B, N, T, S], True = attend")

    @classmethod
    def of(cls, mask: Any) -> Self:
        """A mask as a value, from what layers accept.

        Args:
            mask: None, an `AttentionMask`, or bool [B, S], [B, T, S] or [B, N, T, S], each of whose
                dimensions may be 1.

        Raises:
            ValueError: it is none of these.
        """
        if mask is None:
            return cls()
        if isinstance(mask, cls):
            return mask
        _check("attention_mask", mask, ("bool",), (2, 3, 4), "bool [B, S] or [B, T, S]")
        if len(mask.shape) == 2:
            return cls(keys=mask)
        return cls(dense=mask if len(mask.shape) == 4 else mask[:, None])

    def check_lengths(self, queries: int | None, keys: int | None) -> None:
        """Compares the parts with the numbers of queries and keys, where those are known.

        Raises:
            ValueError: a part is of another length.
        """
        segments = self.key_segments
        for name, part, axis, length in (
            ("keys", self.keys, 1, keys),
            ("query_segments", self.query_segments, 1, queries),
            ("key_segments", self.query_segments if segments is None else segments, 1, keys),
            ("dense", self.dense, 2, queries),
            ("dense", self.dense, 3, keys),
        ):
            allowed = (None, length, 1) if name == "dense" else (None, length)
            if part is not None and length is not None and part.shape[axis] not in allowed:
                raise ValueError(
                    f"{name} has shape {tuple(part.shape)}, whose axis {axis} must be {length}: "
                    f"there are {queries} queries and {keys} keys."
                )

    def key_range(self, start: int, count: int, num_keys: int) -> tuple[int, int]:
        """The keys [low, high) beyond which queries [start, start + count) surely see none.

        Example:

        >>> AttentionMask(causal=True, window=4).key_range(8, 2, num_keys=100)
        (5, 10)
        """
        if not isinstance(self.offset, int):
            return 0, num_keys
        first, last = self.offset + start, self.offset + start + count - 1
        low, high = 0, num_keys
        if self.causal and isinstance(self.prefix, int):
            high = min(high, max(last + 1, self.prefix))
        if self.window is not None:
            low = max(low, first - self.window + 1)
            high = min(high, last + self.window)
        # At least one key, so that no block is empty; its mask hides it.
        low = min(low, num_keys - 1)
        return low, max(high, low + 1)

    def block(self, start: Any, count: Any, low: Any, size: Any) -> Any:
        """What queries [start, start + count) see of keys [low, low + size).

        Args:
            start: int or int32 scalar.
            count: int.
            low: int.
            size: int.

        Returns:
            bool that broadcasts to [B, N, count, size]; None: everything.
        """
        parts = []
        if self.causal or self.window is not None:
            distance = self.offset + start + ops.arange(count, dtype="int32")[:, None]
            keys = (low + ops.arange(size, dtype="int32"))[None, :]
            distance = distance - keys
            if self.causal:
                seen = distance >= 0
                if not isinstance(self.prefix, int) or self.prefix:
                    seen = ops.logical_or(seen, keys < self.prefix)
                parts.append(seen[None, None])
            if self.window is not None:
                parts.append((ops.abs(distance) < self.window)[None, None])
        if self.keys is not None:
            parts.append(_slice(self.keys, 1, low, size)[:, None, None, :])
        if self.query_segments is not None:
            of_keys = self.query_segments if self.key_segments is None else self.key_segments
            of_queries = _slice(self.query_segments, 1, start, count)[:, None, :, None]
            of_keys = _slice(of_keys, 1, low, size)[:, None, None, :]
            parts.append(ops.equal(of_queries, ops.cast(of_keys, of_queries.dtype)))
        if self.dense is not None:
            dense = self.dense
            if dense.shape[2] != 1:
                dense = _slice(dense, 2, start, count)
            if dense.shape[3] != 1:
                dense = _slice(dense, 3, low, size)
            parts.append(dense)
        if not parts:
            return None
        allowed = parts[0]
        for part in parts[1:]:
            allowed = ops.logical_and(allowed, part)
        return allowed

    @property
    def is_by_order(self) -> bool:
        """Whether it hides, from the first position on, later keys alone, or nothing at all.

        Example:

        >>> AttentionMask(causal=True).is_by_order, AttentionMask(causal=True, window=3).is_by_order
        (True, False)
        """
        others = (self.window, self.keys, self.query_segments, self.dense)
        begins = all(isinstance(n, int) and n == 0 for n in (self.offset, self.prefix))
        return begins and all(part is None for part in others)

    @property
    def may_hide_all(self) -> bool:
        """Whether there may be a query that sees no key."""
        if self.keys is not None or self.query_segments is not None or self.dense is not None:
            return True
        # By position alone, a query sees at least the key at its own; beyond the last key, where
        # only a window hides, it may see none.
        return self.window is not None or (isinstance(self.offset, int) and self.offset < 0)


def _slice(values: Any, axis: int, start: Any, count: Any) -> Any:
    """`values[start : start + count]` along an axis, for fixed and for computed starts."""
    # A computed count is that of all keys, the one number that may be unknown.
    if isinstance(start, int) and (not isinstance(count, int) or count == values.shape[axis]):
        return values
    if isinstance(start, int):
        index = [slice(None)] * len(values.shape)
        index[axis] = slice(start, start + count)
        return values[tuple(index)]
    starts = [0] * len(values.shape)
    starts[axis] = start
    shape = list(ops.shape(values))
    shape[axis] = count
    return ops.slice(values, starts, shape)


def _check(
    name: str, part: Any, dtypes: tuple[str, ...], ranks: tuple[int, ...], wanted: str
) -> None:
    if part is None:
        return
    shape = getattr(part, "shape", None)
    dtype = None if shape is None else keras.backend.standardize_dtype(part.dtype)
    if shape is None or len(shape) not in ranks or dtype not in dtypes:
        came = repr(part) if shape is None else f"{dtype} {tuple(shape)}"
        raise ValueError(f"{name} must be {wanted}; got {came}.")
