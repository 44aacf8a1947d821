"""`CutMix`: a part of another picture is pasted over one."""

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from mmkeras.contracts.mix import WHOLE, Mix, Mixture


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class CutMix(Mix):
    """A rectangle of another picture takes the place of one's own; labels mix as areas do.

    The area is drawn evenly, which is what Beta(1, 1) draws, and so is the place of its middle;
    what would stick out is cut off.

    Source: Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with
    Localizable Features".

    Args:
        chance: of a sample to be mixed.

    Example:

    >>> pixels = tf.stack([tf.zeros([64, 64, 3]), tf.ones([64, 64, 3])])
    >>> mixed, mixture = CutMix().mix(pixels, tf.constant([0, 0]))
    >>> bool(abs(tf.reduce_mean(mixed) - mixture.shares[1]) < 1e-6)
    True
    """

    samples: ClassVar[int] = 2

    def mix(self, pixels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, Mixture]:
        """See `Mix.mix`."""
        size = tf.cast(tf.shape(pixels)[1:3], tf.float32)
        area, y, x = tf.unstack(tf.random.stateless_uniform([3], seed))
        middle, half = tf.stack([y, x]), tf.sqrt(area) / 2
        # Whole pixels, so that areas are exact.
        start = tf.round(tf.maximum(middle - half, 0.0) * size)
        end = tf.round(tf.minimum(middle + half, 1.0) * size)
        rows, columns = (tf.range(n, dtype=tf.float32) for n in tf.unstack(size))
        inside = ((rows >= start[0]) & (rows < end[0]))[:, None]
        inside &= ((columns >= start[1]) & (columns < end[1]))[None]
        mixed = tf.where(inside[..., None], pixels[1], pixels[0])
        pasted = tf.reduce_mean(tf.cast(inside, tf.float32))
        box = tf.concat([(start / size)[::-1], (end / size)[::-1]], axis=0)
        whole = tf.constant([WHOLE, WHOLE])
        shown = tf.stack([tf.constant(WHOLE), box])
        return mixed, Mixture(tf.stack([1 - pasted, pasted]), whole, shown, False)
