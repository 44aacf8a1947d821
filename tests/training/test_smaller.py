"""Smaller models learn from what a trained one knows, which stays as it is."""

import numpy as np
import pytest

import mmkeras as mm
from mmkeras.encoders import VisionPyramid
from mmkeras.fusions import Concat
from mmkeras.sources import Table
from mmkeras.training import Recipe, pruned, resized, sparsity, taught

ROWS = [{"note": ("the cats", "and dog")[i % 2], "kind": ("cat", "dog")[i % 2]} for i in range(32)]


@pytest.fixture(scope="module")
def recipe():
    return Recipe("pets", lambda: {"train": Table(ROWS)}, lambda _: None, epochs=2, batch_size=8,
                  learning_rate=1e-2)  # fmt: skip


@pytest.fixture(scope="module")
def model(recipe, tmp_path_factory):
    def made(_):
        tasks = {"kind": mm.Classification(["cat", "dog"])}
        return mm.MultimodalModel({"note": mm.Text.tiny()}, tasks, size="tiny")

    folder = tmp_path_factory.mktemp("model")
    return mm.training.train(recipe.replace(model=made, epochs=6), folder, verbose=0).model


def right(model):
    answers = model.answer([{"note": row["note"]} for row in ROWS[:2]])
    return [answer["kind"]["label"] for answer in answers] == ["cat", "dog"]


def test_a_copy_is_pruned_and_knows_what_the_model_knew(model, recipe, tmp_path):
    before = model.get_weights()
    run = pruned(model, recipe.replace(learning_rate=1e-4), 0.5, tmp_path, verbose=0)
    assert right(model) and right(run.model)
    assert sparsity(run.model)[""] == pytest.approx(0.5, abs=0.02)
    for one, other in zip(before, model.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_a_student_learns_from_its_teacher(model, recipe, tmp_path):
    # Its labels are wrong by half, so that what is right is the teacher's.
    mixed = [row | {"kind": ("cat", "dog")[i // 2 % 2]} for i, row in enumerate(ROWS)]
    wrong = recipe.replace(sources=lambda: {"train": Table(mixed)}, epochs=8)
    size = mm.layers.Size(dim=8, depth=1, num_heads=2, mlp_dim=16)
    run = taught(model, wrong, size, tmp_path, verbose=0)
    assert right(run.model)
    assert run.model.count_params() < 0.5 * model.count_params()


def test_kinds_of_encoders_and_fusion_stay():
    fields = {"photo": mm.Image.tiny(), "note": mm.Text.tiny()}
    model = mm.MultimodalModel(
        fields,
        {"stars": mm.Regression()},
        size="tiny",
        encoders={"photo": VisionPyramid.for_modality(fields["photo"], "tiny")},
        fusion=Concat.of_size("tiny"),
        modality_dropout=0.25,
    )
    made = resized(model, mm.layers.Size(dim=8, depth=1, num_heads=2, mlp_dim=16))
    assert type(made.encoders["photo"]) is VisionPyramid and type(made.fusion) is Concat
    assert made.modality_dropout == 0.25 and made.count_params() < model.count_params()
