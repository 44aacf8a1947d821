"""Curves begin with the report's own numbers and fall where the model relies on the field."""

import numpy as np
import pytest

import mmkeras as mm
from mmkeras.evaluation import evaluate, robustness
from mmkeras.sources import Sampled, Table


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    made = []
    for i in range(60):
        bright = i % 2
        photo = np.clip(random.normal(60 + 140 * bright, 10, (8, 8, 3)), 0, 255).astype("uint8")
        made.append({"text": random.choice(["good", "bad"]), "photo": photo,
                     "kind": "day" if bright else "night"})  # fmt: skip
    return Table(made)


@pytest.fixture(scope="module")
def model(rows):
    fields = {
        "text": mm.Text.adapt(rows, "text", vocabulary_size=30, max_length=4),
        "photo": mm.Image(size=16, flip=False, jitter=0.0, min_crop=1.0),
    }
    made = mm.MultimodalModel(fields, {"kind": mm.Classification(["day", "night"])}, size="tiny")
    made.compile("adam")
    made.optimizer.learning_rate = 0.01
    made.fit(made.pipeline(rows, batch_size=12), epochs=6, verbose=0, shuffle=False)
    return made


def test_curves(model, rows):
    curves = robustness(model, rows, severities=[1.0, 0.0], most=40, times=50)
    assert list(curves) == ["typos of text", "absence of text", "noise of photo", "blur of photo",
                            "darkness of photo", "absence of photo"]  # fmt: skip
    report = evaluate(model, Sampled(rows, 40), times=50)
    assert report["kind_accuracy"].value > 0.95
    for name, points in curves.items():
        assert list(points) == [0.0, 1.0]
        clean = points[0.0]["kind_accuracy"]
        assert clean.value == report["kind_accuracy"].value and clean.count == 40, name
        assert points[0.0]["kind_loss"].value == pytest.approx(report["kind_loss"].value, rel=1e-5)
    # All pictures are night now, and the words tell nothing.
    assert curves["darkness of photo"][1.0]["kind_accuracy"].value < 0.75
    assert curves["absence of photo"][1.0]["kind_loss"].value > 3 * report["kind_loss"].value
    dropped = evaluate(model, Sampled(rows, 40), times=0, without=["text"])
    found = curves["absence of text"][1.0]["kind_loss"].value
    assert found == pytest.approx(dropped["kind_loss"].value, rel=1e-4)


def test_a_text_that_is_pointed_into_keeps_its_letters():
    rows = Table([{"text": "anna is here", "names": [[0, 4, "PERSON"]]}] * 4)
    text = mm.Text.adapt(rows, "text", vocabulary_size=30, max_length=8)
    model = mm.MultimodalModel(
        {"text": text}, {"names": mm.TokenClassification(["PERSON"], field="text")}, size="tiny"
    )
    curves = robustness(model, rows, severities=[0, 1], times=0)
    assert list(curves) == ["absence of text"]
    end = curves["absence of text"][1.0]["names_loss"]
    assert end.value is None and end.note == "no sample has a label"


def test_bad_severities(model, rows):
    with pytest.raises(ValueError, match=r"severity is in \[0, 1\]; got -1"):
        robustness(model, rows, severities=[-1])
