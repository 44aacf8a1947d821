"""How a graph refuses what it cannot read, in words."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def refuse(
    condition: tf.Tensor, template: str, *values: tf.Tensor | Callable[[], tf.Tensor]
) -> Any:
    """A context in which operations run only where the condition (bool []) does not hold.

    Args:
        condition: what is wrong.
        template: the message, with `{}` for each of the values.
        *values: what the message shows; functions are called only where it is needed.

    Raises:
        tf.errors.InvalidArgumentError: when it runs, if the condition holds.

    Example:

    >>> with refuse(tf.constant(3) > 5, "{} is above 5", tf.constant(3)):
    ...     int(tf.constant(3) + 1)
    4
    """

    def said() -> tf.Tensor:
        return tf.strings.format(template, [v() if callable(v) else v for v in values])

    message = tf.cond(condition, said, lambda: "") if any(map(callable, values)) else said()
    return tf.control_dependencies([tf.debugging.Assert(~condition, [message])])


#: The most characters of a value that a message shows.
_SHOWN = 80
#: How a byte is shown that is a character by itself, or none.
_NAMES = [chr(i) if 32 <= i < 127 else f"<{i:02x}>" for i in range(256)]


def readable(raw: tf.Tensor) -> tf.Tensor:
    """Bytes (string []) as the text that they are, shortened, for an error message.

    Control characters, and bytes that are no text, are shown as <hex>, because a message has to be
    valid UTF-8.

    Example:

    >>> readable(tf.constant("né, RIFF\\0")).numpy().decode()
    'né, RIFF<00>'
    >>> readable(tf.constant(b"RIFF\\xff")).numpy().decode()
    'RIFF<ff>'
    """
    is_text = tf.strings.unicode_transcode(raw, "UTF-8", "UTF-8", errors="ignore") == raw
    characters = tf.cond(
        is_text,
        lambda: tf.strings.unicode_split(raw, "UTF-8"),
        lambda: tf.strings.bytes_split(raw),
    )
    is_cut = tf.size(characters) > _SHOWN
    characters = characters[:_SHOWN]
    first = tf.io.decode_raw(tf.strings.reduce_join(tf.strings.substr(characters, 0, 1)), tf.uint8)
    names = tf.gather(_NAMES, tf.cast(first, "int32"))
    shown = tf.where(tf.strings.length(characters) > 1, characters, names)
    return tf.strings.reduce_join(shown) + tf.where(is_cut, "...", "")
