"""`litert`: built-in operations alone, named static inputs, agreement in the real runtime."""

import dataclasses

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import mmkeras as mm
from mmkeras import fusions


def _model(fusion: str) -> mm.MultimodalModel:
    return mm.MultimodalModel(
        fields={"note": mm.Text.tiny(), "photo": mm.Image.tiny(), "sound": mm.Audio.tiny()},
        tasks={
            "kind": mm.Classification(["cat", "dog", "tree"]),
            "age": mm.Regression(offset=20.0, scale=5.0),
        },
        fusion=getattr(fusions, fusion).of_size("tiny"),
        size="tiny",
    )


@pytest.mark.parametrize("fusion", fusions.__all__)
def test_every_fusion_converts_and_agrees(fusion, tmp_path):
    seen = mm.export.litert(_model(fusion), tmp_path / "pets.tflite")
    assert seen.runtime == "ai-edge-litert"
    assert seen.max_difference <= 1e-4
    interpreter = Interpreter(str(seen.path))
    operations = {details["op_name"] for details in interpreter._get_ops_details()}
    assert not {name for name in operations if "Flex" in name or "CUSTOM" in name}


def test_signature_is_static_and_named(tmp_path):
    model = _model("Late")
    path = mm.export.litert(model, tmp_path / "pets.tflite").path
    runner = Interpreter(str(path)).get_signature_runner("tensors")
    details = runner.get_input_details()
    specs = model.fields.specs()
    assert set(details) == set(specs)
    for name, spec in specs.items():
        assert tuple(details[name]["shape"]) == (1, *spec.shape)
        assert np.dtype(details[name]["dtype"]).name == spec.dtype
    assert set(runner.get_output_details()) == {
        "kind_logits",
        "kind_probabilities",
        "kind_votes",
        "age_value",
    }


def test_path_must_be_a_tflite_file(tmp_path):
    with pytest.raises(ValueError, match="tflite"):
        mm.export.litert(_model("Late"), tmp_path / "pets.bin")


def test_does_not_overwrite_unasked(tmp_path):
    path = tmp_path / "pets.tflite"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        mm.export.litert(_model("Late"), path)
    assert path.read_bytes() == b"mine"


def test_a_sequence_long_enough_for_chunks_converts_and_agrees(tmp_path):
    long = dataclasses.replace(mm.Text.tiny(), max_length=1_600)
    model = mm.MultimodalModel(
        fields={"note": long},
        tasks={"kind": mm.Classification(["cat", "dog"])},
        size="tiny",
    )
    assert mm.export.litert(model, tmp_path / "long.tflite").max_difference <= 1e-4
