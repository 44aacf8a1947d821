"""`AudioTransformer`: a waveform to tokens."""

from typing import Any, Self

import keras
from keras import ops

from mmkeras.contracts.encoder import Encoder
from mmkeras.layers.composite import Composite
from mmkeras.layers.pooling import masked_mean
from mmkeras.layers.positions import SinusoidalPositions
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.spectrogram import LogMelSpectrogram
from mmkeras.layers.stack import TransformerStack
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class AudioTransformer(Composite, Encoder):
    """Log-mel frames, two convolutions that shorten time by four, and a Transformer stack.

    The spectrogram is part of the layer, so that an exported model takes a waveform. Each
    utterance's mean level is taken off, which takes off loudness and leaves the spectrum's shape.
    What stands behind `length` in a waveform changes nothing: samples, frames and subsampled
    frames behind it are set to zero before each step that could look at them.

    Source: the convolutional front end of Radford et al. 2023, "Robust Speech Recognition via
    Large-Scale Weak Supervision" (Whisper).

    Args:
        num_samples: the longest waveform, in samples.
        sample_rate: samples a second.
        stack: the unbuilt Transformer, such as `Size(...).stack()`.
        dropout: fraction of units dropped in training in front of it.
        num_mels: number of mel bands.
        frame_s: seconds in a frame.
        hop_s: seconds between two frames.

    Example:

    >>> import numpy as np
    >>> stack = Size(dim=16, depth=1, num_heads=2, mlp_dim=32).stack()
    >>> encoder = AudioTransformer(1600, sample_rate=8000, stack=stack, num_mels=16)
    >>> waveform = np.zeros((1, 1600), "float32")
    >>> tokens = encoder({"waveform": waveform, "length": np.array([800])})
    >>> np.array(tokens.mask).tolist()  # 800 samples: 10 frames of 10 ms, then a quarter of them
    [[True, True, True, False, False]]
    """

    parts = ("stack",)
    reads = frozenset({"waveform", "length"})
    #: By how much the convolutions shorten time.
    subsampling = 4

    def __init__(
        self,
        num_samples: int,
        sample_rate: int,
        stack: TransformerStack,
        dropout: float = 0.1,
        num_mels: int = 64,
        frame_s: float = 0.025,
        hop_s: float = 0.01,
        **kwargs: Any,
    ):
        # In half precision Keras would round the waveform before the spectrogram sees it.
        super().__init__(autocast=False, **kwargs)
        self.config = {
            "num_samples": num_samples,
            "sample_rate": sample_rate,
            "dropout": dropout,
            "num_mels": num_mels,
            "frame_s": frame_s,
            "hop_s": hop_s,
        }
        self.dim = stack.dim
        self.stack = stack
        policy = self.dtype_policy
        self.spectrogram = LogMelSpectrogram(
            sample_rate,
            frame_length=round(frame_s * sample_rate),
            hop_length=round(hop_s * sample_rate),
            num_mels=num_mels,
            name="spectrogram",
        )
        self.convolutions = [
            keras.layers.Conv1D(self.dim, 3, strides, activation="gelu", name=name, dtype=policy)
            for name, strides in (("convolution_0", 2), ("convolution_1", 2))
        ]
        self.positions = SinusoidalPositions(
            self._tokens(num_samples), name="positions", dtype=policy
        )
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)

    def build(self, tensors_shape: dict[str, Any]) -> None:
        batch, samples = tensors_shape["waveform"]
        shape = (batch, None, self.config["num_mels"])
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = (batch, None, self.dim)
        shape = (batch, None if samples is None else self._tokens(samples), self.dim)
        self.positions.build(shape)
        self.stack.build(shape)

    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """`waveform` float [B, S] and `length` int [B] (samples) to tokens [B, T, D]."""
        hop = self.spectrogram.hop_length
        length = ops.cast(tensors["length"], "int32")
        waveform = ops.cast(tensors["waveform"], "float32")
        samples = ops.shape(waveform)[1]
        waveform = ops.where(_up_to(length, samples), waveform, 0.0)
        # Room for one more frame, so that a frame begins at every hop, however short the waveform.
        waveform = ops.pad(waveform, [[0, 0], [0, self.spectrogram.frame_length]])
        frames = self.spectrogram(waveform)[:, : -(-samples // hop)]
        length = -(-length // hop)
        mask = _up_to(length, ops.shape(frames)[1])
        level = ops.mean(masked_mean(frames, mask), axis=-1)[:, None, None]
        values = (frames - level) / 4.0
        for convolution in self.convolutions:
            values = ops.where(mask[..., None], values, ops.zeros_like(values))
            # Padded by hand: "same" would shift by a frame between odd and even lengths.
            values = convolution(ops.pad(values, [[0, 0], [1, 1], [0, 0]]))
            length = (length + 1) // 2
            mask = _up_to(length, ops.shape(values)[1])
        values = self.dropout(self.positions(values), training=training)
        return Tokens(self.stack(values, attention_mask=mask, training=training), mask)

    def compute_output_shape(self, tensors_shape: dict[str, Any]) -> Tokens:
        batch, samples = tensors_shape["waveform"]
        length = None if samples is None else self._tokens(samples)
        return Tokens((batch, length, self.dim), (batch, length))

    def _tokens(self, samples: int) -> int:
        frames = -(-samples // self.spectrogram.hop_length)
        return -(-frames // self.subsampling)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config

    @classmethod
    def for_modality(
        cls, modality: Any, size: str | Size = "small", *, dropout: float = 0.1, **overrides: Any
    ) -> Self:
        """The encoder of a named size for an `Audio`; see `Encoder.for_modality`."""
        cls.check_reads(modality)
        fitted = {
            "stack": size_of(size).stack(dropout, name="stack", dtype=overrides.get("dtype")),
            "dropout": dropout,
            "num_samples": modality.specs()["waveform"].shape[0],
            "sample_rate": modality.sample_rate,
            "num_mels": {"tiny": 16, "small": 64, "base": 80}.get(size, 64),
        }
        return cls(**fitted | overrides)


def _up_to(length: Any, size: Any) -> Any:
    """bool [B, size]: True at the first `length` (int32 [B]) places of each row."""
    return ops.arange(size, dtype="int32")[None, :] < length[:, None]
