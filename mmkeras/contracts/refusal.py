"""How a graph refuses what it cannot read, in words."""

from typing import Any

import tensorflow as tf


def refuse(condition: tf.Tensor, template: str, *values: tf.Tensor) -> Any:
    """A context in which operations run only where the condition (bool []) does not hold.

    Args:
        condition: what is wrong.
        template: the message, with `{}` for each of the values.
        *values: what the message shows.

    Raises:
        tf.errors.InvalidArgumentError: when it runs, if the condition holds.

    Example:

    >>> with refuse(tf.constant(3) > 5, "{} is above 5", tf.constant(3)):
    ...     int(tf.constant(3) + 1)
    4
    """
    message = tf.strings.format(template, values)
    return tf.control_dependencies([tf.debugging.Assert(~condition, [message])])


def readable(raw: tf.Tensor) -> tf.Tensor:
    """Bytes as letters, digits and <hex>, because an error message has to be valid UTF-8.

    Example:

    >>> readable(tf.constant(b"RIFF\\x00")).numpy()
    b'RIFF<00>'
    """
    names = [chr(i) if chr(i).isalnum() and i < 128 else f"<{i:02x}>" for i in range(256)]
    return tf.strings.reduce_join(
        tf.gather(names, tf.cast(tf.io.decode_raw(raw, tf.uint8), "int32"))
    )
