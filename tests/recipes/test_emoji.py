"""The recipe's model takes what tuning searches; its numbers are in the README."""

import pytest

from mmkeras.datasets.emoji import prepare
from mmkeras.recipes import emoji
from mmkeras.sources import TFDS
from mmkeras.training import Choice, Range, SearchSpace


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return TFDS(prepare(tmp_path_factory.mktemp("cache"), "tiny", progress=False), "train")


@pytest.mark.parametrize("fusion", ["late", "concat", "cross_attention", "bottleneck"])
def test_the_model_takes_what_is_searched(train, fusion):
    search = {"model.fusion": Choice(fusion), "model.dim": Choice(16), "batch_size": Choice(8)}
    space = SearchSpace(emoji.recipe, search | {"model.modality_dropout": Range(0.0, 0.6)})
    assert space.defaults["model.fusion"] == "late" and space.defaults["model.dim"] == 96
    values = {"model.fusion": fusion, "model.dim": 16, "model.modality_dropout": 0.2}
    model = space.apply(values).model(train)
    assert type(model.fusion).__name__.lower() == fusion.replace("_", "")
    assert model.fusion.dim == 16 and model.modality_dropout == 0.2
    inputs, _, _ = next(iter(model.pipeline(train, batch_size=8)))
    assert model(inputs, training=True)["category"]["probabilities"].shape == (8, 9)
