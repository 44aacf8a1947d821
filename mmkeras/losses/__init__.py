"""Losses of each sample, in `keras.ops`."""

from mmkeras.losses.cross_entropy import binary_cross_entropy, cross_entropy
from mmkeras.losses.huber import huber

__all__ = ["binary_cross_entropy", "cross_entropy", "huber"]
