"""Contributions are differences between answers of the model itself."""

import numpy as np
import pytest

import mmkeras as mm
from mmkeras.transparency import contributions, shapley_values
from mmkeras.transparency.shapley import coalitions

FIELDS = {"text": mm.Text.tiny(), "photo": mm.Image.tiny(), "sound": mm.Audio.tiny()}


def model(**tasks):
    return mm.MultimodalModel(FIELDS, tasks, size="tiny")


@pytest.fixture(scope="module")
def sample():
    return {field: modality.samples()[0] for field, modality in FIELDS.items()}


def test_equal_those_of_the_models_own_answers(sample):
    made = model(stars=mm.Regression())
    worth = {}
    for there in coalitions(FIELDS):
        answer = made.answer({field: sample[field] for field in there})
        worth[there] = answer["stars"]["value"]
    found = contributions(made, sample)
    for field, share in shapley_values(worth).items():
        assert found.fields[field] == pytest.approx(share, abs=1e-5)
    assert found.full == pytest.approx(worth[frozenset(FIELDS)], abs=1e-5)
    assert sum(found.fields.values()) == pytest.approx(found.full - found.base, abs=1e-5)


def test_the_answered_class_is_explained_or_another(sample):
    made = model(mood=mm.Classification(["up", "down", "none"]))
    answer = made.answer(sample)["mood"]
    assert contributions(made, sample).of == answer["label"]
    for name, share in answer["probabilities"].items():
        evidence = contributions(made, sample, of=name).full
        assert evidence == pytest.approx(np.log(share / (1 - share)), abs=1e-4)


def test_what_a_sample_lacks_brings_nothing(sample):
    found = contributions(model(stars=mm.Regression()), {"text": sample["text"]})
    assert found.fields["photo"] == found.fields["sound"] == 0.0
    assert found.fields["text"] == pytest.approx(found.full - found.base)


def test_what_cannot_be_explained(sample):
    made = model(mood=mm.Classification(["up", "down"]), stars=mm.Regression())
    with pytest.raises(ValueError, match=r"name the task to explain.*mood.*stars"):
        contributions(made, sample)
    with pytest.raises(ValueError, match="no task 'moods'"):
        contributions(made, sample, task="moods")
    with pytest.raises(ValueError, match="no class 'sideways'"):
        contributions(made, sample, task="mood", of="sideways")
    writer = model(caption=mm.TextGeneration.tiny())
    with pytest.raises(ValueError, match="answer of TextGeneration is no single number"):
        contributions(writer, sample)
