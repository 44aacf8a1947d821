"""`evaluate_subsets` against a model asked with the fields really missing."""

import keras
import numpy as np
import pytest

import mmkeras as mm
from mmkeras.evaluation import evaluate_subsets


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    model = mm.MultimodalModel(
        fields={"note": mm.Text.tiny(), "photo": mm.Image.tiny()},
        tasks={"kind": mm.Classification(["cat", "dog"])},
        size="tiny",
    )
    model.compile(optimizer="sgd")
    return model


def _rows(model):
    chance = np.random.default_rng(0)
    return [
        {
            "note": str(chance.choice(["the cats", "a dog", "and"])),
            "photo": chance.integers(0, 256, (20, 20, 3), "uint8"),
            "kind": str(chance.choice(["cat", "dog"])),
        }
        for _ in range(24)
    ]


def test_equals_asking_with_fields_missing(model):
    rows = _rows(model)
    results = evaluate_subsets(model, mm.sources.Table(rows), batch_size=7)
    assert list(results) == [("note",), ("photo",), ("note", "photo")]
    for subset, metrics in results.items():
        asked = model.answer([{field: row[field] for field in subset} for row in rows])
        right = [a["kind"]["label"] == row["kind"] for a, row in zip(asked, rows)]
        assert metrics["kind_accuracy"] == pytest.approx(np.mean(right), abs=1e-6)


def test_a_column_without_labels_measures_nothing():
    fields = {"note": mm.Text.tiny()}
    tasks = {"kind": mm.Classification(["cat", "dog"]), "stars": mm.Regression()}
    model = mm.MultimodalModel(fields, tasks, size="tiny")
    model.compile(optimizer="sgd")
    rows = [{"note": "a dog", "kind": None, "stars": stars} for stars in (1.0, 2.0, None)]
    (found,) = evaluate_subsets(model, mm.sources.Table(rows)).values()
    assert "stars_mae" in found and "kind_accuracy" not in found
    with pytest.raises(ValueError, match=r"no sample of .* has a label for any of"):
        evaluate_subsets(model, mm.sources.Table([row | {"stars": None} for row in rows]))


def test_tasks_that_are_told_are_told_for_every_subset():
    model = mm.MultimodalModel(
        {"note": mm.Text.tiny(), "photo": mm.Image.tiny()},
        {"answer": mm.TextGeneration.tiny()},
        size="tiny",
    )
    model.compile(optimizer="sgd")
    rows = [{**row, "answer": "ab"} for row in _rows(model)]
    data = model.pipeline(mm.sources.Table(rows), batch_size=64)
    expected = model.evaluate(data, verbose=0, return_dict=True)
    results = evaluate_subsets(model, mm.sources.Table(rows))
    assert results["note", "photo"] == pytest.approx(expected, rel=1e-4)
    assert all(metrics["answer_perplexity"] > 1 for metrics in results.values())


def test_what_a_source_lacks_is_left_out():
    """Of a model of several tasks, data of one of them alone."""
    keras.utils.set_random_seed(3)
    model = mm.MultimodalModel(
        {"note": mm.Text.tiny(), "photo": mm.Image.tiny()},
        {
            "kind": mm.Classification(["cat", "dog"]),
            "age": mm.tasks.Regression(),
            "answer": mm.TextGeneration.tiny(),
        },
        size="tiny",
    )
    model.compile(optimizer="sgd")
    rows = [{"note": row["note"], "kind": row["kind"]} for row in _rows(model)]
    results = evaluate_subsets(model, mm.sources.Table(rows))
    asked = model.answer([{"note": row["note"]} for row in rows])
    right = [a["kind"]["label"] == row["kind"] for a, row in zip(asked, rows)]
    assert list(results) == [("note",)]
    assert results["note",]["kind_accuracy"] == pytest.approx(np.mean(right))
    assert not any(name.startswith(("age", "answer")) for name in results["note",])
    without = evaluate_subsets(model, mm.sources.Table(_rows(model)), without="photo")
    assert list(without) == [("note",)] and without["note",].keys() == results["note",].keys()
    with pytest.raises(KeyError, match=r"none of the model's tasks \['kind', 'age', 'answer'\]"):
        evaluate_subsets(model, mm.sources.Table([{"note": "the cats", "kid": "cat"}]))
    with pytest.raises(KeyError, match=r"none of the model's fields \['note', 'photo'\]"):
        evaluate_subsets(model, mm.sources.Table([{"text": "the cats", "kind": "cat"}]))


def test_needs_a_compiled_model(model):
    bare = mm.MultimodalModel.from_config(model.get_config())
    with pytest.raises(ValueError, match="compile"):
        evaluate_subsets(bare, mm.sources.Table(_rows(model)))


def test_a_task_that_points_into_what_is_hidden_has_no_metrics_there():
    image = mm.Image(size=16)
    rows = [
        {"image": np.full((16, 16, 3), 9 * i, "uint8"), "note": "a cat", "kind": "a",
         "mask": np.full((16, 16), i % 2, "uint8")}
        for i in range(4)
    ]  # fmt: skip
    model = mm.MultimodalModel(
        {"image": image, "note": mm.Text.tiny()},
        {
            "mask": mm.SemanticSegmentation(["x", "y"], size=16),
            "kind": mm.Classification(["a", "b"]),
        },
        size="tiny",
    )
    model.compile("adam")
    scores = mm.evaluation.evaluate_subsets(model, mm.sources.Table(rows))
    assert "mask_mIoU" in scores["image",]
    assert not [name for name in scores["note",] if name.startswith("mask_")]
    assert "kind_accuracy" in scores["note",]
