"""WAV files, read and written in core TensorFlow operations, so that an exported model can too."""

import struct
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mmkeras.contracts.refusal import readable, refuse

#: The format tags of RFC 2361 that are read, and the one that refers to a GUID.
_INTEGER, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
#: From here up a declared size means "not known yet": what writers into a pipe leave behind.
_UNKNOWN_SIZE = 0x7FFF_0000
#: The most chunks to look at, so that a malicious file of empty chunks ends soon.
_MOST_CHUNKS = 1_000

#: The sample rates that are read, in hertz.
LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000


def decode(raw: tf.Tensor, seconds: float | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """A WAV file's waveform, the mean of its channels, and its sample rate.

    RIFF and RF64, also with an extensible header, of 1 kHz to 1 MHz are read: 8-bit unsigned, 16,
    24 and 32-bit integer, 32 and 64-bit float, 8-bit mu-law and A-law. A channel whose samples are
    all the same, as of a microphone that was not plugged in, counts only where every channel is
    like that: it would halve the loudness.

    A data size that programs leave behind when they write into a pipe (0 that contradicts the size
    of the file, or 0x7FFF0000 and more) is not believed: what is there is read. Every other
    contradiction in a header is refused.

    Args:
        raw: string [], the bytes of the file.
        seconds: no more than the first so many are decoded; None decodes all.

    Returns:
        float32 [S], in [-1, 1] where the file holds integers, and int32 [], its samples a second.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no WAV file, hold sound in a compressed form,
            contradict themselves or are cut off, or a decoded sample is not finite.

    Example:

    >>> waveform, sample_rate = decode(tf.constant(encode(np.int16([0, 16384]), 8000)))
    >>> waveform.numpy().tolist(), int(sample_rate)
    ([0.0, 0.5], 8000)
    """
    header = _parse(raw)
    frames = header.frames
    if seconds is not None:
        most = tf.math.ceil(seconds * tf.cast(header.sample_rate, tf.float64))
        frames = tf.minimum(frames, tf.cast(most, tf.int64))
    return _mono(raw, header, frames), header.sample_rate


def encode(frames: np.ndarray, sample_rate: int) -> bytes:
    """A WAV file of samples as they are.

    Args:
        frames: int16 or float32 [S] or [S, channels]; floats are in [-1, 1].
        sample_rate: samples a second.

    Raises:
        ValueError: the array is of another dtype or rank.

    Example:

    >>> encode(np.zeros(2, "int16"), 8000)[:4]
    b'RIFF'
    """
    if frames.dtype not in (np.int16, np.float32) or frames.ndim not in (1, 2):
        raise ValueError(
            f"wav.encode: the array is {frames.dtype} {frames.shape}; it has to be int16 or "
            "float32, [S] or [S, channels]."
        )
    frames = frames.astype(frames.dtype.newbyteorder("<"))
    width = frames.dtype.itemsize
    channels = 1 if frames.ndim == 1 else frames.shape[1]
    tag = _FLOAT if np.issubdtype(frames.dtype, np.floating) else _INTEGER
    block = channels * width
    fmt = struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * block, block, 8 * width)
    chunks = [(b"fmt ", fmt)]
    if tag == _FLOAT:
        chunks = [(b"fmt ", fmt + b"\0\0"), (b"fact", struct.pack("<I", len(frames)))]
    chunks.append((b"data", frames.tobytes()))
    body = b"WAVE" + b"".join(
        name + struct.pack("<I", len(content)) + content for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def encode_pcm16(waveform: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """A WAV file of 16-bit integers, in graph; what is beyond [-1, 1] is clipped.

    Args:
        waveform: float [S].
        sample_rate: samples a second.

    Returns:
        string [], the bytes of the file.

    Raises:
        tf.errors.InvalidArgumentError: a sample is not finite.

    Example:

    >>> waveform, _ = decode(encode_pcm16(tf.constant([0.0, -0.5, 2.0]), 8000))
    >>> waveform.numpy().round(3).tolist()
    [0.0, -0.5, 1.0]
    """
    waveform = tf.cast(waveform, tf.float32)
    # Not `~is_finite`, which TensorFlow's graph optimizer may turn into something else for NaN.
    finite = tf.reduce_all(tf.math.is_finite(waveform))
    with refuse(~finite, "a sample of the waveform that was to become a WAV file is not finite."):
        waveform = tf.identity(waveform)
    # The operation refuses to write a file without samples.
    return tf.cond(
        tf.size(waveform) > 0,
        lambda: tf.audio.encode_wav(waveform[:, None], sample_rate),
        lambda: tf.constant(encode(np.zeros(0, "int16"), sample_rate)),
    )


def _companded(codes: np.ndarray) -> np.ndarray:
    """What is common to both laws: sign, three bits of exponent, four of mantissa, as three."""
    return np.stack([np.where(codes & 0x80, 1, -1), (codes >> 4) & 7, codes & 15])


def _mu_law_levels() -> np.ndarray:
    """float32 [256], by code; ITU-T G.711, table 2, at a full scale of 2^15."""
    sign, exponent, mantissa = _companded(~np.arange(256))
    # All bits of a code are inverted, its sign among them.
    levels = -sign * (((8 * mantissa + 132) << exponent) - 132)
    return (levels / 2**15).astype("float32")


def _a_law_levels() -> np.ndarray:
    """float32 [256], by code; ITU-T G.711, table 1, at a full scale of 2^15."""
    sign, exponent, mantissa = _companded(np.arange(256) ^ 0x55)
    straight = 16 * mantissa + 8 + np.where(exponent > 0, 256, 0)
    levels = sign * (straight << np.maximum(exponent - 1, 0))
    return (levels / 2**15).astype("float32")


class _Header(NamedTuple):
    """What the header of a WAV file says, checked; int64 [] each but for `sample_rate` (int32)."""

    tag: tf.Tensor
    channels: tf.Tensor
    sample_rate: tf.Tensor
    width: tf.Tensor
    start: tf.Tensor
    frames: tf.Tensor


def _parse(raw: tf.Tensor) -> _Header:
    """Walks through the chunks of a WAV file, to its sound.

    Format: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0"
    (1991); RF64 and extensible headers: EBU Tech 3306.
    """
    size = _length(raw)
    head = _bytes(raw, 0, 12)
    is_wav = (_is(head, b"RIFF") | _is(head, b"RF64")) & _is(head[8:], b"WAVE")
    with refuse(
        ~is_wav,
        "these {} bytes are no WAV file: they begin with {}; convert the recording to WAV, "
        "such as with ffmpeg -i recording.mp3 recording.wav, or leave it out where it is absent.",
        size,
        readable(tf.strings.substr(raw, 0, 12)),
    ):
        is_rf64 = _is(head, b"RF64")

    def goes_on(position: tf.Tensor, fmt: tf.Tensor, ds64: tf.Tensor) -> tf.Tensor:
        del fmt, ds64
        return (position + 8 <= size) & ~_is(_bytes(raw, position, 4), b"data")

    def step(position: tf.Tensor, fmt: tf.Tensor, ds64: tf.Tensor) -> list[tf.Tensor]:
        chunk = _bytes(raw, position, 8)
        fmt = tf.where(_is(chunk, b"fmt "), position, fmt)
        ds64 = tf.where(_is(chunk, b"ds64"), position, ds64)
        length = _number(chunk[4:8])
        # A chunk of odd length is followed by one byte of padding.
        return [position + 8 + length + length % 2, fmt, ds64]

    nowhere = tf.constant(-1, tf.int64)
    data, fmt, ds64 = tf.while_loop(
        goes_on,
        step,
        [tf.constant(12, tf.int64), nowhere, nowhere],
        maximum_iterations=_MOST_CHUNKS,
    )
    chunk = _bytes(raw, fmt + 4, 44)
    with refuse(
        (fmt < 0) | (_number(chunk[:4]) < 16),
        "the WAV file of {} bytes holds no whole fmt chunk before its data; write it anew.",
        size,
    ):
        chunk = tf.identity(chunk)
    with refuse(
        (data + 8 > size) | ~_is(_bytes(raw, data, 4), b"data"),
        "the WAV file of {} bytes holds no data chunk; it is cut off or no recording.",
        size,
    ):
        start = data + 8

    declared = _number(_bytes(raw, data + 4, 4))
    long = _bytes(raw, ds64 + 8, 16)
    has_long = is_rf64 & (ds64 >= 0) & (declared == 0xFFFF_FFFF)
    declared = tf.where(has_long, _number(long[8:16]), declared)
    riff = tf.where(is_rf64 & (ds64 >= 0), _number(long[:8]), _number(head[4:8])) + 8
    available = size - start
    unknown = (declared > available) & (declared >= _UNKNOWN_SIZE) & ~has_long
    unknown |= (declared == 0) & (riff != size)
    with refuse(
        ~unknown & ((declared > available) | (declared < 0)),
        "the WAV file declares {} bytes of sound and holds {}: it is cut off, or its header "
        "lies; get the whole file or write it anew.",
        declared,
        available,
    ):
        available = tf.where(unknown, available, declared)
    # One byte less is forgiven: many writers leave out the padding after an odd length.
    with refuse(
        ~unknown & (riff < _UNKNOWN_SIZE) & ((riff > size + 1) | (riff < start + declared)),
        "the WAV file declares {} bytes in all, holds {}, and its sound ends at byte {}: it "
        "is cut off, or its header lies; get the whole file or write it anew.",
        riff,
        size,
        start + declared,
    ):
        available = tf.identity(available)

    tag, channels, rate = _number(chunk[4:6]), _number(chunk[6:8]), _number(chunk[8:12])
    block, bits = _number(chunk[16:18]), _number(chunk[18:20])
    extended = (tag == _EXTENSIBLE) & (_number(chunk[:4]) >= 40)
    tag = tf.where(extended, _number(chunk[28:30]), tag)
    is_integer = (tag == _INTEGER) & tf.reduce_any(bits == [8, 16, 24, 32])
    is_float = (tag == _FLOAT) & tf.reduce_any(bits == [32, 64])
    is_companded = ((tag == _A_LAW) | (tag == _MU_LAW)) & (bits == 8)
    with refuse(
        ~(is_integer | is_float | is_companded),
        "the WAV file holds format {} with {} bits a sample; PCM (1) of 8, 16, 24 or 32 bits, "
        "float (3) of 32 or 64, A-law (6) and mu-law (7) of 8 are read: convert it, such as with "
        "ffmpeg -i recording.wav -c:a pcm_s16le converted.wav.",
        tag,
        bits,
    ):
        width = bits // 8
    with refuse(
        (channels < 1) | (block != channels * width),
        "the WAV file declares {} channels of {} bytes in frames of {} bytes: its header "
        "contradicts itself; write it anew.",
        channels,
        width,
        block,
    ):
        frames = available // tf.maximum(block, 1)
    with refuse(
        (rate < LOWEST_RATE) | (rate > HIGHEST_RATE),
        f"the WAV file declares {{}} samples a second; {LOWEST_RATE} to {HIGHEST_RATE} can be "
        "read: correct its header, or resample it.",
        rate,
    ):
        rate = tf.cast(tf.clip_by_value(rate, LOWEST_RATE, HIGHEST_RATE), tf.int32)
    return _Header(tag, channels, rate, width, start, frames)


def _mono(raw: tf.Tensor, header: _Header, frames: tf.Tensor) -> tf.Tensor:
    """The first `frames` (int64 []) of a recording, the mean of its live channels: float32 [S]."""
    content = tf.strings.substr(raw, header.start, frames * header.channels * header.width)

    def integer(dtype: tf.DType) -> tf.Tensor:
        return tf.cast(tf.io.decode_raw(content, dtype), tf.float32) / -float(dtype.min)

    def unsigned8() -> tf.Tensor:
        return tf.cast(tf.io.decode_raw(content, tf.uint8), tf.float32) / 128 - 1

    def integer24() -> tf.Tensor:
        low, middle, high = tf.unstack(
            tf.cast(tf.reshape(tf.io.decode_raw(content, tf.uint8), [-1, 3]), tf.int32), axis=1
        )
        unsigned = low + middle * 2**8 + high * 2**16
        return tf.cast(unsigned - tf.where(high < 128, 0, 2**24), tf.float32) / 2**23

    def floating(dtype: tf.DType) -> tf.Tensor:
        return tf.cast(tf.io.decode_raw(content, dtype), tf.float32)

    def companded(levels: np.ndarray) -> tf.Tensor:
        return tf.gather(levels, tf.cast(tf.io.decode_raw(content, tf.uint8), tf.int32))

    decoders = {
        (_INTEGER, 1): unsigned8,
        (_INTEGER, 2): lambda: integer(tf.int16),
        (_INTEGER, 3): integer24,
        (_INTEGER, 4): lambda: integer(tf.int32),
        (_FLOAT, 4): lambda: floating(tf.float32),
        (_FLOAT, 8): lambda: floating(tf.float64),
        (_A_LAW, 1): lambda: companded(_a_law_levels()),
        (_MU_LAW, 1): lambda: companded(_mu_law_levels()),
    }
    is_kind = [(header.tag == tag) & (header.width == width) for tag, width in decoders]
    kind = tf.argmax(tf.cast(tf.stack(is_kind), tf.int32), output_type=tf.int32)
    flat = tf.switch_case(kind, list(decoders.values()))
    samples = tf.reshape(flat, tf.stack([frames, header.channels]))
    mono = tf.cond(header.channels == 1, lambda: samples[:, 0], lambda: _mean(samples))
    # A bound below the largest float, so that resampling cannot overflow. Not `~(abs < bound)`,
    # which TensorFlow's graph optimizer turns into a comparison that is false for NaN.
    bad = ~tf.math.is_finite(mono) | (tf.abs(mono) > 1e30)
    with refuse(
        tf.reduce_any(bad),
        "sample {} of the WAV file is not finite; write it anew without NaN and infinity.",
        tf.argmax(tf.concat([bad, [True]], axis=0)),
    ):
        return tf.identity(mono)


def _mean(samples: tf.Tensor) -> tf.Tensor:
    """float32 [S, channels] to [S]: the mean of the channels that are not dead, if any is not."""
    dead = tf.reduce_all(samples == samples[:1], axis=0)
    dead &= ~tf.reduce_all(dead)
    shares = tf.where(dead, 0.0, 1 / tf.reduce_sum(tf.cast(~dead, tf.float32)))
    # A product, and no choice of channels, so that infinity in a dead one is seen as well.
    return tf.reduce_sum(samples * shares, axis=1)


def _length(raw: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.length(raw), tf.int64)


def _bytes(raw: tf.Tensor, start: tf.Tensor | int, count: int) -> tf.Tensor:
    """int64 [count]: bytes from `start` on; 0 where there are none."""
    start = tf.clip_by_value(tf.cast(start, tf.int64), 0, _length(raw))
    found = tf.io.decode_raw(tf.strings.substr(raw, start, count), tf.uint8, fixed_length=count)
    return tf.cast(found, tf.int64)


def _number(little_endian: tf.Tensor) -> tf.Tensor:
    """int64 []: a number of up to 8 bytes, lowest first."""
    weights = tf.constant([1 << 8 * i for i in range(7)] + [1 << 56], tf.int64)
    return tf.reduce_sum(little_endian * weights[: tf.size(little_endian)])


def _is(content: tf.Tensor, name: bytes) -> tf.Tensor:
    return tf.reduce_all(content[: len(name)] == list(name))
