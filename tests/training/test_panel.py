"""A panel is read again from TensorBoard's own files."""

import dataclasses
import io
import wave

import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.sources import Table
from mmkeras.training import Panel


def shown(folder, kinds=None):
    """`{tag: [(step, value)]}` of all that was written; `kinds` takes the plugin of each tag."""
    found = {}
    for path in sorted(folder.rglob("events*")):
        for raw in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(raw.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, tf.make_ndarray(value.tensor)))
                if kinds is not None:
                    kinds[value.tag] = value.metadata.plugin_data.plugin_name
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
        *(f"sample {n}/attention on text" for n in (1, 2, 3)),
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


def spoken():
    task = mm.SpeechSynthesis.tiny()
    text = {"text": mm.Text.tiny()}
    model = mm.MultimodalModel(text, {"speech": task}, size="tiny", fusion=mm.fusions.Late(16))
    return model, {"text": "good dogs"}, {"sample 1/speech", "sample 1/speech/sound"}


def vocoded():
    task = mm.Vocoding.tiny()
    frames = mm.encoders.LogMelFrames(**task.spectrogram)
    model = mm.MultimodalModel(
        {"voice": task.audio},
        {"speech": dataclasses.replace(task, field="voice")},
        encoders={"voice": frames},
        fusion=mm.fusions.Late(task.num_mels),
    )
    return model, {"voice": task.audio.samples()[0]}, {"sample 1/speech/sound"}


@pytest.mark.parametrize("make", [spoken, vocoded])
def test_sound_can_be_listened_to(tmp_path, make):
    model, sample, tags = make()
    panel = Panel([sample], tmp_path)
    panel.set_model(model)
    panel.on_epoch_end(0)
    panel.on_train_end()
    kinds = {}
    found = shown(tmp_path, kinds)
    assert {tag for tag in found if "attention" not in tag} == tags
    assert kinds["sample 1/speech/sound"] == "audio"
    ((step, clips),) = found["sample 1/speech/sound"]
    ((heard, _),) = clips
    answer = model.answer(sample)["speech"]["speech"]
    with wave.open(io.BytesIO(heard)) as got, wave.open(io.BytesIO(answer)) as expected:
        assert got.getparams() == expected.getparams() and expected.getnframes() > 0
        one, other = (
            np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(int)
            for file in (got, expected)
        )
    assert step == 1 and np.abs(one - other).max() <= 1


def test_what_makes_no_panel(tmp_path):
    with pytest.raises(ValueError, match="at least one sample"):
        Panel([], tmp_path)
    with pytest.raises(ValueError, match="every must be at least 1"):
        Panel([{"text": "a"}], tmp_path, every=0)
