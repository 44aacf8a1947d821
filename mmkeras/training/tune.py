"""`tune`: looks for a better recipe with KerasTuner, and says what it gained."""

import dataclasses
import functools
import json
import re
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from mmkeras.contracts.arguments import check_count
from mmkeras.evaluation.slices import Slices, grouped
from mmkeras.files import write_whole
from mmkeras.quiet import quiet_tensorflow
from mmkeras.training.goal import Goal
from mmkeras.training.measuring import Measure, numbers_of
from mmkeras.training.recipe import Recipe
from mmkeras.training.run import train
from mmkeras.training.search_space import Choice, Range, SearchSpace, searchable
from mmkeras.training.trials import (
    MODEL,
    PROJECT,
    Trial,
    draw_trials,
    load_trials,
    place_of,
    save_table,
)
from mmkeras.training.tuned_file import starting_point, tuned_file

METHODS = ("random", "bayesian", "hyperband")


@dataclasses.dataclass
class Tuned:
    """What a search found.

    Attributes:
        recipe: the best, with as many epochs as the recipe that the search began with, unless they
            were searched.
        best: its trial.
        trials: all of them, by number; the first is the recipe as it is.
        gain: the objective `{where: (as it is, best)}`: in the `"trials"`, and of the two recipes
            trained with all their epochs on `"validation"` and on every part that begins with
            `"test"`. As it is stands None where that trial failed.
        file: the best recipe as a file; None where no file can import what it began with.
        folder: holds `best.py`, `trials.csv` and `trials.png`; `search/`, KerasTuner's state and
            the trials; and `trained/`, the two recipes trained with all their epochs.
    """

    recipe: Recipe
    best: Trial
    trials: list[Trial]
    gain: dict[str, tuple[float | None, float]]
    file: Path | None
    folder: Path


def tune(
    recipe: Recipe,
    search: Mapping[str, Choice | Range],
    folder: str | Path,
    *,
    objective: str,
    direction: str | None = None,
    limits: Mapping[str, float] | None = None,
    measure: Measure | None = None,
    slices: Slices = (),
    method: str = "bayesian",
    trials: int = 12,
    epochs: int | None = None,
    seed: int = 0,
    retrain: bool = True,
    origin: str | None = None,
    say: Callable[[str], None] = print,
) -> Tuned | None:
    """Searches for values of a recipe that are better than those it has.

    The first trial is the recipe as it is, so that what is found is never worse than it on
    validation; what follows is proposed by KerasTuner. A trial that fails, for its values or for
    want of memory, is recorded, and the search goes on.

    A search that was interrupted, or killed, goes on after its last finished trial when it is
    started again with the same folder; with more `trials`, one that had ended goes on as well.

    Several processes search together where KerasTuner's environment variables say so:
    `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT`, the same for all, and
    `KERASTUNER_TUNER_ID`, `chief` for one that hands out trials and another word for each worker.
    They run the same program with the same folder.

    Args:
        recipe: what is tuned; it needs `validation` samples.
        search: what may change, see `SearchSpace`.
        folder: where the results go; made if missing.
        objective: what is to become better: a metric of validation that `fit` tells, such as
            `"val_mood_accuracy"`, of the finished model; what a report tells, with `val_` before
            it (see `slices`); a number out of `measure`; `"latency_ms"` or `"parameters"`.
        direction: `"max"` or `"min"`; None goes by the objective's name, where that tells it.
        limits: `{measure: highest value}`; what is over a limit is never the best. Times are
            measured on this machine, and are worth little where other work runs beside.
        measure: gives further numbers about a model on samples, by name.
        slices: columns and functions to slice by, as `mmkeras.evaluation.evaluate` takes them: the
            largest difference of a measure between two groups is `val_{measure}_gap_{slice}`. What
            else a report tells needs no slices: `val_{task}_ece`, the expected calibration error,
            and measures that need all answers, such as `val_{task}_mAP`.
        method: `"random"`, draws; `"bayesian"`, a Gaussian process that after a third of the
            trials, and three at least, proposes where the objective may be best; `"hyperband"`
            (Li et al. 2018), many draws for few epochs, the best of which begin again with more.
        trials: how many at most, the recipe as it is among them. TensorFlow keeps some memory of
            every model (50 MB of a tiny one): a search of hundreds is best ended and started again
            now and then.
        epochs: of a trial, or with `"hyperband"` of the longest; None leaves them to the recipe.
            The learning rate falls to zero within them.
        seed: of what is drawn.
        retrain: whether the recipe as it is and the best are trained with all their epochs, where
            trials had fewer, and compared on the `test` samples, which nothing was chosen by.
        origin: the recipe's name or the path of the file that sets it, for `best.py`, which begins
            with it. If None, the module is looked for that the recipe comes from.
        say: takes each line for a person.

    Returns:
        What was found; None in a worker, whose chief returns it.

    Raises:
        ImportError: KerasTuner or matplotlib is not installed.
        ValueError: an unknown name or method; an empty space; no validation samples; a folder of
            another search; all trials failed (the message has the first reason), or none is within
            the limits (it names the nearest).
        FileExistsError: the folder has a `search/` that no tuning has made.

    Example:

    >>> import tempfile
    >>> from mmkeras.modalities import Text
    >>> from mmkeras.model import MultimodalModel
    >>> from mmkeras.sources import Table
    >>> from mmkeras.tasks import Classification
    >>> rows = Table([{"note": note, "kind": note} for note in ("cat", "dog")] * 4)
    >>> recipe = Recipe(
    ...     name="pets",
    ...     sources=lambda: {"train": rows, "validation": rows},
    ...     model=lambda train: MultimodalModel(
    ...         {"note": Text.tiny()}, {"kind": Classification(["cat", "dog"])}, size="tiny"
    ...     ),
    ...     epochs=1,
    ... )
    >>> tuned = tune(
    ...     recipe,
    ...     {"learning_rate": Range(1e-3, 1e-1), "batch_size": Choice(4, 8)},
    ...     tempfile.mkdtemp(),
    ...     objective="val_loss",
    ...     trials=2,
    ...     say=lambda line: None,
    ... )
    >>> tuned.best.measured["val_loss"] <= tuned.trials[0].measured["val_loss"]
    True
    """
    try:
        import keras_tuner  # noqa: F401
        import matplotlib  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'tuning needs {error.name}; install what it takes with pip install "mmkeras[tune]".'
        ) from error
    from mmkeras.training.tuner import RecipeTuner, is_worker, make_oracle

    space = SearchSpace(recipe, search)
    goal = Goal.of(objective, direction, limits)
    _check(method, trials, epochs, space)
    # Every trial has the same samples, which are looked up once.
    space.recipe = recipe.replace(sources=functools.cache(recipe.sources))
    sources = space.recipe.sources()
    if "validation" not in sources:
        raise ValueError(
            f"recipe {recipe.name!r} has no validation samples to choose by; it has {[*sources]}."
        )
    folder = Path(folder)
    numbers = functools.partial(numbers_of, measure=measure, slices=slices)
    parts = [
        part for part in sources if part == "validation" or (retrain and part.startswith("test"))
    ]
    # That there are such columns is known before hours of training.
    sliced = {part: [*grouped(sources[part], slices)] for part in parts}
    if not is_worker():
        plan = {"method": method, "epochs": epochs, "seed": seed, "slices": sliced["validation"]}
        _go_on_or_begin(folder, space, plan | dataclasses.asdict(goal), say)

    def told(trial: Trial) -> None:
        done = load_trials(folder / PROJECT, space)
        say(_line(trial, done, goal, trials))
        save_table(done, goal, folder / "trials.csv")

    with warnings.catch_warnings(), quiet_tensorflow():
        # TensorFlow's that every model is traced anew, since every trial has another; Python's of
        # names that KerasTuner calls; NumPy's of an objective that is NaN in a trial that failed;
        # scikit-learn's of a Gaussian process on few trials.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras_tuner")
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        warnings.filterwarnings("ignore", module="sklearn.gaussian_process")
        longest = recipe.epochs if epochs is None else epochs
        oracle = make_oracle(method, space, goal, trials, longest, folder, seed)
        oracle.verbose = 0
        RecipeTuner(oracle, space, goal, epochs, numbers, folder, say, told).search()
    if is_worker():
        return None
    done = load_trials(folder / PROJECT, space)
    save_table(done, goal, folder / "trials.csv")
    finished = [trial for trial in done if not trial.failed]
    if not finished:
        raise ValueError(
            f"all {len(done)} trials failed, the first because of {done[0].reason}; see "
            f"{folder / 'trials.csv'}."
        )
    draw_trials(done, goal, space.search, folder / "trials.png")
    place = goal.best([trial.measured for trial in finished])
    if place is None:
        raise ValueError(_none_within(finished, goal))
    best, first = finished[place], done[0]
    found = space.apply(best.values)
    file = _write_file(folder, recipe, space, goal, first, best, len(done), origin, say)
    before = None if first.failed else first.measured[goal.objective]
    gain = {"trials": (before, best.measured[goal.objective])}
    if retrain:
        compare = functools.partial(
            _trained, space=space, goal=goal, folder=folder, say=say, parts=parts, numbers=numbers
        )
        after = compare(best)
        as_it_is = {} if first.failed else after
        if best is not first and not first.failed:
            as_it_is = compare(first)
        gain |= {part: (as_it_is.get(part), number) for part, number in after.items()}
    for trial in done:
        # Models are kept of the two that were compared.
        if trial not in (first, best):
            (place_of(trial.number, folder / PROJECT) / MODEL).unlink(missing_ok=True)
    for line in _summary(gain, goal, best, first, found.epochs):
        say(line)
    say(f"See {folder / 'trials.csv'} and {folder / 'trials.png'}.")
    return Tuned(found.replace(sources=recipe.sources), best, done, gain, file, folder)


def _check(method: str, trials: int, epochs: int | None, space: SearchSpace) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {[*METHODS]}; got {method!r}.")
    check_count("trials", trials, least=2)
    if epochs is not None:
        check_count("epochs", epochs)
    if "epochs" in space.search and (epochs is not None or method == "hyperband"):
        said = "Hyperband chooses them" if method == "hyperband" else "epochs is given as well"
        raise ValueError(f"'epochs' cannot be searched, since {said}.")


def _go_on_or_begin(
    folder: Path, space: SearchSpace, plan: Mapping[str, Any], say: Callable[[str], None]
) -> None:
    """Makes sure that a folder holds the beginning of the same search, or of none."""
    recipe = space.recipe
    values = {"name": recipe.name, "mix": recipe.mix, **searchable(recipe)}
    whole = {"search": space.plain(), **plan}
    whole |= {f"recipe's {name}": _written(value) for name, value in values.items()}
    text = json.dumps(whole, indent=2) + "\n"
    path, trials = folder / "tuning.json", folder / PROJECT
    # A worker that has begun before its chief has made an empty folder.
    if trials.exists() and any(trials.iterdir()) and not path.is_file():
        raise FileExistsError(
            f"{trials} is there, and no {path} that says what was searched: name another folder, "
            f"or remove {trials} if it is what is left of a tuning."
        )
    done = []
    if any(trials.glob("*/record.json")):
        there, here = json.loads(path.read_text(encoding="utf-8")), json.loads(text)
        for name in here | there:
            if here.get(name) != there.get(name):
                raise ValueError(
                    f"{folder} holds the trials of another search, whose {name} is "
                    f"{json.dumps(there.get(name))} and not {json.dumps(here.get(name))}: name "
                    "another folder, or remove it."
                )
        done = load_trials(trials, space)
    if not done:
        # What is left of a search of which no trial has ended has nothing to go on with.
        shutil.rmtree(trials, ignore_errors=True)
    else:
        say(f"Going on after {len(done)} trials.")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


def _written(value: Any) -> str:
    """A value as Python shows it, without the place in memory that a function is shown with."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _trained(
    trial: Trial,
    space: SearchSpace,
    goal: Goal,
    folder: Path,
    say: Callable[[str], None],
    parts: Sequence[str],
    numbers: Callable[..., dict[str, float]],
) -> dict[str, float]:
    """The objective of a recipe trained with all its epochs, on each part of its samples."""
    recipe = space.apply(trial.values)
    path = place_of(trial.number, folder / PROJECT) / MODEL
    if trial.epochs != recipe.epochs or not path.is_file():
        path = folder / "trained" / f"trial_{trial.number}" / "model.keras"
        if not path.is_file():
            what = f"of trial {trial.number}" if trial.number else "as it is"
            say(f"Training the recipe {what} for {recipe.epochs} epochs ...")
            train(recipe, path.parent, verbose=0)
    model = keras.saving.load_model(path)
    objective, sources = goal.objective, recipe.sources()
    return {part: numbers(model, sources[part], recipe, [objective])[objective] for part in parts}


def _write_file(
    folder: Path,
    recipe: Recipe,
    space: SearchSpace,
    goal: Goal,
    first: Trial,
    best: Trial,
    count: int,
    origin: str | None,
    say: Callable[[str], None],
) -> Path | None:
    start = starting_point(recipe, origin)
    if start is None:
        say(
            "best.py is not written, since no module has the recipe that it would begin with; put "
            "the recipe into a file and name that as the origin."
        )
        return None
    path = folder / "best.py"
    number = best.measured[goal.objective]
    told = (
        f"What tuning found for the recipe {recipe.name}: trial {best.number} of {count} has a "
        f"{goal.objective} of {number:.6g}"
    )
    if not first.failed and best.number:
        told += f",\nthe recipe as it is one of {first.measured[goal.objective]:.6g}"
    if not best.number:
        told = f"The recipe {recipe.name} as it is, since none of {count} trials was better"
    if best.epochs != space.apply(best.values).epochs:
        told += f", after {best.epochs} epochs"
    command = f"mmkeras train {path} --out {folder / 'best'}"
    write_whole(path, tuned_file(start, space.defaults, best.values, f"{told}.", command))
    return path


def _line(trial: Trial, done: list[Trial], goal: Goal, trials: int) -> str:
    head = f"Trial {trial.number}, {len(done)} of {trials} done"
    values = "  ".join(f"{name}={value}" for name, value in trial.values.items())
    if trial.failed:
        return f"{head}: failed, {trial.reason}  {values}"
    numbers = "  ".join(f"{name} {trial.measured[name]:.6g}" for name in goal.names)
    over = "" if not goal.excess(trial.measured) else ", over a limit"
    finished = [each for each in done if not each.failed]
    place = goal.best([each.measured for each in finished])
    best = ""
    if place is not None:
        best = f", best {finished[place].measured[goal.objective]:.6g}"
        best += f" in trial {finished[place].number}"
    return f"{head}: {numbers}{over} in {trial.seconds:.0f} s{best}  {values}"


def _none_within(finished: list[Trial], goal: Goal) -> str:
    near = finished[goal.nearest([trial.measured for trial in finished])]
    over = ", ".join(
        f"{name} {near.measured[name]:.6g} (at most {limit:.6g})"
        for name, limit in goal.limits.items()
    )
    values = ", ".join(f"{name}={value!r}" for name, value in near.values.items())
    return (
        f"none of {len(finished)} finished trials is within the limits; the nearest, trial "
        f"{near.number}, has {over}, with {values}."
    )


def _summary(
    gain: Mapping[str, tuple[float | None, float]],
    goal: Goal,
    best: Trial,
    first: Trial,
    epochs: int,
) -> list[str]:
    name = goal.objective.removeprefix("val_")
    lines = []
    for part, (before, after) in gain.items():
        if part == "trials":
            where = f"validation, {best.epochs} epochs"
        else:
            where = f"{part}, fully trained"
        was = "failed" if before is None else f"{before:.4f}"
        lines.append(f"{name} ({where}): {was} as it is, {after:.4f} tuned (trial {best.number})")
    before, after = gain.get("validation", (None, 0.0))
    is_short = best.epochs < epochs and not (first.failed or goal.excess(first.measured))
    if is_short and before is not None and goal.is_better(before, after):
        lines.append(
            "Fully trained, the recipe as it is has the better validation: trials of "
            f"{best.epochs} of {epochs} epochs were too short to tell."
        )
    if not first.failed and goal.excess(first.measured):
        lines.append("The recipe as it is is over a limit.")
    return lines
