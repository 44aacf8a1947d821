"""Frames of a spectrogram at mean 0 and deviation 1, by utterance or over a whole dataset."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from mmkeras.layers.pooling import masked_mean


@keras.saving.register_keras_serializable(package="mmkeras")
class UtteranceNormalization(keras.layers.Layer):
    """Takes off the mean of an utterance and divides by its deviation, in each band.

    So the loudness of a recording and the colour of its microphone are taken off (cepstral mean
    and variance normalisation; Viikki and Laurila 1998). Frames that are masked count for nothing
    and become 0.

    Args:
        epsilon: is added to the variance.

    Example:

    >>> frames = np.array([[[1.0], [3.0], [50.0]]], "float32")
    >>> normalised = UtteranceNormalization()(frames, np.array([[True, True, False]]))
    >>> np.array(normalised).round(2).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.built = True

    def call(self, frames: Any, mask: Any) -> Any:
        """float [B, T, M] and bool [B, T], True = a frame, to float [B, T, M]."""
        # A variance does not survive half precision.
        exact = ops.cast(frames, "float32")
        exact = exact - masked_mean(exact, mask)[:, None]
        variance = masked_mean(ops.square(exact), mask)[:, None]
        normalised = exact * ops.rsqrt(variance + self.epsilon)
        normalised = ops.where(mask[..., None], normalised, ops.zeros_like(normalised))
        return ops.cast(normalised, frames.dtype)

    def compute_output_shape(self, frames_shape: Any, mask_shape: Any = None) -> Any:
        return frames_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="mmkeras")
class GlobalNormalization(keras.layers.Layer):
    """Takes off a dataset's mean and divides by its deviation, in each band.

    They are numbers, found once by `adapt` and written into the configuration.

    Args:
        mean: M numbers.
        std: M numbers above 0.

    Raises:
        ValueError: they are not as many, or a deviation is not above 0.

    Example:

    >>> frames = np.array([[[1.0], [3.0], [50.0]]], "float32")
    >>> layer = GlobalNormalization.adapt([(frames, np.array([[True, True, False]]))])
    >>> layer.mean, layer.std
    ([2.0], [1.0])
    >>> np.array(layer(frames)).ravel().tolist()
    [-1.0, 1.0, 48.0]
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.mean = [float(number) for number in mean]
        self.std = [float(number) for number in std]
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"mean and std must be as many numbers; got {len(self.mean)} and {len(self.std)}."
            )
        if not all(number > 0 for number in self.std):
            raise ValueError(f"std must hold numbers above 0; the least is {min(self.std)}.")
        self.built = True

    @classmethod
    def adapt(cls, batches: Iterable[tuple[Any, Any]], **kwargs: Any) -> Self:
        """The normalisation of what it is shown; a band that never changes is not stretched.

        Args:
            batches: (frames float [B, T, M], mask bool [B, T]) each.
            **kwargs: of the layer.

        Raises:
            ValueError: there is no frame.
        """
        count, total, squares = 0, np.zeros(()), np.zeros(())
        for frames, mask in batches:
            kept = np.asarray(frames, "float64")[np.asarray(mask)]
            count += len(kept)
            total = total + kept.sum(axis=0)
            squares = squares + (kept**2).sum(axis=0)
        if not count:
            raise ValueError("GlobalNormalization.adapt: the batches hold no frame.")
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return cls(mean.tolist(), np.where(std > 1e-6, std, 1.0).tolist(), **kwargs)

    def call(self, frames: Any, mask: Any = None) -> Any:
        """float [B, T, M] to the same, whatever the mask is."""
        del mask
        mean, std = (ops.cast(numbers, frames.dtype) for numbers in (self.mean, self.std))
        return (frames - mean) / std

    def compute_output_shape(self, frames_shape: Any, mask_shape: Any = None) -> Any:
        return frames_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"mean": self.mean, "std": self.std}
