"""The recipe on a few of its pictures; its numbers are in its docstring."""

import numpy as np
import pytest

import mmkeras as mm
from mmkeras.recipes import emoji_captions, emoji_questions


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return emoji_questions.sources("tiny")


def test_each_kind_of_question_is_tested_alone(parts):
    kinds = {
        part: {*source.column("kind", str.encode).as_numpy_iterator()}
        for part, source in parts.items()
    }
    assert len(kinds["test"]) == len(kinds["train"]) == 4
    assert all(len(kinds[part]) == 1 for part in kinds if part.startswith("test_"))


def test_sees_what_a_writer_of_captions_sees(parts, tmp_path, monkeypatch):
    recipe = emoji_questions.recipe
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="mmkeras train emoji_captions --out"):
        recipe.model(parts["train"])
    writer = emoji_captions.model(parts["train"])
    (tmp_path / "runs" / "emoji_captions").mkdir(parents=True)
    writer.save("runs/emoji_captions/model.keras")
    model = recipe.model(parts["train"])
    for weight, other in zip(
        model.encoders["image"].weights, writer.encoders["image"].weights, strict=True
    ):
        np.testing.assert_array_equal(weight, other)
    assert not model.encoders["image"].trainable_weights
    model.compile(optimizer=recipe.optimizer(48))
    scores = mm.evaluation.evaluate_scores(model, parts["test_where"])
    assert 0 <= scores["answer"]["exact_match"] <= 1


def test_a_blind_model_reads_questions_alone(parts):
    model = emoji_questions.blind.model(parts["train"])
    assert set(model.fields) == {"question"} and set(model.tasks) == {"answer"}
