"""Word and character error rates, as the field counts them, through `jiwer`."""

from collections.abc import Sequence
from typing import NamedTuple

UNITS = ("words", "characters")


class ErrorRate(NamedTuple):
    """How far texts are from what they should be.

    Attributes:
        rate: substitutions, deletions and insertions, divided by the units of the references.
        substitutions, deletions, insertions: how many of each.
        units: words or characters of all references.
    """

    rate: float
    substitutions: int
    deletions: int
    insertions: int
    units: int


def error_rate(
    references: Sequence[str], hypotheses: Sequence[str], unit: str = "words"
) -> ErrorRate:
    """The least number of changes that make each reference of its hypothesis, over all texts.

    Every word or character of a hypothesis whose reference is empty is an insertion. Where no
    reference holds anything, the rate is 0 if no hypothesis does, else infinite.

    Args:
        references: what was said.
        hypotheses: what was heard.
        unit: `"words"`, between white space (WER), or `"characters"`, blanks too (CER).

    Raises:
        ValueError: there are more of the one than of the other, or no such unit.
        ImportError: jiwer is not installed; the message names the extra.

    Example:

    >>> error_rate(["the cat sat"], ["a cat"])
    ErrorRate(rate=0.6666666666666666, substitutions=1, deletions=1, insertions=0, units=3)
    """
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}; it has to be one of {list(UNITS)}.")
    if len(references) != len(hypotheses):
        raise ValueError(
            f"there are {len(references)} references and {len(hypotheses)} hypotheses; there has "
            "to be one for each."
        )
    try:
        import jiwer
    except ImportError as error:
        raise ImportError(
            'error rates need jiwer; install it with pip install "mmkeras[speech]".'
        ) from error
    count = jiwer.process_words if unit == "words" else jiwer.process_characters
    said = [(r, h) for r, h in zip(references, hypotheses) if r.strip()]
    # jiwer refuses references without a word.
    silent = [h for r, h in zip(references, hypotheses) if not r.strip()]
    insertions = sum(len(h.split()) if unit == "words" else len(h.strip()) for h in silent)
    substitutions = deletions = hits = 0
    if said:
        found = count([r for r, _ in said], [h for _, h in said])
        substitutions, deletions = found.substitutions, found.deletions
        insertions, hits = insertions + found.insertions, found.hits
    units = hits + substitutions + deletions
    errors = substitutions + deletions + insertions
    rate = errors / units if units else (float("inf") if errors else 0.0)
    return ErrorRate(rate, substitutions, deletions, insertions, units)
