"""`Audio`: recordings in a dataset and in an exported model, and their augmentation."""

import io
import math
from typing import Any

import keras
import numpy as np
import pytest
import scipy.io.wavfile
import tensorflow as tf

from mmkeras.modalities.audio import Audio
from mmkeras.sound import wav
from mmkeras.testing import check_modality

RNG = np.random.default_rng(0)
AUDIO = Audio.tiny()
PREPROCESS = tf.function(AUDIO.preprocess, input_signature=[tf.TensorSpec([], tf.string)])
PCM = np.int16([0, 1, -1, 1000, -32768, 32767, 5])
UNCHANGED = {"gain_db": 0.0, "delay_s": 0.0, "speed": 0.0, "min_snr_db": None}


def heard(audio: Audio, raw: bytes) -> np.ndarray:
    """The kept samples of one recording, float32 [length]."""
    tensors = audio.preprocess(tf.constant(raw))
    waveform, length = tensors["waveform"].numpy(), int(tensors["length"])
    assert waveform.shape == (audio.num_samples,)
    assert not waveform[length:].any()
    return waveform[:length]


def test_an_error_comes_through_a_dataset():
    dataset = tf.data.Dataset.from_tensors(b"\xff?").map(AUDIO.preprocess)
    with pytest.raises(tf.errors.InvalidArgumentError, match="these 2 bytes are no WAV file"):
        next(iter(dataset))


@pytest.mark.parametrize(
    "raw", [b"", wav.encode(np.zeros(0, "int16"), 8_000), AUDIO.encode(np.zeros(0))]
)
def test_without_a_sample_it_is_absent(raw):
    tensors = PREPROCESS(tf.constant(raw))
    assert tensors["length"].numpy() == 0
    assert (tensors["waveform"].numpy() == AUDIO.absent()["waveform"]).all()
    assert AUDIO.encode(None) == b""


def decibels(signal: np.ndarray, noise: np.ndarray) -> float:
    return 10 * math.log10(np.mean(signal**2) / np.mean(noise**2))


def recorded(rate: int, array: np.ndarray) -> bytes:
    file = io.BytesIO()
    scipy.io.wavfile.write(file, rate, np.float32(array))
    return file.getvalue()


def test_a_recording_at_another_rate_is_resampled():
    moment = np.arange(22_050) / 22_050
    audio = Audio(sample_rate=8_000, seconds=1.5)
    shown = heard(audio, recorded(22_050, np.sin(2 * np.pi * 440 * moment)))
    expected = np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000)
    assert decibels(expected, (shown - expected)[100:-100]) > 60


def test_a_long_recording_is_cut_before_it_is_resampled():
    audio = Audio(sample_rate=8_000, seconds=0.2)
    array = np.float32(RNG.uniform(-1, 1, 44_100 * 60))
    # What lies far behind is not even decoded, or it would be refused.
    array[44_100:] = np.nan
    shown = heard(audio, recorded(44_100, array))
    assert (shown == heard(audio, recorded(44_100, array[:44_100]))).all()
    assert len(shown) == 1_600


@pytest.mark.parametrize("array", [[0.25], [0.0] * 500, [1.0, -1.0] * 300], ids=str)
def test_one_sample_silence_and_clipping_are_kept(array):
    for dtype in ("float32", "float64"):
        assert heard(AUDIO, AUDIO.encode(np.array(array, dtype))).tolist() == array


def test_tensors_are_as_the_specs_state_in_a_dataset_and_in_a_batch():
    raws = [*AUDIO.samples(), b"", wav.encode(PCM, 8_000)]
    dataset = tf.data.Dataset.from_tensor_slices(raws).map(AUDIO.preprocess)
    for name, spec in AUDIO.specs().items():
        assert dataset.element_spec[name] == tf.TensorSpec(spec.shape, spec.dtype)
        assert AUDIO.absent()[name].shape == spec.shape
        assert AUDIO.absent()[name].dtype == spec.dtype
    batch = tf.function(AUDIO.preprocess_batch)(tf.constant(raws))
    for row, (raw, mapped) in enumerate(zip(raws, dataset, strict=True)):
        for name, value in AUDIO.preprocess(tf.constant(raw)).items():
            for other in (mapped[name], batch[name][row], PREPROCESS(tf.constant(raw))[name]):
                np.testing.assert_allclose(other, value, atol=1e-6)


def test_samples_differ():
    shown = [heard(AUDIO, raw).tobytes() for raw in AUDIO.samples()]
    assert len(set(shown)) == len(shown) >= 2


def test_a_saved_model_gives_the_same(tmp_path):
    module = tf.Module()
    module.preprocess = tf.function(
        AUDIO.preprocess_batch, input_signature=[tf.TensorSpec([None], tf.string, "raw")]
    )
    tf.saved_model.save(module, tmp_path)
    raws = tf.constant([*AUDIO.samples(), b""])
    loaded = tf.saved_model.load(tmp_path).preprocess(raws)["waveform"]
    np.testing.assert_allclose(loaded, AUDIO.preprocess_batch(raws)["waveform"], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int16"])
@pytest.mark.parametrize("shape", [(50,), (50, 2)])
def test_encode_writes_arrays_that_scipy_reads_back(shape, dtype):
    array = RNG.uniform(-1, 1, shape)
    array = np.int16(array * 32767) if dtype == "int16" else array.astype(dtype)
    raw = AUDIO.encode(array)
    rate, read = scipy.io.wavfile.read(io.BytesIO(raw))
    assert rate == 8_000
    stored = array if dtype == "int16" else array.astype("float32")
    assert read.dtype == stored.dtype
    assert (read == stored).all()
    scale = 32768 if dtype == "int16" else 1
    np.testing.assert_allclose(heard(AUDIO, raw), stored.reshape(50, -1).mean(1) / scale, atol=1e-7)
    assert AUDIO.encode(raw) is raw


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("cat.wav", TypeError, "'cat.wav' is of type str"),
        ([0.0], TypeError, "of type list.*np.asarray"),
        (np.zeros((2, 300)), ValueError, r"shape \(2, 300\).*transpose it"),
        (np.zeros((2, 3, 4)), ValueError, r"shape \(2, 3, 4\)"),
        (np.zeros((2, 0)), ValueError, r"shape \(2, 0\)"),
        (np.zeros(()), ValueError, r"shape \(\)"),
        (np.float32([0, 2]), ValueError, r"holds 0.0 to 2.0; samples have to be in \[-1, 1\]"),
        (np.float32([0, np.nan]), ValueError, "1 of 2 samples are NaN"),
        (np.zeros(3, "int32"), ValueError, r"dtype int32.* / 2\*\*31"),
    ],
)
def test_encode_refuses_other_values(value, error, message):
    with pytest.raises(error, match=message):
        AUDIO.encode(value)


def test_length_and_trim_follow_the_longest_recording():
    batch = AUDIO.preprocess_batch(tf.constant([wav.encode(PCM, 8_000), b""]))
    rows = [{name: value[row] for name, value in batch.items()} for row in range(2)]
    assert [int(AUDIO.length(row)) for row in rows] == [7, 0]
    trimmed = AUDIO.trim(batch, tf.constant(10))
    assert trimmed["waveform"].shape == (2, 10)
    assert trimmed["length"].numpy().tolist() == [7, 0]
    assert AUDIO.trim(batch, tf.constant(4))["length"].numpy().tolist() == [4, 0]


def augmented(audio: Audio, tensors: dict[str, tf.Tensor], count: int) -> list[np.ndarray]:
    """The kept samples of so many augmented copies."""
    augment = tf.function(audio.augment)
    results: list[Any] = [augment(tensors, tf.constant([3, i])) for i in range(count)]
    again = augment(tensors, tf.constant([3, 0]))["waveform"]
    assert (again.numpy() == results[0]["waveform"].numpy()).all()
    kept = []
    for result in results:
        waveform, length = result["waveform"].numpy(), int(result["length"])
        assert waveform.shape == (audio.num_samples,)
        assert not waveform[length:].any()
        assert np.abs(waveform).max() <= 1
        kept.append(waveform[:length])
    return kept


def tone(audio: Audio, hertz: float, seconds: float) -> dict[str, tf.Tensor]:
    moment = np.arange(round(seconds * audio.sample_rate)) / audio.sample_rate
    raw = audio.encode(0.25 * np.sin(2 * np.pi * hertz * moment))
    return audio.preprocess(tf.constant(raw))


def test_augment_without_any_change_changes_nothing():
    audio = Audio(sample_rate=8_000, seconds=0.5, **UNCHANGED)
    tensors = tone(audio, 400, 0.3)
    for waveform in augmented(audio, tensors, 3):
        assert (waveform == tensors["waveform"][:2400].numpy()).all()


def test_augment_changes_the_loudness():
    audio = Audio(sample_rate=8_000, seconds=0.3, **UNCHANGED | {"gain_db": 6.0})
    tensors = tone(audio, 400, 0.3)
    before = tensors["waveform"].numpy()
    gains = np.array(
        [np.dot(w, before) / np.dot(before, before) for w in augmented(audio, tensors, 50)]
    )
    gains = 20 * np.log10(gains)
    assert -6.01 < gains.min() < -4
    assert 4 < gains.max() < 6.01


def test_augment_delays_as_far_as_the_end_is_kept():
    audio = Audio(sample_rate=8_000, seconds=0.5, **UNCHANGED | {"delay_s": 0.3})
    tensors = tone(audio, 400, 0.3)
    before = tensors["waveform"][:2400].numpy()
    delays = []
    for waveform in augmented(audio, tensors, 40):
        delays.append(len(waveform) - 2400)
        assert not waveform[: delays[-1]].any()
        assert (waveform[delays[-1] :] == before).all()
    assert 0 <= min(delays) < 200
    assert 1400 < max(delays) <= 1600


def test_augment_adds_noise_of_a_certain_loudness():
    audio = Audio(sample_rate=8_000, seconds=0.5, **UNCHANGED | {"min_snr_db": 10.0})
    tensors = tone(audio, 400, 0.3)
    before = tensors["waveform"][:2400].numpy()
    ratios = [decibels(before, after - before) for after in augmented(audio, tensors, 40)]
    assert 9 < min(ratios) < 15
    assert 35 < max(ratios) < 41


def test_augment_plays_faster_and_slower():
    audio = Audio(sample_rate=8_000, seconds=0.5, **UNCHANGED | {"speed": 0.1})
    tensors = tone(audio, 1_000, 0.4)
    lengths = set()
    for waveform in augmented(audio, tensors, 60):
        spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), 80_000))
        factor = np.argmax(spectrum) / 10 / 1_000
        assert 0.895 < factor < 1.105
        assert abs(len(waveform) - 3_200 / factor) < 8
        lengths.add(len(waveform))
    assert min(lengths) == math.ceil(3_200 / 1.1)
    assert max(lengths) == math.ceil(3_200 / 0.9)
    assert len(lengths) > 15


def test_augment_leaves_an_absent_recording_alone():
    audio = Audio(sample_rate=8_000, seconds=0.1, min_snr_db=-10.0)
    absent = audio.preprocess(tf.constant(b""))
    assert all(len(waveform) == 0 for waveform in augmented(audio, absent, 5))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample_rate": 999}, r"sample_rate is 999; it has to be a whole number of hertz in"),
        ({"sample_rate": 8000.5}, "sample_rate is 8000.5"),
        ({"seconds": 0.0}, "seconds is 0.0; it has to be long enough for one sample"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"gain_db": -1}, "gain_db is -1"),
        ({"delay_s": -0.1}, "delay_s is -0.1"),
        ({"speed": 0.6}, "speed is 0.6"),
        ({"min_snr_db": float("nan")}, "min_snr_db is nan"),
        ({"trim_db": 0}, r"trim_db is 0; it has to be decibels in \(0, 200\]"),
        ({"reverb_s": -1.0}, "reverb_s is -1.0"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=f"Audio: {message}"):
        Audio(**fields)


def test_serialises():
    audio = Audio(sample_rate=8_000, seconds=1.5, min_snr_db=None)
    config = keras.saving.serialize_keras_object(audio)
    assert keras.saving.deserialize_keras_object(config) == audio
    assert Audio.from_config(audio.get_config()) == audio
    assert audio.num_samples == 12_000


def test_keeps_its_contract_with_every_change_it_can_make():
    check_modality(
        Audio(sample_rate=8_000, seconds=0.1, trim_db=20.0, min_snr_db=5.0, reverb_s=0.3)
    )


def test_silence_around_a_recording_is_cut_on_request():
    noise = np.float32(RNG.uniform(-1, 1, 2_000))
    raw = wav.encode(np.pad(noise, [1_600, 4_000]), 8_000)
    audio = Audio(sample_rate=8_000, seconds=0.3, trim_db=30.0)
    # Of the first 2,400 samples all but the first 1,600, less half a frame and what the hop adds.
    assert heard(audio, raw)[-800:].tolist() == noise[:800].tolist()
    assert 800 <= len(heard(audio, raw)) <= 900
    assert len(heard(Audio(sample_rate=8_000, seconds=0.3), raw)) == 2_400
    assert len(heard(audio, b"")) == 0
    assert len(heard(audio, wav.encode(np.zeros(500, "int16"), 8_000))) == 500


def test_augment_puts_a_recording_into_rooms():
    audio = Audio(sample_rate=8_000, seconds=0.5, **UNCHANGED | {"reverb_s": 0.4})
    click = np.zeros(3_200)
    click[400] = 0.5
    tensors = audio.preprocess(tf.constant(audio.encode(click)))
    tails = []
    for waveform in augmented(audio, tensors, 30):
        assert len(waveform) == 3_200
        assert np.abs(waveform[:400]).max() < 1e-6
        assert waveform[400] > 0
        assert np.sum(waveform**2) == pytest.approx(0.25, rel=1e-4)
        tails.append(10 * np.log10(waveform[400] ** 2 / np.sum(waveform[401:] ** 2)))
    assert -0.1 < min(tails) < 4
    assert 16 < max(tails) < 20.1
    absent = audio.preprocess(tf.constant(b""))
    assert all(len(waveform) == 0 for waveform in augmented(audio, absent, 2))
