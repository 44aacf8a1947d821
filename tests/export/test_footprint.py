"""Counts are those of a matrix product by hand."""

import keras

import mmkeras as mm
from mmkeras.export import footprint


def model():
    return mm.MultimodalModel({"photo": mm.Image(size=16)}, {"stars": mm.Regression()}, size="tiny")


def test_parameters_and_what_training_changes():
    made = model()
    found = footprint(made)
    assert found.parameters == found.trainable == made.count_params()
    made.encoders["photo"].trainable = False
    frozen = made.encoders["photo"].count_params()
    assert footprint(made).trainable == found.parameters - frozen
    assert footprint(made).parameters == found.parameters


def test_operations_are_counted_as_products_and_sums():
    wide = []
    for dim in (16, 32):
        size = mm.layers.Size(dim=dim, depth=1, num_heads=2, mlp_dim=64)
        made = mm.MultimodalModel(
            {"photo": mm.Image(size=16)},
            {"stars": mm.Regression()},
            encoders={
                "photo": mm.encoders.ViT(16, 16, patch_size=8, stack=size.stack(), stem="patch")
            },
            fusion=mm.fusions.Late(dim),
        )
        wide.append((dim, footprint(made).flops))
    for dim, flops in wide:
        tokens = 4
        patches = 2 * tokens * 192 * dim
        products = 2 * tokens * (4 * dim * dim + 2 * dim * 64) + 2 * 2 * tokens * tokens * dim
        # Norms, biases and activations are counted too, and are few.
        assert 1.0 < flops / (patches + products) < 1.35


def test_what_it_counts_is_not_what_it_runs():
    made = model()
    before = [weight.numpy().sum() for weight in made.weights]
    footprint(made)
    assert [weight.numpy().sum() for weight in made.weights] == before
    assert keras.config.dtype_policy().name == "float32"
