"""Fewer bits for each weight: what becomes small, what stays as it was, and what is refused."""

import dataclasses
import re

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import mmkeras as mm
from mmkeras.export.quantization import calibrating, check_kind
from mmkeras.sources import Table

FIELDS = {"note": mm.Text.tiny, "photo": mm.Image.tiny, "sound": mm.Audio.tiny}


@pytest.fixture(scope="module")
def model():
    fields = {name: make() for name, make in FIELDS.items()}
    tasks = {"kind": mm.Classification(["cat", "dog", "tree"])}
    return mm.MultimodalModel(fields, tasks, size="tiny")


@pytest.fixture(scope="module")
def source():
    raw = {field: make().samples() for field, make in FIELDS.items()}
    rows = [{field: values[i % len(values)] for field, values in raw.items()} for i in range(6)]
    return Table(rows)


@pytest.fixture(scope="module")
def files(model, source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return {
        kind: mm.export.litert(
            model,
            folder / f"{kind}.tflite",
            quantize=kind,
            calibration=source if kind == "static" else None,
            least_agreement=0.0,
        )
        for kind in (None, "float16", "dynamic", "static")
    }


def weights(path) -> dict[str, int]:
    """Bytes of constants by dtype."""
    interpreter = Interpreter(str(path))
    found: dict[str, int] = {}
    for tensor in interpreter.get_tensor_details():
        # A constant is there before tensors are allocated.
        try:
            value = interpreter.get_tensor(tensor["index"])
        except ValueError:
            continue
        found[value.dtype.name] = found.get(value.dtype.name, 0) + value.nbytes
    return found


def test_int8_weights_take_a_quarter(files):
    before = weights(files[None].path)
    for kind in ("dynamic", "static"):
        after = weights(files[kind].path)
        moved = before["float32"] - after["float32"] - 2 * after["float16"]
        # Those that moved have one byte where they had four; none was left out.
        assert after["int8"] == pytest.approx(moved / 4, rel=0.02)
        assert moved > 0.75 * before["float32"]


def test_float16_leaves_no_constant_in_float32(files):
    assert weights(files["float16"].path).get("float32", 0) == 0


def test_every_kind_is_smaller_and_states_how_far_off_it_is(files):
    assert files[None].agreement is None
    for kind in ("float16", "dynamic", "static"):
        assert files[kind].size_bytes < 0.6 * files[None].size_bytes
        assert 0 < files[kind].max_difference < 1
        assert 0 <= files[kind].agreement <= 1
        assert "of decisions" in str(files[kind])


def test_inputs_and_outputs_stay_what_they_were(files):
    def details(path):
        runner = Interpreter(str(path)).get_signature_runner("tensors")
        return {
            name: (tuple(tensor["shape"]), tensor["dtype"])
            for ends in (runner.get_input_details(), runner.get_output_details())
            for name, tensor in ends.items()
        }

    expected = details(files[None].path)
    for kind in ("float16", "dynamic", "static"):
        assert details(files[kind].path) == expected


def test_the_static_scale_spans_all_samples(tmp_path):
    """The first of which is black, as are most."""
    image = mm.Image.tiny()
    model = mm.MultimodalModel({"photo": image}, {"kind": mm.Classification(["a", "b"])}, "tiny")
    levels = [0] * 8 + [255]
    source = Table([{"photo": np.full((16, 16, 3), level, "uint8")} for level in levels])
    seen = np.concatenate([row["photo_pixels"] for row in calibrating(model, source, 9)])
    path = mm.export.litert(
        model,
        tmp_path / "a.tflite",
        quantize="static",
        calibration=source,
        least_agreement=0.0,
    ).path
    ranges = [
        (scale * (-128 - zero), scale * (127 - zero))
        for tensor in Interpreter(str(path)).get_tensor_details()
        if tensor["dtype"] == np.int8 and tuple(tensor["shape"][1:]) == seen.shape[1:]
        for scale, zero in [tensor["quantization"]]
    ]
    assert ranges
    for low, high in ranges:
        assert low == pytest.approx(seen.min(), abs=0.02)
        assert high == pytest.approx(seen.max(), abs=0.02)


def test_mel_filters_are_no_eight_bits(files):
    # 16 bands of this rate's bins: one table, which has 16 bits.
    spectrogram = mm.Audio.tiny()
    bins = 1 + 2 ** int(np.ceil(np.log2(0.025 * spectrogram.sample_rate))) // 2
    for kind in ("dynamic", "static"):
        interpreter = Interpreter(str(files[kind].path))
        filters = [
            tensor["dtype"]
            for tensor in interpreter.get_tensor_details()
            if sorted(tensor["shape"]) == [16, bins]
        ]
        assert np.float16 in filters
        assert np.int8 not in filters


def test_a_file_that_decides_otherwise_is_refused(model, tmp_path):
    with pytest.raises(mm.export.ExportError, match=r"decides as the model does in .*%"):
        mm.export.litert(model, tmp_path / "a.tflite", quantize="float16", least_agreement=1.01)
    assert not (tmp_path / "a.tflite").exists()


def test_a_tolerance_holds_for_quantised_files_too(model, tmp_path):
    with pytest.raises(mm.export.ExportError, match="differs from the model's"):
        mm.export.litert(
            model, tmp_path / "a.tflite", quantize="dynamic", least_agreement=0.0, tolerance=1e-6
        )


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (mm.TokenClassification.tiny(), mm.Text.tiny()),
        (mm.ObjectDetection.tiny(), mm.Image.tiny()),
        (mm.SemanticSegmentation.tiny(), mm.Image.tiny()),
        (mm.TextGeneration.tiny(), mm.Text.tiny()),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_other_tasks_are_quantised(task, field, kind, tmp_path):
    name = next(iter(task.points_into), "text")
    model = mm.MultimodalModel({name: field}, {"answer": task}, size="tiny")
    calibration = Table([{name: raw} for raw in field.samples()]) if kind == "static" else None
    seen = mm.export.litert(
        model,
        tmp_path / "model.tflite",
        quantize=kind,
        calibration=calibration,
        least_agreement=0.0,
    )
    assert seen.agreement is not None
    assert "int8" in weights(seen.path)


def test_sound_is_not_rounded_to_eight_bits(tmp_path):
    task = mm.SpeechSynthesis.tiny()
    model = mm.MultimodalModel({"text": mm.Text.tiny()}, {"speech": task}, size="tiny")
    with pytest.raises(mm.export.ExportError, match=r"'speech' makes sound.*float16"):
        mm.export.litert(model, tmp_path / "a.tflite", quantize="dynamic")


def test_calibration_belongs_to_static_alone(source):
    check_kind("static", source)
    with pytest.raises(ValueError, match="needs calibration"):
        check_kind("static")
    with pytest.raises(ValueError, match="looks at no samples"):
        check_kind("dynamic", source)


def test_calibrating_takes_the_first_samples_and_lacks_what_the_source_lacks(model):
    few = Table([{"note": f"note {i}"} for i in range(5)])
    rows = calibrating(model, few, 3)
    assert len(rows) == 3
    assert all(row["note_token_ids"].shape == (1, mm.Text.tiny().max_length) for row in rows)
    assert not any(row["photo_present"].any() for row in rows)


def test_the_number_of_samples_is_a_count(model, source, tmp_path):
    with pytest.raises(ValueError, match=re.escape("calibration_samples must be at least 1")):
        mm.export.litert(
            model,
            tmp_path / "a.tflite",
            quantize="static",
            calibration=source,
            calibration_samples=0,
        )


def test_names_are_left_out_of_small_files_alone(files):
    def named(path):
        return [t["name"] for t in Interpreter(str(path)).get_tensor_details() if t["name"]]

    assert named(files[None].path)
    assert not named(files["dynamic"].path)
    assert dataclasses.is_dataclass(files["dynamic"])
