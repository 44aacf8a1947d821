"""`Vocoding`: recordings are made again of their spectrograms, to learn without labels."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf
from keras import ops

from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Tensors
from mmkeras.contracts.unlabelled import UnlabelledTask
from mmkeras.layers.lengths import up_to
from mmkeras.layers.short_time_fourier import ShortTimeFourier
from mmkeras.layers.vocoder import VocoderSize
from mmkeras.losses.spectral import log_magnitude_error, turn_error
from mmkeras.modalities.audio import Audio
from mmkeras.sound.wav import encode_pcm16
from mmkeras.tokens import Layout, Tokens

_USUAL = VocoderSize()


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Vocoding(UnlabelledTask):
    """What was heard is said again: a `Vocoder` learns from recordings alone.

    It needs no labels; `mmkeras.vocoding.with_vocoder` gives what it learned to a model with
    `SpeechSynthesis`. Each token of the field is a log-mel frame, as `LogMelFrames` makes them
    and the fusion `Late` of the same width leaves them; tokens of another width are first
    projected to frames.

    What is learned is the magnitude of every bin of every frame, and how far its phase turns; see
    `mmkeras.losses.log_magnitude_error` and `turn_error`.

    Outputs, float32: `waveform` [B, S], `num_frames` [B], and what of the spectrum was predicted,
    `log_magnitude` and `turn` [B, F, K]. Concluded: `waveform` and `length` [B], in samples.
    Answer: `speech`, a WAV file of 16 bits, and `seconds`.

    Args:
        audio: of the field.
        field: the recording.
        num_mels: M, the mel bands; this one and the next two as in `SpeechSynthesis`.
        frame_s: seconds in a frame.
        hop_s: seconds between two frames.
        vocoder: how large it is.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> Vocoding(Audio(seconds=2.0)).spectrogram["hop_length"]
    200
    """

    reads: ClassVar[frozenset[str]] = frozenset({"start_s"})
    exact: ClassVar[bool] = False

    audio: Audio
    field: str = "speech"
    num_mels: int = 80
    frame_s: float = 0.05
    hop_s: float = 0.0125
    vocoder: VocoderSize = _USUAL

    def __post_init__(self) -> None:
        """Checks the arguments."""
        if self.num_mels < 1:
            raise ValueError(f"num_mels must be at least 1; got {self.num_mels}.")
        ShortTimeFourier(self.spectrogram["frame_length"], self.spectrogram["hop_length"])

    @property
    def points_into(self) -> tuple[str, ...]:
        """The recording: it is what is to be made."""
        return (self.field,)

    @property
    def spectrogram(self) -> dict[str, int]:
        """The arguments of `LogMelSpectrogram`, and of `LogMelFrames`."""
        return {
            "sample_rate": self.audio.sample_rate,
            "frame_length": round(self.frame_s * self.audio.sample_rate),
            "hop_length": round(self.hop_s * self.audio.sample_rate),
            "num_mels": self.num_mels,
        }

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """float32 [S], all 0: `prepare` tells what was said."""
        del raw, origins
        return tf.zeros([self.audio.num_samples])

    def prepare(
        self, inputs: Tensors, target: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """The target is the waveform, as augmentation left it."""
        del target, seed
        return inputs, inputs[self.field]["waveform"]

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """The vocoder.

        Raises:
            ValueError: the tokens of the field are other steps in time.
        """
        step_s = layouts.get(self.field, Layout()).step_s
        hop_length = self.spectrogram["hop_length"]
        if round(step_s * self.audio.sample_rate) != hop_length:
            raise ValueError(
                f"Vocoding takes a frame every {hop_length} samples, but the tokens of field "
                f"{self.field!r} are steps of {step_s * self.audio.sample_rate:g}; pass "
                f"encoders={{{self.field!r}: LogMelFrames(**task.spectrogram)}}."
            )
        return VocodingHead(
            self.field, self.spectrogram, dataclasses.asdict(self.vocoder), name=name
        )

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The errors of the predicted magnitudes and turns of each recording."""
        fourier = ShortTimeFourier(self.spectrogram["frame_length"], self.spectrogram["hop_length"])
        frames = ops.shape(outputs["log_magnitude"])[1]
        samples = fourier.num_samples(frames)
        # The last frames see silence behind the recording.
        waveform = ops.pad(target, [[0, 0], [0, samples]])[:, :samples]
        real, imaginary = fourier.spectrum(waveform)
        mask = up_to(ops.cast(outputs["num_frames"], "int32"), frames)
        magnitude = ops.sqrt(ops.square(real) + ops.square(imaginary))
        return log_magnitude_error(magnitude, outputs["log_magnitude"], mask) + turn_error(
            real, imaginary, outputs["turn"], mask, fourier.hop_length
        )

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """None beside the loss."""
        return {}

    def conclude(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The waveform, float32 [B, S] in [-1, 1], and its `length`, int32 [B]."""
        length = ops.cast(outputs["num_frames"], "int32") * self.spectrogram["hop_length"]
        return {"waveform": ops.clip(outputs["waveform"], -1.0, 1.0), "length": length}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`speech`, string [B], WAV files of 16 bits; `seconds`, float32 [B]."""
        del origins
        length = tf.cast(outputs["num_frames"], tf.int32) * self.spectrogram["hop_length"]
        speech = tf.map_fn(
            lambda made: encode_pcm16(made[0][: made[1]], self.audio.sample_rate),
            (outputs["waveform"], length),
            fn_output_signature=tf.TensorSpec([], tf.string),
        )
        seconds = tf.cast(length, tf.float32) / self.audio.sample_rate
        return {"speech": speech, "seconds": seconds}

    def files(self, answer: Any, reference: bytes = b"") -> dict[str, Any]:
        """A WAV file."""
        del reference
        return {"wav": answer["speech"]}

    @classmethod
    def tiny(cls) -> Self:
        """For the tokens of a tiny `Audio`'s default encoder, one every 40 ms."""
        size = VocoderSize(dim=16, depth=1, iterations=2)
        return cls(Audio.tiny(), num_mels=8, frame_s=0.06, hop_s=0.04, vocoder=size)


@keras.saving.register_keras_serializable(package="mmkeras")
class VocodingHead(keras.layers.Layer):
    """`{field: Tokens}` to the outputs of `Vocoding`.

    Args:
        field: the recording.
        spectrogram: arguments of `LogMelSpectrogram`.
        vocoder: arguments of `VocoderSize`.
    """

    def __init__(
        self, field: str, spectrogram: Mapping[str, Any], vocoder: Mapping[str, Any], **kwargs: Any
    ):
        super().__init__(autocast=False, **kwargs)
        self.config = {
            "field": field,
            "spectrogram": dict(spectrogram),
            "vocoder": dict(vocoder),
        }
        self.vocoder = VocoderSize(**vocoder).vocoder(spectrogram)
        self.projection: Any = None

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        width, mels = tokens_shape[self.config["field"]].values[-1], self.vocoder.config["num_mels"]
        if width != mels:
            self.projection = keras.layers.Dense(mels, name="projection", dtype="float32")
            self.projection.build((None, None, width))
        self.vocoder.build((None, None, mels))

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        values, mask = tokens[self.config["field"]]
        frames = ops.where(mask[..., None], ops.cast(values, "float32"), 0.0)
        if self.projection is not None:
            frames = self.projection(frames)
        spectrum = self.vocoder.spectrum(frames, mask)
        waveform = self.vocoder.waveform(frames, spectrum, mask)
        # A token stands for the samples of one hop.
        samples = ops.shape(mask)[1] * self.vocoder.fourier.hop_length
        count = ops.sum(ops.cast(mask, "int32"), axis=1)
        within = up_to(count * self.vocoder.fourier.hop_length, samples)
        waveform = ops.where(within, waveform[:, :samples], 0.0)
        return {
            "waveform": waveform,
            "num_frames": ops.cast(count, "float32"),
            "log_magnitude": ops.where(mask[..., None], spectrum.log_magnitude, 0.0),
            "turn": spectrum.turn,
        }

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        batch, count = tokens[self.config["field"]].mask.shape
        samples = None if count is None else count * self.vocoder.fourier.hop_length
        bins = (batch, count, self.vocoder.fourier.bins)
        shapes = {
            "waveform": (batch, samples),
            "num_frames": (batch,),
            "log_magnitude": bins,
            "turn": bins,
        }
        return {name: keras.KerasTensor(shape, dtype="float32") for name, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
