"""`check_in_order`: samples that are told apart by their places in a source have to stay there."""

from collections.abc import Mapping
from typing import Any

#: Options of `mmkeras.pipeline` that move, join or leave out samples, as they are when they do not.
_STILL = {
    "shuffle": False,
    "mix": None,
    "deterministic": True,
    "drop_remainder": False,
    "buckets": None,
    "on_error": "raise",
}


def check_in_order(options: Mapping[str, Any]) -> None:
    """Raises a ValueError where options of `mmkeras.pipeline` do not leave every sample its place.

    Labels, groups and places would then be those of other samples.

    Example:

    >>> check_in_order({"pad": "max"})
    >>> check_in_order({"shuffle": True})
    Traceback (most recent call last):
    ValueError: shuffle=True: an evaluation needs every sample in its place; leave shuffle out.
    """
    for name, still in _STILL.items():
        if options.get(name, still) != still:
            raise ValueError(
                f"{name}={options[name]!r}: an evaluation needs every sample in its place; leave "
                f"{name} out."
            )
