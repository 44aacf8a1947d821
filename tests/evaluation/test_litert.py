"""LiteRT files beside each other: what is said of them is what they answer."""

import csv
import gzip
import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import mmkeras as mm
from mmkeras.encoders import VisionPyramid
from mmkeras.evaluation import compare_litert, evaluate_scores
from mmkeras.fusions import Late
from mmkeras.sources import Table


@pytest.fixture(scope="module")
def model():
    fields = {"note": mm.Text.tiny()}
    return mm.MultimodalModel(fields, {"kind": mm.Classification(["cat", "dog"])}, size="tiny")


@pytest.fixture(scope="module")
def source():
    words = ["cat", "dog", "the", "a", "!"]
    chance = np.random.default_rng(0)
    notes = [" ".join(chance.choice(words, 4)) for _ in range(70)]
    # Of one in ten it is not known what it is.
    kinds = [None if i % 10 == 0 else ("cat", "dog")[i % 2] for i in range(70)]
    return Table([{"note": note, "kind": kind} for note, kind in zip(notes, kinds)])


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    options = {"float32": {}, "dynamic": {"quantize": "dynamic", "least_agreement": 0.0}}
    return {
        name: mm.export.litert(model, folder / f"{name}.tflite", **some).path
        for name, some in options.items()
    }


@pytest.fixture(scope="module")
def compared(model, files, source):
    return compare_litert(model, files, source)


def test_accuracy_is_that_of_the_file(model, files, source, compared):
    assert compared.samples == 70
    decided = {}
    for name, path in files.items():
        runner = Interpreter(str(path)).get_signature_runner("tensors")
        data = model.pipeline(source, batch_size=1, pad="max")
        rows = [
            (runner(note_token_ids=x["note_token_ids"].numpy())["kind_logits"][0].argmax(), y, w)
            for x, y, w in data
        ]
        right = [int(y["kind"][0]) == best for best, y, w in rows if float(w["kind"][0])]
        assert len(right) == 63
        assert compared.rows[name]["kind_accuracy"] == pytest.approx(np.mean(right))
        decided[name] = np.array([best for best, *_ in rows])
    same = np.mean(decided["dynamic"] == decided["float32"])
    assert compared.rows["dynamic"]["agreement"] == pytest.approx(same)
    assert compared.rows["float32"]["agreement"] == 1.0


def test_sizes_are_those_of_the_files(files, compared):
    for name, path in files.items():
        row = compared.rows[name]
        assert row["size_bytes"] == path.stat().st_size
        assert row["compressed_bytes"] == len(gzip.compress(path.read_bytes(), mtime=0))
        assert row["latency_ms"] > 0 and row["cpu_ms"] > 0 and row["latency_ratio"] > 0
    ratio = files["dynamic"].stat().st_size / files["float32"].stat().st_size
    assert compared.rows["dynamic"]["size_ratio"] == pytest.approx(ratio)
    assert compared.rows["float32"]["latency_ratio"] == 1.0


def test_it_is_written_as_a_table_as_json_and_as_csv(compared, tmp_path):
    paths = compared.save(tmp_path / "new")
    text, data = paths[0].read_text(), json.loads(paths[1].read_text())
    assert "70 samples, 1 thread\n" in text
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == 4
    assert data["rows"]["dynamic"] == compared.rows["dynamic"]
    with paths[2].open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert float(rows["dynamic"]["kind_accuracy"]) == compared.rows["dynamic"]["kind_accuracy"]


def test_what_concludes_is_measured_by_its_heads(tmp_path):
    image = mm.Image(size=16)
    model = mm.MultimodalModel(
        {"image": image},
        {"task": mm.SemanticSegmentation(["a", "b"], size=16)},
        encoders={"image": VisionPyramid.for_modality(image, "tiny")},
        fusion=Late(16),
    )
    random = np.random.default_rng(0)
    rows = [
        {
            "image": random.integers(0, 255, (12, 16, 3)).astype("uint8"),
            "task": np.full((12, 16), i % 2, "uint8"),
        }
        for i in range(3)
    ]
    source = Table(rows)
    files = {"float32": mm.export.litert(model, tmp_path / "a.tflite").path}
    with pytest.raises(ValueError, match=r"\['task'\] conclude.*conclude=False"):
        compare_litert(model, files, source)
    heads = {"float32": mm.export.litert(model, tmp_path / "b.tflite", conclude=False).path}
    with pytest.raises(ValueError, match=r"heads must have the names \['float32'\]"):
        compare_litert(model, files, source, {"other": heads["float32"]})
    row = compare_litert(model, files, source, heads).rows["float32"]
    expected = evaluate_scores(model, source)["task"]
    assert row["task_pixel_accuracy"] == pytest.approx(expected["pixel_accuracy"], abs=0.01)
    model.compile()
    metrics = model.evaluate(model.pipeline(source), return_dict=True, verbose=0)
    for name in model.measures:
        assert row[name] == pytest.approx(metrics[name], abs=0.01)


def test_there_is_something_to_compare(model, source):
    with pytest.raises(ValueError, match="files is empty"):
        compare_litert(model, {}, source)
