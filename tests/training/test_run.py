"""`train`: learns, writes, goes on after an interruption, and leaves a finished run alone."""

import json

import keras
import numpy as np
import pytest

import mmkeras as mm
from mmkeras.training import Recipe, save_curves, train


def _rows(count: int) -> list[dict[str, str]]:
    return [
        {"note": ("the cats", "and dog")[i % 2], "kind": ("cat", "dog")[i % 2]}
        for i in range(count)
    ]


def _recipe(**changes) -> Recipe:
    return Recipe(
        name="pets",
        sources=lambda: {
            "train": mm.sources.Table(_rows(32)),
            "validation": mm.sources.Table(_rows(8)),
        },
        model=lambda train: mm.MultimodalModel(
            {"note": mm.Text.tiny()}, {"kind": mm.Classification(["cat", "dog"])}, size="tiny"
        ),
        epochs=6,
        batch_size=8,
        learning_rate=1e-2,
        cache=True,
    ).replace(**changes)


def test_learns_and_writes(tmp_path):
    run = train(_recipe(), tmp_path / "run", verbose=0)
    assert run.history["val_kind_accuracy"][-1] == 1.0
    loaded = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert loaded.answer({"note": "dog"}) == run.model.answer({"note": "dog"})
    lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert len(lines) == 1 + 6
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["epochs"] == 6
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"model.keras", "history.csv", "recipe.json"}


def test_same_seed_same_model(tmp_path):
    runs = [
        train(
            _recipe(epochs=2, cache=False, pipeline={"deterministic": True}),
            tmp_path / name,
            verbose=0,
        )
        for name in "ab"
    ]
    for one, other in zip(runs[0].model.get_weights(), runs[1].model.get_weights()):
        np.testing.assert_allclose(one, other, atol=1e-6)


class _Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt


# Keras' CSVLogger leaves its file open where `fit` is interrupted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_goes_on_after_an_interruption(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(_recipe(), tmp_path, callbacks=[_Interrupt()], verbose=0)
    assert not (tmp_path / "model.keras").exists()
    run = train(_recipe(), tmp_path, verbose=0)
    assert len(run.history["loss"]) == 3
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 6


def test_a_finished_run_is_left_alone(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="another folder"):
        train(_recipe(), tmp_path)
    assert (tmp_path / "model.keras").read_bytes() == b"mine"


def test_mixed_precision_and_accumulation(tmp_path):
    recipe = _recipe(mixed_precision=True, gradient_accumulation_steps=2, epochs=8)
    run = train(recipe, tmp_path, verbose=0)
    assert run.model.get_layer("note_encoder").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    assert run.history["loss"][-1] < run.history["loss"][0]


def test_unknown_value_of_a_recipe_is_an_error():
    with pytest.raises(ValueError, match="epoch"):
        _recipe(epoch=3)


def test_curves_are_a_picture(tmp_path):
    path = save_curves({"loss": [2.0, 1.0], "val_loss": [2.1, 1.5]}, tmp_path / "curves.png")
    assert path.read_bytes().startswith(b"\x89PNG")
