"""Arrangements: what stands where in rows, told in a caption, and questions about it.

An arrangement is one or two rows of one to three names, two to four in all. Its caption tells it
without a gap: each has one caption, and each caption one arrangement.
"""

import collections
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

Rows = tuple[tuple[str, ...], ...]

#: How many stand in each row, from the top.
LAYOUTS = ((2,), (3,), (1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1))
#: What is asked for: who stands at a place, at which place someone stands, how often someone is
#: shown, and of which category the one at a place is.
KINDS = ("what", "where", "how often", "category")
TIMES = ("never", "once", "twice", "three times")
#: What is asked, about a place or a name.
_QUESTIONS = {
    "what": "what is at the {}?",
    "where": "where is the {}?",
    "how often": "how often is the {} shown?",
    "category": "which category is at the {}?",
}
_COLUMNS = {1: ("",), 2: ("left", "right"), 3: ("left", "centre", "right")}
_ROWS = {1: ("",), 2: ("top", "bottom")}
#: How often a place repeats who stands somewhere already.
_REPEATED_SHARE = 0.3
_TRIES = 1_000


class Asked(NamedTuple):
    """A question about an arrangement.

    Attributes:
        kind: one of `KINDS`.
        question, answer: texts.
        rows: the arrangement.
    """

    kind: str
    question: str
    answer: str
    rows: Rows


def caption(rows: Rows) -> str:
    """The rows from the top, each from the left; who stands there twice in a row is told once.

    Example:

    >>> caption((("cat", "cat", "sled"), ("ant",)))
    'cat twice left of sled above ant'
    """
    return " above ".join(" left of ".join(_told(row)) for row in rows)


def _told(row: Sequence[str]) -> list[str]:
    runs = [(name, len(list(run))) for name, run in itertools.groupby(row)]
    return [name if count == 1 else f"{name} {TIMES[count]}" for name, count in runs]


def places(layout: Sequence[int]) -> list[str]:
    """What each place is called, row by row.

    Args:
        layout: how many stand in each row, one of `LAYOUTS`.

    Example:

    >>> places((1, 2)), places((3,))
    (['top', 'bottom left', 'bottom right'], ['left', 'centre', 'right'])
    """
    return [
        f"{row} {column}".strip()
        for row, count in zip(_ROWS[len(layout)], layout)
        for column in _COLUMNS[count]
    ]


#: The names of all places, each once.
PLACES = tuple(dict.fromkeys(place for layout in LAYOUTS for place in places(layout)))


def asked(
    kind: str,
    categories: Mapping[str, str],
    chance: np.random.Generator,
    allowed: Callable[[Rows], bool] = lambda rows: True,
) -> Asked:
    """A question drawn at random, and an arrangement that answers it.

    Question and answer are drawn first, every answer as likely as any other whatever the question
    says; then an arrangement that fits them. So who reads questions alone can only guess.

    Args:
        kind: one of `KINDS`.
        categories: the category of every name that may stand somewhere.
        chance: what decides.
        allowed: whether an arrangement may be used; others are drawn until one may.

    Raises:
        ValueError: there is no such kind, or no arrangement is found that is allowed.

    Example:

    >>> names = {"cat": "animals", "ant": "animals", "sled": "sports"}
    >>> asked("where", names, np.random.default_rng(3))
    Asked(kind='where', question='where is the sled?', answer='left', rows=(('sled', 'ant'),))
    """
    _check(kind)
    names = sorted(categories)
    name, others = _one(names, chance), names
    place = _one(PLACES, chance)
    count = 1
    if kind == "what":
        asked_for, answer = place, name
    elif kind == "where":
        asked_for, answer = name, place
    elif kind == "how often":
        count = int(chance.integers(len(TIMES)))
        asked_for, answer = name, TIMES[count]
    else:
        answer = _one(sorted(set(categories.values())), chance)
        name = _one([each for each in names if categories[each] == answer], chance)
        asked_for = place
    question = _QUESTIONS[kind].format(asked_for)
    if kind in ("where", "how often"):
        others = [other for other in names if other != name]
    for _ in range(_TRIES):
        if kind == "how often":
            layout = _one([layout for layout in LAYOUTS if sum(layout) >= count], chance)
            at = chance.choice(sum(layout), count, replace=False).tolist()
        else:
            layout = _one([layout for layout in LAYOUTS if place in places(layout)], chance)
            at = [places(layout).index(place)]
        rows = _filled(layout, dict.fromkeys(at, name), others, chance)
        if allowed(rows):
            return Asked(kind, question, answer, rows)
    raise ValueError(
        f"none of {_TRIES} arrangements that answer {question!r} with {answer!r} is allowed; allow "
        "more, or name more that may stand somewhere."
    )


def about(
    kind: str, rows: Rows, categories: Mapping[str, str], chance: np.random.Generator
) -> Asked | None:
    """A question about an arrangement, drawn at random; None where none of its kind has an answer.

    Answers are as likely as such an arrangement makes them: who reads questions alone can guess
    better than about those of `asked`. How often is asked with each answer that there is alike.

    Args:
        kind: one of `KINDS`.
        rows: the arrangement.
        categories: the category of every name.
        chance: what decides.

    Raises:
        ValueError: there is no such kind.

    Example:

    >>> names = {"cat": "animals", "ant": "animals", "sled": "sports"}
    >>> about("how often", (("sled", "sled"),), names, np.random.default_rng(0))
    Asked(kind='how often', question='how often is the sled shown?', answer='twice', rows=(('sled', 'sled'),))
    >>> print(about("where", (("sled", "sled"),), names, np.random.default_rng(0)))
    None
    """  # noqa: E501
    _check(kind)
    where = dict(zip(places([len(row) for row in rows]), itertools.chain(*rows)))
    counts = collections.Counter(where.values())
    if kind == "where":
        alone = {name: place for place, name in where.items() if counts[name] == 1}
        if not alone:
            return None
        asked_for = _one(sorted(alone), chance)
        answer = alone[asked_for]
    elif kind == "how often":
        by_count: dict[int, list[str]] = {}
        for name in sorted(categories):
            if counts[name] < len(TIMES):
                by_count.setdefault(counts[name], []).append(name)
        count = _one(sorted(by_count), chance)
        asked_for, answer = _one(by_count[count], chance), TIMES[count]
    else:
        asked_for = _one(list(where), chance)
        answer = where[asked_for] if kind == "what" else categories[where[asked_for]]
    return Asked(kind, _QUESTIONS[kind].format(asked_for), answer, rows)


def _check(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; it has to be one of {list(KINDS)}.")


def _filled(
    layout: Sequence[int],
    given: Mapping[int, str],
    others: Sequence[str],
    chance: np.random.Generator,
) -> Rows:
    """An arrangement of which some places are given; the rest is drawn from others."""
    standing: list[str] = []
    for place in range(sum(layout)):
        repeatable = [name for name in standing if name in others]
        if place in given:
            standing.append(given[place])
        elif repeatable and chance.random() < _REPEATED_SHARE:
            standing.append(_one(repeatable, chance))
        else:
            standing.append(_one(others, chance))
    left = iter(standing)
    return tuple(tuple(itertools.islice(left, count)) for count in layout)


def _one(choices: Sequence, chance: np.random.Generator):
    return choices[chance.integers(len(choices))]
