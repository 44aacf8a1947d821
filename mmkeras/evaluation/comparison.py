"""`compare`: what is better or worse in a new report than in an old one, beyond chance."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.evaluation.estimate import Estimate
from mmkeras.evaluation.gaps import LEVEL
from mmkeras.evaluation.report import Report
from mmkeras.metrics.direction import direction

_SIGNS_AT_ONCE = 4_000_000


@dataclasses.dataclass(frozen=True)
class Difference:
    """One measure in both reports.

    Attributes:
        slice: name of the slice; empty for all samples.
        group: the group; empty for all samples.
        measure: its name.
        old: its value in the old report; None where it is undefined.
        new: in the new one.
        p_value: how often chance alone makes a difference as large; None where it was not tested.
        adjusted: the same after Holm's correction for all that were tested.
        test: `"paired"`, of the same samples one by one, or `"z"`, of two independent sets.
        verdict: `"better"`, `"worse"`, or `"different"` where it is not known which is good; empty
            where chance is a good explanation.
        note: why it was not tested.
    """

    slice: str
    group: str
    measure: str
    old: float | None
    new: float | None
    p_value: float | None = None
    adjusted: float | None = None
    test: str = ""
    verdict: str = ""
    note: str = ""

    def __str__(self) -> str:
        where = f"{self.slice} = {self.group}" if self.slice else "all samples"
        if self.old is None or self.new is None or self.adjusted is None:
            return f"{where}: {self.measure} {_told(self.old)} to {_told(self.new)} ({self.note})"
        return (
            f"{where}: {self.measure} {_told(self.old)} to {_told(self.new)}, "
            f"{self.new - self.old:+.4f} ({self.test} p = {self.adjusted:.4f})"
        )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare` found. It prints what is significant, and what could not be compared.

    Attributes:
        differences: of all samples first, then by slice and group.
        paired: whether both reports are of the same samples.
        notes: what to bear in mind, in sentences.
    """

    differences: Sequence[Difference]
    paired: bool
    notes: Sequence[str]

    @property
    def worse(self) -> list[str]:
        """What got worse by more than chance explains, a sentence each."""
        return self._said("worse")

    @property
    def better(self) -> list[str]:
        """What got better by more than chance explains, a sentence each."""
        return self._said("better")

    def _said(self, verdict: str) -> list[str]:
        return [
            f"{f'{each.slice} = {each.group}' if each.slice else 'The whole'} got {verdict}: "
            f"{each.measure} went from {_told(each.old)} to {_told(each.new)} "
            f"(p = {each.adjusted:.4f})"
            for each in self.differences
            if each.verdict == verdict
        ]

    def __str__(self) -> str:
        lines = [
            f"{len(self.differences)} measures compared, of "
            + ("the same samples." if self.paired else "different samples.")
        ]
        lines += [str(each) for each in self.differences if not each.slice]
        lines += [f"WORSE: {sentence}" for sentence in self.worse]
        lines += [f"BETTER: {sentence}" for sentence in self.better]
        lines += [f"DIFFERENT: {each}" for each in self.differences if each.verdict == "different"]
        if not any(each.verdict for each in self.differences):
            lines.append("Nothing differs by more than chance explains.")
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    def to_json(self) -> str:
        """All of it as JSON, the sentences too."""
        told = dataclasses.asdict(self) | {"worse": self.worse, "better": self.better}
        return json.dumps(told, ensure_ascii=False, indent=1)


def compare(old: Report, new: Report, permutations: int = 20_000, seed: int = 0) -> Comparison:
    """Which measures differ between two reports, as a whole and group by group.

    Where both are of the same samples (as many, in the same groups, with the same labels; of tasks
    whose labels a report does not hold, from the same source), losses and accuracies of a
    `Classification` are compared sample by sample: were the models equally good, each sample's
    difference could as well have had the other sign, which is tried at random. Losses of a task
    that is set in another way, such as with label smoothing, are no matter of better or worse.
    Everything else is compared by its standard errors, as if the samples were independent, which
    finds less where they are the same, and only for groups of the reports' `min_count` samples or
    more. P-values are corrected for their number (Holm 1979, "A Simple Sequentially Rejective
    Multiple Test Procedure"), so that one comparison of twenty at most says something without a
    cause.

    Args:
        old: the report to compare with.
        new: the later one.
        permutations: how often signs are drawn.
        seed: of the signs.

    Example: a model that is worse for one voice.

    >>> rng = np.random.default_rng(0)
    >>> voice = ["anna", "ben"] * 50
    >>> def report(losses):
    ...     parts = {v: losses[i::2] for i, v in enumerate(("anna", "ben"))}
    ...     told = {v: {"kind_loss": Estimate(float(part.mean()))} for v, part in parts.items()}
    ...     return Report("a table", 100, {"kind_loss": Estimate(float(losses.mean()))},
    ...                   {"voice": told}, [], {}, {}, {}, {"kind": losses.tolist()},
    ...                   {"voice": voice}, [])
    >>> losses = rng.exponential(size=100)
    >>> changed = losses + [0.0, 0.5] * 50
    >>> for sentence in compare(report(losses), report(changed)).worse:
    ...     print(sentence)
    The whole got worse: kind_loss went from 1.1806 to 1.4306 (p = 0.0001)
    voice = ben got worse: kind_loss went from 1.1819 to 1.6819 (p = 0.0001)
    """
    paired = _same_samples(old, new)
    notes = []
    places: list[tuple[str, str, Mapping[str, Estimate], Mapping[str, Estimate]]] = [
        ("", "", old.measures, new.measures)
    ]
    for name in dict.fromkeys([*old.slices, *new.slices]):
        if name not in old.slices or name not in new.slices:
            which = "new" if name in new.slices else "old"
            notes.append(f"slice {name!r} is in the {which} report alone.")
            continue
        groups = old.slices[name], new.slices[name]
        for group in dict.fromkeys([*groups[0], *groups[1]]):
            if group in groups[0] and group in groups[1]:
                places.append((name, group, groups[0][group], groups[1][group]))
            else:
                which = "new" if group in groups[1] else "old"
                notes.append(f"{name} = {group} is in the {which} report alone.")
    for measure in sorted({*old.measures} ^ {*new.measures}):
        which = "new" if measure in new.measures else "old"
        notes.append(f"{measure} is in the {which} report alone.")
    if not paired:
        notes.append(
            "the reports are of different samples, or slice or label them in different ways; they "
            "are compared by their standard errors."
        )
    other = [task for task in old.tasks if task in new.tasks and old.tasks[task] != new.tasks[task]]
    if other:
        notes.append(f"{other} are set in another way: their losses are not compared.")
    incomparable = {f"{task}_loss" for task in other}
    p_values = _paired(old, new, places, permutations, seed) if paired else {}
    min_count = max(old.min_count, new.min_count)
    found = []
    for name, group, before, after in places:
        for measure in before:
            if measure in after and measure not in incomparable:
                pair = before[measure], after[measure]
                p = p_values.get((name, group, measure))
                found.append(_difference(name, group, measure, *pair, p, min_count))
    return Comparison(_judged(found), paired, notes)


def _same_samples(old: Report, new: Report) -> bool:
    shared = {*old.losses} & {*new.losses}

    def labelled(report: Report, task: str) -> list[bool]:
        return [loss is not None for loss in report.losses[task]]

    same_targets = all(
        list(old.targets[task]) == list(new.targets[task])
        for task in {*old.targets} & {*new.targets}
    )
    known = {*old.targets} >= shared
    return (
        old.count == new.count
        and (known or old.source == new.source)
        and {k: list(v) for k, v in old.groups.items()}
        == {k: list(v) for k, v in new.groups.items()}
        and same_targets
        and all(labelled(old, task) == labelled(new, task) for task in shared)
    )


def _paired(
    old: Report,
    new: Report,
    places: Sequence[tuple[str, str, Any, Any]],
    permutations: int,
    seed: int,
) -> dict[tuple[str, str, str], float]:
    """The p-values of all that is known sample by sample, by slice, group and measure."""
    members = np.stack(
        [
            np.ones(old.count) if not name else np.array(old.groups[name], object) == group
            for name, group, _, _ in places
        ],
        axis=1,
    ).astype("float64")
    found = {}
    both = _by_sample(old), _by_sample(new)
    for measure in both[0]:
        if measure not in both[1]:
            continue
        change = both[1][measure] - both[0][measure]
        there = ~np.isnan(change)
        signed = change[there, None] * members[there]
        p = _sign_flips(signed, permutations, seed)
        for (name, group, _, _), value in zip(places, p):
            found[name, group, measure] = float(value)
    return found


def _by_sample(report: Report) -> dict[str, np.ndarray]:
    """float64 [N] of each measure that is a mean over samples; NaN where there is no label."""
    found = {}
    for task, losses in report.losses.items():
        found[f"{task}_loss"] = np.array([np.nan if x is None else x for x in losses], "float64")
    for task, targets in report.targets.items():
        classes = len(report.classes[task])
        pairs = zip(targets, report.answers[task])
        right = [np.nan if true is None else _right(true, told, classes) for true, told in pairs]
        found[f"{task}_accuracy"] = np.array(right, "float64")
    return found


def _right(true: Any, told: Any, classes: int) -> float:
    """The share of the decisions about a sample that is right."""
    if isinstance(true, list | tuple):
        return 1 - len({*true} ^ {*told}) / classes
    return float(true == told)


def _sign_flips(signed: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """float64 [G]: two-sided p-values of sums of [N, G] under random signs of the N."""
    random = np.random.default_rng(seed)
    observed = np.abs(signed.sum(axis=0))
    at_once = max(_SIGNS_AT_ONCE // max(len(signed), 1), 1)
    hits = np.ones(signed.shape[1])
    for start in range(0, permutations, at_once):
        size = (min(at_once, permutations - start), len(signed))
        signs = random.integers(0, 2, size, "int8").astype("float64") * 2 - 1
        # Sums of the same numbers in another order are equal but for rounding.
        hits += (np.abs(signs @ signed) >= observed * (1 - 1e-9)).sum(axis=0)
    return hits / (permutations + 1)


def _difference(
    name: str,
    group: str,
    measure: str,
    old: Estimate,
    new: Estimate,
    p: float | None,
    min_count: int,
) -> Difference:
    """One measure, tested but not yet judged."""
    values = old.value, new.value
    if old.value is None or new.value is None:
        which, undefined = ("old", old) if old.value is None else ("new", new)
        return Difference(name, group, measure, *values,
                          note=f"undefined in the {which} report: {undefined.note}")  # fmt: skip
    if p is not None:
        return Difference(name, group, measure, *values, p, test="paired")
    if old.error is None or new.error is None:
        return Difference(name, group, measure, *values,
                          note="there is no standard error; evaluate with resamples")  # fmt: skip
    if min(old.count, new.count) < min_count:
        return Difference(name, group, measure, *values,
                          note=f"fewer than {min_count} samples")  # fmt: skip
    error = math.hypot(old.error, new.error)
    if not error:
        return Difference(name, group, measure, *values, note="its resamples are all the same")
    p = math.erfc(abs(new.value - old.value) / error / math.sqrt(2))
    return Difference(name, group, measure, *values, p, test="z")


def _judged(differences: Sequence[Difference]) -> list[Difference]:
    """With Holm's p-values, and what they say."""
    tested = [i for i, each in enumerate(differences) if each.p_value is not None]
    tested.sort(key=lambda i: differences[i].p_value or 0.0)
    judged, largest = list(differences), 0.0
    for rank, i in enumerate(tested):
        each = differences[i]
        largest = max(largest, min(1.0, (len(tested) - rank) * (each.p_value or 0.0)))
        verdict = ""
        if largest < LEVEL and each.old is not None and each.new is not None:
            verdict = _verdict(each.measure, each.new - each.old)
        judged[i] = dataclasses.replace(each, adjusted=largest, verdict=verdict)
    return judged


def _verdict(measure: str, difference: float) -> str:
    good = direction(measure)
    if good is None:
        return "different"
    return "better" if (difference > 0) == (good == "max") else "worse"


def _told(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
