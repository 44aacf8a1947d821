"""`Tokens` to try a fusion or a head with, and what it means for two to be the same."""

from collections.abc import Mapping

import numpy as np

from mmkeras.tokens import Tokens

#: Fields of different lengths T and widths D.
SHAPES = {"a": (3, 16), "b": (5, 8), "c": (1, 24)}
#: Which fields are present in each of the four samples: all, some, one, none.
PRESENT = {"a": (1, 0, 0, 0), "b": (1, 1, 0, 0), "c": (1, 1, 1, 0)}


def random_tokens() -> dict[str, Tokens]:
    """Three fields in four samples: with all fields, two, one and none; with padding at the end.

    Example:

    >>> random_tokens()["b"].mask.sum(axis=1).tolist()
    [4, 4, 0, 0]
    """
    random = np.random.default_rng(0)
    tokens = {}
    for field, (length, dim) in SHAPES.items():
        kept = np.arange(length) < max(length - 1, 1)
        mask = np.array(PRESENT[field], bool)[:, None] & kept
        tokens[field] = Tokens(random.normal(size=(*mask.shape, dim)).astype("float32"), mask)
    return tokens


def with_garbage(tokens: Mapping[str, Tokens]) -> dict[str, Tokens]:
    """The same tokens with large random numbers at every masked place."""
    random = np.random.default_rng(1)
    garbage = {}
    for field, (values, mask) in tokens.items():
        noise = 1e3 * random.normal(size=values.shape).astype("float32")
        garbage[field] = Tokens(np.where(mask[..., None], values, noise), mask)
    return garbage


def with_padding(tokens: Mapping[str, Tokens], places: int = 2) -> dict[str, Tokens]:
    """The same tokens with more padding behind every field."""
    return {
        field: Tokens(
            np.pad(values, [(0, 0), (0, places), (0, 0)]), np.pad(mask, [(0, 0), (0, places)])
        )
        for field, (values, mask) in tokens.items()
    }


def assert_same_tokens(actual: Tokens, expected: Tokens, says: str, atol: float = 1e-5) -> None:
    """Every sample keeps equally many tokens, of equal values; masked places are not compared.

    Args:
        actual: what a layer made.
        expected: what it should have made; T may differ.
        says: what it would mean if they were not the same.
        atol: the largest difference allowed.
    """
    for row, (mask, right) in enumerate(zip(np.array(actual.mask), np.array(expected.mask))):
        assert mask.sum() == right.sum(), (
            f"{says}: sample {row} keeps {mask.sum()} tokens, not {right.sum()}"
        )
        np.testing.assert_allclose(
            np.array(actual.values)[row][mask],
            np.array(expected.values)[row][right],
            atol=atol,
            err_msg=f"{says}: sample {row} has other values",
        )
