"""A panel is read again from TensorBoard's own files."""

import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.sources import Table
from mmkeras.training import Panel


def shown(folder):
    """`{tag: [(step, value)]}` of all that was written."""
    found = {}
    for path in sorted(folder.rglob("events*")):
        for raw in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(raw.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, tf.make_ndarray(value.tensor)))
    return found


def test_answers_and_attention_are_shown(tmp_path):
    random = np.random.default_rng(0)
    rows = [
        {"text": "the dog", "photo": random.integers(0, 255, (16, 16, 3)).astype("uint8"),
         "mood": "<up>" if i % 2 else "down"} for i in range(4)
    ]  # fmt: skip
    fields = {"text": mm.Text.tiny(), "photo": mm.Image.tiny()}
    model = mm.MultimodalModel(fields, {"mood": mm.Classification(["<up>", "down"])}, size="tiny")
    model.compile("adam")
    samples = [{field: row[field] for field in fields} for row in rows[:2]]
    data = model.pipeline(Table(rows), batch_size=2)
    panel = Panel([*samples, {"text": "a cat"}], tmp_path, every=2)
    model.fit(data, epochs=4, verbose=0, shuffle=False, callbacks=[panel])
    found = shown(tmp_path)
    assert {*found} == {
        *(f"sample {n}/mood" for n in (1, 2, 3)),
        *(f"sample {n}/attention on photo" for n in (1, 2)),
    }
    assert [step for step, _ in found["sample 1/mood"]] == [2, 4]
    answer = model.answer(samples[0])["mood"]["label"].replace("<", "&lt;")
    assert found["sample 1/mood"][-1][1].item().decode() == answer
    width, height, png = found["sample 2/attention on photo"][0][1]
    assert (int(width), int(height)) == (16, 16)
    assert tf.io.decode_png(png).shape == (16, 16, 3)


def test_objects_are_drawn(tmp_path):
    image = mm.Image(size=16)
    model = mm.MultimodalModel(
        {"image": image},
        {"objects": mm.ObjectDetection(["cat", "dog"], field="image")},
        encoders={"image": mm.encoders.VisionPyramid.for_modality(image, "tiny")},
        fusion=mm.fusions.Late(16),
    )
    picture = np.zeros((24, 32, 3), "uint8")
    panel = Panel([{"image": picture}], tmp_path)
    panel.set_model(model)
    panel.on_epoch_end(0)
    panel.on_train_end()
    # A pyramid is no Transformer from end to end, whose attention could be followed back.
    assert {*shown(tmp_path)} == {"sample 1/objects"}


def test_what_makes_no_panel(tmp_path):
    with pytest.raises(ValueError, match="at least one sample"):
        Panel([], tmp_path)
    with pytest.raises(ValueError, match="every must be at least 1"):
        Panel([{"text": "a"}], tmp_path, every=0)
