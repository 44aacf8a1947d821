"""Renaming: sentences whose entities get invented names, so that a model learns more than names."""

import collections
import random
from collections.abc import Iterable, Mapping

#: Stands before the first character of a name, and behind the last one.
_EDGE = "\0"
#: How many characters tell the next one.
_ORDER = 2


class InventedNames:
    """Makes up names that are spelt like some that there are: a Markov chain of characters.

    Source: Shannon 1948, "A Mathematical Theory of Communication", section 3.

    Args:
        names: those that there are.
        draw: where chance comes from.

    Example:

    >>> invented = InventedNames(["Banana", "Bandana", "Cabana", "Savanna"], random.Random(1))
    >>> invented.another("Iceland") not in invented.names
    True
    """

    def __init__(self, names: Iterable[str], draw: random.Random):
        self.names = frozenset(names)
        self._draw = draw
        self._next: dict[str, list[str]] = collections.defaultdict(list)
        for name in sorted(self.names):
            written = _EDGE * _ORDER + name + _EDGE
            for place in range(len(name) + 1):
                self._next[written[place : place + _ORDER]].append(written[place + _ORDER])

    def another(self, name: str) -> str:
        """A name that is none of those there are, with a capital where this one has one.

        The name itself where that fails.
        """
        is_capital = name[:1].isupper()
        for _ in range(50):
            written = _EDGE * _ORDER
            while not written.endswith(_EDGE) or len(written) == _ORDER:
                written += self._draw.choice(self._next[written[-_ORDER:]])
            found = written.strip(_EDGE)
            if found not in self.names and found[:1].isupper() == is_capital:
                return found
        return name


def renamed(
    rows: Iterable[Mapping[str, str]],
    text: str = "text",
    entities: str = "entities",
    share: float = 0.7,
    seed: int = 0,
) -> list[dict[str, str]]:
    """Rows whose entities have, in part, invented names, spelt like those of any type.

    Where few names occur in many sentences, a model learns the names and not what stands around
    them; it then fails on any other. Names that occur once, and whose spelling does not tell their
    type, teach it to look around.

    Source: mention replacement as in Dai & Adel 2020, "An Analysis of Simple Data Augmentation for
    Named Entity Recognition", with names made up instead of taken from other sentences.

    Args:
        rows: each with a text and its entities, as `start:end:TYPE` between blanks.
        text: the column of texts.
        entities: the column of entities.
        share: the chance that an entity gets another name.
        seed: of that chance, and of the names.

    Returns:
        The rows, with places that fit the new texts.

    Example:

    >>> rows = [{"text": "To Rome!", "entities": "3:7:CITY"}] * 3
    >>> rows += [{"text": "Romania and Milano", "entities": "0:7:LAND 12:18:CITY"}]
    >>> new = renamed(rows, share=0.0)
    >>> new == rows
    True
    """
    rows = [dict(row) for row in rows]
    draw = random.Random(seed)
    names = [row[text][a:b] for row in rows for a, b, _ in _spans(row[entities])]
    invented = InventedNames(names, draw)
    for row in rows:
        old, new, spans, done = row[text], "", [], 0
        for start, end, kind in _spans(row[entities]):
            name = old[start:end]
            name = invented.another(name) if draw.random() < share else name
            new += old[done:start]
            spans.append(f"{len(new)}:{len(new) + len(name)}:{kind}")
            new, done = new + name, end
        row[text], row[entities] = new + old[done:], " ".join(spans) or row[entities]
    return rows


def _spans(written: str) -> list[tuple[int, int, str]]:
    items = (item.split(":", 2) for item in written.split())
    return sorted((int(start), int(end), kind) for start, end, kind in items)
