"""What a person hands in as a text, as UTF-8."""

import math
import numbers
from typing import Any


def utf8(value: Any) -> bytes:
    """See `Text.encode`."""
    if value is None or (isinstance(value, numbers.Real) and math.isnan(value)):
        return b""
    if isinstance(value, bytes):
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise ValueError(
                f"Text: {value[:40]!r} is not valid UTF-8 at byte {error.start}; decode it with "
                "its own encoding and hand in the str."
            ) from error
        return value
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"Text: {value[:40]!r} holds half a surrogate pair at character {error.start}, "
                "which is no character; leave it out or replace it with U+FFFD."
            ) from error
    if isinstance(value, numbers.Number):
        return str(value).encode()
    raise TypeError(
        f"Text: {value!r:.80} is of type {type(value).__name__}; hand in a str, UTF-8 bytes, a "
        "number, or None where the text is absent."
    )
