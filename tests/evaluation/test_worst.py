"""The worst samples are those of the highest losses, with what they hold and where they stand."""

import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.evaluation import evaluate, worst
from mmkeras.sound import wav
from mmkeras.sources import Table


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    return [
        {
            "text": f"<b>word {i}</b>",
            "photo": None if i == 4 else np.full((300, 600, 3), 20 * i, "uint8"),
            "voice": wav.encode(random.normal(0, 0.1, 48_000 * 8).astype("float32"), 48_000)
            if i % 2
            else None,
            "mood": None if i == 9 else ("up" if i % 3 else "down"),
        }
        for i in range(10)
    ]


@pytest.fixture(scope="module")
def found(rows):
    fields = {"text": mm.Text.tiny(), "photo": mm.Image(size=8), "voice": mm.Audio.tiny()}
    tasks = {"mood": mm.Classification(["up", "down"])}
    model = mm.MultimodalModel(fields, tasks, size="tiny")
    # Rows of a part keep the numbers they have in the whole.
    _, source = Table(rows).split(test=0.8, seed=1)
    report = evaluate(model, source, times=0)
    return model, source, report, worst(model, source, report, most=3)["mood"]


def test_the_highest_losses_with_their_samples(rows, found):
    model, source, report, samples = found
    known = sorted((loss for loss in report.losses["mood"] if loss is not None), reverse=True)
    assert [sample.loss for sample in samples] == pytest.approx(known[:3])
    order = [i for i, loss in enumerate(report.losses["mood"])
             if loss is not None]  # fmt: skip
    order = sorted(order, key=lambda i: -report.losses["mood"][i])[:3]
    for place, sample in zip(order, samples):
        number = int(source._indices[place])
        row = rows[number]
        assert sample.place == f"sample {number + 1}" and sample.label == row["mood"]
        answer = model.answer({k: row[k] for k in ("text", "photo", "voice")})["mood"]
        assert sample.answer == f"{answer['label']} ({answer['probability']:.1%})"
        text, photo, voice = sample.shown
        assert text.text == row["text"]
        if row["photo"] is not None:
            picture = np.asarray(PIL.Image.open(io.BytesIO(photo.image)))
            assert picture.shape == (120, 240, 3)
            assert np.abs(picture.astype(int) - 20 * number).max() <= 1
        else:
            assert photo.text == "(absent)"
        if row["voice"] is None:
            assert voice.text == "(absent)" and not voice.audio


def test_recordings_are_short_and_can_be_heard():
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000 * 30) / 48_000).astype("float32") / 2
    rows = [{"voice": wav.encode(tone, 48_000), "stars": 1.0}]
    model = mm.MultimodalModel({"voice": mm.Audio.tiny()}, {"stars": mm.Regression()}, size="tiny")
    (sample,) = worst(model, Table(rows), evaluate(model, Table(rows), times=0))["stars"]
    (voice,) = sample.shown
    waveform, rate = (part.numpy() for part in wav.decode(tf.constant(voice.audio)))
    assert rate == 16_000 and len(voice.audio) <= 480_000
    assert voice.text == f"the first {len(waveform) / rate:.1f} of 30.0 s"
    spectrum = np.abs(np.fft.rfft(waveform[:16_000]))
    assert spectrum.argmax() == 440


def test_answers_are_drawn_over_their_pictures():
    rows = [
        {"photo": np.full((16, 16, 3), 60 * i, "uint8"),
         "things": [{"box": [1, 1, 9, 9], "label": "cat"}]}
        for i in range(3)
    ]  # fmt: skip
    photo = mm.Image(size=16)
    model = mm.MultimodalModel(
        {"photo": photo},
        {"things": mm.ObjectDetection(["cat"], field="photo")},
        encoders={"photo": mm.encoders.VisionPyramid.for_modality(photo, "tiny")},
        fusion=mm.fusions.Late(16),
    )
    source = Table(rows)
    samples = worst(model, source, evaluate(model, source, times=0), most=2)["things"]
    for sample in samples:
        assert sample.label == "cat"
        names = [shown.name for shown in sample.shown]
        assert names == ["photo", "answer, drawn"]
        drawn = PIL.Image.open(io.BytesIO(sample.shown[1].image))
        assert max(drawn.size) <= 240


def test_another_source(found):
    model, _, report, _ = found
    with pytest.raises(ValueError, match=r"has 1 samples, the report 8"):
        worst(model, Table([{"text": "a", "mood": "up"}]), report)
