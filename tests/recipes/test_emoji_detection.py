"""The recipe on a few of its scenes; its numbers are in its docstring."""

import numpy as np

import mmkeras as mm
from mmkeras.recipes import emoji_detection


def test_finds_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKERAS_CACHE", str(tmp_path))
    parts = emoji_detection.sources("tiny")
    recipe = emoji_detection.recipe
    model = recipe.model(parts["train"])
    model.compile(optimizer=recipe.optimizer(40))
    data = model.pipeline(parts["train"], batch_size=8, augment=True)
    losses = [model.train_on_batch(*batch, return_dict=True)["loss"] for batch in data]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    scores = mm.evaluation.evaluate_scores(model, parts["test_drawings"])
    assert 0 <= scores["objects"]["mAP50"] <= 1
