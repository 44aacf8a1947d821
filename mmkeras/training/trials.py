"""Trials of a tuning: each a record in a file, all together a table and a picture."""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from mmkeras.files import drafted, write_whole
from mmkeras.training.goal import Goal
from mmkeras.training.search_space import Choice, Range, SearchSpace

#: Inside the folder of a tuning: KerasTuner's own state, and one folder for each trial.
PROJECT = "search"
#: Inside the folder of a trial.
MODEL = Path("run", "model.keras")
_FILE = "record.json"


@dataclasses.dataclass(frozen=True)
class Trial:
    """What was tried, and what came of it.

    Attributes:
        number: 0 is the recipe as it is.
        values: by the names of the search space.
        epochs: it was trained for.
        seconds: it took, measuring included.
        measured: the numbers; empty if it failed.
        reason: why it failed, or an empty string.
    """

    number: int
    values: dict[str, Any]
    epochs: int
    seconds: float
    measured: dict[str, float]
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether there are no numbers."""
        return bool(self.reason)

    def save(self, folder: str | Path) -> None:
        """Writes the record into a folder of its own."""
        write_whole(Path(folder) / _FILE, json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path, space: SearchSpace) -> Self | None:
        """The record in a folder; None if there is none.

        Args:
            folder: of the trial.
            space: whose values they are: JSON has no tuples.
        """
        path = Path(folder) / _FILE
        if not path.is_file():
            return None
        trial = cls(**json.loads(path.read_text(encoding="utf-8")))
        values = {name: _as_searched(space, name, value) for name, value in trial.values.items()}
        return dataclasses.replace(trial, values=values)

    def status(self, goal: Goal) -> str:
        """`"finished"`, `"over a limit"` or `"failed"`."""
        if self.failed:
            return "failed"
        return "over a limit" if goal.excess(self.measured) else "finished"


def load_trials(folder: str | Path, space: SearchSpace) -> list[Trial]:
    """The records in the folders of a folder, by their numbers.

    Args:
        folder: holds one folder for each trial.
        space: see `Trial.load`.
    """
    found = [Trial.load(path.parent, space) for path in Path(folder).glob(f"*/{_FILE}")]
    return sorted((trial for trial in found if trial is not None), key=lambda each: each.number)


def place_of(number: int, folder: str | Path) -> Path:
    """The folder of a trial.

    Args:
        number: of the trial.
        folder: holds those of all; how many digits a number has there depends on how many trials
            were planned when it began.
    """
    paths = Path(folder).glob("trial_*")
    return next(path for path in paths if int(path.name.removeprefix("trial_")) == number)


def save_table(trials: Sequence[Trial], goal: Goal, path: str | Path) -> Path:
    """Every trial as a row of a CSV file: number, status, values, measures, reason of a failure.

    Args:
        trials: in the order of their numbers.
        goal: says which are over a limit.
        path: of the file.

    Returns:
        The path.
    """
    rows = [
        {"trial": trial.number, "status": trial.status(goal)}
        | {"epochs": trial.epochs, "seconds": round(trial.seconds, 2)}
        | trial.values
        | trial.measured
        | {"reason": trial.reason}
        for trial in trials
    ]
    names = [*dict.fromkeys(name for row in rows for name in row if name != "reason"), "reason"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(Path(path), text.getvalue())
    return Path(path)


def draw_trials(
    trials: Sequence[Trial], goal: Goal, search: Mapping[str, Choice | Range], path: str | Path
) -> Path:
    """Draws the objective over the trials and over each value that was searched, as a PNG.

    Failed trials are crosses at the lower edge; those over a limit are hollow.

    Args:
        trials: in the order of their numbers.
        goal: the objective and its limits.
        search: what was searched.
        path: of the picture.

    Returns:
        The path.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'drawing needs matplotlib; install it with pip install "mmkeras[tune]".'
        ) from error
    count = 1 + len(search)
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * rows), layout="constrained")
    panels = [*figure.subplots(rows, columns, squeeze=False).flat]
    for panel in panels[count:]:
        panel.remove()
    numbers = [trial.number for trial in trials]
    _draw_panel(panels[0], trials, numbers, goal)
    _draw_best_so_far(panels[0], trials, goal)
    panels[0].set_xlabel("trial (0: the recipe as it is)")
    panels[0].xaxis.get_major_locator().set_params(integer=True)
    for panel, (name, what) in zip(panels[1:], search.items()):
        if isinstance(what, Choice):
            places = {repr(value): place for place, value in enumerate(what.values)}
            _draw_panel(panel, trials, [places[repr(t.values[name])] for t in trials], goal)
            panel.set_xticks(range(len(places)), [str(value) for value in what.values])
            panel.set_xlim(-0.5, len(places) - 0.5)
        else:
            _draw_panel(panel, trials, [t.values[name] for t in trials], goal)
            if what.is_log:
                panel.set_xscale("log")
        panel.set_xlabel(name)
    with drafted(Path(path)) as draft:
        figure.savefig(draft, dpi=120, format="png")
    return Path(path)


def _draw_panel(panel: Any, trials: Sequence[Trial], places: Sequence[Any], goal: Goal) -> None:
    for status, style in (
        ("finished", {"marker": "o", "color": "tab:blue"}),
        ("over a limit", {"marker": "o", "facecolors": "none", "edgecolors": "tab:blue"}),
    ):
        shown = [
            (place, trial.measured[goal.objective])
            for place, trial in zip(places, trials)
            if trial.status(goal) == status
        ]
        if shown:
            panel.scatter(*zip(*shown), **style, label=status, zorder=3)
    if failed := [place for place, trial in zip(places, trials) if trial.failed]:
        low = [0.0] * len(failed)
        panel.scatter(
            failed, low, marker="x", color="tab:red", label="failed", clip_on=False,
            transform=panel.get_xaxis_transform(), zorder=3,
        )  # fmt: skip
    panel.set_ylabel(goal.objective.replace("_", " "))
    panel.grid(alpha=0.3)


def _draw_best_so_far(panel: Any, trials: Sequence[Trial], goal: Goal) -> None:
    numbers, values = [], []
    finished = [trial for trial in trials if not trial.failed]
    for end in range(1, len(finished) + 1):
        best = goal.best([trial.measured for trial in finished[:end]])
        if best is not None:
            numbers.append(finished[end - 1].number)
            values.append(finished[best].measured[goal.objective])
    if numbers:
        panel.step(numbers, values, where="post", color="tab:gray", label="best so far", zorder=2)
    panel.legend()


def _as_searched(space: SearchSpace, name: str, value: Any) -> Any:
    what = space.search[name]
    if isinstance(what, Choice):
        plain = json.dumps(value)
        return next(each for each in what.values if json.dumps(each) == plain)
    return value
