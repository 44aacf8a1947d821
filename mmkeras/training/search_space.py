"""What tuning may change about a recipe, as plain data: names, and the values they may have."""

import ast
import dataclasses
import difflib
import functools
import inspect
import math
import numbers
from collections.abc import Mapping
from typing import Any

from mmkeras.pipeline import pipeline
from mmkeras.training.recipe import Recipe

#: Values of a recipe that are functions, or are searched by the names of their parts.
_NOT_SEARCHED = {"name", "sources", "model", "mix", "pipeline"}
#: Options of `mmkeras.pipeline` that the recipe's own values say, or `train` itself.
_SAID_BY_RECIPE = {"batch_size", "shuffle", "augment", "mix", "seed", "cache", "origins"}
#: From this ratio of its ends on, a range is searched by orders of magnitude.
_WIDE = 10
_WORDS = {"true": True, "false": False, "none": None, "null": None}


@dataclasses.dataclass(frozen=True, init=False)
class Choice:
    """One of several values.

    Args:
        *values: strings, numbers, booleans, None, or tuples of these.

    Raises:
        ValueError: there is no value, one stands twice, or one cannot be written in a file.

    Example:

    >>> Choice("late", "concat").values
    ('late', 'concat')
    """

    values: tuple[Any, ...]

    def __init__(self, *values: Any):
        if not values:
            raise ValueError("a Choice needs values to choose from; got none.")
        for value in values:
            if not _is_plain(value):
                raise ValueError(
                    "a Choice takes strings, numbers, booleans, None and tuples of these, which a "
                    f"file can hold; got {value!r}."
                )
        written = [repr(value) for value in values]
        if twice := sorted({each for each in written if written.count(each) > 1}):
            raise ValueError(f"a Choice names each value once; {', '.join(twice)} stands twice.")
        object.__setattr__(self, "values", values)


@dataclasses.dataclass(frozen=True)
class Range:
    """Any number between two, both of them among it.

    Attributes:
        low: the lowest.
        high: the highest.
        log: whether orders of magnitude are equally likely, and not numbers; None decides that
            they are where `high` is ten times `low` or more, and no step is given.
        step: between two values that are tried: their difference, or with `log` their ratio.

    Raises:
        ValueError: the ends are no numbers, equal or the wrong way round; the step does not fit
            between them; `log` of numbers that are not above 0.

    Example:

    >>> Range(1e-4, 1e-2).is_log, Range(0.0, 0.5).is_log
    (True, False)
    >>> Range(0.5, 0.1)
    Traceback (most recent call last):
    ValueError: a Range goes from low to high; got 0.5 and 0.1, the wrong way round.
    """

    low: float
    high: float
    log: bool | None = None
    step: float | None = None

    def __post_init__(self):
        for name, value in (("low", self.low), ("high", self.high), ("step", self.step)):
            if value is not None and not _is_number(value):
                raise ValueError(f"{name} of a Range must be a finite number; got {value!r}.")
        if self.low == self.high:
            raise ValueError(f"a Range from {self.low} to {self.high} leaves nothing to search.")
        if self.low > self.high:
            raise ValueError(
                f"a Range goes from low to high; got {self.low} and {self.high}, the wrong way "
                "round."
            )
        if self.log and self.low <= 0:
            raise ValueError(f"a Range with log=True must lie above 0; got low={self.low}.")
        if self.step is None:
            return
        if self.is_log and not 1 < self.step <= self.high / self.low:
            raise ValueError(
                f"with log=True, step is a factor above 1 that leads from {self.low} to at most "
                f"{self.high}; got {self.step}."
            )
        if not self.is_log and not 0 < self.step <= self.high - self.low:
            raise ValueError(
                f"step must be above 0 and at most {self.high - self.low}, what lies between "
                f"{self.low} and {self.high}; got {self.step}."
            )

    @property
    def is_log(self) -> bool:
        """Whether orders of magnitude are equally likely."""
        if self.log is None:
            return self.step is None and self.low > 0 and self.high >= _WIDE * self.low
        return self.log


class SearchSpace:
    """A recipe, and what may be changed about it.

    Args:
        recipe: the experiment as it is.
        search: `{name: Choice or Range}`. A name is a value of the recipe, such as
            `"learning_rate"`; `"model.ARG"`, an argument of its function `model`; or
            `"pipeline.OPTION"`, of `mmkeras.pipeline`. What the recipe has now is always among the
            values of a `Choice`, and may lie outside a `Range`.

    Attributes:
        recipe: as given.
        search: as given, with what the recipe has now in front of a `Choice` that lacks it.
        defaults: what the recipe has now, by name.

    Raises:
        ValueError: the space is empty, or a name is unknown (the message lists those that there
            are); a `Range` where the recipe has no number, or none above 0 for orders of magnitude.

    Example:

    >>> recipe = Recipe("mine", sources=dict, model=lambda train: None)
    >>> space = SearchSpace(recipe, {"batch_size": Choice(16, 64)})
    >>> space.defaults
    {'batch_size': 32}
    >>> space.apply({"batch_size": 64}).batch_size
    64
    """

    def __init__(self, recipe: Recipe, search: Mapping[str, Choice | Range]):
        if not search:
            raise ValueError(
                "the search space is empty; name what may change, such as "
                '{"learning_rate": Range(1e-4, 1e-2)}.'
            )
        known = searchable(recipe)
        unknown = [name for name in search if name not in known]
        if unknown:
            near = difflib.get_close_matches(unknown[0], known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"recipe {recipe.name!r} has nothing to search by the name {unknown[0]!r}; there "
                f"are {[*known]}.{hint}"
            )
        self.recipe = recipe
        self.defaults = {name: known[name] for name in search}
        self.search = {name: _checked(name, what, known[name]) for name, what in search.items()}

    def is_whole(self, name: str) -> bool:
        """Whether a range is of whole numbers: those that it is made of, and what is there now."""
        what = self.search[name]
        if not isinstance(what, Range):
            return False
        made_of = (what.low, what.high, what.step or 1, self.defaults[name])
        return all(isinstance(number, numbers.Integral) for number in made_of)

    def apply(self, values: Mapping[str, Any]) -> Recipe:
        """The recipe with other values.

        Args:
            values: by the names of the space.
        """
        own = {name: value for name, value in values.items() if "." not in name}
        of_model, of_pipeline = (part_of(values, part) for part in ("model", "pipeline"))
        if of_model:
            own["model"] = functools.partial(self.recipe.model, **of_model)
        if of_pipeline:
            own["pipeline"] = {**self.recipe.pipeline, **of_pipeline}
        return self.recipe.replace(**own)

    def plain(self) -> dict[str, dict[str, Any]]:
        """The space as JSON has it."""
        return {
            name: {"default": self.defaults[name], type(what).__name__: dataclasses.asdict(what)}
            for name, what in self.search.items()
        }


def part_of(values: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The values of one part, `"model"` or `"pipeline"`, by their names in it.

    Example:

    >>> part_of({"batch_size": 8, "model.size": "tiny"}, "model")
    {'size': 'tiny'}
    """
    prefix = f"{part}."
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }


def searchable(recipe: Recipe) -> dict[str, Any]:
    """Everything about a recipe that tuning may change, and what it has now.

    Args:
        recipe: the experiment.

    Example:

    >>> recipe = Recipe("mine", sources=dict, model=lambda train, size="small": None)
    >>> known = searchable(recipe)
    >>> known["batch_size"], known["model.size"], known["pipeline.pad"]
    (32, 'small', 'longest')
    """
    known = {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if field.name not in _NOT_SEARCHED
    }
    # The first argument is the training samples.
    for argument in [*inspect.signature(recipe.model).parameters.values()][1:]:
        if argument.default is not argument.empty:
            known[f"model.{argument.name}"] = argument.default
    for option in inspect.signature(pipeline).parameters.values():
        if option.kind is option.KEYWORD_ONLY and option.name not in _SAID_BY_RECIPE:
            now = recipe.pipeline.get(option.name, option.default)
            known[f"pipeline.{option.name}"] = now
    return known


def parse_search(text: str) -> tuple[str, Choice | Range]:
    """A name and its values from one word of a command line.

    Args:
        text: `NAME=VALUE,VALUE,...` for a `Choice`, `NAME=LOW..HIGH` or `NAME=LOW..HIGH:STEP` for a
            `Range`.

    Raises:
        ValueError: it is neither.

    Example:

    >>> parse_search("learning_rate=1e-4..1e-2")
    ('learning_rate', Range(low=0.0001, high=0.01, log=None, step=None))
    >>> parse_search("model.fusion=late,concat")
    ('model.fusion', Choice(values=('late', 'concat')))
    """
    name, equals, values = text.partition("=")
    if not equals or not name or not values:
        raise ValueError(
            f"expected NAME=VALUE,VALUE,... or NAME=LOW..HIGH or NAME=LOW..HIGH:STEP; got {text!r}."
        )
    try:
        if ".." not in values:
            return name, Choice(*(_literal(value) for value in values.split(",")))
        low, high = values.split("..", 1)
        high, _, step = high.partition(":")
        return name, Range(_literal(low), _literal(high), step=_literal(step) if step else None)
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from error


def _literal(text: str) -> Any:
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def _is_plain(value: Any) -> bool:
    try:
        return ast.literal_eval(repr(value)) == value
    except (ValueError, SyntaxError):
        return False


def _checked(name: str, what: Choice | Range, now: Any) -> Choice | Range:
    """What a space may hold by a name; a choice with what is there now."""
    if isinstance(what, Choice):
        if repr(now) in map(repr, what.values):
            return what
        if not _is_plain(now):
            raise ValueError(
                f"{name} is {now!r} in the recipe, which is nothing that a file can hold."
            )
        return Choice(now, *what.values)
    if not isinstance(what, Range):
        raise ValueError(f"{name} must be a Choice or a Range; got {what!r}.")
    if not _is_number(now):
        raise ValueError(
            f"{name} is {now!r} in the recipe, which is no number: search it as a Choice of values."
        )
    if what.is_log and now <= 0:
        raise ValueError(
            f"{name} is {now!r} in the recipe, which has no place among orders of magnitude: give "
            "Range(..., log=False), or a Choice."
        )
    return what
