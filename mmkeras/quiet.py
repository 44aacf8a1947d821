"""`quiet_tensorflow`: no words of TensorFlow's that nobody can act upon."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Within it, TensorFlow's Python logger tells errors alone.

    For what it warns of and nobody can act upon.

    Example:

    >>> with quiet_tensorflow():
    ...     tf.get_logger().getEffectiveLevel()
    40
    """
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)
