"""`cider`: how much of what people say of a picture, and not of others, a caption says."""

import collections
import math
from collections.abc import Sequence

_ORDERS = (1, 2, 3, 4)
_SIGMA = 6.0  # Words by which lengths may differ before it costs much.


def cider(references: Sequence[str | Sequence[str]], hypotheses: Sequence[str]) -> float:
    """CIDEr-D: runs of one to four words, weighed by how few other pictures they are said of.

    Words stand between white space and count in small letters; take punctuation off before, if it
    shall not count. Its weights come from the references: over few pictures it tells little, and
    over one nothing (0).

    Source: Vedantam et al. 2015, "CIDEr: Consensus-based Image Description Evaluation", with the
    clipped counts and the penalty of lengths of its variant CIDEr-D, as the evaluation of COCO's
    captions has it.

    Args:
        references: the captions that people gave to each picture: one, or several.
        hypotheses: the caption that a model gave to it.

    Returns:
        From 0 to 10.

    Raises:
        ValueError: there is nothing to compare, or a picture without a reference.

    Example:

    >>> people = [["a cat on a mat", "the cat lies down"], ["two dogs run"]]
    >>> cider(people, ["a cat on a mat", "dogs run"]) > cider(people, ["a dog", "a cat"])
    True
    """
    if not hypotheses or len(references) != len(hypotheses) or not all(references):
        raise ValueError(
            f"there are references of {len(references)} pictures and {len(hypotheses)} hypotheses; "
            "there have to be some, one for each picture, and each needs a reference."
        )
    several = [[texts] if isinstance(texts, str) else texts for texts in references]
    right = [[_runs(text) for text in texts] for texts in several]
    pictures = collections.Counter(run for texts in right for run in set().union(*texts))
    rarity = _Rarity(pictures, math.log(len(references)))
    scores = [
        sum(_likeness(_runs(made), text, rarity) for text in texts) / len(texts)
        for made, texts in zip(hypotheses, right)
    ]
    return 10 * sum(scores) / len(scores)


class _Rarity:
    """How much a run of words tells, by the share of pictures whose references hold it."""

    def __init__(self, pictures: collections.Counter, log_count: float):
        self.pictures, self.log_count = pictures, log_count

    def __call__(self, run: tuple[str, ...]) -> float:
        return self.log_count - math.log(max(self.pictures[run], 1))


def _runs(text: str) -> collections.Counter:
    words = text.lower().split()
    return collections.Counter(
        tuple(words[i : i + n]) for n in _ORDERS for i in range(len(words) - n + 1)
    )


def _likeness(made: collections.Counter, right: collections.Counter, rarity: _Rarity) -> float:
    """The mean over the orders of the cosine of two texts, the longer one's surplus clipped."""
    lengths = [sum(count for run, count in runs.items() if len(run) == 1) for runs in (made, right)]
    penalty = math.exp(-((lengths[0] - lengths[1]) ** 2) / (2 * _SIGMA**2))
    total = 0.0
    for order in _ORDERS:
        one, other = (
            {run: n * rarity(run) for run, n in runs.items() if len(run) == order}
            for runs in (made, right)
        )
        norms = math.hypot(*one.values()) * math.hypot(*other.values())
        shared = sum(min(one[run], other[run]) * other[run] for run in one.keys() & other.keys())
        total += shared / norms if norms else 0.0
    return penalty * total / len(_ORDERS)
