"""Recipes: one experiment per file, with its command, duration and measured numbers."""

import difflib
import importlib
import pkgutil
import runpy
from pathlib import Path

from mmkeras.training import Recipe


def names() -> list[str]:
    """The recipes that come with the package.

    Example:

    >>> "emoji" in names()
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Recipe:
    """The recipe of that name, or the `recipe` that a Python file defines.

    Args:
        name: of a file in this package, or the path of a file of one's own that ends in `.py` and
            sets `recipe` to a `Recipe` or to a function that returns one.

    Raises:
        ValueError: there is no such recipe, or the file defines none.

    Example:

    >>> load("emoji").name
    'emoji'
    """
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise ValueError(f"{name} does not exist; name a recipe file or one of {names()}.")
        recipe = runpy.run_path(name).get("recipe")
    elif name in names():
        recipe = getattr(importlib.import_module(f"{__name__}.{name}"), "recipe", None)
    else:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"there is no recipe {name!r}; there are {names()}.{hint}")
    recipe = recipe() if callable(recipe) else recipe
    if not isinstance(recipe, Recipe):
        raise ValueError(f"{name} must set `recipe` to a Recipe or a function that returns one.")
    return recipe
