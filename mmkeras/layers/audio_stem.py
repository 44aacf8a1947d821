"""`AudioStem`: a waveform to log-mel frames, and two convolutions that shorten time by four."""

from typing import Any, Self

import keras
from keras import ops

from mmkeras.layers.composite import Composite
from mmkeras.layers.lengths import up_to
from mmkeras.layers.pooling import masked_mean
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.spectrogram import LogMelSpectrogram


@keras.saving.register_keras_serializable(package="mmkeras")
class AudioStem(Composite):
    """What every encoder of sound begins with: 40 ms of a waveform become a vector.

    The spectrogram is part of the layer, so that an exported model takes a waveform. What stands
    behind `length` in a waveform changes nothing: samples, frames and subsampled frames behind it
    are set to zero before each step that could look at them.

    Source: the convolutional front end of Radford et al. 2023, "Robust Speech Recognition via
    Large-Scale Weak Supervision" (Whisper).

    Args:
        dim: D of the vectors.
        sample_rate: samples a second.
        num_mels: number of mel bands.
        frame_s: seconds in a frame.
        hop_s: seconds between two frames.
        normalization: a layer for frames [B, F, M] and their mask, `UtteranceNormalization` or
            `GlobalNormalization`; None takes off each utterance's mean level, which takes off
            loudness and leaves the spectrum's shape.
        augmentation: a layer that changes frames in training, called with the frames, the mask and
            `training`, such as `SpecAugment`; or None.

    Example:

    >>> import numpy as np
    >>> stem = AudioStem(dim=16, sample_rate=8000, num_mels=16)
    >>> values, mask = stem(np.zeros((1, 1600), "float32"), np.array([800]))
    >>> np.array(mask).tolist()  # 800 samples: 10 frames of 10 ms, then a quarter of them
    [[True, True, True, False, False]]
    """

    parts = ("normalization", "augmentation")
    #: By how much the convolutions shorten time.
    subsampling = 4

    def __init__(
        self,
        dim: int,
        sample_rate: int,
        num_mels: int = 64,
        frame_s: float = 0.025,
        hop_s: float = 0.01,
        normalization: keras.layers.Layer | None = None,
        augmentation: keras.layers.Layer | None = None,
        **kwargs: Any,
    ):
        # In half precision Keras would round the waveform before the spectrogram sees it.
        super().__init__(autocast=False, **kwargs)
        self.dim = dim
        self.config = {
            "dim": dim,
            "sample_rate": sample_rate,
            "num_mels": num_mels,
            "frame_s": frame_s,
            "hop_s": hop_s,
        }
        self.spectrogram = LogMelSpectrogram(
            sample_rate,
            frame_length=round(frame_s * sample_rate),
            hop_length=round(hop_s * sample_rate),
            num_mels=num_mels,
            name="spectrogram",
        )
        self.normalization = normalization
        self.augmentation = augmentation
        self.convolutions = [
            keras.layers.Conv1D(
                dim, 3, 2, activation="gelu", name=f"convolution_{i}", dtype=self.dtype_policy
            )
            for i in range(2)
        ]

    @classmethod
    def of_size(
        cls, size: str | Size, sample_rate: int, num_mels: int | None = None, **kwargs: Any
    ) -> Self:
        """The stem in front of a Transformer of a named size.

        Args:
            size: a name, or a `Size`.
            sample_rate: samples a second.
            num_mels: number of mel bands; None: 16 for `"tiny"`, 80 for `"base"`, else 64.
            **kwargs: further arguments of the constructor.
        """
        if num_mels is None:
            num_mels = {"tiny": 16, "base": 80}.get(size, 64) if isinstance(size, str) else 64
        return cls(size_of(size).dim, sample_rate, num_mels, **kwargs)

    @property
    def step(self) -> int:
        """Samples between the beginnings of two vectors."""
        return self.spectrogram.hop_length * self.subsampling

    @property
    def step_s(self) -> float:
        """Seconds between the beginnings of two vectors."""
        return self.step / self.config["sample_rate"]

    def build(self, waveform_shape: Any, length_shape: Any = None) -> None:
        shape = (waveform_shape[0], None, self.config["num_mels"])
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = (waveform_shape[0], None, self.dim)

    def call(self, waveform: Any, length: Any, training: bool | None = None) -> tuple[Any, Any]:
        """`waveform` float [B, S] and `length` int [B], in samples.

        Returns:
            The vectors, float [B, T, D] with T = `num_tokens(S)`, and the mask, bool [B, T].
        """
        values, mask = self.spectrogram.of_recordings(waveform, length)
        length = -(-ops.cast(length, "int32") // self.spectrogram.hop_length)
        if self.normalization is None:
            level = ops.mean(masked_mean(values, mask), axis=-1)[:, None, None]
            values = (values - level) / 4.0
        else:
            values = self.normalization(values, mask)
        if self.augmentation is not None:
            values = self.augmentation(values, mask, training=training)
        for convolution in self.convolutions:
            values = ops.where(mask[..., None], values, ops.zeros_like(values))
            # Padded by hand: "same" would shift by a frame between odd and even lengths.
            values = convolution(ops.pad(values, [[0, 0], [1, 1], [0, 0]]))
            length = (length + 1) // 2
            mask = up_to(length, ops.shape(values)[1])
        return values, mask

    def num_tokens(self, samples: Any) -> Any:
        """The number of vectors of so many samples (an int or an int tensor)."""
        frames = -(-samples // self.spectrogram.hop_length)
        return -(-frames // self.subsampling)

    def compute_output_shape(self, waveform_shape: Any, length_shape: Any = None) -> Any:
        batch, samples = waveform_shape
        count = None if samples is None else self.num_tokens(samples)
        return (batch, count, self.dim), (batch, count)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
