"""`SpeechSynthesis`: a text is said."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.contracts.modality import TensorSpec
from mmkeras.contracts.refusal import refuse
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Task, Tensors
from mmkeras.layers.durations import expand, per_token_mean
from mmkeras.layers.fundamental_frequency import FundamentalFrequency
from mmkeras.layers.griffin_lim import GriffinLim
from mmkeras.layers.lengths import up_to
from mmkeras.layers.monotonic_alignment import (
    beta_binomial_log_prior,
    log_likelihood,
    monotonic_alignment,
)
from mmkeras.layers.pooling import masked_mean
from mmkeras.layers.sizes import Size
from mmkeras.layers.spectrogram import LogMelSpectrogram
from mmkeras.layers.variance_predictor import VariancePredictor
from mmkeras.layers.vocoder import VocoderSize
from mmkeras.losses.alignment import forward_sum
from mmkeras.modalities.audio import Audio
from mmkeras.sound.wav import encode_pcm16
from mmkeras.tokens import Layout, Tokens

#: What is added up in the loss, in this order.
TERMS = ("mel", "duration", "pitch", "energy", "alignment")
#: The pitch that is 0, in hertz; one octave above it is 1.
_MIDDLE_HZ = 150.0
#: What a reader who asks for nothing gets: see `SpeechSynthesis.hints`.
_AS_LEARNED = (1.0, 0.0, 0.0)
#: Log-mel energies are learned around 0, most of them between -1 and 1.
_MEL_MEAN, _MEL_SCALE = -6.0, 4.0


class Prosody(NamedTuple):
    """How each token is said.

    Attributes:
        durations: int32 [B, T], in frames.
        pitch: float32 [B, T], in octaves above 150 Hz; 0 where it has no voice.
        energy: float32 [B, T], the mean of the scaled log-mel energies.
    """

    durations: Any
    pitch: Any
    energy: Any


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class SpeechSynthesis(Task):
    """A text is said, as a WAV file: all frames of its spectrogram at once.

    From the tokens of the text it is predicted how long, how high and how loud each is said; so
    often the token is repeated, and a Conformer makes log-mel frames of all (Łańcucki 2021,
    "FastPitch"). Which frames belong to which token is learned with it: each token learns what it
    sounds like so that all monotonic alignments together become likelier (their sum: Shih et al.
    2021, "RAD-TTS"), and the likeliest one gives durations to learn (Kim et al. 2020, "Glow-TTS").
    The waveform is found by Griffin & Lim's algorithm, which has no weights, or by a `Vocoder` that
    learned from recordings alone: see `Vocoding`, and `mmkeras.vocoding.with_vocoder`, which gives
    one to a trained model. It learns nothing here.

    All other fields of the model say how it is to be said: a field with the speaker's name makes
    one model of several voices. Where these are absent, an average voice speaks.

    A label is a recording of the text: a WAV file, its path or an array, as `Audio` takes it.

    Outputs, float32: `mel` [B, F, M], `num_frames` [B], `durations` (frames), `pitch` (octaves
    above 150 Hz) and `energy` [B, T], and `errors` [B, 5], the terms of the loss; with a vocoder
    also `waveform` [B, S]. Concluded: `waveform` [B, S] and `length` [B], in samples. Answer:
    `speech`, a WAV file of 16 bits, and `seconds`.

    Args:
        audio: how recordings are read; its sample rate is that of the answer, and its length the
            longest that can be said.
        field: the text.
        num_mels: M, the mel bands.
        frame_s: seconds in a frame.
        hop_s: seconds between two frames.
        depth: number of Conformer blocks that make frames.
        iterations: of Griffin & Lim's algorithm.
        dropout: fraction of units dropped in training.
        vocoder: the size of the `Vocoder` that makes the waveform; None: `GriffinLim` does.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> task = SpeechSynthesis(Audio(seconds=2.0), field="name")
    >>> task.num_frames
    160
    """

    is_file: ClassVar[bool] = True
    exact: ClassVar[bool] = False

    audio: Audio
    field: str = "text"
    num_mels: int = 80
    frame_s: float = 0.05
    hop_s: float = 0.0125
    depth: int = 4
    iterations: int = 32
    dropout: float = 0.1
    vocoder: VocoderSize | None = None

    def __post_init__(self) -> None:
        """Checks the arguments."""
        for name, least in (("num_mels", 1), ("depth", 0), ("iterations", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}; got {getattr(self, name)}.")
        if not 0 < self.hop_s <= self.frame_s <= self.audio.seconds:
            raise ValueError(
                "hop_s must be above 0, frame_s no shorter, and audio no shorter than a frame; got "
                f"hop_s={self.hop_s}, frame_s={self.frame_s}, {self.audio.seconds} s."
            )

    @property
    def frame_length(self) -> int:
        """Samples in a frame."""
        return round(self.frame_s * self.audio.sample_rate)

    @property
    def hop_length(self) -> int:
        """Samples between two frames."""
        return round(self.hop_s * self.audio.sample_rate)

    @property
    def num_frames(self) -> int:
        """F, the frames of the longest speech: one begins at every hop."""
        return -(-self.audio.num_samples // self.hop_length)

    @functools.cached_property
    def _griffin_lim(self) -> GriffinLim:
        """What makes waveforms of frames."""
        return GriffinLim(**self.spectrogram, iterations=self.iterations)

    def _sounding(self, mel: Any, spoken: Any = None) -> Any:
        """The waveform of scaled frames [B, F, M], of which those that are spoken (bool) count."""
        return self._griffin_lim(mel * _MEL_SCALE + _MEL_MEAN, spoken)

    @functools.cached_property
    def _ears(self) -> tuple[LogMelSpectrogram, FundamentalFrequency]:
        """What makes frames and pitch of waveforms."""
        arguments = {k: v for k, v in self.spectrogram.items() if k != "num_mels"}
        return LogMelSpectrogram(**self.spectrogram), FundamentalFrequency(**arguments)

    @property
    def spectrogram(self) -> dict[str, int]:
        """The arguments of `LogMelSpectrogram`."""
        return {
            "sample_rate": self.audio.sample_rate,
            "frame_length": self.frame_length,
            "hop_length": self.hop_length,
            "num_mels": self.num_mels,
        }

    def encode(self, value: Any) -> bytes:
        """A recording; see `Audio.encode`."""
        return self.audio.encode(value)

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """float32 [1 + S]: the length in samples, and the waveform. See `Task.target`.

        Raises:
            tf.errors.InvalidArgumentError: the recording cannot be read, or is longer than S.
        """
        del origins
        made = self.audio.located(raw)
        with refuse(
            made["is_cut"],
            "the recording is longer than the {} seconds of audio, and the text tells of all of "
            "it; raise SpeechSynthesis(Audio(seconds=...)), or cut both.",
            tf.constant(self.audio.seconds),
        ):
            length = tf.cast(made["length"], tf.float32)
        return tf.concat([length[None], made["waveform"]], axis=0)

    def hints(self) -> dict[str, TensorSpec]:
        """The recording, `waveform` float32 [S] and `length` float32 []; and `control` float32 [3].

        The control says how much faster, how many octaves higher and how much louder (in the unit
        of energies) than predicted a text is said: (1, 0, 0) as predicted. It alone may be given
        with a text to be said.
        """
        return {
            "waveform": TensorSpec((None,), "float32"),
            "length": TensorSpec((), "float32"),
            "control": TensorSpec((3,), "float32"),
        }

    def hint(self, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `hints`."""
        return {"waveform": target[1:], "length": target[0], "control": tf.constant(_AS_LEARNED)}

    def check_hint(self, name: str, value: np.ndarray) -> None:
        """Of finite numbers, and a tempo above 0. See `Task.check_hint`."""
        if name != "control":
            super().check_hint(name, value)
        if not (np.isfinite(value).all() and value[0] > 0):
            raise ValueError(
                f"control is {value.tolist()}; it has to be a tempo above 0 (1 as learned), and "
                "octaves and loudness (0 as learned), all of them finite, such as (1.2, 0, 0)."
            )

    def trim(self, hints: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Cuts what is silence behind all recordings of a batch."""
        longest = tf.cast(tf.reduce_max(hints["length"]), tf.int32)
        return {**hints, "waveform": hints["waveform"][:, : tf.maximum(longest, self.frame_length)]}

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Prosody of tokens, and frames from these."""
        del layouts
        return SpeechSynthesisHead(
            self.field,
            self.num_frames,
            self.spectrogram,
            self.depth,
            self.dropout,
            None if self.vocoder is None else dataclasses.asdict(self.vocoder),
            name=name,
        )

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The sum of the terms."""
        del target
        return ops.sum(outputs["errors"], axis=1)

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """The mean of each term of the loss."""
        return {"errors": [_Term(i, name=f"{term}_error") for i, term in enumerate(TERMS)]}

    def conclude(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The waveform, float32 [B, S] in [-1, 1], and its `length`, int32 [B]."""
        frames = ops.cast(outputs["num_frames"], "int32")
        size = self.num_frames * self.hop_length
        length = ops.minimum(frames * self.hop_length, size)
        if self.vocoder is None:
            mel = ops.reshape(outputs["mel"], (-1, self.num_frames, self.num_mels))
            waveform = self._sounding(mel, up_to(frames, self.num_frames))[:, :size]
        else:
            waveform = ops.reshape(outputs["waveform"], (-1, size))
        waveform = ops.clip(waveform, -1.0, 1.0)
        return {"waveform": ops.where(up_to(length, size), waveform, 0.0), "length": length}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`speech`, string [B], WAV files of 16 bits; `seconds`, float32 [B]."""
        del origins
        frames = tf.cast(outputs["num_frames"], tf.int32)
        said = outputs["mel" if self.vocoder is None else "waveform"]
        speech = tf.map_fn(
            lambda row: self._recorded(*row),
            (said, frames),
            fn_output_signature=tf.TensorSpec([], tf.string),
        )
        seconds = tf.cast(frames * self.hop_length, tf.float32) / self.audio.sample_rate
        return {"speech": speech, "seconds": seconds}

    @functools.cached_property
    def _recorded(self) -> Any:
        """Makes a WAV file of what was said, of which the first so many frames (int32) count.

        What `conclude` makes of frames, float32 [F, M], in the time that the speech takes and not
        the longest that can be said. A graph, because the vocoder's many small steps are slow
        outside of one. With a vocoder of its own, the head has already made the waveform.
        """

        def recorded(mel: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
            # The vocoder needs a frame where nothing is said.
            waveform = self._sounding(mel[None, : tf.maximum(count, 1)])
            waveform = waveform[0, : count * self.hop_length]
            return encode_pcm16(waveform, self.audio.sample_rate)

        if self.vocoder is not None:
            return lambda waveform, count: encode_pcm16(
                waveform[: count * self.hop_length], self.audio.sample_rate
            )
        frames = tf.TensorSpec([None, self.num_mels], tf.float32)
        return tf.function(recorded, input_signature=[frames, tf.TensorSpec([], tf.int32)])

    def files(self, answer: Any, reference: bytes = b"") -> dict[str, Any]:
        """A WAV file, and a picture of its spectrogram, beside the reference's if there is one."""
        from mmkeras.drawing import draw_spectrograms

        shown = {"synthesised": self._heard(answer["speech"])[0]}
        if reference:
            shown["reference"] = self._heard(reference)[0]
        return {"wav": answer["speech"], "png": draw_spectrograms(shown)}

    def scores(self, answers: Sequence[Any], labels: Sequence[bytes]) -> dict[str, float]:
        """Means over all answers, each compared with its recording.

        `mcd_db`, the mel-cepstral distortion in decibels; `f0_cents`, the difference of pitch where
        both have a voice; `voicing_error`, the share of frames where one of them alone has;
        `duration_ratio`, how much longer all answers are than all recordings. See
        `mmkeras.metrics`.
        """
        from mmkeras.metrics.speech import f0_error, mel_cepstral_distortion

        heard = [self._heard(answer["speech"]) for answer in answers]
        true = [self._heard(label) for label in labels]
        distortions, errors = [], []
        for (mel, f0_hz), (true_mel, true_f0_hz) in zip(heard, true, strict=True):
            distortion, path = mel_cepstral_distortion(
                mel, true_mel, num_cepstra=min(13, self.num_mels - 1)
            )
            distortions.append(distortion)
            errors.append(f0_error(f0_hz, true_f0_hz, path))
        cents = [each["rmse_cents"] for each in errors if np.isfinite(each["rmse_cents"])]
        return {
            "mcd_db": float(np.mean(distortions)),
            "f0_cents": float(np.mean(cents)) if cents else float("nan"),
            "voicing_error": float(np.mean([each["voicing_error"] for each in errors])),
            "duration_ratio": sum(len(m) for m, _ in heard) / sum(len(m) for m, _ in true),
        }

    def _heard(self, wav: bytes) -> tuple[np.ndarray, np.ndarray]:
        """The log-mel frames [F, M] and the pitch [F], in hertz, of a recording."""
        made = self.audio.preprocess(tf.constant(wav))
        waveform = made["waveform"][None, : tf.maximum(made["length"], self.frame_length)]
        spectrogram, frequency = self._ears
        return spectrogram(waveform).numpy()[0], frequency(waveform)[0].numpy()[0]

    @classmethod
    def tiny(cls) -> Self:
        """A tenth of a second at 8 kHz."""
        return cls(
            Audio.tiny(), num_mels=8, frame_s=0.02, hop_s=0.01, depth=1, iterations=2, dropout=0.0
        )

    def labels(self) -> list[bytes]:
        """The samples of its audio."""
        return self.audio.samples()


@keras.saving.register_keras_serializable(package="mmkeras")
class SpeechSynthesisHead(keras.layers.Layer):
    """`{field: Tokens}` and hints to the outputs of `SpeechSynthesis`.

    Args:
        field: the text.
        num_frames: F, of what is said without a hint.
        spectrogram: arguments of `LogMelSpectrogram`.
        depth: number of Conformer blocks that make frames.
        dropout: fraction of units dropped in training.
        vocoder: arguments of `VocoderSize`; None: the head makes no waveform.
    """

    def __init__(
        self,
        field: str,
        num_frames: int,
        spectrogram: Mapping[str, Any],
        depth: int,
        dropout: float = 0.0,
        vocoder: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.config = {
            "field": field,
            "num_frames": num_frames,
            "spectrogram": dict(spectrogram),
            "depth": depth,
            "dropout": dropout,
            "vocoder": None if vocoder is None else dict(vocoder),
        }
        self.spectrogram = LogMelSpectrogram(**spectrogram, name="spectrogram")
        self.frequency = FundamentalFrequency(
            **{k: v for k, v in spectrogram.items() if k != "num_mels"}, name="frequency"
        )

        self.vocoder: Any = None
        if vocoder is not None:
            self.vocoder = VocoderSize(**vocoder).vocoder(spectrogram)
            # It learns from true frames: see `Vocoding`.
            self.vocoder.trainable = False

    def build(self, tokens_shape: Mapping[str, Tokens], hints_shape: Any = None) -> None:
        config, policy = self.config, self.dtype_policy
        width = tokens_shape[config["field"]].values[-1]
        mels = config["spectrogram"]["num_mels"]

        def dense(name: str, units: int) -> keras.layers.Layer:
            return keras.layers.Dense(units, name=name, dtype=policy)

        self.predictors = {
            name: VariancePredictor(width, 3, config["dropout"], name=name, dtype=policy)
            for name in ("durations", "pitch", "energy")
        }
        for predictor in self.predictors.values():
            predictor.build((None, None, width))
        self.manner = {
            field: dense(f"manner_{field}", width)
            for field in sorted(tokens_shape)
            if field != config["field"]
        }
        for field, layer in self.manner.items():
            layer.build((None, tokens_shape[field].values[-1]))
        self.prosody = dense("prosody", width)
        self.prosody.build((None, None, 2))
        self.sound = dense("sound", mels)
        self.sound.build((None, None, width))
        size = Size(width, config["depth"], _heads(width), 2 * width)
        self.stack = size.conformer_stack(
            config["dropout"], kernel_size=9, rotary=True, name="stack", dtype=policy
        )
        self.stack.build((None, None, width))
        self.mel = dense("mel", mels)
        self.mel.build((None, None, width))
        if self.vocoder is not None:
            self.vocoder.build((None, None, mels))

    def call(
        self,
        tokens: Mapping[str, Tokens],
        hints: Mapping[str, Any] | None = None,
        training: bool | None = None,
    ) -> dict[str, Any]:
        values, mask = tokens[self.config["field"]]
        # Convolutions look around, and what is masked may hold anything.
        values = ops.where(mask[..., None], ops.cast(values, self.compute_dtype), 0)
        for field, layer in self.manner.items():
            how = layer(masked_mean(*tokens[field]))
            values = (
                values + ops.where(ops.any(tokens[field].mask, axis=1)[:, None], how, 0)[:, None]
            )
        predicted = {
            name: predictor(values, mask, training=training)
            for name, predictor in self.predictors.items()
        }
        hints = {} if hints is None else hints
        if hints.get("waveform") is None:
            said = _controlled(predicted, mask, hints.get("control"))
            count = self.config["num_frames"]
            lasting = ops.minimum(ops.sum(said.durations, axis=1), count)
            errors = ops.zeros((ops.shape(values)[0], len(TERMS)))
            mel = self._frames(values, said, lasting, count, training)
        else:
            mel, said, lasting, errors = self._told(values, mask, predicted, hints, training)
        made = {} if self.vocoder is None else {"waveform": self._waveform(mel, lasting)}
        return made | {
            "mel": mel,
            "num_frames": ops.cast(lasting, "float32"),
            "durations": ops.cast(said.durations, "float32"),
            "pitch": said.pitch,
            "energy": said.energy,
            "errors": errors,
        }

    def _frames(
        self, values: Any, said: Prosody, lasting: Any, count: Any, training: bool | None
    ) -> Any:
        """The scaled log-mel frames of tokens said so: float32 [B, count, M]."""
        prosody = ops.stack([said.pitch, said.energy], axis=-1)
        values = values + self.prosody(ops.cast(prosody, self.compute_dtype))
        frames = expand(values, said.durations, count)
        mask = up_to(lasting, count)
        frames = self.stack(frames, attention_mask=mask, training=training)
        return ops.where(mask[..., None], ops.cast(self.mel(frames), "float32"), 0.0)

    def _waveform(self, mel: Any, lasting: Any) -> Any:
        """float32 [B, F · hop], silent behind what is said."""
        count = ops.shape(mel)[1]
        waveform = self.vocoder(mel * _MEL_SCALE + _MEL_MEAN, up_to(lasting, count))
        hop = self.spectrogram.hop_length
        within = up_to(lasting * hop, count * hop)
        return ops.where(within, waveform[:, : count * hop], 0.0)

    def _told(
        self, values: Any, mask: Any, predicted: Mapping[str, Any], hints: Any, training: Any
    ) -> tuple[Any, Prosody, Any, Any]:
        """What is said as the recording has it, and how far the predictions are from that."""
        hop = self.spectrogram.hop_length
        length = ops.cast(hints["length"], "int32")
        waveform = ops.cast(hints["waveform"], "float32")
        samples = ops.shape(waveform)[1]
        # One frame begins at every hop, and the last ones see silence.
        waveform = ops.pad(waveform, [[0, 0], [0, self.spectrogram.frame_length]])
        count = -(-samples // hop)
        true = (self.spectrogram(waveform)[:, :count] - _MEL_MEAN) / _MEL_SCALE
        lasting = -(-length // hop)
        heard = up_to(lasting, count)

        likelihood = log_likelihood(
            ops.where(heard[..., None], true, 0.0),
            self.sound(values),
            mask,
            beta_binomial_log_prior(heard, mask),
        )
        durations = monotonic_alignment(ops.stop_gradient(likelihood), heard, mask)
        f0_hz, voiced = self.frequency(waveform)
        f0_hz, voiced = f0_hz[:, :count], voiced[:, :count] & heard
        octaves = ops.log2(ops.maximum(f0_hz, 20.0) / _MIDDLE_HZ)
        pitch = per_token_mean(octaves, durations, voiced)
        energy = per_token_mean(ops.mean(true, axis=-1), durations)
        said = Prosody(*map(ops.stop_gradient, (durations, pitch, energy)))

        mel = self._frames(values, said, lasting, count, training)
        there = ops.cast(mask, "float32")
        known = ops.log1p(ops.cast(durations, "float32"))
        errors = [
            _masked(ops.mean(ops.abs(mel - true), axis=-1), ops.cast(heard, "float32")),
            _masked(ops.square(predicted["durations"] - known), there),
            _masked(ops.square(predicted["pitch"] - said.pitch), there),
            _masked(ops.square(predicted["energy"] - said.energy), there),
            forward_sum(likelihood, heard, mask) / ops.maximum(ops.cast(lasting, "float32"), 1.0),
        ]
        return mel, said, lasting, ops.stack(errors, axis=1)

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], hints: Any = None, training: bool | None = None
    ) -> Any:
        batch, count = tokens[self.config["field"]].mask.shape
        shapes = ({} if self.vocoder is None else {"waveform": (batch, None)}) | {
            "mel": (batch, None, self.config["spectrogram"]["num_mels"]),
            "num_frames": (batch,),
            **dict.fromkeys(("durations", "pitch", "energy"), (batch, count)),
            "errors": (batch, len(TERMS)),
        }
        return {name: keras.KerasTensor(shape, dtype="float32") for name, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config


@keras.saving.register_keras_serializable(package="mmkeras")
class _Term(keras.metrics.Mean):
    """The mean of one of the terms of the loss."""

    def __init__(self, place: int, name: str = "term", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.place = place

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        del y_true
        super().update_state(y_pred[:, self.place], sample_weight)


def _controlled(predicted: Mapping[str, Any], mask: Any, control: Any) -> Prosody:
    """What is said as predicted, or as the control (float [B, 3], or None) makes of it."""
    control = ops.convert_to_tensor([_AS_LEARNED] if control is None else control, "float32")
    faster, higher, louder = (control[:, i : i + 1] for i in range(3))
    lengths = ops.maximum(ops.expm1(predicted["durations"]), 0.0) / faster
    # Rounded so that the whole is as long as it should be: what is lost here is won there.
    ends = ops.round(ops.cumsum(ops.where(mask, ops.maximum(lengths, 1.0), 0.0), axis=1))
    ends = ops.cast(ends, "int32")
    durations = ends - ops.pad(ends[:, :-1], [[0, 0], [1, 0]])
    # A token without a voice has no pitch to change.
    pitch = predicted["pitch"]
    pitch = ops.where(ops.abs(pitch) > 0.05, pitch + higher, pitch)
    return Prosody(durations, pitch, predicted["energy"] + ops.where(mask, louder, 0.0))


def _masked(values: Any, weights: Any) -> Any:
    """float [B, T] to float [B]: the mean of each row, by weights."""
    return ops.sum(values * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)


def _heads(width: int) -> int:
    """The most heads, four at most, that share a width in even parts."""
    return next(n for n in (4, 2, 1) if width % (2 * n) == 0)
