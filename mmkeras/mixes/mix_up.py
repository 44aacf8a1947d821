"""`MixUp`: two pictures shine through each other."""

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from mmkeras.contracts.mix import WHOLE, Mix, Mixture


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class MixUp(Mix):
    """Pixels and labels of two samples as a weighted mean: λ of one, 1 - λ of the other.

    λ is drawn evenly, which is what Beta(1, 1) draws.

    Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".

    Args:
        chance: of a sample to be mixed.

    Example:

    >>> pixels = tf.stack([tf.zeros([4, 4, 3]), tf.ones([4, 4, 3])])
    >>> mixed, mixture = MixUp().mix(pixels, tf.constant([0, 0]))
    >>> bool(tf.reduce_max(tf.abs(mixed - mixture.shares[1])) < 1e-6)
    True
    """

    samples: ClassVar[int] = 2

    def mix(self, pixels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, Mixture]:
        """See `Mix.mix`."""
        own = tf.random.stateless_uniform([], seed)
        shares = tf.stack([own, 1 - own])
        whole = tf.constant([WHOLE, WHOLE])
        return tf.einsum("n,nhwc->hwc", shares, pixels), Mixture(shares, whole, whole, True)
