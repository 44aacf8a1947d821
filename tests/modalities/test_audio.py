"""`Audio`: every kind of WAV against other readers, resampling against SciPy, and lying headers."""

import io
import math
import struct
import time
import wave
from typing import Any

import keras
import numpy as np
import pytest
import scipy.io.wavfile
import scipy.signal
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.modalities.audio import Audio

RNG = np.random.default_rng(0)
AUDIO = Audio.tiny()
PREPROCESS = tf.function(AUDIO.preprocess, input_signature=[tf.TensorSpec([], tf.string)])
UNCHANGED = {"gain_db": 0.0, "delay_s": 0.0, "speed": 0.0, "min_snr_db": None}


def heard(audio: Audio, raw: bytes) -> np.ndarray:
    """The kept samples of one recording, float32 [length]."""
    tensors = audio.preprocess(tf.constant(raw))
    waveform, length = tensors["waveform"].numpy(), int(tensors["length"])
    assert waveform.shape == (audio.num_samples,)
    assert not waveform[length:].any()
    return waveform[:length]


def chunk(name: bytes, content: bytes, declared: int | None = None) -> bytes:
    size = len(content) if declared is None else declared
    return name + struct.pack("<I", size) + content + b"\0" * (len(content) % 2)


def fmt(tag=1, channels=1, rate=8_000, bits=16, block=None, extra=b"") -> bytes:
    block = channels * bits // 8 if block is None else block
    return chunk(
        b"fmt ",
        struct.pack("<HHIIHH", tag, channels, rate, rate * block % 2**32, block, bits) + extra,
    )


def riff(*chunks: bytes, name: bytes = b"RIFF", declared: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return name + struct.pack("<I", len(body) if declared is None else declared) + body


PCM = np.int16([0, 1, -1, 1000, -32768, 32767, 5])
DATA = chunk(b"data", PCM.tobytes())
MONO = PCM / 32768


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_reads_integers_of_every_width(width, channels):
    levels = RNG.integers(-(2 ** (8 * width - 1)), 2 ** (8 * width - 1), (50, channels))
    levels[:2, 0] = [-(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1]
    stored = levels + 128 if width == 1 else levels
    frames = b"".join(
        int(level).to_bytes(width, "little", signed=width > 1) for level in stored.flat
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, 8_000, 0, "NONE", ""))
        writer.writeframes(frames)
    expected = (levels / 2 ** (8 * width - 1)).mean(axis=1)
    np.testing.assert_allclose(heard(AUDIO, file.getvalue()), expected, atol=2e-7)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_reads_what_scipy_writes(dtype):
    array = RNG.uniform(-1, 1, (60, 2))
    if dtype == "uint8":
        stored = np.uint8(array * 127 + 128)
        expected = stored / 128 - 1
    elif dtype.startswith("int"):
        full = 2 ** (np.iinfo(dtype).bits - 1)
        stored = (array * full).astype(dtype)
        expected = stored / full
    else:
        stored = expected = array.astype(dtype)
    file = io.BytesIO()
    scipy.io.wavfile.write(file, 8_000, stored)
    shown = heard(AUDIO, file.getvalue())
    np.testing.assert_allclose(shown, expected.mean(axis=1), atol=2e-7)


SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_reads_what_libsndfile_writes(form, subtype):
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, RNG.uniform(-0.9, 0.9, (61, 3)), 8_000, subtype, format=form)
    expected, _ = soundfile.read(io.BytesIO(file.getvalue()))
    shown = heard(AUDIO, file.getvalue())
    np.testing.assert_allclose(shown, expected.mean(axis=1), atol=2e-7)


GUID = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
EXTENSION = struct.pack("<HHIH", 22, 16, 0, 1) + GUID
DS64 = chunk(b"ds64", struct.pack("<QQQI", 86, len(PCM) * 2, len(PCM), 0))


@pytest.mark.parametrize(
    "raw",
    [
        riff(fmt(), DATA),
        riff(chunk(b"LIST", b"odd"), fmt(), chunk(b"fact", b"\0" * 4), DATA, chunk(b"LIST", b"x")),
        riff(fmt(extra=b"\0\0"), DATA),
        riff(fmt(tag=0xFFFE, extra=EXTENSION), DATA),
        riff(
            DS64, fmt(), chunk(b"data", PCM.tobytes(), 2**32 - 1), name=b"RF64", declared=2**32 - 1
        ),
        riff(fmt(), DATA) + b"what follows is not part of it",
        # Writers into a pipe: ffmpeg, an own zero, Python's wave, sox.
        riff(fmt(), chunk(b"data", PCM.tobytes(), 2**32 - 1), declared=2**32 - 1),
        riff(fmt(), chunk(b"data", PCM.tobytes(), 0), declared=0),
        riff(fmt(), chunk(b"data", PCM.tobytes(), 0), declared=36),
        riff(fmt(), chunk(b"data", PCM.tobytes(), 0x7FFFF000), declared=0x7FFFF024),
        riff(fmt(), chunk(b"data", PCM.tobytes(), 2**32 - 1), declared=2**32 - 1) + b"\1",
    ],
)
def test_walks_through_every_kind_of_header(raw):
    assert heard(AUDIO, raw).tolist() == MONO.tolist()


def test_forgives_padding_that_is_left_out():
    content = bytes([128, 255, 0])
    whole = riff(fmt(bits=8), chunk(b"data", content))
    for raw in (whole, whole[:-1]):
        np.testing.assert_allclose(heard(AUDIO, raw), [0, 127 / 128, -1])


@pytest.mark.parametrize("run", [AUDIO.preprocess, PREPROCESS], ids=["eager", "graph"])
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff\xfb 'mp3\"", "these 8 bytes are no WAV file: they begin with .{1,2}<ff><fb><20>"),
        (b"OggS", "convert the recording to WAV, such as with ffmpeg"),
        (b"RIFF\0\0\0\0AVI LIST", "are no WAV file"),
        (b"RIFF\x04\0\0\0WAVE", "no whole fmt chunk"),
        (riff(DATA), "no whole fmt chunk before its data"),
        (riff(DATA, fmt()), "no whole fmt chunk before its data"),
        (riff(fmt()), "of 36 bytes holds no data chunk"),
        (riff(fmt(), DATA)[:40], "no data chunk"),
        (riff(fmt(), DATA)[:-4], "declares 14 bytes of sound and holds 10"),
        (riff(fmt(), DATA, declared=2**30), "declares 1073741832 bytes in all, holds 58"),
        (riff(fmt(), DATA, declared=40), "declares 48 bytes in all, .* its sound ends at byte 58"),
        (riff(fmt(channels=0), DATA), "declares 0 channels of 2 bytes in frames of 0 bytes"),
        (riff(fmt(block=3), DATA), "declares 1 channels of 2 bytes in frames of 3 bytes"),
        (riff(chunk(b"fmt ", fmt()[8:20]), DATA), "no whole fmt chunk"),
        (riff(fmt(rate=0), DATA), "declares 0 samples a second"),
        (riff(fmt(rate=2**32 - 1), DATA), "declares 4294967295 samples a second"),
        (riff(fmt(bits=12, block=2), DATA), r"format 1 with 12 bits"),
        (riff(fmt(tag=0x55, bits=0, block=1), DATA), "format 85 with 0 bits"),
        (riff(fmt(tag=0xFFFE), DATA), "format 65534 with 16 bits"),
        (riff(fmt(tag=3), DATA), "format 3 with 16 bits"),
        (
            riff(fmt(tag=3, bits=32), chunk(b"data", np.float32([0, 1, np.nan]).tobytes())),
            "sample 2 of the WAV file is not finite",
        ),
        (
            riff(fmt(tag=3, bits=64), chunk(b"data", np.float64([1e300, 1]).tobytes())),
            "sample 0 of the WAV file is not finite",
        ),
    ],
)
def test_refuses_what_is_no_recording(raw, message, run):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(tf.constant(raw))


def test_a_file_of_empty_chunks_ends_soon():
    raw = riff(*[chunk(b"LIST", b"")] * 200_000, fmt(), DATA)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no whole fmt chunk"):
        PREPROCESS(tf.constant(raw))


def test_an_error_comes_through_a_dataset():
    dataset = tf.data.Dataset.from_tensors(b"\xff?").map(AUDIO.preprocess)
    with pytest.raises(tf.errors.InvalidArgumentError, match="these 2 bytes are no WAV file"):
        next(iter(dataset))


@pytest.mark.parametrize("raw", [b"", riff(fmt(), chunk(b"data", b"")), AUDIO.encode(np.zeros(0))])
def test_without_a_sample_it_is_absent(raw):
    tensors = PREPROCESS(tf.constant(raw))
    assert tensors["length"].numpy() == 0
    assert (tensors["waveform"].numpy() == AUDIO.absent()["waveform"]).all()
    assert AUDIO.encode(None) == b""


MUTABLE = [
    *AUDIO.samples(),
    riff(fmt(), DATA),
    riff(fmt(tag=0xFFFE, extra=EXTENSION), DATA),
    riff(DS64, fmt(), chunk(b"data", PCM.tobytes(), 2**32 - 1), name=b"RF64", declared=2**32 - 1),
    riff(fmt(tag=3, bits=64), chunk(b"data", RNG.uniform(-1, 1, 40).tobytes())),
]


@settings(max_examples=200, deadline=20_000)
@given(
    st.sampled_from(MUTABLE),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=5),
    st.integers(0, 30),
)
def test_broken_recordings_are_refused_or_give_finite_samples(raw, changes, cut):
    broken = bytearray(raw)
    for place, value in changes:
        broken[min(place, len(raw) - 1)] = value
    check_refused_or_finite(bytes(broken[: len(broken) - cut]))


@settings(max_examples=100, deadline=20_000)
@given(st.binary(max_size=60))
def test_random_bytes_are_refused_or_give_finite_samples(content):
    check_refused_or_finite(content)
    check_refused_or_finite(b"RIFF\0\0\0\0WAVE" + content)
    check_refused_or_finite(riff(chunk(b"fmt ", content[:30]), chunk(b"data", content[30:])))


def check_refused_or_finite(raw: bytes) -> None:
    try:
        tensors = PREPROCESS(tf.constant(raw))
    except tf.errors.InvalidArgumentError:
        return
    assert np.isfinite(tensors["waveform"].numpy()).all()
    assert 0 <= tensors["length"].numpy() <= AUDIO.num_samples


def decibels(signal: np.ndarray, noise: np.ndarray) -> float:
    return 10 * math.log10(np.mean(signal**2) / np.mean(noise**2))


def recorded(rate: int, array: np.ndarray) -> bytes:
    file = io.BytesIO()
    scipy.io.wavfile.write(file, rate, np.float32(array))
    return file.getvalue()


def resampled(rate: int, array: np.ndarray, new_rate: int) -> np.ndarray:
    audio = Audio(sample_rate=new_rate, seconds=len(array) / rate + 1)
    return heard(audio, recorded(rate, array))


RATES = [
    (8_000, 16_000),
    (11_025, 16_000),
    (22_050, 16_000),
    (32_000, 16_000),
    (44_100, 16_000),
    (48_000, 16_000),
    (96_000, 16_000),
    (16_000, 44_100),
    (48_000, 22_050),
]


@pytest.mark.parametrize(("rate", "new_rate"), RATES)
def test_a_sweep_keeps_its_place_after_resampling(rate, new_rate):
    seconds, top = 0.5, 0.43 * min(rate, new_rate)
    sweep = lambda hertz: scipy.signal.chirp(  # noqa: E731
        np.arange(int(seconds * hertz)) / hertz, 50, seconds, top
    )
    shown = resampled(rate, 0.9 * sweep(rate), new_rate)
    assert len(shown) == math.ceil(int(seconds * rate) * new_rate / rate)
    inner = slice(len(shown) // 20, -len(shown) // 20)
    exact = 0.9 * sweep(new_rate)[: len(shown)]
    shown = shown[: len(exact)]
    assert decibels(exact[inner], (shown - exact)[inner]) > 60
    # SciPy, with a kernel as long as this one's.
    common = math.gcd(rate, new_rate)
    up, down = new_rate // common, rate // common
    taps = scipy.signal.firwin(64 * max(up, down) + 1, 0.94 / max(up, down), window=("kaiser", 7.0))
    other = scipy.signal.resample_poly(0.9 * sweep(rate), up, down, window=taps)[: len(shown)]
    assert decibels(other[inner], (shown - other)[inner]) > 60


@pytest.mark.parametrize(("rate", "new_rate"), [(44_100, 16_000), (48_000, 8_000)])
def test_what_a_rate_cannot_hold_is_gone(rate, new_rate):
    moment = np.arange(rate // 2) / rate
    for hertz in np.linspace(0.51 * new_rate, 0.49 * rate, 5):
        tone = np.sin(2 * np.pi * hertz * moment)
        shown = resampled(rate, tone, new_rate)[new_rate // 20 : -new_rate // 20]
        assert decibels(tone, shown) > 60


@pytest.mark.parametrize("rate", [1_000, 8_004, 22_255, 44_101, 999_983])
def test_odd_rates_keep_pitch_and_speed(rate):
    tone = np.sin(2 * np.pi * 300 * np.arange(rate // 2) / rate)
    shown = resampled(rate, tone, 8_000)
    assert abs(len(shown) - 4_000) <= 1
    spectrum = np.abs(np.fft.rfft(shown * np.hanning(len(shown)), 2**20))
    assert abs(np.argmax(spectrum) * 8_000 / 2**20 / 300 - 1) < 6e-4
    # Nothing but the tone.
    inner, steps = shown[400:-400], np.arange(len(shown))[400:-400, None]
    turns = 2 * np.pi * np.argmax(spectrum) / 2**20 * steps
    basis = np.concatenate([np.sin(turns), np.cos(turns)], axis=1)
    rest = inner - basis @ np.linalg.lstsq(basis, inner)[0]
    assert decibels(inner, rest) > 50


def test_a_constant_stays_constant():
    shown = resampled(44_100, np.full(4_410, 0.5), 16_000)
    np.testing.assert_allclose(shown[100:-100], 0.5, atol=1e-6)


def test_a_long_recording_is_cut_before_it_is_resampled():
    audio = Audio(sample_rate=8_000, seconds=0.2)
    array = np.float32(RNG.uniform(-1, 1, 44_100 * 60))
    long = recorded(44_100, array)
    short = recorded(44_100, array[:44_100])
    assert (heard(audio, long) == heard(audio, short)).all()
    assert len(heard(audio, long)) == 1_600
    run = tf.function(audio.preprocess)
    run(tf.constant(b""))
    begin = time.perf_counter()
    run(tf.constant(long))
    assert time.perf_counter() - begin < 1


def test_tensors_are_as_the_specs_state_in_a_dataset_and_in_a_batch():
    raws = [*AUDIO.samples(), b"", riff(fmt(), DATA)]
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
        ([0.0], TypeError, "of type list"),
        (np.zeros((2, 3, 4)), ValueError, r"shape \(2, 3, 4\)"),
        (np.zeros((2, 0)), ValueError, r"shape \(2, 0\)"),
        (np.zeros(()), ValueError, r"shape \(\)"),
        (np.float32([0, 2]), ValueError, r"holds 0.0 to 2.0; samples have to be in \[-1, 1\]"),
        (np.float32([0, np.nan]), ValueError, "holds nan"),
        (np.zeros(3, "int32"), ValueError, "dtype int32"),
    ],
)
def test_encode_refuses_other_values(value, error, message):
    with pytest.raises(error, match=message):
        AUDIO.encode(value)


def test_length_and_trim_follow_the_longest_recording():
    batch = AUDIO.preprocess_batch(tf.constant([riff(fmt(), DATA), b""]))
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
