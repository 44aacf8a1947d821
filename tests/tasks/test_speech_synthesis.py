"""`SpeechSynthesis`: what is told in training, what is controlled, and what comes out."""

import io
import wave

import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.fusions import Late
from mmkeras.modalities import Audio, Text
from mmkeras.tasks import SpeechSynthesis

AUDIO = Audio(sample_rate=8_000, seconds=0.5)
TASK = SpeechSynthesis(AUDIO, num_mels=12, frame_s=0.02, hop_s=0.01, depth=1, iterations=2)
TEXT = Text.tiny()
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    return mm.MultimodalModel(
        {"text": TEXT, "voice": TEXT}, {"speech": TASK}, size="tiny", fusion=Late(16), dropout=0.0
    )


def inputs(model, control=None, **given):
    raw = {field: tf.constant([given.get(field, "")]) for field in model.fields}
    made = dict(model.fields.preprocess_batch(raw))
    if control is not None:
        made["speech_given_control"] = tf.constant([control])
    return made


def test_recordings_are_targets_and_hints():
    sound = RNG.uniform(-0.5, 0.5, 3_000).astype("float32")
    target = TASK.target(tf.constant(TASK.encode(sound)))
    hints = TASK.hint(target)
    assert (target.shape, float(hints["length"])) == ((4_001,), 3_000)
    np.testing.assert_array_equal(hints["waveform"][:3_000], sound)
    cut = TASK.trim({name: value[None] for name, value in hints.items()})
    assert cut["waveform"].shape == (1, 3_000)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"longer than the 0.5 seconds"):
        TASK.target(tf.constant(TASK.encode(np.zeros(4_001, "float32"))))


def test_told_durations_fill_the_recording(model):
    sound = RNG.uniform(-0.5, 0.5, (1, 2_000)).astype("float32")
    given = inputs(model, text="good dogs")
    given["speech_given_waveform"] = tf.constant(sound)
    given["speech_given_length"] = tf.constant([2_000.0])
    made = model(given)["speech"]
    frames = -(-2_000 // TASK.hop_length)
    assert made["mel"].shape == (1, frames, 12)
    assert float(made["num_frames"][0]) == float(tf.reduce_sum(made["durations"])) == frames
    assert (np.array(made["errors"]) > 0).all()


def test_without_a_recording_everything_is_predicted(model):
    made = model(inputs(model, text="good dogs"))["speech"]
    assert made["mel"].shape == (1, TASK.num_frames, 12)
    assert not np.array(made["errors"]).any()
    lasting = int(made["num_frames"][0])
    assert 1 <= lasting == int(tf.reduce_sum(made["durations"]))
    assert not np.array(made["mel"])[0, lasting:].any()


def test_a_reader_controls_tempo_pitch_and_loudness(model):
    plain = model(inputs(model, text="good dogs"))["speech"]
    same = model(inputs(model, [1.0, 0.0, 0.0], text="good dogs"))["speech"]
    np.testing.assert_allclose(same["mel"], plain["mel"], atol=1e-6)
    slow = model(inputs(model, [0.05, 0.5, 0.25], text="good dogs"))["speech"]
    assert float(slow["num_frames"][0]) > float(plain["num_frames"][0])
    there = np.array(plain["durations"]) > 0
    louder = np.array(slow["energy"] - plain["energy"])
    np.testing.assert_allclose(louder[there], 0.25, atol=1e-5)
    higher = np.array(slow["pitch"] - plain["pitch"])[there]
    assert set(higher.round(3).tolist()) <= {0.0, 0.5}


def test_the_voice_is_heard_and_may_be_absent(model):
    one, other, none = (
        np.array(model(inputs(model, text="good dogs", voice=v))["speech"]["mel"])
        for v in ("cat", "dogs", "")
    )
    assert np.abs(one - other).max() > 1e-4
    assert np.isfinite(none).all()


def test_the_answer_is_a_wav_file(model):
    answer = model.answer({"text": "good dogs", "voice": "cat"})["speech"]
    with wave.open(io.BytesIO(answer["speech"])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8_000, 1, 2)
        assert file.getnframes() / 8_000 == pytest.approx(answer["seconds"])
    empty = model.answer({"text": None, "voice": "cat"})["speech"]
    assert empty["seconds"] == 0.0


def test_files_hold_what_leaves_the_device():
    mel = RNG.normal(size=(4, TASK.num_frames, 12)).astype("float32")
    outputs = {"mel": tf.constant(mel), "num_frames": tf.constant([0.0, 1.0, 17.0, 50.0])}
    made, files = TASK.conclude(outputs), TASK.decode(outputs)
    np.testing.assert_allclose(files["seconds"], [0.0, 0.01, 0.17, 0.5])
    for waveform, length, file in zip(made["waveform"], made["length"], files["speech"].numpy()):
        with wave.open(io.BytesIO(file)) as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 2**15
        np.testing.assert_allclose(samples, waveform[: int(length)], atol=2**-14)


def test_scores_of_a_copy_are_perfect():
    time = np.arange(3_000) / 8_000
    sound = TASK.encode((0.4 * np.sin(2 * np.pi * 200 * time)).astype("float32"))
    scores = TASK.scores([{"speech": sound}], [sound])
    assert scores == pytest.approx(
        {"mcd_db": 0.0, "f0_cents": 0.0, "voicing_error": 0.0, "duration_ratio": 1.0}, abs=1e-6
    )


def test_scores_without_any_voice_have_no_pitch():
    silence = TASK.encode(np.zeros(3_000, "float32"))
    scores = TASK.scores([{"speech": silence}], [silence])
    assert np.isnan(scores["f0_cents"]) and scores["voicing_error"] == 0.0


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="num_mels must be at least 1"):
        SpeechSynthesis(AUDIO, num_mels=0)
    with pytest.raises(ValueError, match="hop_s must be above 0"):
        SpeechSynthesis(AUDIO, frame_s=0.01, hop_s=0.02)


def test_answers_may_be_controlled(model):
    said = [
        model.answer([{"text": "good dogs"}] * 2, hints={"speech": {"control": (1, 0, louder)}})
        for louder in (0.0, 3.0)
    ]
    plain = model.answer({"text": "good dogs"})
    assert said[0][0] == said[0][1] == plain
    assert said[1][1]["speech"]["speech"] != plain["speech"]["speech"]
    for hints, says in (
        ({"sound": {}}, r"for task 'sound'; the tasks are \['speech'\]"),
        ({"speech": {"contrl": (1, 0, 0)}}, "no hint 'contrl'; it has .*'control'"),
        ({"speech": {"control": (0, 0, 0)}}, r"control is \[0.0, 0.0, 0.0\]; .* tempo above 0"),
        ({"speech": {"control": (-1, 0, 0)}}, "tempo above 0"),
        ({"speech": {"control": (1, float("nan"), 0)}}, "all of them finite"),
        ({"speech": {"length": 1.0}}, "hint 'length' of SpeechSynthesis is made of true labels"),
        ({"speech": {"control": (1, 0)}}, r"must have the shape \(3,\); got \(2,\)"),
    ):
        with pytest.raises(ValueError, match=says):
            model.answer({"text": "dogs"}, hints=hints)
