"""Mel-frequency cepstral coefficients."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class MFCC(keras.layers.Layer):
    """The first coefficients of each frame's cosine transform: the shape of its spectrum, smooth.

    The orthonormal transform of type II (DCT-II) over the mel bands, without liftering, of what
    `LogMelSpectrogram` gives: natural logarithms. Those of decibels, as in librosa, are
    10 / ln(10) times as large.

    Source: Davis and Mermelstein 1980, "Comparison of Parametric Representations for Monosyllabic
    Word Recognition in Continuously Spoken Sentences".

    Args:
        num_coefficients: C, at most the number of mel bands.

    Raises:
        ValueError: there are fewer than one, or, when built, fewer bands than coefficients.

    Example:

    >>> tuple(MFCC(13)(np.zeros((2, 5, 40), "float32")).shape)
    (2, 5, 13)
    """

    def __init__(self, num_coefficients: int = 13, **kwargs: Any):
        super().__init__(**kwargs)
        if num_coefficients < 1:
            raise ValueError(f"num_coefficients must be at least 1; got {num_coefficients}.")
        self.num_coefficients = num_coefficients

    def build(self, frames_shape: Any) -> None:
        bands = frames_shape[-1]
        if self.num_coefficients > bands:
            raise ValueError(
                f"num_coefficients is {self.num_coefficients}, and there are only {bands} mel "
                "bands: ask for no more coefficients than there are bands."
            )
        orders = np.arange(self.num_coefficients)
        transform = np.cos(np.pi / bands * (np.arange(bands)[:, None] + 0.5) * orders)
        scales = np.where(orders == 0, np.sqrt(1 / bands), np.sqrt(2 / bands))
        self.transform = transform * scales

    def call(self, frames: Any) -> Any:
        """float [B, T, M] to float [B, T, C]."""
        return ops.matmul(frames, ops.cast(self.transform, frames.dtype))

    def compute_output_shape(self, frames_shape: Any) -> Any:
        return (*frames_shape[:-1], self.num_coefficients)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_coefficients": self.num_coefficients}
