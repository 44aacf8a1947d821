"""`Mosaic`: four pictures as the quarters of one."""

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from mmkeras.contracts.mix import Mix, Mixture


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Mosaic(Mix):
    """Four pictures, each made to fit its corner, meet at a point somewhere around the middle.

    Objects become smaller and stand beside others than they did.

    Source: Bochkovskiy et al. 2020, "YOLOv4: Optimal Speed and Accuracy of Object Detection",
    section 3.3.

    Args:
        chance: of a sample to be mixed.

    Example:

    >>> pixels = tf.reshape(tf.range(4.0), [4, 1, 1, 1]) * tf.ones([4, 16, 16, 3])
    >>> mixed, _ = Mosaic().mix(pixels, tf.constant([0, 0]))
    >>> [round(float(mixed[y, x, 0])) for y in (0, 15) for x in (0, 15)]
    [0, 1, 2, 3]
    """

    samples: ClassVar[int] = 4

    def mix(self, pixels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, Mixture]:
        """See `Mix.mix`."""
        size = tf.shape(pixels)[1:3]
        drawn = tf.random.stateless_uniform([2], seed, 0.3, 0.7)
        # In whole pixels, at least one of each picture.
        meet = tf.cast(tf.round(drawn * tf.cast(size, tf.float32)), tf.int32)
        meet = tf.clip_by_value(meet, 1, size - 1)
        rest = size - meet
        rows = []
        for row, height in enumerate((meet[0], rest[0])):
            row = [
                tf.image.resize(pixels[2 * row + column], [height, width], antialias=True)
                for column, width in enumerate((meet[1], rest[1]))
            ]
            rows.append(tf.concat(row, axis=1))
        mixed = tf.ensure_shape(tf.concat(rows, axis=0), pixels.shape[1:])
        y, x = tf.unstack(tf.cast(meet, tf.float32) / tf.cast(size, tf.float32))
        places = tf.stack([[0.0, 0.0, x, y], [x, 0.0, 1.0, y], [0.0, y, x, 1.0], [x, y, 1.0, 1.0]])
        areas = (places[:, 2] - places[:, 0]) * (places[:, 3] - places[:, 1])
        return mixed, Mixture(areas, places, places, False)
