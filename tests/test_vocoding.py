"""A trained vocoder in a model that says texts: what stays, what changes, and where it runs."""

import io
import wave

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.encoders import LogMelFrames
from mmkeras.fusions import Late
from mmkeras.layers import VocoderSize
from mmkeras.modalities import Audio, Text
from mmkeras.vocoding import with_vocoder

AUDIO = Audio(sample_rate=8_000, seconds=0.3)
FRAMES = {"num_mels": 12, "frame_s": 0.02, "hop_s": 0.01}
SIZE = VocoderSize(dim=8, depth=1, iterations=2)
TEXT = {"text": "good dogs"}


def speaking(**given):
    task = mm.SpeechSynthesis(AUDIO, depth=1, iterations=2, **FRAMES | given)
    return mm.MultimodalModel(
        {"text": Text.tiny()}, {"speech": task}, size="tiny", fusion=Late(16), dropout=0.0
    )


def vocoder(**given):
    task = mm.Vocoding(AUDIO, vocoder=SIZE, **FRAMES | given)
    model = mm.MultimodalModel(
        {"speech": AUDIO},
        {"sound": task},
        encoders={"speech": LogMelFrames(**task.spectrogram)},
        fusion=Late(task.num_mels),
    )
    weights = [w for w in model.get_layer("sound").vocoder.weights]
    random = np.random.default_rng(0)
    for weight in weights:
        weight.assign(weight + random.normal(size=weight.shape) / 10)
    return model


def sound(answer):
    with wave.open(io.BytesIO(answer["speech"]["speech"])) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 2**15


@pytest.fixture(scope="module")
def models():
    model, trained = speaking(), vocoder()
    return model, trained, with_vocoder(model, trained)


def test_frames_stay_and_the_vocoder_makes_the_sound(models):
    model, trained, made = models
    inputs = dict(model.fields.preprocess_batch({"text": tf.constant(["good dogs"])}))
    before, after = (each(inputs)["speech"] for each in (model, made))
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, atol=1e-5, err_msg=name)
    count = int(before["num_frames"][0])
    frames = before["mel"][:, :count] * 4.0 - 6.0
    expected = trained.get_layer("sound").vocoder(frames)[0, : count * 80]
    np.testing.assert_allclose(after["waveform"][0, : count * 80], expected, atol=1e-4)
    assert not np.array(after["waveform"])[0, count * 80 :].any()
    np.testing.assert_allclose(
        sound(made.answer(TEXT)), np.clip(expected, -1, 1 - 2**-15), atol=2**-14
    )


def test_is_saved_and_exported_with_the_model(models, tmp_path):
    *_, made = models
    expected = made.answer(TEXT)
    made.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.answer(TEXT) == expected
    assert mm.export.litert(made, tmp_path / "model.tflite").max_difference < 1e-3
    mm.export.saved_model(made, tmp_path / "served" / "1")


def test_it_learns_nothing_while_the_model_does(models):
    *_, made = models
    weights = made.get_layer("speech").vocoder.get_weights()
    voice = np.random.default_rng(0).uniform(-0.5, 0.5, 1_600).astype("float32")
    data = mm.sources.Table([TEXT | {"speech": voice}])
    made.compile("adam")
    made.fit(made.pipeline(data, batch_size=1), epochs=2, shuffle=False, verbose=0)
    for old, new in zip(weights, made.get_layer("speech").vocoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_vocoder_may_be_exchanged_for_another(models):
    *_, made = models
    other = vocoder()
    again = with_vocoder(made, other)
    for old, new in zip(
        other.get_layer("sound").vocoder.get_weights(),
        again.get_layer("speech").vocoder.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(old, new)


def test_what_does_not_fit_is_refused(models):
    model, trained, _ = models
    with pytest.raises(
        ValueError, match=r"learned to make waveforms of the frames .*'num_mels': 9"
    ):
        with_vocoder(model, vocoder(num_mels=9))
    task = trained.tasks["sound"]
    longer = LogMelFrames(**task.spectrogram | {"frame_length": 200})
    other = mm.MultimodalModel(
        {"speech": AUDIO}, {"sound": task}, encoders={"speech": longer}, fusion=Late(12)
    )
    with pytest.raises(ValueError, match="did not learn from log-mel frames as they are"):
        with_vocoder(model, other)
    with pytest.raises(ValueError, match=r"has 0 tasks Vocoding, of \['speech'\]"):
        with_vocoder(model, model)
    with pytest.raises(ValueError, match="has 0 tasks SpeechSynthesis"):
        with_vocoder(trained, trained)
    with pytest.raises(ValueError, match="would have to be made anew"):
        model.set_task("speech", vocoder=SIZE)
