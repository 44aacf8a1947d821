"""`Audio`: a WAV recording becomes a waveform of one sample rate."""

import dataclasses
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.modality import Modality, TensorSpec
from mmkeras.sound import loud_part, resample, reverberate, room_response, wav
from mmkeras.sound.resampling import reach_s
from mmkeras.sound.transcoding import all_to_wav


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Audio(Modality):
    """Recordings: WAV bytes become a mono waveform of one sample rate, padded with 0.

    WAV files of 1 kHz to 1 MHz are read, integers and floats of every width, mu-law and A-law; see
    `mmkeras.sound.wav.decode`, which says what is believed of a header that contradicts the file.
    Of several channels the mean is taken, without those that are dead. Of a long recording the
    first `seconds` are kept, and no more than these is decoded; tasks whose labels tell of all of
    it refuse such a recording. A recording without a sample is
    absent; silence and clipping are kept as they are. At an odd sample rate, such as 8 004 Hz,
    speed and pitch may be off by up to 0.05 %.

    FLAC, OGG, MP3 and other files are read with the extra `audio` (soundfile) by pipelines and by
    `model.answer`; an exported model takes WAV files alone.

    Args:
        sample_rate: samples a second of the waveform, 1 000 to 192 000.
        seconds: the longest recording.
        trim_db: `preprocess` cuts off the silence in front and behind: all before the first and
            behind the last frame that is at most so many decibels quieter than the loudest; see
            `mmkeras.sound.trim_silence`. None cuts nothing. What is cut in front makes no room for
            what lies behind `seconds`.
        gain_db: `augment` changes the loudness by at most so much, in decibels.
        delay_s: `augment` begins at most so much later, as far as the end is not cut, in seconds.
        speed: `augment` plays faster or slower by at most this share, in steps of 0.01 (Ko et al.,
            "Audio Augmentation for Speech Recognition", 2015).
        min_snr_db: `augment` adds white noise that is quieter than the recording by so much to
            30 dB more, in decibels; None adds none.
        reverb_s: `augment` puts the recording into a room of a reverberation time of at most so
            many seconds, whose echoes together are 0 to 20 dB quieter than the direct sound; see
            `mmkeras.sound.room_response`. 0 puts it into none.

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
    trim_db: float | None = None
    gain_db: float = 6.0
    delay_s: float = 0.1
    speed: float = 0.1
    min_snr_db: float | None = 20.0
    reverb_s: float = 0.0

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
            "trim_db": (
                self.trim_db is None or 0 < self.trim_db <= 200,
                "decibels in (0, 200], such as 40, or None",
            ),
            "gain_db": (0 <= self.gain_db <= 60, "decibels in [0, 60], such as 6"),
            "delay_s": (0 <= self.delay_s < np.inf, "seconds from 0 up, such as 0.1"),
            "speed": (0 <= self.speed <= 0.5, "a share in [0, 0.5], such as 0.1"),
            "min_snr_db": (
                self.min_snr_db is None or np.isfinite(self.min_snr_db),
                "decibels, such as 20, or None",
            ),
            "reverb_s": (0 <= self.reverb_s <= 20, "seconds in [0, 20], such as 0.5"),
        }
        for name, (valid, right) in checks.items():
            if not valid:
                raise ValueError(f"Audio: {name} is {getattr(self, name)!r}; it has to be {right}.")

    @property
    def num_samples(self) -> int:
        """S, the samples of the longest waveform."""
        return round(self.seconds * self.sample_rate)

    @property
    def _decoded_s(self) -> float:
        """The seconds that are decoded: the kernel looks beyond the last sample that is kept."""
        return self.seconds + reach_s(wav.LOWEST_RATE, self.sample_rate)

    def encode(self, value: Any) -> bytes:
        """Turns what a person hands in into a WAV file.

        Args:
            value: None (absent), the bytes of a file, or a NumPy array [S] or [S, channels] at
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
                "file, a NumPy array [S] or [S, channels] (np.asarray makes one of a list or a "
                "tensor), or None where it is absent."
            )
        if value.ndim not in {1, 2} or (value.ndim == 2 and not 1 <= value.shape[1] <= 256):
            turned = value.ndim == 2 and 1 <= value.shape[0] <= 256
            raise ValueError(
                f"Audio: the array has shape {value.shape}; it has to be [S] or [S, channels] with "
                f"1 to 256 channels{': transpose it' if turned else ''}."
            )
        if np.issubdtype(value.dtype, np.floating):
            if not np.isfinite(value).all():
                raise ValueError(
                    f"Audio: {np.sum(~np.isfinite(value))} of {value.size} samples are NaN or "
                    "infinite; replace them, by 0 for silence."
                )
            if np.abs(value).max(initial=0.0) > 1:
                raise ValueError(
                    f"Audio: the float array holds {value.min()} to {value.max()}; samples have to "
                    "be in [-1, 1]: divide them by their full scale."
                )
            return wav.encode(value.astype("<f4"), self.sample_rate)
        if value.dtype == np.int16:
            return wav.encode(value.astype("<i2"), self.sample_rate)
        raise ValueError(
            f"Audio: the array is of dtype {value.dtype}; it has to be float in [-1, 1] or int16: "
            "divide whole numbers by their full scale, as in array / 2**31."
        )

    def convert(self, contents: tf.Tensor) -> tf.Tensor:
        """FLAC, OGG, MP3 and others as WAV files; see `mmkeras.sound.transcoding`."""
        return all_to_wav(contents, self._decoded_s)

    def specs(self) -> dict[str, TensorSpec]:
        """`waveform`: float32 [S]; `length`: int32 []."""
        return {
            "waveform": TensorSpec((self.num_samples,), "float32"),
            "length": TensorSpec((), "int32"),
        }

    def origins(self) -> dict[str, TensorSpec]:
        """Where the waveform stands in the recording.

        `start_s`: float32 [], the second at which it begins; `is_cut`: bool [], whether the
        recording is longer than `seconds`, so that its end is missing.
        """
        return {"start_s": TensorSpec((), "float32"), "is_cut": TensorSpec((), "bool")}

    def preprocess(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One WAV file (string []) to `waveform` (float32 [S]) and `length` (int32 [], samples).

        Raises:
            tf.errors.InvalidArgumentError: the bytes are no WAV file, hold sound in a compressed
                form, contradict themselves or are cut off, or a sample is not finite.
        """
        made = self.located(raw)
        return {name: made[name] for name in self.specs()}

    def located(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One recording's tensors, origins among them."""

        def read() -> tf.Tensor:
            sound, rate = wav.decode(raw, self._decoded_s)
            return tf.cond(
                rate == self.sample_rate,
                lambda: sound,
                lambda: resample(sound, rate, self.sample_rate),
            )

        present = tf.strings.length(raw) > 0
        sound = tf.cond(present, read, lambda: tf.zeros([0]))
        is_cut = tf.size(sound) > self.num_samples
        sound = sound[: self.num_samples]
        begin = tf.constant(0)
        if self.trim_db is not None:
            begin, end = loud_part(sound, self.sample_rate, self.trim_db)
            sound = sound[begin:end]
        start_s = tf.cast(begin, tf.float32) / self.sample_rate
        return self._padded(sound) | {"start_s": start_s, "is_cut": is_cut}

    def absent(self) -> dict[str, np.ndarray]:
        """Silence of length 0."""
        return {
            "waveform": np.zeros(self.num_samples, "float32"),
            "length": np.zeros((), "int32"),
        }

    def augment(self, tensors: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Another speed, a room, a delay, noise and another loudness; see the fields of `Audio`.

        Args:
            tensors: `waveform` and `length` of one sample.
            seed: int32 [2].
        """
        chance = tf.unstack(tf.random.stateless_uniform([4], seed))
        noise = tf.random.stateless_normal([self.num_samples], tf.random.fold_in(seed, 1))
        sound = tensors["waveform"][: tensors["length"]]

        steps = round(100 * self.speed)
        percent = 100 - steps + tf.cast(chance[0] * (2 * steps + 1), tf.int32)
        sound = tf.cond(percent == 100, lambda: sound, lambda: resample(sound, percent, 100))

        if self.reverb_s > 0:
            sound = reverberate(sound, self._room(tf.random.fold_in(seed, 2)))

        space = tf.maximum(self.num_samples - tf.size(sound), 0)
        most = tf.cast(tf.minimum(space, round(self.delay_s * self.sample_rate)), tf.float32)
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
            wav.encode(stereo.astype("<f4"), self.sample_rate * 3 // 2),
        ]

    def _room(self, seed: tf.Tensor) -> tf.Tensor:
        """The impulse response of a random room, float32 [R]."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        chance = tf.unstack(tf.random.stateless_uniform([2], seeds[0]))
        return room_response(
            self.sample_rate, self.reverb_s * (1 - chance[0]), 20 * chance[1], seeds[1]
        )

    def _padded(self, sound: tf.Tensor) -> dict[str, tf.Tensor]:
        """float32 [any] to the tensors of `specs`."""
        sound = sound[: self.num_samples]
        waveform = tf.pad(sound, [[0, self.num_samples - tf.size(sound)]])
        return {
            "waveform": tf.ensure_shape(waveform, [self.num_samples]),
            "length": tf.size(sound),
        }
