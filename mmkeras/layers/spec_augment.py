"""SpecAugment: parts of a spectrogram are hidden, and its time is bent, while training."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class SpecAugment(keras.layers.Layer):
    """In training, stretches of time and bands of frequency become 0, and time runs unevenly.

    Stands behind a normalisation, so that 0 is the mean. Each mask is of a random width from 0 up
    and at a random place. A time mask takes no more than an equal part of `max_time_share`, so
    that all of them together never hide more than this share of an utterance; what lies behind
    its end is no part of it.

    Source: Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
    Recognition", whose time warp is linear here on both sides of the moved frame.

    Args:
        time_masks: how many stretches of time.
        time_width: the longest of them, in frames.
        max_time_share: of an utterance that they hide together at most, in [0, 1].
        frequency_masks: how many bands of frequency.
        frequency_width: the widest of them, in bands.
        time_warp: W, by up to how many frames one of an utterance is moved, in time; 0: none is.
            An utterance of at most 2 W frames is left alone.
        seed: for repeatable draws.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> layer = SpecAugment(time_masks=1, max_time_share=0.4, frequency_masks=0, seed=1)
    >>> hidden = layer(np.ones((50, 20, 4), "float32"), np.ones((50, 20), bool), training=True)
    >>> int((np.array(hidden) == 0).all(axis=2).sum(axis=1).max())  # of 20 frames
    8
    """

    def __init__(
        self,
        time_masks: int = 2,
        time_width: int = 40,
        max_time_share: float = 0.4,
        frequency_masks: int = 2,
        frequency_width: int = 15,
        time_warp: int = 0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        counts = {
            "time_masks": time_masks,
            "time_width": time_width,
            "frequency_masks": frequency_masks,
            "frequency_width": frequency_width,
            "time_warp": time_warp,
        }
        for name, count in counts.items():
            if count < 0:
                raise ValueError(f"{name} must be 0 or more; got {count}.")
        if not 0.0 <= max_time_share <= 1.0:
            raise ValueError(f"max_time_share must be in [0, 1]; got {max_time_share}.")
        self.config = counts | {"max_time_share": max_time_share, "seed": seed}
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, values: Any, mask: Any, training: bool | None = None) -> Any:
        """Frames float [B, T, M] and bool [B, T], True = a frame, those in front, to the same."""
        if not training:
            return values
        frames = ops.sum(ops.cast(mask, "int32"), axis=1)
        if self.config["time_warp"]:
            values = self._warped(values, frames)
        bands = ops.zeros_like(frames) + values.shape[2]
        share = self.config["max_time_share"] / max(self.config["time_masks"], 1)
        # float32 may be a little above a share that is met exactly.
        widest = ops.cast(ops.floor(ops.cast(frames, "float32") * share + 1e-4), "int32")
        widest = ops.minimum(widest, self.config["time_width"])
        hidden = self._masks(self.config["time_masks"], widest, frames, ops.shape(values)[1])
        widest = ops.minimum(bands, self.config["frequency_width"])
        bands = self._masks(self.config["frequency_masks"], widest, bands, values.shape[2])
        hidden = ops.logical_or(hidden[:, :, None], bands[:, None, :])
        return ops.where(hidden, ops.zeros_like(values), values)

    def _masks(self, count: int, widest: Any, length: Any, size: Any) -> Any:
        """bool [B, size]: stretches of up to `widest` (int [B]) within `length` (int [B])."""
        draws = keras.random.uniform((ops.shape(length)[0], count, 2), seed=self.seed_generator)
        # A draw is below 1, but its product may be rounded up.
        width = ops.minimum(_floor(draws[..., 0], widest[:, None] + 1), widest[:, None])
        room = length[:, None] - width
        begin = ops.minimum(_floor(draws[..., 1], room + 1), room)[..., None]
        place = ops.arange(size, dtype="int32")
        inside = ops.logical_and(place >= begin, place < begin + width[..., None])
        return ops.any(inside, axis=1)

    def _warped(self, values: Any, frames: Any) -> Any:
        """The frame c of an utterance moves to c + w; c in [W, T - W), w in (-W, W)."""
        reach = self.config["time_warp"]
        draws = keras.random.uniform((ops.shape(frames)[0], 2), seed=self.seed_generator)
        last = ops.cast(frames, "float32")[:, None] - 1.0
        old = reach + draws[:, :1] * (last - 2.0 * reach)
        new = old + reach * (2.0 * draws[:, 1:] - 1.0)
        place = ops.arange(ops.shape(values)[1], dtype="float32")[None, :]
        before = place * old / ops.maximum(new, 1e-6)
        behind = old + (place - new) * (last - old) / ops.maximum(last - new, 1e-6)
        source = ops.where(place < new, before, behind)
        bent = ops.logical_and(last + 1.0 > 2.0 * reach, place <= last)
        source = ops.where(bent, ops.clip(source, 0.0, ops.maximum(last, 0.0)), place)
        low = ops.floor(source)
        part = ops.cast(source - low, values.dtype)[..., None]
        low = ops.cast(low, "int32")
        # A whole place has no part in the next one, which may not be there.
        high = ops.minimum(low + 1, ops.shape(values)[1] - 1)
        low, high = (ops.take_along_axis(values, i[..., None], axis=1) for i in (low, high))
        return ops.where(part > 0, low * (1 - part) + high * part, low)

    def compute_output_shape(self, values_shape: Any, mask_shape: Any = None) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config


def _floor(draw: Any, whole: Any) -> Any:
    """int32: floor(draw · whole)."""
    return ops.cast(ops.floor(draw * ops.cast(whole, "float32")), "int32")
