"""The recipe on a few of its recordings; its numbers are in its docstring."""

import itertools

from mmkeras.recipes import load
from mmkeras.recipes.spoken_digits import CLASSES, sources

FEW = {"train": 2, "validation": 1, "test": 9, "test_accent": 1}


def test_speakers_are_held_out():
    parts = sources(FEW)
    for part, times in FEW.items():
        assert sorted(parts[part]["word"]) == sorted(CLASSES * times)
    speakers = {p: {voice.split("+")[1] for voice in parts[p]["voice"]} for p in parts}
    for one, other in itertools.combinations(("train", "validation", "test"), 2):
        assert not speakers[one] & speakers[other]
    accents = {p: {voice.split("+")[0] for voice in parts[p]["voice"]} for p in parts}
    assert not accents["test_accent"] & (accents["train"] | accents["test"])


def test_makes_its_model():
    recipe = load("spoken_digits")
    parts = sources({part: 1 for part in FEW})
    model = recipe.model(parts["train"])
    assert 2.5e5 < model.count_params() < 3.5e5
    model.compile(optimizer=recipe.optimizer(20))
    data = model.pipeline(parts["test"], batch_size=20)
    assert 0 <= model.evaluate(data, verbose=0, return_dict=True)["word_accuracy"] <= 1
