"""Families: things too alike to stand in two splits, and splits made of whole families."""

import hashlib
from collections.abc import Sequence

#: What is held out of each category; training has the rest.
SHARES = {"test": 0.2, "validation": 0.1}


class Families:
    """Things joined in pairs: whoever is joined with a member belongs to its family.

    Example:

    >>> families = Families()
    >>> families.join("cat", "black cat")
    >>> families.join("black cat", "black tea")
    >>> families.find("cat") == families.find("black tea"), families.find("dog")
    (True, 'dog')
    """

    def __init__(self):
        self._leader: dict[str, str] = {}

    def find(self, key: str) -> str:
        """The family's name: the first of its members in alphabetical order."""
        while self._leader.setdefault(key, key) != key:
            key = self._leader[key]
        return key

    def join(self, key: str, other: str) -> None:
        """Makes one family of two."""
        first, second = sorted((self.find(key), self.find(other)))
        self._leader[second] = first


def split_families(families: Sequence[str], categories: Sequence[str]) -> list[str]:
    """Whole families into splits, each category in the same shares; the same on every machine.

    A family takes the category of its first member for this.

    Args:
        families: the family of each thing.
        categories: the category of each thing.

    Returns:
        The split of each thing: `"train"`, `"validation"` or `"test"`.

    Example:

    >>> split_families(["cat", "cat", "dog"], ["animal"] * 3)
    ['train', 'train', 'test']
    """
    sizes: dict[str, int] = {}
    of: dict[str, list[str]] = {}
    for family, category in zip(families, categories, strict=True):
        if family not in sizes:
            of.setdefault(category, []).append(family)
        sizes[family] = sizes.get(family, 0) + 1
    where: dict[str, str] = {}
    for members in of.values():
        total = sum(sizes[family] for family in members)
        filled = dict.fromkeys(SHARES, 0)
        for family in sorted(members, key=drawn):
            where[family] = "train"
            for split, share in SHARES.items():
                if filled[split] + sizes[family] / 2 <= share * total:
                    filled[split] += sizes[family]
                    where[family] = split
                    break
    return [where[family] for family in families]


def drawn(text: str) -> str:
    """A number drawn by a text, in hexadecimal digits, the same on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()
