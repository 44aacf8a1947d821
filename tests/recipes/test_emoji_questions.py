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
    def asked(part, column="question"):
        return [*parts[part].column(column, str.encode).as_numpy_iterator()]

    begins = {
        "what": b"what is",
        "where": b"where is",
        "how_often": b"how often",
        "category": b"which",
    }
    for kind, begin in begins.items():
        assert all(question.startswith(begin) for question in asked(f"test_{kind}"))
    assert len(asked("test")) == 4 * len(asked("test_what"))
    # Of each kind a quarter of training.
    for begin in begins.values():
        assert sum(question.startswith(begin) for question in asked("train")) == 48 / 4


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
