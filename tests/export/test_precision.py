"""Models of narrower floats are exported in float32, with the same weights."""

import keras
import numpy as np
import pytest

import mmkeras as mm
from mmkeras.export.precision import in_full_precision


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_model_of_narrow_floats_is_exported_wide(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    model = mm.MultimodalModel(
        {"note": mm.Text.tiny(), "photo": mm.Image.tiny()},
        {"kind": mm.Classification(["cat", "dog"]), "about": mm.TextGeneration.tiny()},
        size="tiny",
    )
    keras.config.set_dtype_policy("float32")
    wide = in_full_precision(model)
    assert wide is not model and wide.dtype_policy.name == "float32"
    assert {layer.compute_dtype for layer in wide._flatten_layers()} == {"float32"}
    for one, other in zip(model.get_weights(), wide.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert mm.export.saved_model(model, tmp_path / "pets" / "1").max_difference < 1e-5
    assert mm.export.litert(model, tmp_path / "pets.tflite").max_difference < 1e-4


def test_a_model_of_float32_is_exported_itself():
    task = mm.Classification(["float16", "mixed_bfloat16"])
    model = mm.MultimodalModel({"note": mm.Text.tiny()}, {"type": task}, size="tiny")
    assert in_full_precision(model) is model
