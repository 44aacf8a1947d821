"""`Repairs`: what is wrong with a file's annotations, repaired and counted, or refused."""

import warnings
from collections import Counter


class Repairs:
    """Faults that are refused or, if so wished, repaired, with one warning for all of them.

    Args:
        name: of the file or folder, for the warning.
        on_bad: `"raise"` refuses the first fault; `"repair"` counts them.

    Raises:
        ValueError: `on_bad` is neither.

    Example:

    >>> repairs = Repairs("cells.json", "repair")
    >>> repairs.add("dropped", "boxes", "annotation 7: the box [5, 5, 5, 9] has no area")
    >>> repairs.count
    1
    >>> Repairs("cells.json", "raise").add("dropped", "boxes", "annotation 7: the box has no area")
    Traceback (most recent call last):
    ValueError: annotation 7: the box has no area; correct it, or pass on_bad='repair': such boxes
    are then dropped.
    """

    def __init__(self, name: str, on_bad: str):
        if on_bad not in ("repair", "raise"):
            raise ValueError(f"on_bad must be 'repair' or 'raise'; got {on_bad!r}.")
        self._name = name
        self._raises = on_bad == "raise"
        self._first = ""
        self._counts: Counter[tuple[str, str]] = Counter()

    @property
    def count(self) -> int:
        """How many faults were repaired."""
        return self._counts.total()

    def add(self, done: str, things: str, fault: str, times: int = 1) -> None:
        """One fault, or several of a kind.

        Args:
            done: what is done to repair it, such as `"dropped"`.
            things: what it is done to, such as `"boxes"`.
            fault: where it is and what is wrong, without a full stop.
            times: how many there are.

        Raises:
            ValueError: faults are refused; the message tells of this one and the remedy.
        """
        if self._raises:
            raise ValueError(
                f"{fault}; correct it, or pass on_bad='repair': such {things} are then {done}."
            )
        self._first = self._first or fault
        self._counts[done, things] += times

    def warn(self) -> None:
        """One warning that sums up, if anything was repaired; told of the caller's caller."""
        if self._counts:
            told = ", ".join(
                f"{things} {done}: {count}" for (done, things), count in self._counts.items()
            )
            warnings.warn(
                f"{self._name} is repaired: {told}; the first: {self._first}.", stacklevel=3
            )
