"""`evaluate`: a model measured on a source, as a whole and slice by slice."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from mmkeras.contracts import Source, Task
from mmkeras.evaluation.calibration import Reliability, reliability, shares
from mmkeras.evaluation.estimate import Estimate, interval, resamples, undefined
from mmkeras.evaluation.gaps import Gap, gaps, largest_difference
from mmkeras.evaluation.predictions import (
    Classified,
    Predictions,
    TaskPredictions,
    predictions,
)
from mmkeras.evaluation.scores import Answers, scored_answers, single_numbers
from mmkeras.evaluation.slices import Slices, grouped, small_groups
from mmkeras.files import write_whole
from mmkeras.model import MultimodalModel

#: What the slices by the fields that a sample has are called.
FIELDS = "fields present"
_NOTHING = "these samples have nothing that it counts"
_UNLABELLED = undefined(0, "no sample has a label")


@dataclasses.dataclass(frozen=True)
class Report:
    """What `evaluate` measured. It prints as a table, and holds plain values alone.

    Attributes:
        source: what it was measured on.
        count: the number of samples.
        measures: `{measure: Estimate}` on all samples, such as `category_accuracy`.
        slices: `{slice: {group: {measure: Estimate}}}`.
        gaps: every group's loss against the others', the most significant first; see `gaps`.
        confusion: `{task: matrix}` of every `Classification` with single labels: true classes in
            rows, answered ones in columns.
        classes: `{task: names}` of the rows and columns.
        reliability: `{task: Reliability}` of every `Classification`.
        losses: `{task: the loss of each sample}`, None where it has no label.
        groups: `{slice: the group of each sample}`.
        warnings: what to bear in mind, in sentences.
        targets: `{task: the true class of each sample}` of every `Classification`, a place in
            `classes`; with several labels at once a list of them; None where there is no label.
        answers: `{task: the answered class of each sample}`, in the same form.
        min_count: groups of fewer samples are too small to judge.
        tasks: `{task: its configuration}`, which defines its loss.
    """

    source: str
    count: int
    measures: Mapping[str, Estimate]
    slices: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    gaps: Sequence[Gap]
    confusion: Mapping[str, Sequence[Sequence[int]]]
    classes: Mapping[str, Sequence[str]]
    reliability: Mapping[str, Reliability]
    losses: Mapping[str, Sequence[float | None]]
    groups: Mapping[str, Sequence[str]]
    warnings: Sequence[str]
    targets: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    answers: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    min_count: int = 30
    tasks: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __getitem__(self, measure: str) -> Estimate:
        """One measure on all samples.

        Raises:
            KeyError: there is no such measure; the message lists those that there are.
        """
        if measure not in self.measures:
            raise KeyError(f"the report has no {measure!r}; it has {list(self.measures)}.")
        return self.measures[measure]

    @property
    def alarms(self) -> list[str]:
        """The groups that are worse off by more than chance explains, a sentence each."""
        return [
            f"{gap.slice} = {gap.group} is worse off: its mean loss of {gap.task} is "
            f"{gap.loss:.3f}, {gap.rest:.3f} elsewhere ({gap.count} samples, p = {gap.p_value:.4f})"
            for gap in self.gaps
            if gap.alarm
        ]

    def differences(self) -> dict[tuple[str, str], tuple[float, str, str]]:
        """The largest differences between two groups of `min_count` samples or more.

        Returns:
            `{(slice, measure): (the difference, the lowest group, the highest group)}`, where two
            groups can be compared.
        """
        found = {}
        for name, groups in self.slices.items():
            for measure in self.measures:
                difference = largest_difference(
                    {
                        group: of[measure].value
                        for group, of in groups.items()
                        if measure in of and of[measure].count >= self.min_count
                    }
                )
                if difference is not None:
                    found[name, measure] = difference
        return found

    def numbers(self) -> dict[str, float]:
        """All that is one number and defined, by name.

        Returns:
            The measures; `{task}_ece`, expected calibration errors; `{measure}_gap_{slice}`, the
            `differences`.

        Example:

        >>> voices = {"anna": {"word_f1": Estimate(1.0, count=40)},
        ...           "ben": {"word_f1": Estimate(0.5, count=40)}}
        >>> report = Report("rows", 80, {"word_f1": Estimate(0.75)}, {"voice": voices}, [],
        ...                 {}, {}, {}, {}, {}, [])
        >>> report.numbers()
        {'word_f1': 0.75, 'word_f1_gap_voice': 0.5}
        """
        values = {name: each.value for name, each in self.measures.items()}
        values |= {f"{task}_ece": curve.ece for task, curve in self.reliability.items()}
        for (name, measure), (size, *_) in self.differences().items():
            values[f"{measure}_gap_{name}"] = size
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        lines = [f"{self.count} samples of {self.source}"]
        width = max((len(name) for name in self.measures), default=0)
        lines += [f"  {name:{width}}  {value}" for name, value in self.measures.items()]
        for name, groups in self.slices.items():
            lines.append(f"by {name}:")
            size = max(len(group) for group in groups)
            for group, measures in groups.items():
                told = "  ".join(f"{measure} {value}" for measure, value in measures.items())
                count = max((value.count for value in measures.values()), default=0)
                lines.append(f"  {group:{size}}  ({count})  {told}")
        for task, curve in self.reliability.items():
            lines.append(f"{task}: expected calibration error {curve.ece:.4f}")
        lines += [f"ALARM: {alarm}" for alarm in self.alarms]
        lines += [f"Note: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def to_json(self) -> str:
        """All of it as JSON, which `from_json` reads; what is not a number is null."""
        return json.dumps(_plain(dataclasses.asdict(self)), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The report that `to_json` wrote.

        Raises:
            ValueError: it is no report.
        """
        try:
            made = json.loads(text)
            names = {field.name for field in dataclasses.fields(cls)}
            read = {name: value for name, value in made.items() if name in names}
            read["measures"] = _estimates(read["measures"])
            read["slices"] = {
                name: {group: _estimates(found) for group, found in groups.items()}
                for name, groups in read["slices"].items()
            }
            read["gaps"] = [Gap(**gap) for gap in read["gaps"]]
            read["reliability"] = {
                task: Reliability(**{k: tuple(v) if isinstance(v, list) else v
                                     for k, v in curve.items()})
                for task, curve in read["reliability"].items()
            }  # fmt: skip
            return cls(**read)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"this is no report that mmkeras wrote: {error!r}.") from error

    def save(self, path: str | Path) -> Path:
        """Writes the JSON; a file that is there is whole.

        Args:
            path: of the file, `report.json` for example.

        Returns:
            The path.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, self.to_json() + "\n")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no report; the message names the file.
        """
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def evaluate(
    model: MultimodalModel,
    source: Source,
    slices: Slices = (),
    batch_size: int = 64,
    times: int = 500,
    min_count: int = 30,
    seed: int = 0,
    **options: Any,
) -> Report:
    """Measures a model as a whole and slice by slice, and says which groups are worse off.

    Measures are those of the tasks. Those that are sums over samples, as most are, have intervals
    by the bootstrap everywhere; those that need all answers at once, such as mean average
    precision, on all samples alone, and of a tenth as many resamples.

    An alarm says that a group is worse off by more than chance explains, see `gaps`. It takes the
    samples to be independent: several recordings of one person are not, and chance is then larger
    than the report thinks.

    Args:
        model: a trained model; it need not be compiled.
        source: held-out samples.
        slices: columns and functions to slice by; see `mmkeras.evaluation.grouped`. Samples that
            have different fields are compared too.
        batch_size: samples in one forward pass.
        times: resamples for the intervals; 0 for none.
        min_count: groups of fewer samples are shown, and said to be too small to judge.
        seed: of the resamples.
        **options: of `mmkeras.pipeline`.

    Raises:
        KeyError: the source has none of the fields or tasks, or no such column.
        ValueError: the source is empty; see also `grouped` and `predictions`.

    Example:

    >>> import mmkeras as mm
    >>> rows = [{"text": "good" if i % 2 else "bad", "lang": "en" if i % 3 else "fr",
    ...          "stars": "up" if i % 2 else "down"} for i in range(12)]
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()},
    ...                            {"stars": mm.Classification(["up", "down"])}, size="tiny")
    >>> report = evaluate(model, mm.sources.Table(rows), slices=["lang"])
    >>> report["stars_accuracy"].count, sorted(report.slices["lang"])
    (12, ['en', 'fr'])
    """
    groups = grouped(source, slices)
    made = predictions(model, source, batch_size, **options)
    if not made.tasks:
        raise ValueError(f"no sample of {source!r} has a label for any of {list(model.tasks)}.")
    combinations = _combinations(made)
    if len({*combinations}) > 1:
        groups[FIELDS] = combinations
    answers = scored_answers(model, source, batch_size, **options)
    everyone = np.ones(len(made), bool)
    measures = measured(model, made, everyone, times, seed)
    scored = {
        task: _scored(task, told, everyone, times // 10, seed) for task, told in answers.items()
    }
    for found in scored.values():
        measures |= found
    parts: dict[str, dict[str, dict[str, Estimate]]] = {}
    for name, of in groups.items():
        parts[name] = {}
        for group in sorted({*of}):
            member = of == group
            parts[name][group] = measured(model, made, member, times, seed)
            for task, told in answers.items():
                parts[name][group] |= _scored(task, told, member, 0, seed) or dict.fromkeys(
                    scored[task], _UNLABELLED
                )
    losses = {task: part.losses for task, part in made.tasks.items() if part.losses is not None}
    classified = {
        task: part.classified.of(part.labelled)
        for task, part in made.tasks.items()
        if part.classified is not None
    }
    return Report(
        source=repr(source),
        count=len(made),
        measures=measures,
        slices=parts,
        gaps=gaps(losses, groups, min_count, seed=seed),
        confusion={task: _confusion(c) for task, c in classified.items() if c.targets.ndim == 1},
        classes={task: list(model.tasks[task].classes) for task in classified},
        reliability={
            task: reliability(shares(c, model.tasks[task].temperature), c.targets)
            for task, c in classified.items()
        },
        losses={
            task: [None if math.isnan(loss) else float(loss) for loss in values]
            for task, values in losses.items()
        },
        groups={name: [str(group) for group in of] for name, of in groups.items()},
        warnings=_warnings(made, groups, min_count),
        targets={task: _targets(part) for task, part in made.tasks.items() if part.classified},
        answers={task: _answered(part) for task, part in made.tasks.items() if part.classified},
        min_count=min_count,
        tasks={name: keras.saving.serialize_keras_object(model.tasks[name]) for name in made.tasks},
    )


def _combinations(made: Predictions) -> np.ndarray:
    """Which fields each sample has, as a text."""
    fields = list(made.present)
    return np.array(
        [
            " + ".join(field for field, there in zip(fields, row) if there) or "none"
            for row in zip(*made.present.values())
        ],
        dtype=object,
    )


def measured(
    model: MultimodalModel, made: Predictions, member: np.ndarray, times: int, seed: int
) -> dict[str, Estimate]:
    """The measures that are sums, on the samples of a group.

    Args:
        model: the model.
        made: what it made of all samples.
        member: bool [N], which of them are meant.
        times: resamples for the intervals; 0 for none.
        seed: of the resamples.

    Returns:
        `{measure: Estimate}`, of every task.
    """
    found = {}
    for name, part in made.tasks.items():
        found |= measured_of(model.tasks[name], name, part, member, times, seed)
    return found


def measured_of(
    task: Task,
    name: str,
    part: TaskPredictions,
    member: np.ndarray,
    times: int = 0,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The same of one task.

    Args:
        task: the task.
        name: its name.
        part: what the model made of all samples.
        member: see `measured`.
        times: see `measured`.
        seed: see `measured`.
    """
    chosen = member & part.labelled
    count = int(chosen.sum())
    targets = part.classified.targets[chosen] if part.classified else None
    drawn = resamples(count, times, seed) if count and times else np.zeros([0, count], int)
    found = {}
    for measure in part.measures:
        if not count:
            found[measure.name] = _UNLABELLED
            continue
        own_name = measure.name.removeprefix(f"{name}_")
        if reason := task.undefined(own_name, targets):
            found[measure.name] = undefined(count, reason)
            continue
        own = part.sums[measure.name][chosen].astype("float64")
        sums = np.concatenate([own.sum(axis=0)[None], drawn @ own])
        values = measure.values(sums)
        if not sums[0].any():
            found[measure.name] = undefined(count, _NOTHING)
            continue
        # Of nothing, Keras' metrics are 0.
        values[~sums.any(axis=1)] = np.nan
        if targets is not None:
            for i, counts in enumerate(drawn, start=1):
                if task.undefined(own_name, targets[counts > 0]):
                    values[i] = np.nan
        found[measure.name] = interval(float(values[0]), values[1:], count)
    return found


def _scored(
    task: str, told: Answers, member: np.ndarray, times: int, seed: int
) -> dict[str, Estimate]:
    """The measures that need all answers of a group at once; single numbers alone."""
    chosen = np.flatnonzero(member[told.samples])
    if not len(chosen):
        return {}
    values = single_numbers(told.scores(chosen))
    drawn = [
        told.scores(np.repeat(chosen, counts)) for counts in resamples(len(chosen), times, seed)
    ]
    found = {}
    for name, value in values.items():
        redrawn = np.array([again.get(name, math.nan) for again in drawn], float)
        known = not math.isnan(value)
        count = len(chosen)
        found[f"{task}_{name}"] = (
            interval(value, redrawn, count) if known else undefined(count, _NOTHING)
        )
    return found


def _confusion(made: Classified) -> list[list[int]]:
    size = made.logits.shape[1]
    pairs = made.targets * size + made.logits.argmax(axis=1)
    return np.bincount(pairs, minlength=size**2).reshape(size, size).tolist()


def _targets(part: TaskPredictions) -> list[Any]:
    """The true classes of the samples, as a report has them."""
    return _numbered(part.classified.targets, part.labelled) if part.classified else []


def _answered(part: TaskPredictions) -> list[Any]:
    """The answered ones."""
    if part.classified is None:
        return []
    logits = part.classified.logits
    several = part.classified.targets.ndim == 2
    return _numbered(logits >= 0 if several else logits.argmax(axis=1), part.labelled)


def _numbered(classes: np.ndarray, labelled: np.ndarray) -> list[Any]:
    made = [np.flatnonzero(row).tolist() if classes.ndim == 2 else int(row) for row in classes]
    return [each if there else None for each, there in zip(made, labelled)]


def _warnings(made: Predictions, groups: Mapping[str, np.ndarray], min_count: int) -> list[str]:
    said = []
    if made.absent:
        said.append(f"the source has no columns for {list(made.absent)}, which are left out.")
    for task, part in made.tasks.items():
        if part.dependent:
            said.append(
                f"{list(part.dependent)} compare the samples of a batch with each other, and are "
                "left out."
            )
        labelled = int(part.labelled.sum())
        if labelled < len(made):
            said.append(f"{len(made) - labelled} of {len(made)} samples have no label for {task}.")
    for name, of in groups.items():
        if small := small_groups(of, min_count):
            said.append(
                f"{name}: fewer than {min_count} samples of {', '.join(small)}, too few to judge."
            )
        if len({*of}) == 1:
            said.append(f"{name}: all samples are {of[0]}; there is no gap to measure.")
    return said


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _estimates(read: Mapping[str, Any]) -> dict[str, Estimate]:
    return {name: Estimate(**value) for name, value in read.items()}
