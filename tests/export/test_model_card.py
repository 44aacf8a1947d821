"""A card says what is known, and of the rest that it is not."""

import itertools
import json

import pytest

import mmkeras as mm
from mmkeras.evaluation import evaluate
from mmkeras.export import Verification, model_card
from mmkeras.sources import Table


@pytest.fixture(scope="module")
def model():
    fields = {"text": mm.Text.tiny(), "photo": mm.Image.tiny()}
    return mm.MultimodalModel(fields, {"mood": mm.Classification(["up|", "<b>"])}, size="tiny")


def test_what_is_measured_stands_with_its_interval(model):
    rows = [{"text": "the dog", "by": "<i>x" if i % 2 else "y", "mood": "up|"} for i in range(12)]
    report = evaluate(model, Table(rows), slices=["by"])
    card = model_card(model, "moods", report=json.loads(report.to_json()))
    accuracy = report["mood_accuracy"]
    shown = f"{accuracy.value:.4f} ({accuracy.low:.4f} to {accuracy.high:.4f})"
    assert f"| mood_accuracy | {shown} |" in card
    assert "\\<i\\>x" in card and "<i>" not in card
    assert "too few to judge" in card
    # Every table has as many cells in each row as in its head, whatever stands in them.
    lines = [line.replace("\\|", "") for line in card.splitlines()]
    tables = [list(t) for is_row, t in itertools.groupby(lines, lambda x: x[:1] == "|") if is_row]
    assert any("absent" not in row and "up" in row for table in tables for row in table)
    for table in tables:
        assert len({row.count("|") for row in table}) == 1, table


def test_what_nobody_told_is_said_to_be_unknown(model):
    card = model_card(model, "moods", about={"license": "mit", "limits": "Only in English."})
    assert card.startswith("---\nlicense: mit\nlibrary_name: keras\ntags:\n  - mmkeras\n")
    assert "## Limits and risks\n\nOnly in English." in card
    assert "## Training data\n\nNot stated" in card and "## Evaluation\n\nNot measured." in card
    with pytest.raises(ValueError, match=r"no \['licence'\].*license"):
        model_card(model, "moods", about={"licence": "mit"})
    with pytest.raises(ValueError, match=r"limits of a model card must be a text; got \['en'\]"):
        model_card(model, "moods", about={"limits": ["en"]})


@pytest.mark.parametrize(
    ("licence", "header"),
    [
        ("other: see\nthe #site", 'license: "other: see the #site"\nlibrary_name'),
        ("apache-2.0", "license: apache-2.0\nlibrary_name"),
        (" ", "library_name"),
    ],
)
def test_the_header_stays_yaml_whatever_the_licence(model, licence, header):
    card = model_card(model, "moods", about={"license": licence})
    assert card.startswith(f"---\n{header}: keras\n")


def test_a_measure_that_the_first_group_lacks_is_shown():
    report = {
        "count": 2,
        "source": "a table",
        "measures": {},
        "slices": {"by": {"a": {}, "b": {"mAP": {"value": 0.5, "low": None, "count": 1}}}},
        "gaps": [],
        "warnings": [],
    }
    fields, tasks = {"text": mm.Text.tiny()}, {"mood": mm.Classification(["up", "down"])}
    card = model_card(mm.MultimodalModel(fields, tasks, size="tiny"), "moods", report=report)
    assert "| | samples | mAP |" in card and "| b | 1 | 0.5000 |" in card


def test_files_and_what_they_cost(model, tmp_path):
    seen = Verification(tmp_path / "moods.tflite", "litert", ("tensors",), 0.0, 3 * 2**20, 1.5)
    card = model_card(model, "moods", [seen])
    assert "| moods.tflite, size | 3.00 MiB |" in card and "1.5 ms" in card
    assert f"| parameters | {model.count_params():,} |" in card


def test_an_export_brings_its_card(model, tmp_path):
    about = {"license": "mit", "description": "Moods of pets."}
    mm.export.litert(model, tmp_path / "moods.tflite", about=about)
    card = (tmp_path / "moods.card.md").read_text()
    assert "# moods" in card and "Moods of pets." in card and "moods.tflite, size" in card
    mm.export.saved_model(model, tmp_path / "served" / "3", about=about)
    assert "# served" in (tmp_path / "served" / "3.card.md").read_text()
    with pytest.raises(ValueError, match="it has"):
        mm.export.litert(model, tmp_path / "other.tflite", about={"licence": "mit"})
    assert not (tmp_path / "other.tflite").exists()
