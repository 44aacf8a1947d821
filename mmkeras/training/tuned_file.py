"""The recipe that tuning found, as a file that a person reads and `mmkeras train` runs."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmkeras.training.recipe import Recipe
from mmkeras.training.search_space import part_of


def starting_point(recipe: Recipe, origin: str | None) -> tuple[str, str] | None:
    """How a file gets the recipe that the search began with: an import, and an expression.

    Args:
        recipe: the recipe.
        origin: the name of a recipe of the package, or the path of a file that sets `recipe`; if
            None, the module is looked for that its functions come from.

    Returns:
        None if no module has it.

    Example:

    >>> from mmkeras.recipes.digits import recipe
    >>> starting_point(recipe, None)
    ('from mmkeras.recipes.digits import recipe as start', 'start')
    >>> starting_point(recipe, "digits")
    ('from mmkeras import recipes', "recipes.load('digits')")
    """
    if origin is not None:
        place = str(Path(origin).resolve()) if origin.endswith(".py") else origin
        return "from mmkeras import recipes", f"recipes.load({place!r})"
    for function in (recipe.model, recipe.sources):
        module = getattr(getattr(function, "func", function), "__module__", "__main__")
        if module == "__main__" or module not in sys.modules:
            continue
        for name, value in vars(sys.modules[module]).items():
            if value is recipe:
                return f"from {module} import {name} as start", "start"
    return None


def tuned_file(
    start: tuple[str, str],
    before: Mapping[str, Any],
    values: Mapping[str, Any],
    told: str,
    command: str,
) -> str:
    """The text of the file.

    Args:
        start: see `starting_point`.
        before: the values of the recipe as it was, by name.
        values: what was found.
        told: what of it, in a sentence or two.
        command: that trains it.

    Example:

    >>> start = ("from mmkeras.recipes.digits import recipe as start", "start")
    >>> print(tuned_file(start, {"batch_size": 32}, {"batch_size": 16}, "Found.", "mmkeras ..."))
    \"\"\"Found.
    <BLANKLINE>
    mmkeras ...
    \"\"\"
    <BLANKLINE>
    from mmkeras.recipes.digits import recipe as start
    <BLANKLINE>
    recipe = start.replace(
        batch_size=16,  # was 32
    )
    <BLANKLINE>
    """
    changed = {name: value for name, value in values.items() if repr(value) != repr(before[name])}
    of_model, of_pipeline = (part_of(changed, part) for part in ("model", "pipeline"))
    load, start_as = start
    lines = [f'"""{told}', "", command, '"""', ""]
    if of_model:
        lines += ["import functools", ""]
    lines += [load, ""]
    if start_as != "start" and changed:
        lines += [f"start = {start_as}"]
        start_as = "start"
    lines += [f"recipe = {start_as}.replace(" if changed else f"recipe = {start_as}"]
    for name, value in changed.items():
        if "." not in name:
            lines += [f"    {name}={value!r},  # was {before[name]!r}"]
    if of_model:
        lines += ["    model=functools.partial(", "        start.model,"]
        for name, value in of_model.items():
            lines += [f"        {name}={value!r},  # was {before[f'model.{name}']!r}"]
        lines += ["    ),"]
    if of_pipeline:
        lines += ["    pipeline={", "        **start.pipeline,"]
        for name, value in of_pipeline.items():
            lines += [f"        {name!r}: {value!r},  # was {before[f'pipeline.{name}']!r}"]
        lines += ["    },"]
    if changed:
        lines += [")"]
    return "\n".join(lines) + "\n"
