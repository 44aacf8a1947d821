"""The recipe on a few of its samples; its numbers are in its docstring."""

import numpy as np

import mmkeras as mm
from mmkeras.datasets.emoji import CATEGORIES
from mmkeras.datasets.emoji_speech import transcript
from mmkeras.recipes import emoji_retrieval


def test_puts_names_recordings_and_drawings_into_one_space(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKERAS_CACHE", str(tmp_path))
    parts = emoji_retrieval.sources("tiny")
    heard = {
        part: {
            transcript(name.decode())
            for name in parts[part].column("name", str.encode).as_numpy_iterator()
        }
        for part in parts
    }
    assert not heard["train"] & (heard["test"] | heard["speech_test"])
    assert heard["test"] == heard["speech_test"]

    recipe = emoji_retrieval.recipe
    model = recipe.model(parts["train"])
    model.compile(optimizer=recipe.optimizer(9))
    data = model.pipeline(parts["test"], batch_size=9)
    assert 0 <= model.evaluate(data, verbose=0, return_dict=True)["space_accuracy"] <= 1
    heard_or_read = mm.evaluation.evaluate_scores(
        model, parts["speech_test"], only=("name", "speech")
    )
    scores = heard_or_read["space"]
    assert scores.keys() >= {"speech_to_name_recall_at_1", "name_to_speech_median_rank"}
    assert not any("image" in name for name in scores)
    small, large = model.embed([{"name": "côte d'ivoire"}, {"name": "Côte D'IVOIRE"}])["name"]
    np.testing.assert_array_equal(small, large)


def test_describes_every_category():
    assert set(emoji_retrieval.DESCRIPTIONS) == set(CATEGORIES)
