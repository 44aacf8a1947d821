"""`save_page`: a report as one page for people, and its numbers beside it."""

import base64
import numbers
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmkeras.evaluation import plots
from mmkeras.evaluation.estimate import Estimate
from mmkeras.evaluation.fairness import Disparity, fairness, largest
from mmkeras.evaluation.litert import LiteRTComparison
from mmkeras.evaluation.report import Report
from mmkeras.evaluation.slices import small_groups
from mmkeras.evaluation.tables import KINDS, tables
from mmkeras.evaluation.worst import WorstSample
from mmkeras.files import write_whole
from mmkeras.metrics.direction import direction

#: So many of the confusions of a task are told in words.
_TOLD = 10


def save_page(
    report: Report,
    folder: str | Path,
    *,
    title: str = "Evaluation report",
    robustness: Mapping[str, Mapping[float, Mapping[str, Estimate]]] | None = None,
    contributions: Mapping[str, Mapping[str, float]] | None = None,
    worst: Mapping[str, Sequence[WorstSample]] | None = None,
    litert: LiteRTComparison | None = None,
) -> Path:
    """Writes `report.html`, `report.json` and a CSV file of the numbers of each plot and table.

    The page is one file that needs nothing else: plots, pictures and recordings are inside. It is
    for a phone as for a desktop, and light or dark as the reader's screen. A file that is there is
    whole, and the page is written last. CSV files that an earlier page left in the folder, and this
    one has no numbers for, are removed.

    Args:
        report: what `evaluate` measured.
        folder: where the files go; made if it is not there.
        title: of the page.
        robustness: what `robustness` measured.
        contributions: what `field_shares` measured.
        worst: what `worst` found.
        litert: what `compare_litert` measured of the model's files.

    Returns:
        The path of the page.

    Raises:
        ImportError: jinja2, matplotlib or fairlearn is not installed.

    Example:

    >>> import tempfile
    >>> report = Report("a table", 2, {"loss": Estimate(0.5, count=2)}, {}, [], {}, {}, {}, {}, {},
    ...                 ["few samples."])
    >>> page = save_page(report, tempfile.mkdtemp())
    >>> sorted(path.name for path in page.parent.iterdir())
    ['measures.csv', 'report.html', 'report.json']
    """
    disparities = fairness(report)
    files = tables(report, disparities, robustness, contributions)
    if litert is not None:
        files["files.csv"] = litert.to_csv()
    page = _template().render(
        title=title,
        report=report,
        tested=sum(gap.tested for gap in report.gaps),
        small=_small(report),
        measures=[(name, each, each.count) for name, each in report.measures.items()],
        slices=[_slice(report, name) for name in report.slices],
        gaps=_gaps(report),
        differences=_differences(report),
        disparities=_disparities(disparities),
        confusion=[_confusion(report, task) for task in report.confusion],
        reliability=_reliability(report),
        robustness=_robustness(robustness or {}),
        contributions=_contributions(contributions or {}),
        litert=_litert(litert),
        worst={task: samples for task, samples in (worst or {}).items() if samples},
        files=["report.json", *files],
    )
    folder = Path(folder)
    for kind in KINDS:
        for path in folder.glob(f"{kind}.csv"):
            if path.name not in files:
                path.unlink()
    report.save(folder / "report.json")
    for name, content in {**files, "report.html": page}.items():
        write_whole(folder / name, content)
    return folder / "report.html"


def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            'a report needs jinja2; install it with pip install "mmkeras[report]".'
        ) from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "uri": _uri}
    environment.tests["estimate"] = lambda value: isinstance(value, Estimate)
    text = Path(__file__).with_name("page.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(text)


def _number(value: float) -> str:
    """Four digits; all of a whole number, such as of bytes."""
    if isinstance(value, numbers.Integral):
        return f"{value:,}"
    return f"{value:#.4g}".removesuffix(".")


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _small(report: Report) -> dict[str, dict[str, int]]:
    """`{slice: {group: count}}` of the groups that are too small to judge."""
    found = {name: small_groups(of, report.min_count) for name, of in report.groups.items()}
    return {name: small for name, small in found.items() if small}


def _slice(report: Report, name: str) -> dict[str, Any]:
    groups = report.slices[name]
    measures = list(dict.fromkeys(measure for of in groups.values() for measure in of))
    sizes = Counter(report.groups[name])
    return {
        "name": name,
        "plots": [
            plots.whiskers(
                measure,
                {group: of[measure] for group, of in groups.items() if measure in of},
                report.measures.get(measure),
                report.min_count,
            )
            for measure in measures
        ],
        "heads": [name, "samples", *measures],
        "rows": [
            [group, sizes[group], *(of.get(measure, "") for measure in measures)]
            for group, of in groups.items()
        ],
    }


def _gaps(report: Report) -> list[list[str]]:
    rows = []
    for gap in report.gaps:
        rows.append(
            [
                gap.slice,
                gap.group,
                gap.task,
                str(gap.count),
                _number(gap.loss),
                _number(gap.rest),
                f"{gap.loss - gap.rest:+#.4g}",
                f"{gap.p_value:.4f}" if gap.tested else "too few to judge",
                "worse off" if gap.alarm else "",
            ]
        )
    return rows


def _differences(report: Report) -> list[list[str]]:
    rows = []
    for (name, measure), (size, *ends) in report.differences().items():
        values = (report.slices[name][group][measure].value or 0.0 for group in ends)
        told = [f"{group} ({_number(value)})" for group, value in zip(ends, values)]
        rows.append([name, measure, _number(size), *told])
    return rows


def _disparities(disparities: Sequence[Disparity]) -> list[list[Any]]:
    rows = []
    for (task, name), (parity, odds) in largest(disparities).items():
        told = [
            (estimate, label if estimate.value is not None else "")
            for estimate, label in ((parity.parity, parity.label), (odds.odds, odds.label))
        ]
        rows.append([task, name, *told[0], *told[1]])
    return rows


def _confusion(report: Report, task: str) -> dict[str, Any]:
    matrix, names = report.confusion[task], report.classes[task]
    wrong = sorted(
        (-count, true, answered)
        for true, row in enumerate(matrix)
        for answered, count in enumerate(row)
        if count and true != answered
    )
    return {
        "task": task,
        "plot": plots.heat_map(f"{task}: {sum(map(sum, matrix))} samples", matrix, names),
        "rows": [
            [names[true], names[answered], str(-count), f"{-count / sum(matrix[true]):.0%}"]
            for count, true, answered in wrong[:_TOLD]
        ],
    }


def _reliability(report: Report) -> dict[str, Any]:
    if not report.reliability:
        return {}
    rows = [
        [task, f"{sure:.3f}", f"{right:.3f}", str(count)]
        for task, curve in report.reliability.items()
        for sure, right, count in zip(curve.confidence, curve.accuracy, curve.count)
    ]
    drawn = [plots.reliability_curve(task, curve) for task, curve in report.reliability.items()]
    return {"plots": drawn, "rows": rows}


def _robustness(
    measured: Mapping[str, Mapping[float, Mapping[str, Estimate]]],
) -> dict[str, Any]:
    measures = list(
        dict.fromkeys(name for points in measured.values() for of in points.values() for name in of)
    )
    if not measures:
        return {}
    drawn = [
        plots.curves(
            measure,
            {
                corruption: {s: of[measure] for s, of in points.items() if measure in of}
                for corruption, points in measured.items()
            },
        )
        for measure in measures
    ]
    rows = [
        [corruption, f"{severity:g}", *(of.get(measure, "") for measure in measures)]
        for corruption, points in measured.items()
        for severity, of in points.items()
    ]
    return {"plots": drawn, "heads": ["corruption", "severity", *measures], "rows": rows}


def _contributions(contributions: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    if not any(contributions.values()):
        return {}
    rows = [
        [measure, field, _number(value)]
        for measure, values in contributions.items()
        for field, value in values.items()
    ]
    # A field that helps has a bar to the left there.
    lower = [measure for measure in contributions if direction(measure) == "min"]
    drawn = [plots.bars(measure, values) for measure, values in contributions.items() if values]
    return {"plots": drawn, "rows": rows, "lower": lower}


def _litert(compared: LiteRTComparison | None) -> dict[str, Any]:
    if compared is None:
        return {}
    rows = [
        [file, *("undefined" if (value := row.get(name)) is None else _number(value)
                 for name in compared.measures)]
        for file, row in compared.rows.items()
    ]  # fmt: skip
    heads = ["file", *compared.measures]
    return {"heads": heads, "rows": rows, "samples": compared.samples, "threads": compared.threads}
