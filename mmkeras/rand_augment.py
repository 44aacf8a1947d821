"""`rand_augment`: a few changes of a picture's levels, drawn at random."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

#: A smoothing filter, Pillow's `SMOOTH`, that sharpness is measured against.
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], "float32") / 13


def rand_augment(levels: tf.Tensor, count: int, strength: float, seed: tf.Tensor) -> tf.Tensor:
    """Applies `count` changes, each drawn from all of them, with a strength drawn up to `strength`.

    The changes are those of the paper that leave everything in its place (geometry is the business
    of `Image`, which tells where pixels come from): auto-contrast, equalisation, posterisation,
    solarisation, and more or less brightness, contrast, colour and sharpness; with a strength of
    0 the last six change nothing. Each is what Pillow's `ImageOps` and `ImageEnhance` do.

    Keras' `RandAugment` keeps a state and computes all of its changes for each picture, of which it
    takes some; this draws from a seed alone, and computes those that it takes.

    Source: Cubuk et al. 2020, "RandAugment: Practical Automated Data Augmentation with a Reduced
    Search Space".

    Args:
        levels: float32 [H, W, 3], in [0, 1].
        count: how many changes, one after the other.
        strength: the most that a change does, in [0, 1].
        seed: int32 [2], the only source of randomness.

    Returns:
        float32 [H, W, 3], in [0, 1].

    Example:

    >>> levels = tf.fill([4, 4, 3], 0.25)
    >>> rand_augment(levels, count=2, strength=0.5, seed=tf.constant([0, 1])).shape
    TensorShape([4, 4, 3])
    """
    draws = tf.random.stateless_uniform([count, 3], seed)
    for i in range(count):
        kind = tf.cast(draws[i, 0] * len(CHANGES), tf.int32)
        amount, sign = strength * draws[i, 1], tf.where(draws[i, 2] < 0.5, -1.0, 1.0)
        branches = [
            lambda change=change: change(levels, amount, sign)  # noqa: B023
            for change in CHANGES.values()
        ]
        levels = tf.ensure_shape(tf.switch_case(kind, branches), levels.shape)
    return levels


def _auto_contrast(levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Every channel stretched from 0 to 1."""
    del amount, sign
    lowest = tf.reduce_min(levels, axis=[0, 1])
    span = tf.reduce_max(levels, axis=[0, 1]) - lowest
    flat = span <= 0
    return tf.where(flat, levels, (levels - lowest) / tf.where(flat, 1.0, span))


def _equalize(levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Every channel with levels that occur about equally often, as `ImageOps.equalize`."""
    del amount, sign
    made = []
    for channel in tf.unstack(tf.cast(tf.round(levels * 255), tf.int32), axis=-1):
        counts = tf.math.bincount(tf.reshape(channel, [-1]), minlength=256, maxlength=256)
        highest = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0))
        step = (tf.size(channel) - counts[highest]) // 255
        before = tf.cumsum(counts, exclusive=True)
        table = tf.minimum((before + step // 2) // tf.maximum(step, 1), 255)
        table = tf.where(step > 0, table, tf.range(256))
        made.append(tf.gather(table, channel))
    return tf.cast(tf.stack(made, axis=-1), tf.float32) / 255


def _posterize(levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """The lowest bits of the 8 are 0, at most 4 of them."""
    del sign
    lost = tf.bitwise.left_shift(1, tf.cast(tf.round(4 * amount), tf.int32))
    whole = tf.cast(tf.round(levels * 255), tf.int32)
    return tf.cast(whole // lost * lost, tf.float32) / 255


def _solarize(levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Levels from a threshold on are inverted; the threshold falls with the amount."""
    del sign
    return tf.where(levels < 1 - amount, levels, 1 - levels)


def _brightness(levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    return _between(tf.zeros_like(levels), levels, amount, sign)


def _contrast(levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    mean = tf.reduce_mean(tf.image.rgb_to_grayscale(levels))
    return _between(tf.fill(tf.shape(levels), mean), levels, amount, sign)


def _colour(levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    return _between(tf.image.rgb_to_grayscale(levels), levels, amount, sign)


def _sharpness(levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    filters = np.tile(_SMOOTH[:, :, None, None], [1, 1, 3, 1])
    inner = tf.nn.depthwise_conv2d(levels[None], filters, [1, 1, 1, 1], "VALID")[0]
    # Pillow leaves the edge as it is.
    edge = tf.pad(tf.ones_like(inner), [[1, 1], [1, 1], [0, 0]])
    smooth = tf.where(edge > 0, tf.pad(inner, [[1, 1], [1, 1], [0, 0]]), levels)
    return _between(smooth, levels, amount, sign)


def _between(
    without: tf.Tensor, levels: tf.Tensor, amount: tf.Tensor, sign: tf.Tensor
) -> tf.Tensor:
    """Nearer to the picture without something, or farther from it."""
    return tf.clip_by_value(without + (levels - without) * (1 + sign * amount), 0.0, 1.0)


Change = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
CHANGES: dict[str, Change] = {
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "posterize": _posterize,
    "solarize": _solarize,
    "brightness": _brightness,
    "contrast": _contrast,
    "colour": _colour,
    "sharpness": _sharpness,
}
