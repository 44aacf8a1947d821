"""What attention keeps of tokens, so that each is projected once."""

from typing import Any, NamedTuple


class KVCache(NamedTuple):
    """Keys and values of the tokens so far, with room for more; as a decoding state, B leads.

    Attributes:
        key: float [B, R, M, D], R = room, M heads.
        value: float [B, R, M, E].
        length: int32 scalar, how many tokens there are.
    """

    key: Any
    value: Any
    length: Any


class ProjectedSource(NamedTuple):
    """Keys and values of a source, which stay while tokens are decoded.

    Attributes:
        key: float [B, S, M, D].
        value: float [B, S, M, E].
    """

    key: Any
    value: Any
