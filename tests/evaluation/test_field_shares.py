"""Shares are differences between what the model reaches by itself on subsets of its fields."""

import numpy as np
import pytest

import mmkeras as mm
from mmkeras.evaluation import evaluate_subsets, field_shares
from mmkeras.sources import Table


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    return [
        {
            "text": " ".join(random.choice(["good", "bad", "fine"], 3)),
            "other": str(random.choice(["dog", "cat"])),
            "mood": str(random.choice(["up", "down"])),
            "stars": float(random.integers(1, 6)),
        }
        for _ in range(40)
    ]


@pytest.fixture(scope="module")
def model(rows):
    fields = {
        name: mm.Text.adapt(Table(rows), name, vocabulary_size=40, max_length=6)
        for name in ("text", "other")
    }
    tasks = {"mood": mm.Classification(["up", "down"]), "stars": mm.Regression()}
    made = mm.MultimodalModel(fields, tasks, size="tiny")
    made.compile("adam")
    return made


def test_shares_are_those_of_the_models_own_metrics(model, rows):
    alone = evaluate_subsets(model, Table(rows))
    found = field_shares(model, Table(rows), batch_size=16)
    assert {*found} == {"mood_accuracy", "stars_mae"}
    nothing = model.answer([{} for _ in rows])
    worth = {
        "mood_accuracy": np.mean(
            [answer["mood"]["label"] == row["mood"] for answer, row in zip(nothing, rows)]
        ),
        "stars_mae": np.mean(
            [abs(answer["stars"]["value"] - row["stars"]) for answer, row in zip(nothing, rows)]
        ),
    }
    for measure, none in worth.items():
        text, other, both = (
            alone[subset][measure] for subset in (("text",), ("other",), ("text", "other"))
        )
        assert found[measure]["text"] == pytest.approx(
            ((text - none) + (both - other)) / 2, abs=1e-5
        )
        assert sum(found[measure].values()) == pytest.approx(both - none, abs=1e-5)


def test_fields_that_a_source_lacks_have_no_share(model, rows):
    source = Table([{name: row[name] for name in ("text", "stars")} for row in rows])
    assert {m: [*shares] for m, shares in field_shares(model, source).items()} == {
        "stars_mae": ["text"]
    }
