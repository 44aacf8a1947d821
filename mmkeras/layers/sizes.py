"""The named sizes that encoders and fusions share."""

from typing import TypedDict


class Size(TypedDict):
    """What a size fixes: D, number of blocks, number of heads, width of the feed-forward layer."""

    dim: int
    depth: int
    num_heads: int
    mlp_dim: int


SIZES: dict[str, Size] = {
    "tiny": {"dim": 16, "depth": 1, "num_heads": 2, "mlp_dim": 32},
    "small": {"dim": 128, "depth": 3, "num_heads": 4, "mlp_dim": 256},
    "base": {"dim": 768, "depth": 12, "num_heads": 12, "mlp_dim": 3072},
}


def size_named(name: str) -> Size:
    """The size of that name.

    Raises:
        ValueError: there is none; the message lists those that there are.

    Example:

    >>> size_named("tiny")["dim"]
    16
    """
    if name not in SIZES:
        raise ValueError(f"size must be one of {sorted(SIZES)}; got {name!r}.")
    return SIZES[name].copy()
