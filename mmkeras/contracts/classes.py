"""The names of classes, and weights for them, as tasks take them."""

from collections.abc import Iterable, Sequence
from typing import Any


def class_names(classes: Iterable[str]) -> tuple[str, ...]:
    """Names as a tuple.

    Raises:
        ValueError: they are one string, or one of them is empty, no string, or named twice.

    Example:

    >>> class_names(["cat", "dog"])
    ('cat', 'dog')
    """
    if isinstance(classes, str):
        raise ValueError(f"classes must be a list of names; got the string {classes!r}.")
    classes = tuple(classes)
    for name in classes:
        if not isinstance(name, str) or not name or classes.count(name) > 1:
            raise ValueError(f"a class must be a non-empty string, named once; got {name!r}.")
    return classes


def weights_of(classes: Sequence[str], weights: Iterable[Any] | None) -> tuple[float, ...] | None:
    """A weight for each class, as a tuple; None stays None.

    Raises:
        ValueError: there are more or fewer weights than classes, or one is below 0.

    Example:

    >>> weights_of(["cat", "dog"], [1, 2])
    (1.0, 2.0)
    """
    if weights is None:
        return None
    made = tuple(float(weight) for weight in weights)
    if len(made) != len(classes) or min(made) < 0:
        raise ValueError(
            f"class_weights must be {len(classes)} numbers of at least 0, one for each class; got "
            f"{made}."
        )
    return made
