"""`Audio`: a WAV recording becomes a waveform of one sample rate."""

import dataclasses
import struct
from typing import Any, ClassVar, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.modality import Modality, TensorSpec
from mmkeras.contracts.refusal import readable, refuse

#: The format tags of RFC 2361 that hold samples as they are, and the one that refers to a GUID.
_INTEGER, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
#: From here up a declared size means "not known yet": what writers into a pipe leave behind.
_UNKNOWN_SIZE = 0x7FFF_0000
#: The most chunks to look at, so that a malicious file of empty chunks ends soon.
_MOST_CHUNKS = 1_000

#: Zero crossings of the resampling kernel on each side, its Kaiser beta, and where its pass band
#: ends, as a share of the lower of the two Nyquist frequencies.
_ZEROS, _BETA, _ROLLOFF = 32, 7.0, 0.94


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Audio(Modality):
    """Recordings: WAV bytes become a mono waveform of one sample rate, padded with 0.

    WAV files (RIFF or RF64, also with an extensible header) of 1 kHz to 1 MHz are read: 8-bit
    unsigned, 16, 24 and 32-bit integer, 32 and 64-bit float, any number of channels, of which the
    mean is taken. Of a long recording the first `seconds` are kept, and no more than these is
    decoded. A recording without a sample is absent. At an odd sample rate, such as 8 004 Hz, speed
    and pitch may be off by up to 0.05 %.

    A data size that programs leave behind when they write into a pipe (0 that contradicts the size
    of the file, or 0x7FFF0000 and more) is not believed: what is there is read. Every other
    contradiction in a header is refused.

    Args:
        sample_rate: samples a second of the waveform, 1 000 to 192 000.
        seconds: the longest recording.
        gain_db: `augment` changes the loudness by at most so much, in decibels.
        delay_s: `augment` begins at most so much later, as far as the end is not cut, in seconds.
        speed: `augment` plays faster or slower by at most this share, in steps of 0.01 (Ko et al.,
            "Audio Augmentation for Speech Recognition", 2015).
        min_snr_db: `augment` adds white noise that is quieter than the recording by so much to
            30 dB more, in decibels; None adds none.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> audio = Audio(sample_rate=8000, seconds=0.5)
    >>> tensors = audio.preprocess(tf.constant(audio.encode(np.zeros(1000, "float32"))))
    >>> tensors["waveform"].shape, int(tensors["length"])
    (TensorShape([4000]), 1000)
    """

    is_file: ClassVar[bool] = True
    ragged: ClassVar[str | None] = "waveform"

    sample_rate: int = 16_000
    seconds: float = 3.0
    gain_db: float = 6.0
    delay_s: float = 0.1
    speed: float = 0.1
    min_snr_db: float | None = 20.0

    def __post_init__(self) -> None:
        """Checks the arguments."""
        checks = {
            "sample_rate": (
                1_000 <= self.sample_rate <= 192_000 and self.sample_rate == int(self.sample_rate),
                "a whole number of hertz in [1000, 192000], such as 16000",
            ),
            "seconds": (
                1 <= self.seconds * self.sample_rate < 2**31,
                "long enough for one sample and short enough for 2^31 of them",
            ),
            "gain_db": (0 <= self.gain_db <= 60, "decibels in [0, 60], such as 6"),
            "delay_s": (0 <= self.delay_s < np.inf, "seconds from 0 up, such as 0.1"),
            "speed": (0 <= self.speed <= 0.5, "a share in [0, 0.5], such as 0.1"),
            "min_snr_db": (
                self.min_snr_db is None or np.isfinite(self.min_snr_db),
                "decibels, such as 20, or None",
            ),
        }
        for name, (valid, right) in checks.items():
            if not valid:
                raise ValueError(f"Audio: {name} is {getattr(self, name)!r}; it has to be {right}.")

    @property
    def num_samples(self) -> int:
        """S, the samples of the longest waveform."""
        return round(self.seconds * self.sample_rate)

    def encode(self, value: Any) -> bytes:
        """Turns what a person hands in into a WAV file.

        Args:
            value: None (absent), the bytes of a WAV file, or a NumPy array [S] or [S, channels] at
                this modality's `sample_rate`, float in [-1, 1] or int16.

        Returns:
            The bytes as they are, or a WAV file of 32-bit floats or 16-bit integers; `b""` for an
            absent recording.

        Raises:
            TypeError: the value is none of these.
            ValueError: the array has another shape, type or range.
        """
        if value is None:
            return b""
        if isinstance(value, bytes):
            return value
        if not isinstance(value, np.ndarray):
            raise TypeError(
                f"Audio: {value!r:.80} is of type {type(value).__name__}; hand in the bytes of a "
                "WAV file, a NumPy array [S] or [S, channels], or None where it is absent."
            )
        if value.ndim not in {1, 2} or (value.ndim == 2 and not 1 <= value.shape[1] <= 256):
            raise ValueError(
                f"Audio: the array has shape {value.shape}; it has to be [S] or [S, channels] with "
                "1 to 256 channels."
            )
        if np.issubdtype(value.dtype, np.floating):
            if value.size and not np.abs(value).max() <= 1:
                raise ValueError(
                    f"Audio: the float array holds {value.min()} to {value.max()}; samples have to "
                    "be in [-1, 1]: divide them by their full scale."
                )
            return _wav(value.astype("<f4"), self.sample_rate)
        if value.dtype == np.int16:
            return _wav(value.astype("<i2"), self.sample_rate)
        raise ValueError(
            f"Audio: the array is of dtype {value.dtype}; it has to be float in [-1, 1] or int16."
        )

    def specs(self) -> dict[str, TensorSpec]:
        """`waveform`: float32 [S]; `length`: int32 []."""
        return {
            "waveform": TensorSpec((self.num_samples,), "float32"),
            "length": TensorSpec((), "int32"),
        }

    def preprocess(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One WAV file (string []) to `waveform` (float32 [S]) and `length` (int32 [], samples).

        Raises:
            tf.errors.InvalidArgumentError: the bytes are no WAV file, hold sound in a compressed
                form, contradict themselves or are cut off, or a sample is not finite.
        """

        def read() -> tf.Tensor:
            recording = _parse(raw)
            # The kernel looks beyond the last sample that is kept.
            rate = tf.cast(recording.sample_rate, tf.int64)
            margin = 2 * _ZEROS * (rate // self.sample_rate + 1)
            wanted = rate * self.num_samples // self.sample_rate + margin
            mono = _mono(raw, recording, wanted)
            return tf.cond(
                recording.sample_rate == self.sample_rate,
                lambda: mono,
                lambda: _resample(mono, recording.sample_rate, self.sample_rate),
            )

        present = tf.strings.length(raw) > 0
        return self._padded(tf.cond(present, read, lambda: tf.zeros([0])))

    def absent(self) -> dict[str, np.ndarray]:
        """Silence of length 0."""
        return {
            "waveform": np.zeros(self.num_samples, "float32"),
            "length": np.zeros((), "int32"),
        }

    def augment(self, tensors: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Another speed, a delay, noise and another loudness; see the fields of `Audio`.

        Args:
            tensors: `waveform` and `length` of one sample.
            seed: int32 [2].
        """
        chance = tf.unstack(tf.random.stateless_uniform([4], seed))
        noise = tf.random.stateless_normal([self.num_samples], tf.random.fold_in(seed, 1))
        sound = tensors["waveform"][: tensors["length"]]

        steps = round(100 * self.speed)
        percent = 100 - steps + tf.cast(chance[0] * (2 * steps + 1), tf.int32)
        sound = tf.cond(percent == 100, lambda: sound, lambda: _resample(sound, percent, 100))

        room = tf.maximum(self.num_samples - tf.size(sound), 0)
        most = tf.cast(tf.minimum(room, round(self.delay_s * self.sample_rate)), tf.float32)
        delay = tf.cast(chance[1] * most, tf.int32) * tf.cast(tf.size(sound) > 0, tf.int32)
        changed = self._padded(tf.pad(sound, [[delay, 0]]))
        waveform, length = changed["waveform"], changed["length"]

        if self.min_snr_db is not None:
            energy = tf.reduce_sum(waveform**2) / tf.cast(tf.maximum(length, 1), tf.float32)
            decibels = self.min_snr_db + 30 * chance[2]
            waveform += noise * tf.sqrt(energy) * 10.0 ** (-decibels / 20)
        waveform *= 10.0 ** (self.gain_db * (2 * chance[3] - 1) / 20)
        within = tf.range(self.num_samples) < length
        waveform = tf.where(within, tf.clip_by_value(waveform, -1.0, 1.0), 0.0)
        return {"waveform": waveform, "length": length}

    def length(self, tensors: dict[str, tf.Tensor]) -> tf.Tensor:
        """int32 []: how many samples of one waveform are no padding."""
        return tensors["length"]

    def trim(self, batch: dict[str, tf.Tensor], length: tf.Tensor) -> dict[str, tf.Tensor]:
        """Cuts `waveform` [B, S] to [B, length]."""
        return {
            "waveform": batch["waveform"][:, :length],
            "length": tf.minimum(batch["length"], length),
        }

    @classmethod
    def tiny(cls) -> Self:
        """A tenth of a second at 8 kHz."""
        return cls(sample_rate=8_000, seconds=0.1)

    def samples(self) -> list[bytes]:
        """A tone of 16-bit integers, noise of floats, and stereo at another sample rate."""
        time = np.arange(self.num_samples) / self.sample_rate
        tone = np.int16(20_000 * np.sin(2 * np.pi * 440 * time))
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, self.num_samples // 2)
        stereo = np.stack([0.5 * np.sin(2 * np.pi * hertz * time) for hertz in (300, 700)], axis=1)
        return [
            self.encode(tone),
            self.encode(noise),
            _wav(stereo.astype("<f4"), self.sample_rate * 3 // 2),
        ]

    def _padded(self, sound: tf.Tensor) -> dict[str, tf.Tensor]:
        """float32 [any] to the tensors of `specs`."""
        sound = sound[: self.num_samples]
        waveform = tf.pad(sound, [[0, self.num_samples - tf.size(sound)]])
        return {
            "waveform": tf.ensure_shape(waveform, [self.num_samples]),
            "length": tf.size(sound),
        }


def _wav(frames: np.ndarray, sample_rate: int) -> bytes:
    """A WAV file of little-endian int16 or float32 [S] or [S, channels]."""
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


class _Recording(NamedTuple):
    """What the header of a WAV file says, checked; int64 [] each but for `sample_rate` (int32)."""

    tag: tf.Tensor
    channels: tf.Tensor
    sample_rate: tf.Tensor
    width: tf.Tensor
    start: tf.Tensor
    frames: tf.Tensor


def _parse(raw: tf.Tensor) -> _Recording:
    """Walks through the chunks of a WAV file, to its sound.

    Format: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0"
    (1991); RF64 and extensible headers: EBU Tech 3306.
    """
    size = _length(raw)
    head = _bytes(raw, 0, 12)
    is_wav = (_is(head, b"RIFF") | _is(head, b"RF64")) & _is(head[8:], b"WAVE")
    with refuse(
        ~is_wav,
        "Audio: these {} bytes are no WAV file: they begin with {}; convert the recording to WAV, "
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
        "Audio: the WAV file of {} bytes holds no whole fmt chunk before its data; write it anew.",
        size,
    ):
        chunk = tf.identity(chunk)
    with refuse(
        (data + 8 > size) | ~_is(_bytes(raw, data, 4), b"data"),
        "Audio: the WAV file of {} bytes holds no data chunk; it is cut off or no recording.",
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
        "Audio: the WAV file declares {} bytes of sound and holds {}: it is cut off, or its header "
        "lies; get the whole file or write it anew.",
        declared,
        available,
    ):
        available = tf.where(unknown, available, declared)
    # One byte less is forgiven: many writers leave out the padding after an odd length.
    with refuse(
        ~unknown & (riff < _UNKNOWN_SIZE) & ((riff > size + 1) | (riff < start + declared)),
        "Audio: the WAV file declares {} bytes in all, holds {}, and its sound ends at byte {}: it "
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
    with refuse(
        ~(is_integer | is_float),
        "Audio: the WAV file holds format {} with {} bits a sample; PCM (1) of 8, 16, 24 or 32 "
        "bits and float (3) of 32 or 64 are read: convert it, such as with "
        "ffmpeg -i recording.wav -c:a pcm_s16le converted.wav.",
        tag,
        bits,
    ):
        width = bits // 8
    with refuse(
        (channels < 1) | (block != channels * width),
        "Audio: the WAV file declares {} channels of {} bytes in frames of {} bytes: its header "
        "contradicts itself; write it anew.",
        channels,
        width,
        block,
    ):
        frames = available // tf.maximum(block, 1)
    with refuse(
        (rate < 1_000) | (rate > 1_000_000),
        "Audio: the WAV file declares {} samples a second; 1000 to 1000000 can be read: correct "
        "its header, or resample it.",
        rate,
    ):
        rate = tf.cast(tf.clip_by_value(rate, 1_000, 1_000_000), tf.int32)
    return _Recording(tag, channels, rate, width, start, frames)


def _mono(raw: tf.Tensor, recording: _Recording, most: tf.Tensor) -> tf.Tensor:
    """The first `most` frames (int64 []) of a recording, the mean of its channels: float32 [S]."""
    frames = tf.minimum(recording.frames, most)
    content = tf.strings.substr(raw, recording.start, frames * recording.channels * recording.width)

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

    decoders = {
        (_INTEGER, 1): unsigned8,
        (_INTEGER, 2): lambda: integer(tf.int16),
        (_INTEGER, 3): integer24,
        (_INTEGER, 4): lambda: integer(tf.int32),
        (_FLOAT, 4): lambda: floating(tf.float32),
        (_FLOAT, 8): lambda: floating(tf.float64),
    }
    is_kind = [(recording.tag == tag) & (recording.width == width) for tag, width in decoders]
    kind = tf.argmax(tf.cast(tf.stack(is_kind), tf.int32), output_type=tf.int32)
    flat = tf.switch_case(kind, list(decoders.values()))
    samples = tf.reshape(flat, tf.stack([frames, recording.channels]))
    mono = tf.reduce_sum(samples / tf.cast(recording.channels, tf.float32), axis=1)
    # A bound below the largest float, so that resampling cannot overflow. Not `~(abs < bound)`,
    # which TensorFlow's graph optimizer turns into a comparison that is false for NaN.
    bad = ~tf.math.is_finite(mono) | (tf.abs(mono) > 1e30)
    with refuse(
        tf.reduce_any(bad),
        "Audio: sample {} of the WAV file is not finite; write it anew without NaN and infinity.",
        tf.argmax(tf.concat([bad, [True]], axis=0)),
    ):
        return tf.identity(mono)


def _resample(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    """Band-limited interpolation (Smith, "Digital Audio Resampling", 2002) with a Kaiser window.

    The ratio of the rates is taken as a fraction of small numbers: exact for the usual rates, and
    for odd ones within a few parts in a million mostly, within 0.05 % at worst (8 004 Hz as 8 000).
    So the kernel repeats after few samples, and resampling is one matrix product over frames.

    Args:
        waveform: float32 [S].
        rate: int32 [], its samples a second.
        new_rate: the wanted samples a second.

    Returns:
        float32 [ceil(S · new_rate / rate)].
    """
    ratio = tf.cast(rate, tf.float64) / new_rate
    outs = tf.range(1, 4_097, dtype=tf.float64)
    ins = tf.round(outs * ratio)
    error = tf.where((ins >= 1) & (ins * outs <= 2**20), tf.abs(ins / outs - ratio), np.inf)
    best = tf.argmin(error)
    step = tf.maximum(ratio, 1.0)
    reach = tf.cast(tf.math.ceil(_ZEROS * step / _ROLLOFF), tf.int32)
    # Several periods of the kernel in a frame where one is shorter than the kernel itself.
    periods = 1 + 2 * reach // tf.cast(ins[best], tf.int32)
    hop = tf.cast(ins[best], tf.int32) * periods
    made = tf.cast(outs[best], tf.int32) * periods

    frame = tf.range(hop + 2 * reach, dtype=tf.int32)
    place = tf.cast(tf.range(made), tf.float64) * (ins[best] / outs[best])
    apart = tf.cast(frame - reach, tf.float64)[:, None] - place[None, :]
    apart = tf.cast(apart * (_ROLLOFF / step), tf.float32)
    window = tf.math.bessel_i0(_BETA * tf.sqrt(tf.maximum(1 - (apart / _ZEROS) ** 2, 0.0)))
    kernel = tf.where(tf.abs(apart) < _ZEROS, _sinc(apart) * window, 0.0)
    kernel = tf.math.divide_no_nan(kernel, tf.reduce_sum(kernel, axis=0))

    samples = tf.size(waveform, out_type=tf.int64)
    length = tf.cast(-(-samples * new_rate // tf.cast(rate, tf.int64)), tf.int32)
    blocks = -(-length // made)
    padded = tf.pad(waveform, [[reach, tf.maximum(blocks * hop + reach - tf.size(waveform), 0)]])
    frames = tf.gather(padded, tf.range(blocks)[:, None] * hop + frame[None, :])
    return tf.reshape(tf.matmul(frames, kernel), [-1])[:length]


def _sinc(x: tf.Tensor) -> tf.Tensor:
    angle = np.pi * x
    return tf.where(x == 0, 1.0, tf.math.divide_no_nan(tf.sin(angle), angle))


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
