"""Streams and long recordings against the model that hears all at once."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.decoding import CTCBeams
from mmkeras.encoders import AudioTransformer, Conformer
from mmkeras.fusions import Late
from mmkeras.layers import GlobalNormalization, Size
from mmkeras.layers.autoregression import Search
from mmkeras.sound import wav
from mmkeras.tasks import SpeechRecognition
from mmkeras.tokenizers import CharacterTokenizer
from mmkeras.transcription import Listener, _read, transcribe

RNG = np.random.default_rng(0)
AUDIO = mm.Audio(sample_rate=8_000, seconds=3.0)
SIZE = Size(dim=16, depth=2, num_heads=2, mlp_dim=32)
TASK = SpeechRecognition(CharacterTokenizer(("<pad>", "<unk>", " ", *"abcdefgh")), max_tokens=9)


def recogniser(encoder, audio=AUDIO, fusion=None):
    return mm.MultimodalModel(
        {"speech": audio},
        {"text": TASK},
        encoders={"speech": encoder},
        fusion=Late(16) if fusion is None else fusion,
    )


def chunked(chunk=8, left_chunks=2, audio=AUDIO):
    return Conformer.for_modality(
        audio,
        SIZE,
        kernel_size=5,
        num_mels=16,
        normalization=GlobalNormalization([-4.0] * 16, [3.0] * 16),
        chunk=chunk,
        left_chunks=left_chunks,
    )


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    made = recogniser(chunked())
    # So that scores differ from step to step.
    kernel = made.get_layer("text").projection.kernel
    kernel.assign(RNG.normal(size=kernel.shape) * 4)
    return made


def sound(seconds):
    """Noise of changing colour, so that something is heard."""
    steps = round(seconds * 8_000)
    rough = RNG.normal(size=steps) * np.repeat(RNG.uniform(0, 0.2, steps // 400 + 1), 400)[:steps]
    return np.clip(rough, -1, 1).astype("float32")


def same(one, other):
    assert one["text"] == other["text"]
    assert one["score"] == pytest.approx(other["score"], rel=1e-3)
    for kind in ("words", "pieces"):
        times = [
            [w[k] for w in answer[kind] for k in ("start_s", "end_s")] for answer in (one, other)
        ]
        np.testing.assert_allclose(*times, atol=1e-4)


# A whole number of chunks, a bit more and less, less than a chunk, and a sample.
@pytest.mark.parametrize("seconds", [2.56, 2.6, 2.5, 1.0, 0.2, 1 / 8_000])
def test_a_stream_ends_as_the_whole_recording(model, seconds):
    recording = sound(seconds)
    whole = model.answer({"speech": recording})["text"]
    listener = Listener(model)
    begin = 0
    while begin < len(recording):
        size = int(RNG.integers(1, 3_000))
        listener.hear(recording[begin : begin + size])
        begin += size
    same(listener.finish(), whole)
    # And a new stream begins.
    listener.hear(recording)
    same(listener.finish(), whole)
    if seconds > 2:
        assert len(whole["pieces"]) > 1


def test_what_was_heard_stays(model):
    listener, heard = Listener(model), []
    for part in np.split(sound(2.4), 6):
        heard.append([p["text"] for p in listener.hear(part)["pieces"]])
    for before, after in itertools.pairwise(heard):
        assert after[: len(before)] == before


def test_longer_than_the_model_hears_at_once(model):
    short = mm.Audio(sample_rate=8_000, seconds=2.4)
    hears_less = recogniser(chunked(chunk=4, left_chunks=1, audio=short), short)
    hears_all = recogniser(chunked(chunk=4, left_chunks=1))
    hears_all.set_weights(hears_less.get_weights())
    recording = sound(3.0)
    expected = hears_all.answer({"speech": recording})["text"]
    # 2 blocks that see 7 tokens back, and convolutions 4: less than half of the overlap, 24 tokens;
    # and windows begin where chunks do.
    same(transcribe(hears_less, recording, overlap_s=1.92), expected)
    same(transcribe(hears_less, wav.encode(recording, 8_000), overlap_s=1.92), expected)


def test_beams_search_when_all_was_heard(model):
    recording = sound(2.0)
    plain = model.answer({"speech": recording})["text"]
    language = TASK.language_model(["abba cafe", "ad hoc"], order=3)
    model.set_task("text", beams=CTCBeams(4, language_model=language, lm_weight=5.0))
    try:
        whole = model.answer({"speech": recording})["text"]
        assert whole["text"] != plain["text"]
        same(transcribe(model, recording), whole)
        listener = Listener(model)
        so_far = listener.hear(recording)
        same(listener.finish(), whole)
    finally:
        model.set_task("text", beams=None)
    assert so_far["text"] and plain["text"].startswith(so_far["text"])


def test_beams_search_from_silence_to_silence():
    """Minutes at once would need a lattice of all steps times all letters."""
    said = TASK.target(tf.constant("bad cab")).numpy()
    word = [0, 0, *(step for kind in said[said > 0] for step in (kind, 0))]
    path = np.array(([*word, 2, *[0] * 40]) * 60)
    logits = 9.0 * np.eye(TASK.num_classes, dtype="float32")[path]
    expected = " ".join(["bad cab"] * 60)
    for beams in (None, CTCBeams(2, top_k=2)):
        heard = _read(dataclasses.replace(TASK, beams=beams), logits, 0.04)
        assert heard["text"] == expected
        assert len(heard["words"]) == 120
        # Of eleven classes, the unknown is never heard.
        assert heard["score"] == pytest.approx(np.exp(9) / (np.exp(9) + 9), rel=1e-4)
        begin = 59 * len(path) // 60
        assert heard["words"][-2]["start_s"] == pytest.approx((begin + 2) * 0.04, abs=1e-3)


@pytest.mark.parametrize("held", [7, 2_500])
def test_where_nothing_is_silent_no_piece_is_doubled_or_lost(held):
    path = np.repeat(TASK.target(tf.constant("abcdabcda")).numpy(), held)
    logits = 9.0 * np.eye(TASK.num_classes, dtype="float32")[np.tile(path, max(1, 5_000 // held))]
    # The letter that ends and begins the text is one where it is told again.
    expected = "abcd" * (2 * max(1, 5_000 // held)) + "a"
    heard = _read(dataclasses.replace(TASK, beams=CTCBeams(2, top_k=2)), logits, 0.04)
    assert heard["text"] == expected
    ends = [piece["end_s"] for piece in heard["pieces"]]
    assert ends[0] == pytest.approx(held * 0.04) and ends[-1] == pytest.approx(len(logits) * 0.04)


class NeverAsked(Search):
    def __call__(self, *args, **kwargs):
        raise AssertionError


def test_other_tasks_are_not_asked():
    encoder = chunked()
    tasks = {"text": TASK, "summary": mm.tasks.TextGeneration(TASK.tokenizer, search=NeverAsked())}
    hybrid = mm.MultimodalModel(
        {"speech": AUDIO}, tasks, encoders={"speech": encoder}, fusion=Late(16)
    )
    recording = sound(2.0)
    heard = transcribe(hybrid, recording)
    alone = recogniser(encoder)
    alone.get_layer("text").set_weights(hybrid.get_layer("text").get_weights())
    same(heard, alone.answer({"speech": recording})["text"])


def test_one_field_of_several_is_heard(model):
    """As in a model of several tasks, each about fields of its own."""

    def joined(fusion):
        return mm.MultimodalModel(
            {"speech": AUDIO, "note": mm.Text.tiny()},
            {"text": TASK, "kind": mm.Classification(["a", "b"])},
            encoders={"speech": model.encoders["speech"]},
            fusion=fusion,
            size=SIZE,
        )

    both, recording = joined(Late(16)), sound(2.0)
    expected = both.answer({"speech": recording})["text"]
    same(transcribe(both, recording, task="text"), expected)
    listener = Listener(both)
    listener.hear(recording)
    same(listener.finish(), expected)
    with pytest.raises(ValueError, match="'kind' is no task SpeechRecognition of the model"):
        transcribe(both, recording, task="kind")
    with pytest.raises(ValueError, match="fusion Concat mixes tokens of the fields"):
        transcribe(joined(mm.fusions.Concat.of_size("tiny")), recording)


def test_recordings_come_as_model_answer_takes_them(model, tmp_path):
    recording = sound(1.0)
    integers = np.int16(recording * 32_767)
    path = tmp_path / "said.wav"
    path.write_bytes(wav.encode(integers, 8_000))
    expected = model.answer({"speech": path})["text"]
    for given in (path, str(path), path.read_bytes(), integers):
        same(transcribe(model, given), expected)
    listener = Listener(model)
    listener.hear(integers[:3_000])
    listener.hear(integers[3_000:])
    same(listener.finish(), expected)
    path.write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"said.wav: .*WAV"):
        transcribe(model, path)
    with pytest.raises(FileNotFoundError, match=r"missing.wav"):
        transcribe(model, tmp_path / "missing.wav")


def test_no_sound_at_all(model):
    assert transcribe(model, np.zeros(0, "float32"))["text"] == ""
    assert Listener(model).finish()["text"] == ""


def test_models_that_cannot_listen():
    whole = AudioTransformer.for_modality(AUDIO, SIZE, num_mels=16)
    with pytest.raises(ValueError, match="Conformer with chunk"):
        Listener(recogniser(whole))
    with pytest.raises(ValueError, match="fusion Concat"):
        Listener(recogniser(chunked(), fusion=mm.fusions.Concat.of_size("tiny")))
    with pytest.raises(ValueError, match="0 tasks SpeechRecognition"):
        Listener(mm.MultimodalModel({"speech": AUDIO}, {"n": mm.tasks.Regression()}, size="tiny"))


def test_wrong_arguments(model):
    for overlap_s in (3.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="overlap_s"):
            transcribe(model, sound(1.0), overlap_s=overlap_s)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        transcribe(model, sound(1.0), batch_size=0)
    with pytest.raises(ValueError, match="NaN"):
        Listener(model).hear(np.array([np.nan]))
    with pytest.raises(ValueError, match="transpose it"):
        Listener(model).hear(np.zeros((2, 300)))
