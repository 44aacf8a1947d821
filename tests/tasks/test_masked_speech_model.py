"""Hidden stretches of recordings: where noise stands, what is asked for, and that it is learned."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras import MultimodalModel
from mmkeras.encoders import AudioTransformer
from mmkeras.fusions import Late
from mmkeras.layers import Size, mel_filters
from mmkeras.modalities import Audio
from mmkeras.sources import Table
from mmkeras.tasks import Classification, MaskedSpeechModel
from mmkeras.tokens import Layout

RATE, STEP = 8_000, 320
AUDIO = Audio(sample_rate=RATE, seconds=1.0, gain_db=0.0, delay_s=0.0, speed=0.0, min_snr_db=None)
TASK = MaskedSpeechModel(RATE, 8_000, STEP, num_codes=32, num_mels=16, seed=3)
#: Not a multiple of a token, nor of a frame.
LENGTH = 6_123

prepare = tf.function(TASK.prepare)


def recording(length=LENGTH, seed=0):
    """Noise whose colour and loudness change."""
    random = np.random.default_rng(seed)
    sound = np.convolve(random.normal(size=8_000), random.normal(size=8), mode="same")
    sound *= 0.05 * (1.2 + np.sin(np.arange(8_000) / 300))
    return np.where(np.arange(8_000) < length, sound, 0).astype("float32")


def prepared(sound, length=LENGTH, seed=0):
    """The waveform after, and the target."""
    speech = {"waveform": tf.constant(sound), "length": tf.constant(length)}
    target = TASK.target(tf.constant(""))
    inputs, target = prepare({"speech": speech}, target, tf.constant([seed, 7]))
    assert int(inputs["speech"]["length"]) == length
    return inputs["speech"]["waveform"].numpy(), target.numpy()


def distances(sound, length):
    """float64 [T, V], by definition: of unit vectors; frame by frame."""
    hop, window = STEP // 4, 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    filters = mel_filters(16, 256, RATE, 20.0)
    sound = np.pad(sound.astype("float64"), (0, 1_000))
    frames = []
    for begin in range(0, length, hop):
        power = np.abs(np.fft.rfft(sound[begin : begin + 200] * window, 256)) ** 2
        frames.append(np.log(np.maximum(power @ filters, 1e-6)))
    frames = (frames - np.mean(frames, axis=0)) / np.sqrt(np.var(frames, axis=0) + 1e-5)
    random = np.random.default_rng(3)
    projection, vectors = random.normal(size=(64, 16)), random.normal(size=(32, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = []
    for begin in range(0, len(frames), 4):
        stacked = np.zeros((4, 16))
        part = frames[begin : begin + 4]
        stacked[: len(part)] = part
        projected = stacked.ravel() @ projection
        found.append(np.linalg.norm(projected / np.linalg.norm(projected) - vectors, axis=1))
    return np.stack(found)


@pytest.mark.parametrize("length", [8_000, LENGTH, 100])
def test_codes_are_the_nearest_vectors(length):
    sound = recording(length)
    codes = TASK.codes(tf.constant(sound), tf.constant(length)).numpy()
    apart = distances(sound, length)
    assert codes.shape == (25,)
    assert len(apart) == -(-length // STEP)
    chosen = apart[np.arange(len(apart)), codes[: len(apart)]]
    np.testing.assert_allclose(chosen, apart.min(axis=1), atol=1e-4)
    assert length < 8_000 or len(set(codes)) > 10


def test_other_seeds_make_other_codes():
    sound = tf.constant(recording())
    same, other = (
        MaskedSpeechModel.from_config(TASK.get_config() | {"seed": seed}) for seed in (3, 4)
    )
    codes = [task.codes(sound, tf.constant(LENGTH)).numpy() for task in (TASK, same, other)]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert (codes[0] != codes[2]).any()


@pytest.mark.parametrize("seed", range(5))
def test_noise_stands_where_codes_are_asked_and_nowhere_else(seed):
    sound = recording()
    shown, target = prepared(sound, seed=seed)
    asked = target >= 0
    codes = TASK.codes(tf.constant(sound), tf.constant(LENGTH)).numpy()
    np.testing.assert_array_equal(target[asked], codes[asked])
    hidden = np.repeat(asked, STEP) & (np.arange(8_000) < LENGTH)
    np.testing.assert_array_equal(shown[~hidden], sound[~hidden])
    level = np.sqrt(np.mean(sound[:LENGTH] ** 2))
    assert np.std(shown[hidden]) == pytest.approx(0.1 * level, rel=0.1)
    assert abs(np.corrcoef(shown[hidden], sound[hidden])[0, 1]) < 0.1
    # Stretches of 0.2 s are five tokens; those at the ends may be cut.
    edges = np.flatnonzero(np.diff(np.pad(asked, 1).astype(int)))
    for begin, end in zip(edges[::2], edges[1::2]):
        assert end - begin >= 5 or begin == 0 or end == 20


def test_every_token_is_hidden_as_often_as_the_others():
    sound = recording()
    asked = np.mean([prepared(sound, seed=seed)[1] >= 0 for seed in range(600)], axis=0)
    assert not asked[20:].any()
    # Where no stretch of the 24 is drawn, one is hidden all the same.
    nothing = 0.6 ** (24 / 5)
    np.testing.assert_allclose(asked[:20], 0.4 + nothing * 5 / 24, atol=0.08)
    assert np.mean(asked[:20]) == pytest.approx(0.4 + nothing * 5 / 24, abs=0.02)


@pytest.mark.parametrize("length", [0, 1, STEP])
def test_short_recordings_have_one_token_to_hide_and_absent_ones_none(length):
    sound = recording(length)
    shown, target = prepared(sound, length)
    assert np.isfinite(shown).all()
    assert (target >= 0).tolist() == [length > 0] + [False] * 24
    np.testing.assert_array_equal(shown[length:], 0)


def test_silence_is_a_recording():
    shown, target = prepared(np.zeros(8_000, "float32"))
    assert not shown.any()
    assert (target >= 0).any()


def test_of_takes_its_numbers_from_audio_and_encoder():
    encoder = AudioTransformer.for_modality(AUDIO, "tiny")
    task = MaskedSpeechModel.of(AUDIO, encoder, num_codes=32, num_mels=16, seed=3)
    assert task == TASK


def test_it_is_learned_from_sound_alone_and_hands_over_its_encoder():
    random = np.random.default_rng(0)
    time = np.arange(8_000) / RATE
    rows = []
    for phase, low in random.uniform(0, 1, (32, 2)):
        # A siren; what is hidden follows from what is heard before and after.
        pitch = 300 + 300 * low + 2_000 * ((4 * time + phase) % 1)
        rows.append({"speech": (0.5 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype("f4")})
    size = Size(dim=32, depth=1, num_heads=2, mlp_dim=64)
    encoder = AudioTransformer.for_modality(AUDIO, size, dropout=0.0, num_mels=16)
    task = MaskedSpeechModel.of(AUDIO, encoder, num_codes=16, num_mels=16, span_s=0.12)
    model = MultimodalModel(
        {"speech": AUDIO}, {"guess": task}, encoders={"speech": encoder}, fusion=Late(32)
    )
    model.compile(optimizer=keras.optimizers.Adam(5e-3))
    data = model.pipeline(Table(rows), batch_size=32, cache=True)
    model.fit(data.repeat(), steps_per_epoch=100, shuffle=False, verbose=0)
    scores = model.evaluate(data, return_dict=True, verbose=0)
    targets = np.concatenate([target["guess"].numpy() for _, target, _ in data])
    often = np.bincount(targets[targets >= 0]).max() / np.sum(targets >= 0)
    assert scores["guess_accuracy"] > 2 * often
    words = MultimodalModel(
        {"speech": AUDIO},
        {"kind": Classification(["a", "b"])},
        encoders={"speech": encoder},
        fusion=Late(32),
    )
    assert words.answer(rows[0])["kind"]["label"] in ("a", "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 322}, "step is 322; it has to be a multiple of 4"),
        ({"share": 1.0}, r"share is 1.0; it has to be in \(0, 1\)"),
        ({"span_s": 0.0}, "span_s is 0.0"),
        ({"num_codes": 1}, "num_codes is 1"),
    ],
)
def test_what_is_out_of_range_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        MaskedSpeechModel.from_config(TASK.get_config() | change)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"steps of 320 samples, .* are steps of 160; make"):
        TASK.head("guess", {"speech": Layout(step_s=0.02)})
    with pytest.raises(ValueError, match="are steps of 0; make"):
        TASK.head("guess")
    with pytest.raises(TypeError, match="takes no label"):
        TASK.encode("cat")
