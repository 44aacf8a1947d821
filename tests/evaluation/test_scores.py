"""Scores are those of the task, for the samples that have a label."""

import numpy as np
import pytest

import mmkeras as mm
from mmkeras.encoders import VisionPyramid
from mmkeras.evaluation import evaluate_scores
from mmkeras.fusions import Late
from mmkeras.sources import Table


def model(task):
    image = mm.Image(size=16)
    encoder = VisionPyramid.for_modality(image, "tiny")
    return mm.MultimodalModel(
        {"image": image}, {"task": task}, encoders={"image": encoder}, fusion=Late(16)
    )


def test_answers_meet_their_own_labels():
    random = np.random.default_rng(0)
    rows = [
        {
            "image": random.integers(0, 255, (12, 16, 3)).astype("uint8"),
            "task": None if i == 2 else np.full((12, 16), i % 2, "uint8"),
        }
        for i in range(5)
    ]
    task = mm.SemanticSegmentation(["a", "b"], size=16)
    made = model(task)
    scores = evaluate_scores(made, Table(rows), batch_size=2)["task"]
    kept = [row for row in rows if row["task"] is not None]
    answers = [answer["task"] for answer in made.answer([{"image": r["image"]} for r in kept])]
    right = [(a["mask"] == row["task"]).mean() for a, row in zip(answers, kept)]
    assert scores["pixel_accuracy"] == pytest.approx(np.mean(right))


def test_without_scored_tasks_there_is_nothing():
    table = Table([{"image": np.zeros((4, 4, 3), "uint8"), "task": "a"}])
    assert evaluate_scores(model(mm.Classification(["a", "b"])), table) == {}


def test_without_labels_a_task_has_no_scores():
    rows = [{"image": np.zeros((4, 4, 3), "uint8"), "task": None}]
    made = model(mm.SemanticSegmentation(["a", "b"], size=16))
    assert evaluate_scores(made, Table(rows)) == {}
    with pytest.raises(KeyError, match="task"):
        evaluate_scores(made, Table([{"image": rows[0]["image"]}]))


def test_skipping_is_refused():
    task = mm.SemanticSegmentation(["a", "b"], size=16)
    with pytest.raises(ValueError, match=r"on_error=.*every sample in its place"):
        evaluate_scores(model(task), Table([{"image": None}]), on_error="skip")


def test_fields_and_tasks_that_a_source_lacks_are_left_out():
    tasks = {"text": mm.TextGeneration.tiny(), "answer": mm.TextGeneration.tiny()}
    made = mm.MultimodalModel({"a": mm.Text.tiny(), "b": mm.Text.tiny()}, tasks, size="tiny")
    rows = [{"a": "the cats", "answer": "ab"}, {"a": "a dog", "answer": "a"}]
    scores = evaluate_scores(made, Table(rows))
    assert {*scores} == {"answer"}
    filled = [{**row, "b": None, "text": None} for row in rows]
    assert scores == evaluate_scores(made, Table(filled))
