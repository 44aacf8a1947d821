"""`model_card`: what a team has to know of a model before it ships it, in Markdown."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmkeras.export.footprint import footprint
from mmkeras.export.verify import Verification
from mmkeras.files import write_whole
from mmkeras.model import MultimodalModel

#: What only people know, by the name of the argument: the heading and what it is asked for.
TOLD = {
    "description": ("Description", "what it does and how it was made"),
    "intended_use": ("Intended use", "for whom and for what, and for what not"),
    "training_data": ("Training data", "what it learned from, and whose data they are"),
    "limits": ("Limits and risks", "where it fails, and whom that would harm"),
    "license": ("Licence", "an identifier such as apache-2.0"),
}
_PLAIN = re.compile(r"[\w.-]+").fullmatch


def model_card(
    model: MultimodalModel,
    name: str,
    exports: Sequence[Verification] = (),
    report: Mapping[str, Any] | None = None,
    about: Mapping[str, str] | None = None,
) -> str:
    """A model card with the fields of Hugging Face's, as far as they are known.

    What the model itself tells is filled in: fields, tasks, footprint. What was measured stands
    with its interval, and what is undefined with its reason. What nobody told is said to be not
    stated, because a reader would otherwise take its absence for harmlessness.

    Source: Mitchell et al. 2019, "Model Cards for Model Reporting".

    Args:
        model: the model.
        name: its name.
        exports: files that were written and verified.
        report: what was measured, as plain values: `json.loads(report.to_json())` of an
            `mmkeras.evaluation.Report`.
        about: what only people know: `description`, `intended_use`, `training_data`, `limits`,
            `license`.

    Returns:
        Markdown, with a header in YAML.

    Raises:
        ValueError: `about` names something else.

    Example:

    >>> import mmkeras as mm
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()}, {"stars": mm.Regression()},
    ...                            size="tiny")
    >>> card = model_card(model, "reviews", about={"license": "apache-2.0"})
    >>> card.splitlines()[1:3]
    ['license: apache-2.0', 'library_name: keras']
    """
    check_about(about)
    about = dict(about or {})
    licence = " ".join(about.get("license", "").split())
    # JSON is YAML, and a text of other marks than an identifier's needs its quotes.
    header = [f"license: {licence if _PLAIN(licence) else json.dumps(licence)}"] if licence else []
    header += ["library_name: keras", "tags:"]
    header += [f"  - {tag}" for tag in ("mmkeras", "multimodal", *_kinds(model))]
    parts = ["---", *header, "---", "", f"# {name}", ""]
    for argument in ("description", "intended_use", "training_data"):
        parts += _told(argument, about)
    parts += _inside(model)
    parts += _measured(report) if report else ["## Evaluation", "", "Not measured.", ""]
    parts += _told("limits", about)
    parts += _footprint(model, exports)
    parts += _told("license", about)
    return "\n".join(parts).rstrip() + "\n"


def carded(
    model: MultimodalModel,
    seen: Verification,
    path: Path,
    report: Mapping[str, Any] | None = None,
    about: Mapping[str, str] | None = None,
) -> Verification:
    """Writes the card of an export next to it.

    It stands at `.../<name>/<version>.card.md`, which no server takes for a version, or at
    `.../<file>.card.md`.

    Args:
        model: the model.
        seen: what was seen when the export was run.
        path: where it stands now: `.../<name>/<version>`, or a file.
        report: see `model_card`.
        about: see `model_card`.

    Returns:
        What was seen, of this path.
    """
    seen = dataclasses.replace(seen, path=path)
    name = path.stem if path.suffix else path.parent.name
    card = model_card(model, name, [seen], report, about)
    write_whole(path.with_name(f"{path.stem}.card.md"), card)
    return seen


def check_about(about: Mapping[str, str] | None) -> None:
    """Raises a ValueError where something else is told than what a card has, or no text."""
    about = about or {}
    if unknown := sorted(set(about) - set(TOLD)):
        raise ValueError(f"a model card has no {unknown}; it has {list(TOLD)}.")
    for name, text in about.items():
        if not isinstance(text, str):
            raise ValueError(f"{name} of a model card must be a text; got {text!r:.80}.")


def _kinds(model: MultimodalModel) -> list[str]:
    return sorted({type(part).__name__.lower() for part in (*model.fields.values(),
                                                            *model.tasks.values())})  # fmt: skip


def _told(argument: str, about: Mapping[str, str]) -> list[str]:
    heading, asked = TOLD[argument]
    text = about.get(argument, "").strip() or f"Not stated ({asked})."
    return [f"## {heading}", "", text, ""]


def _inside(model: MultimodalModel) -> list[str]:
    rows = ["## Inputs and answers", "", "| field | modality | encoder |", "|---|---|---|"]
    rows += [
        f"| `{field}` | {type(modality).__name__} | {type(model.encoders[field]).__name__} |"
        for field, modality in model.fields.items()
    ]
    rows += ["", "Any field may be missing. "
             f"Fields meet in {type(model.fusion).__name__}.", ""]  # fmt: skip
    rows += ["| task | kind | answers |", "|---|---|---|"]
    for name, task in model.tasks.items():
        classes = [_cell(each) for each in getattr(task, "classes", ())]
        shown = ", ".join(classes[:12]) + (f" and {len(classes) - 12} more" * (len(classes) > 12))
        rows.append(f"| `{name}` | {type(task).__name__} | {shown} |")
    return [*rows, ""]


def _measured(report: Mapping[str, Any]) -> list[str]:
    rows = ["## Evaluation", "", f"{report['count']} samples of {_cell(report['source'])}; "
            "95 % intervals by the bootstrap.", ""]  # fmt: skip
    rows += ["| measure | value |", "|---|---|"]
    rows += [f"| {name} | {_value(found)} |" for name, found in report["measures"].items()]
    for name, groups in report["slices"].items():
        rows += ["", f"By {_cell(name)}:", ""]
        measures = list(dict.fromkeys(measure for of in groups.values() for measure in of))
        rows += [
            "| | samples | " + " | ".join(measures) + " |",
            "|---|--:" + "|---" * len(measures) + "|",
        ]
        for group, found in groups.items():
            count = max((value["count"] for value in found.values()), default=0)
            values = " | ".join(_value(found[m]) if m in found else "" for m in measures)
            rows.append(f"| {_cell(group)} | {count} | {values} |")
    alarms = [gap for gap in report["gaps"] if gap["alarm"]]
    rows += [""]
    for gap in alarms:
        rows.append(
            f"- **{_cell(gap['slice'])} = {_cell(gap['group'])} is worse off**: mean loss of "
            f"{gap['task']} {gap['loss']:.3f}, elsewhere {gap['rest']:.3f} (p = {gap['p_value']:.4f})."  # noqa: E501
        )
    if report["gaps"] and not alarms:
        rows.append("No group is worse off than chance explains.")
    rows += [f"- {_cell(warning)}" for warning in report["warnings"]]
    return [*rows, ""]


def _value(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return f"undefined: {_cell(found['note'])}"
    if found["low"] is None:
        return f"{found['value']:.4f}"
    return f"{found['value']:.4f} ({found['low']:.4f} to {found['high']:.4f})"


def _footprint(model: MultimodalModel, exports: Sequence[Verification]) -> list[str]:
    cost = footprint(model)
    rows = ["## Footprint", "", "| | |", "|---|--:|"]
    rows += [
        f"| parameters | {cost.parameters:,} |",
        f"| of them trainable | {cost.trainable:,} |",
        f"| operations of one answer | {cost.flops / 1e6:,.1f} MFLOP |",
    ]
    for seen in exports:
        rows.append(f"| {seen.path.name}, size | {seen.size_bytes / 2**20:.2f} MiB |")
        rows.append(
            f"| {seen.path.name}, one sample in {seen.runtime} on the machine that wrote it | "
            f"{seen.latency_ms:.1f} ms |"
        )
    return [*rows, ""]


def _cell(text: Any) -> str:
    """A text that breaks no table, and is no markup."""
    flat = " ".join(str(text).split())
    for mark in "\\`*_[]<>|":
        flat = flat.replace(mark, f"\\{mark}")
    return flat
