"""`MaskedSpeechModel`: hidden stretches of recordings are guessed, to learn without labels."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.contracts.encoder import Encoder
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Tensors
from mmkeras.contracts.unlabelled import UnlabelledTask
from mmkeras.layers.spectrogram import LogMelSpectrogram
from mmkeras.losses.cross_entropy import masked_cross_entropy
from mmkeras.metrics.masked_accuracy import MaskedAccuracy
from mmkeras.modalities.audio import Audio
from mmkeras.tokens import Layout, Tokens

#: Log-mel frames that one code describes.
_FRAMES = 4
_FRAME_S = 0.025


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class MaskedSpeechModel(UnlabelledTask):
    """Stretches of a recording become noise, and what stood there is guessed from the rest.

    It needs no labels: pretrain an encoder on one's own recordings, and then give it to a model
    with labels. What is hidden is drawn anew in every epoch, of the recording as `augment` left it.

    What stood at a token is one of V codes: the log-mel frames of the token, at mean 0 and
    deviation 1 over the recording, are projected at random to a few numbers, and the code is the
    random vector whose direction is nearest. Projection and code vectors are made from a seed; they
    learn nothing and are not stored. Codes describe what goes into the encoder, so that, unlike the
    encoder's own outputs, they cannot all become the same.

    Output: `logits`, float [B, T, V]. Answer: `codes`, int32 [B, T], the likeliest code of each
    token.

    Source: Chiu et al. 2022, "Self-supervised Learning with Random-projection Quantizer for Speech
    Recognition" (BEST-RQ). There, noise stands in for normalised frames; here it stands in for the
    waveform, because that is what encoders take.

    Args:
        sample_rate: samples a second.
        num_samples: of the longest recording; `of` takes both from an `Audio`.
        step: samples that a token stands for; `of` takes it from the encoder.
        field: the recording.
        share: of the tokens, hidden on average, in (0, 1); at least one stretch is hidden.
        span_s: length of a hidden stretch, in seconds, rounded to whole tokens; stretches may
            overlap.
        noise: deviation of the noise that stands in, by that of the recording.
        num_codes: V.
        code_dim: numbers that frames are projected to.
        num_mels: bands of the frames.
        seed: of the projection and the code vectors.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> task = MaskedSpeechModel(sample_rate=8_000, num_samples=8_000, step=320, num_codes=64)
    >>> codes = task.codes(tf.random.stateless_normal([8_000], (0, 0)), tf.constant(8_000))
    >>> codes.shape, 0 <= int(tf.reduce_min(codes)) < int(tf.reduce_max(codes)) < 64
    (TensorShape([25]), True)
    """

    reads: ClassVar[frozenset[str]] = frozenset({"start_s"})

    sample_rate: int
    num_samples: int
    step: int
    field: str = "speech"
    share: float = 0.4
    span_s: float = 0.2
    noise: float = 0.1
    num_codes: int = 512
    code_dim: int = 16
    num_mels: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the arguments."""
        checks = {
            "sample_rate": (self.sample_rate >= 1_000, "hertz from 1000 up, such as 16000"),
            "num_samples": (self.num_samples >= 1, "at least 1"),
            "step": (
                self.step >= _FRAMES and self.step % _FRAMES == 0,
                f"a multiple of {_FRAMES} samples, such as 640",
            ),
            "share": (0 < self.share < 1, "in (0, 1), such as 0.4"),
            "span_s": (self.span_s > 0, "seconds above 0, such as 0.2"),
            "noise": (0 <= self.noise <= 1, "in [0, 1], such as 0.1"),
            "num_codes": (self.num_codes >= 2, "at least 2, such as 512"),
            "code_dim": (self.code_dim >= 2, "at least 2, such as 16"),
            "num_mels": (self.num_mels >= 1, "at least 1, such as 40"),
        }
        for name, (valid, right) in checks.items():
            if not valid:
                raise ValueError(
                    f"MaskedSpeechModel: {name} is {getattr(self, name)!r}; it has to be {right}."
                )

    @classmethod
    def of(cls, audio: Audio, encoder: Encoder, field: str = "speech", **kwargs: Any) -> Self:
        """The task for an `Audio` and the encoder that shall learn.

        Args:
            audio: of the recordings.
            encoder: one whose tokens are steps in time, such as an `AudioTransformer`.
            field: the recording.
            **kwargs: further arguments of the constructor.

        Raises:
            ValueError: the encoder's tokens are no steps in time, or an argument is out of its
                range.
        """
        if not encoder.step_s:
            raise ValueError(
                f"the tokens of {type(encoder).__name__} are no steps in time, of which some could "
                "be hidden; use an AudioTransformer or a Conformer."
            )
        step = round(encoder.step_s * audio.sample_rate)
        return cls(audio.sample_rate, audio.num_samples, step, field, **kwargs)

    @property
    def points_into(self) -> tuple[str, ...]:
        """The recording: stretches of it are hidden."""
        return (self.field,)

    @property
    def _num_tokens(self) -> int:
        """T, of the longest recording."""
        return -(-self.num_samples // self.step)

    @functools.cached_property
    def _quantizer(self) -> "_Quantizer":
        spectrogram = LogMelSpectrogram(
            self.sample_rate,
            round(_FRAME_S * self.sample_rate),
            self.step // _FRAMES,
            self.num_mels,
        )
        random = np.random.default_rng(self.seed)
        size = _FRAMES * self.num_mels
        # Of no effect on codes, which are directions, but for numbers of the usual size.
        projection = random.normal(size=(size, self.code_dim)) / np.sqrt(size)
        vectors = random.normal(size=(self.num_codes, self.code_dim))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return _Quantizer(spectrogram, projection.astype("float32"), vectors.astype("float32"))

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """int32 [T], all -1: `prepare` tells what is hidden."""
        del raw, origins
        return tf.fill([self._num_tokens], -1)

    def prepare(
        self, inputs: Tensors, target: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """Puts noise in stretches of the recording; the target is the codes there, -1 elsewhere."""
        speech = inputs[self.field]
        waveform, length = speech["waveform"], speech["length"]
        seeds = tf.random.experimental.stateless_split(seed, 2)
        hidden = self._hidden(-(-length // self.step), seeds[0])
        silent = tf.repeat(hidden, self.step)[: self.num_samples]
        silent &= tf.range(self.num_samples) < length
        energy = tf.reduce_sum(waveform**2) / tf.cast(tf.maximum(length, 1), tf.float32)
        noise = tf.random.stateless_normal([self.num_samples], seeds[1])
        noise *= self.noise * tf.sqrt(energy)
        changed = {**speech, "waveform": tf.where(silent, noise, waveform)}
        target = tf.where(hidden, self.codes(waveform, length), target)
        return {**inputs, self.field: changed}, target

    def codes(self, waveform: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        """What stands at each token.

        Args:
            waveform: float32 [S], 0 behind the recording.
            length: int32 [], the samples that are no padding.

        Returns:
            int32 [T]; anything behind the recording.
        """
        spectrogram, projection, vectors = self._quantizer
        waveform = tf.pad(waveform, [[0, self._num_tokens * self.step - self.num_samples]])
        # One frame begins at every hop, as in the stem of encoders.
        frames = tf.signal.frame(
            waveform, spectrogram.frame_length, spectrogram.hop_length, pad_end=True
        )
        spectrum = tf.signal.rfft(frames * spectrogram.window, [spectrogram.fft_length])
        energy = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
        frames = tf.math.log(tf.maximum(tf.matmul(energy, spectrogram.filters), 1e-6))
        heard = tf.range(self._num_tokens * _FRAMES) < -(-length // spectrogram.hop_length)
        weights = tf.cast(heard, tf.float32)[:, None]
        mean, variance = tf.nn.weighted_moments(
            frames, axes=[0], frequency_weights=tf.maximum(weights, 1e-12), keepdims=True
        )
        standard = weights * (frames - mean) * tf.math.rsqrt(variance + 1e-5)
        stacked = tf.reshape(standard, [self._num_tokens, _FRAMES * self.num_mels])
        # The nearest direction is that of the largest product, however long the projection is.
        products = tf.matmul(tf.matmul(stacked, projection), vectors, transpose_b=True)
        return tf.argmax(products, axis=1, output_type=tf.int32)

    def _hidden(self, tokens: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """bool [T]: which of a recording's first `tokens` (int32 []) are hidden."""
        count = self._num_tokens
        span = max(round(self.span_s * self.sample_rate / self.step), 1)
        # Stretches may begin before the recording, so that its first tokens are hidden as often.
        begin = tf.range(1 - span, count)
        draws = tf.random.stateless_uniform(tf.shape(begin), seed)
        draws = tf.where(begin < tokens, draws, 1.0)
        # A token is seen if none of the `span` stretches that would cover it begins.
        begins = draws < 1 - (1 - self.share) ** (1 / span)
        begins |= draws == tf.reduce_min(draws)
        covering = tf.range(count)[:, None] + tf.range(span)
        hidden = tf.reduce_any(tf.gather(begins, covering), axis=1)
        return hidden & (tf.range(count) < tokens)

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Scores of all codes for each token.

        Raises:
            ValueError: the tokens of the field are other steps in time.
        """
        step_s = layouts.get(self.field, Layout()).step_s
        if round(step_s * self.sample_rate) != self.step:
            raise ValueError(
                f"MaskedSpeechModel hides steps of {self.step} samples, but the tokens of field "
                f"{self.field!r} are steps of {step_s * self.sample_rate:g}; make the task with "
                "MaskedSpeechModel.of(audio, encoder)."
            )
        return MaskedSpeechModelHead(self.field, self.num_codes, name=name)

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The mean cross-entropy of the hidden tokens of each recording."""
        return masked_cross_entropy(target, outputs["logits"])

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """How many of the hidden codes are guessed."""
        return {"logits": [MaskedAccuracy(name="accuracy")]}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`codes`, int32 [B, T]."""
        del origins
        return {"codes": tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)}

    @classmethod
    def tiny(cls) -> Self:
        """The task for a tiny `Audio` and its default encoder."""
        audio = Audio.tiny()
        return cls(
            audio.sample_rate, audio.num_samples, step=320, span_s=0.04, num_codes=8, num_mels=16
        )


class _Quantizer(NamedTuple):
    """What makes codes of a waveform.

    Attributes:
        spectrogram: whose numbers are used; it is never called, because Keras' backend may be one
            that cannot run in `tf.data`.
        projection: float32 [frames · bands, code_dim].
        vectors: float32 [V, code_dim], each of length 1.
    """

    spectrogram: LogMelSpectrogram
    projection: np.ndarray
    vectors: np.ndarray


@keras.saving.register_keras_serializable(package="mmkeras")
class MaskedSpeechModelHead(keras.layers.Layer):
    """`{field: Tokens}` to `logits`, float32 [B, T, V].

    Args:
        field: the recording.
        num_codes: V.
    """

    def __init__(self, field: str, num_codes: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.field = field
        self.num_codes = num_codes
        policy = self.dtype_policy
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.projection = keras.layers.Dense(num_codes, name="projection", dtype=policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        width = tokens_shape[self.field].values[-1]
        self.norm.build((None, None, width))
        self.projection.build((None, None, width))

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        values, mask = tokens[self.field]
        logits = ops.cast(self.projection(self.norm(values)), "float32")
        return {"logits": ops.where(mask[..., None], logits, 0.0)}

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        shape = (*tokens[self.field].mask.shape, self.num_codes)
        return {"logits": keras.KerasTensor(shape, dtype="float32")}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"field": self.field, "num_codes": self.num_codes}
