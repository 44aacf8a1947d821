"""The data of a report's page as tables, one for each plot and table."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmkeras.evaluation.estimate import Estimate
from mmkeras.evaluation.fairness import Disparity
from mmkeras.evaluation.report import Report

#: Names of the files there may be, as patterns.
KINDS = ("measures", "slices", "gaps", "fairness", "robustness", "contributions", "files",
         "confusion_*", "reliability_*")  # fmt: skip
_ESTIMATE = ("value", "low", "high", "error", "count", "note")


def tables(
    report: Report,
    disparities: Sequence[Disparity] = (),
    robustness: Mapping[str, Mapping[float, Mapping[str, Estimate]]] | None = None,
    contributions: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, str]:
    """CSV files by name; only those that have rows. What is undefined is empty, and says why.

    Args:
        report: what `evaluate` measured.
        disparities: what `fairness` made of it.
        robustness: what `robustness` measured.
        contributions: `{measure: {field: share}}`.

    Example:

    >>> report = Report("a table", 1, {"loss": Estimate(0.5, count=1)}, {}, [], {}, {}, {}, {}, {},
    ...                 [])
    >>> print(tables(report)["measures.csv"])
    measure,value,low,high,error,count,note
    loss,0.5,,,,1,
    <BLANKLINE>
    """
    made: dict[str, tuple[Iterable[str], list[Sequence[Any]]]] = {
        "measures.csv": (
            ("measure", *_ESTIMATE),
            [(name, *_cells(value)) for name, value in report.measures.items()],
        ),
        "slices.csv": (
            ("slice", "group", "measure", *_ESTIMATE),
            [
                (name, group, measure, *_cells(value))
                for name, groups in report.slices.items()
                for group, measures in groups.items()
                for measure, value in measures.items()
            ],
        ),
        "gaps.csv": (
            ("slice", "group", "task", "loss", "rest", "count", "p_value", "alarm"),
            [
                (g.slice, g.group, g.task, g.loss, g.rest, g.count, g.p_value, int(g.alarm))
                for g in report.gaps
            ],
        ),
        "fairness.csv": (
            ("task", "slice", "class", "difference", *_ESTIMATE),
            [
                (each.task, each.slice, each.label, name, *_cells(value))
                for each in disparities
                for name, value in (
                    ("demographic parity", each.parity),
                    ("equalised odds", each.odds),
                )
            ],
        ),
        "robustness.csv": (
            ("corruption", "severity", "measure", *_ESTIMATE),
            [
                (corruption, severity, measure, *_cells(value))
                for corruption, points in (robustness or {}).items()
                for severity, measures in points.items()
                for measure, value in measures.items()
            ],
        ),
        "contributions.csv": (
            ("measure", "field", "contribution"),
            [
                (measure, field, value)
                for measure, values in (contributions or {}).items()
                for field, value in values.items()
            ],
        ),
    }
    for task, matrix in report.confusion.items():
        names = report.classes[task]
        made[f"confusion_{task}.csv"] = (
            ("true class", *names),
            [(name, *row) for name, row in zip(names, matrix)],
        )
    for task, curve in report.reliability.items():
        made[f"reliability_{task}.csv"] = (
            ("confidence", "accuracy", "count"),
            list(zip(curve.confidence, curve.accuracy, curve.count)),
        )
    return {name: _csv([heads, *rows]) for name, (heads, rows) in made.items() if rows}


def _cells(estimate: Estimate) -> list[Any]:
    return [getattr(estimate, name) for name in _ESTIMATE]


def _csv(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
