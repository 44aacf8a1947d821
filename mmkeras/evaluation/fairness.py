"""`fairness`: whether groups are given a class as often, and as often where it is true."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.evaluation.estimate import Estimate, undefined
from mmkeras.evaluation.report import Report


@dataclasses.dataclass(frozen=True)
class Disparity:
    """How far groups are apart in what a `Classification` answers of one class.

    Attributes:
        task: its name.
        slice: name of the slice.
        label: the class, against all others.
        parity: demographic parity difference: the largest difference between two groups in how
            often the class is answered.
        odds: equalised odds difference: the same where the class is true, or where it is not,
            whichever is larger.
    """

    task: str
    slice: str
    label: str
    parity: Estimate
    odds: Estimate


def fairness(report: Report) -> list[Disparity]:
    """The disparities of each `Classification` by each slice and class.

    A class counts against all others; with several labels at once, whether it is among them.
    Groups of fewer samples than the report's `min_count` are left out: they differ by chance.

    Source: Hardt, Price & Srebro 2016, "Equality of Opportunity in Supervised Learning".

    Args:
        report: what `evaluate` measured.

    Returns:
        One for each task, slice and class. What is undefined, such as equalised odds where a group
        has no sample of the class, says why.

    Raises:
        ImportError: fairlearn is not installed.

    Example:

    >>> import mmkeras as mm
    >>> rows = [{"text": "a", "kind": "x" if i % 2 else "y", "by": "ab"[i // 4]} for i in range(8)]
    >>> tasks = {"kind": mm.Classification(["x", "y"])}
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()}, tasks, size="tiny")
    >>> source = mm.sources.Table(rows)
    >>> report = mm.evaluate(model, source, ["by"], times=0, min_count=4)
    >>> [(each.label, each.parity.value) for each in fairness(report)]  # Texts are all the same.
    [('x', 0.0), ('y', 0.0)]
    """
    found = []
    for task, answers in report.answers.items():
        targets = report.targets[task]
        there = [i for i, target in enumerate(targets) if target is not None]
        for name, groups in report.groups.items():
            of = np.array([groups[i] for i in there], dtype=object)
            large = [group for group in sorted({*of}) if (of == group).sum() >= report.min_count]
            kept = [i for i, group in zip(there, of) if group in large]
            sensitive = np.array([groups[i] for i in kept], dtype=object)
            for place, label in enumerate(report.classes[task]):
                true, answered = (
                    np.array([_is(values[i], place) for i in kept], int)
                    for values in (targets, answers)
                )
                found.append(Disparity(task, name, label, *_measured(true, answered, sensitive)))
    return found


def largest(disparities: Sequence[Disparity]) -> dict[tuple[str, str], tuple[Disparity, Disparity]]:
    """For each task and slice, the class of the largest parity difference, and of the largest odds.

    Where a measure is undefined for every class, that of the first class tells why.

    Example:

    >>> few = [Disparity("kind", "by", "x", Estimate(0.1), undefined(0, "no x")),
    ...        Disparity("kind", "by", "y", Estimate(0.3), undefined(0, "no y"))]
    >>> parity, odds = largest(few)["kind", "by"]
    >>> parity.label, odds.odds.note
    ('y', 'no x')
    """
    parts: dict[tuple[str, str], list[Disparity]] = {}
    for each in disparities:
        parts.setdefault((each.task, each.slice), []).append(each)

    def size(estimate: Estimate) -> float:
        return -1.0 if estimate.value is None else estimate.value

    return {
        key: (
            max(of, key=lambda each: size(each.parity)),
            max(of, key=lambda each: size(each.odds)),
        )
        for key, of in parts.items()
    }


def _is(classes: Any, place: int) -> bool:
    return place in classes if isinstance(classes, list | tuple) else place == classes


def _measured(
    true: np.ndarray, answered: np.ndarray, groups: np.ndarray
) -> tuple[Estimate, Estimate]:
    """Both differences of one class, 0 or 1 for each sample."""
    try:
        from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
    except ImportError as error:
        raise ImportError(
            'fairness needs fairlearn; install it with pip install "mmkeras[report]".'
        ) from error
    count = len(true)
    if len({*groups}) < 2:
        few = undefined(count, "fewer than two groups are large enough")
        return few, few
    given: Mapping[str, Any] = {"sensitive_features": groups}
    parity = float(demographic_parity_difference(true, answered, **given))
    lacking = [
        f"no sample of {group} is {'' if value else 'not '}of this class"
        for group in sorted({*groups})
        for value in (1, 0)
        if not (true[groups == group] == value).any()
    ]
    if lacking:
        return Estimate(parity, count=count), undefined(count, lacking[0])
    odds = float(equalized_odds_difference(true, answered, **given))
    return Estimate(parity, count=count), Estimate(odds, count=count)
