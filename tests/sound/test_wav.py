"""WAV files: every kind against other readers, lying headers, companding, and what is written."""

import io
import struct
import wave

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.modalities import Audio
from mmkeras.sound import wav

RNG = np.random.default_rng(0)
DECODE = tf.function(wav.decode, input_signature=[tf.TensorSpec([], tf.string)])
# Resampling and padding as well.
AUDIO = Audio.tiny()
PREPROCESS = tf.function(AUDIO.preprocess, input_signature=[tf.TensorSpec([], tf.string)])


def heard(raw: bytes) -> np.ndarray:
    """The samples of one recording, float32 [S]."""
    waveform, sample_rate = DECODE(tf.constant(raw))
    assert sample_rate == 8_000
    return waveform.numpy()


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
    np.testing.assert_allclose(heard(file.getvalue()), expected, atol=2e-7)


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
    shown = heard(file.getvalue())
    np.testing.assert_allclose(shown, expected.mean(axis=1), atol=2e-7)


SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_reads_what_libsndfile_writes(form, subtype):
    file = io.BytesIO()
    soundfile.write(file, RNG.uniform(-0.9, 0.9, (61, 3)), 8_000, subtype, format=form)
    expected, _ = soundfile.read(io.BytesIO(file.getvalue()))
    shown = heard(file.getvalue())
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
    assert heard(raw).tolist() == MONO.tolist()


def test_forgives_padding_that_is_left_out():
    content = bytes([128, 255, 0])
    whole = riff(fmt(bits=8), chunk(b"data", content))
    for raw in (whole, whole[:-1]):
        np.testing.assert_allclose(heard(raw), [0, 127 / 128, -1])


@pytest.mark.parametrize("run", [wav.decode, DECODE], ids=["eager", "graph"])
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b"\xff\xfb 'mp3\"",
            "these 8 bytes are no WAV file: they begin with .{1,2}<ff><fb> .{1,6}mp3",
        ),
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
        DECODE(tf.constant(raw))


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


@pytest.mark.parametrize(("law", "tag"), [("ULAW", 7), ("ALAW", 6)])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_every_code_of_both_laws_is_what_libsndfile_reads(law, tag, form):
    codes = bytes(range(256))
    raw = riff(fmt(tag=tag, bits=8, extra=b"\0\0"), chunk(b"data", codes))
    if form == "WAVEX":
        extension = struct.pack("<HHIH", 22, 8, 0, tag) + GUID
        raw = riff(fmt(tag=0xFFFE, bits=8, extra=extension), chunk(b"data", codes))
    info = soundfile.info(io.BytesIO(raw))
    assert (info.format, info.subtype) == (form, law)
    expected, _ = soundfile.read(io.BytesIO(raw))
    assert heard(raw).tolist() == expected.tolist()


def test_every_code_of_both_laws_is_what_the_recommendation_says():
    """Chord and step as ITU-T G.711's tables count them: from values 14 and 13 bits wide."""
    for code in range(256):
        bits = code ^ 0xFF
        chord, step = bits >> 4 & 7, bits & 15
        # Tables 2a and 2b: y = (33 + 2 step) 2^chord - 33, in 14 bits.
        level = ((33 + 2 * step) * 2**chord - 33) * (1 if code & 0x80 else -1)
        assert heard(companded(7, code)).tolist() == [level / 2**13]

        bits = code ^ 0x55
        chord, step = bits >> 4 & 7, bits & 15
        # Tables 1a and 1b: linear in chords 0 and 1, in 13 bits, at the middle of the interval.
        level = 2 * step + 1 if chord == 0 else (2 * step + 33) * 2 ** (chord - 1)
        level *= 1 if bits & 0x80 else -1
        assert heard(companded(6, code)).tolist() == [level / 2**12]


def companded(tag: int, *codes: int) -> bytes:
    return riff(fmt(tag=tag, bits=8), chunk(b"data", bytes(codes)))


@pytest.mark.parametrize("tag", [6, 7])
def test_the_laws_are_of_eight_bits(tag):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"format {tag} with 16 bits"):
        DECODE(riff(fmt(tag=tag, bits=16), DATA))


def test_a_dead_channel_does_not_halve_the_loudness():
    live = np.int16(RNG.integers(-30_000, 30_000, (50, 3)))
    stereo = live[:, :2].copy()
    for level in (0, 1, -32768):
        stereo[:, 1] = level
        np.testing.assert_allclose(heard(wav.encode(stereo, 8_000)), live[:, 0] / 2**15, atol=1e-7)
    three = live.copy()
    three[:, 1] = 7
    expected = live[:, [0, 2]].mean(axis=1) / 2**15
    np.testing.assert_allclose(heard(wav.encode(three, 8_000)), expected, atol=1e-7)
    # A channel that says something once is not dead.
    stereo[:, 1] = 0
    stereo[30, 1] = 1
    np.testing.assert_allclose(heard(wav.encode(stereo, 8_000)), stereo.mean(1) / 2**15, atol=1e-7)


def test_where_every_channel_is_dead_the_mean_is_taken():
    stereo = np.full((20, 2), [8192, 0], "int16")
    assert heard(wav.encode(stereo, 8_000)).tolist() == [0.125] * 20
    assert heard(wav.encode(stereo[:1], 8_000)).tolist() == [0.125]
    assert heard(wav.encode(stereo[:0], 8_000)).tolist() == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_channel_of_nothing_but_bad_samples_is_refused(bad):
    stereo = np.float32(np.stack([RNG.uniform(-1, 1, 9), np.full(9, bad)], axis=1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="sample 0 of the WAV file is not"):
        DECODE(wav.encode(stereo, 8_000))


def test_no_more_is_decoded_than_is_asked_for():
    signature = [tf.TensorSpec([], tf.string)]
    decode = tf.function(lambda raw: wav.decode(raw, seconds=0.1001), input_signature=signature)
    # An hour, of which every sample but these would be refused.
    array = np.full(8_000 * 3_600, np.nan, "float32")
    array[:801] = RNG.uniform(-1, 1, 801)
    waveform, _ = decode(wav.encode(array, 8_000))
    assert waveform.numpy().tolist() == array[:801].tolist()
    short, _ = decode(wav.encode(array[:5], 8_000))
    assert short.numpy().tolist() == array[:5].tolist()


@pytest.mark.parametrize("shape", [(30,), (30, 2), (0,)])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_what_is_written_is_read_back_by_others(shape, dtype):
    array = RNG.uniform(-1, 1, shape)
    array = np.int16(array * 32767) if dtype == "int16" else np.float32(array)
    read, rate = soundfile.read(io.BytesIO(wav.encode(array, 22_050)), dtype=dtype)
    assert rate == 22_050
    assert read.tolist() == array.tolist()


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 2, 2), "int16"), np.zeros(3, "int32")])
def test_other_arrays_are_not_written(array):
    with pytest.raises(ValueError, match=f"the array is {array.dtype} .* it has to be int16 or"):
        wav.encode(array, 8_000)


def test_sixteen_bits_are_written_in_a_graph():
    signature = [tf.TensorSpec([None])]
    write = tf.function(lambda sound: wav.encode_pcm16(sound, 22_050), input_signature=signature)
    waveform = np.float32([0, 1, -1, 0.5, 1e-4, 3, -3, *RNG.uniform(-1, 1, 100)])
    raw = write(waveform).numpy()
    read, rate = soundfile.read(io.BytesIO(raw), dtype="int16")
    assert soundfile.info(io.BytesIO(raw)).subtype == "PCM_16"
    assert rate == 22_050
    assert read.tolist() == np.clip(np.round(waveform * 32768), -32768, 32767).tolist()
    np.testing.assert_allclose(wav.decode(raw)[0], waveform.clip(-1, 1), atol=2**-15)
    empty = write(waveform[:0]).numpy()
    assert wav.decode(empty)[0].shape == (0,)
    for bad in (np.nan, np.inf):
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not finite"):
            write(np.float32([0, bad]))
