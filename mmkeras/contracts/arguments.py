"""What arguments have to be: numbers that are checked where they are given."""

import math
import numbers
from typing import Any


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Checks that an argument is a whole number.

    Args:
        name: the argument's.
        value: what was given.
        least: the lowest that it may be.

    Raises:
        ValueError: it is none, or lower.

    Example:

    >>> check_count("num_beams", 2.5)
    Traceback (most recent call last):
    ValueError: num_beams must be at least 1, a whole number; got 2.5.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be at least {least}, a whole number; got {value!r}.")


def check_number(name: str, value: Any, least: float = -math.inf) -> None:
    """Checks that an argument is a number, neither infinite nor NaN.

    Args:
        name: the argument's.
        value: what was given.
        least: the lowest that it may be.

    Raises:
        ValueError: it is none, or lower.

    Example:

    >>> check_number("lm_weight", float("nan"), least=0)
    Traceback (most recent call last):
    ValueError: lm_weight must be a number of at least 0; got nan.
    """
    is_number = isinstance(value, numbers.Real) and math.isfinite(value)
    if not is_number or value < least:
        bound = "" if least == -math.inf else f" of at least {least}"
        raise ValueError(
            f"{name} must be a{'' if bound else ' finite'} number{bound}; got {value!r}."
        )
