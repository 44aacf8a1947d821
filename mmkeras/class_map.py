"""Class maps: the class of every pixel, read from and written to PNG files.

They use core TensorFlow operations alone, so they run in `tf.data` and in exported models. What a
PNG's first bytes mean is told in "Portable Network Graphics (PNG) Specification", 2nd edition
(W3C, 2003), sections 5.3 and 11.2.
"""

import zlib
from collections.abc import Sequence

import tensorflow as tf

from mmkeras.contracts.refusal import readable, refuse

_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
#: Where the first chunk, IHDR, holds the bits of each number, the kind of colour and its checksum.
_BITS, _KIND, _CHECKSUM, _END = 24, 25, 29, 33
_GREY, _PALETTE = 0, 3
_KINDS = ["grey", "of kind 1", "colour", "palette", "grey with opacity", "of kind 5"]
_KINDS += ["colour with opacity", "of no known kind"]
_BYTES = [bytes([i]) for i in range(256)]


def read_mask(raw: tf.Tensor) -> tf.Tensor:
    """The class numbers of a PNG (string []), as they stand in the file.

    A grey PNG holds them as its levels, a palette PNG, such as those of Pascal VOC, as its indices:
    the colours that viewers show for them do not matter.

    Returns:
        uint8 [h, w]; of the empty string, one pixel of class 0.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no PNG, are cut off, or hold colours or 16
            bits instead of class numbers.

    Example:

    >>> raw = write_mask(tf.constant([[0, 1, 20]], tf.uint8), colours(21))
    >>> read_mask(raw).numpy()
    array([[ 0,  1, 20]], dtype=uint8)
    """

    def png() -> tf.Tensor:
        head = tf.cast(tf.io.decode_raw(raw, tf.uint8, fixed_length=_END + 3), tf.int32)
        bits, kind = head[_BITS], head[_KIND]
        with (
            refuse(
                tf.strings.substr(raw, 0, len(_START)) != _START,
                "mask: these {} bytes are no PNG: they begin with {}; save the class numbers as a "
                "grey or a palette PNG of at most 8 bits (a JPEG would change them).",
                tf.strings.length(raw),
                readable(tf.strings.substr(raw, 0, 12)),
            ),
            # Bytes may follow the last chunk; RE2 takes \C as any byte.
            refuse(
                ~tf.strings.regex_full_match(raw, r"\C*IEND\C*"),
                "mask: the PNG is cut off: its {} bytes hold no IEND, its last chunk; copy the "
                "file again.",
                tf.strings.length(raw),
            ),
            refuse(
                ((kind != _GREY) & (kind != _PALETTE)) | (bits > 8),
                "mask: the PNG is {} with {} bits; save the class numbers as a grey or a palette "
                "PNG of at most 8 bits, which holds a number for each pixel.",
                tf.gather(_KINDS, tf.minimum(kind, len(_KINDS) - 1)),
                bits,
            ),
        ):
            # TensorFlow turns indices into colours, so it is told that they are levels of grey.
            grey = tf.cond(kind == _PALETTE, lambda: _retyped(raw, _PALETTE, _GREY), lambda: raw)
            levels = tf.io.decode_png(grey, channels=1)[..., 0]
        # It spreads levels of fewer than 8 bits up to 255.
        spread = 255 // (tf.bitwise.left_shift(1, tf.clip_by_value(bits, 1, 8)) - 1)
        return levels // tf.cast(spread, tf.uint8)

    mask = tf.cond(tf.strings.length(raw) > 0, png, lambda: tf.zeros([1, 1], tf.uint8))
    return tf.ensure_shape(mask, [None, None])


def write_mask(mask: tf.Tensor, palette: Sequence[tuple[int, int, int]]) -> tf.Tensor:
    """A mask as a palette PNG, which viewers show in colours and `read_mask` reads as it was.

    Args:
        mask: uint8 [h, w], class numbers.
        palette: a colour for each class, (red, green, blue) in [0, 255], such as `colours` gives.

    Returns:
        string [].

    Raises:
        ValueError: the palette is empty, holds more than 256 colours, or one that is none.
        tf.errors.InvalidArgumentError: the palette has no colour for a class.

    Example:

    >>> write_mask(tf.constant([[0, 1]], tf.uint8), [(0, 0, 0), (255, 0, 0)]).numpy()[33:47]
    b'\\x00\\x00\\x00\\x06PLTE\\x00\\x00\\x00\\xff\\x00\\x00'
    """
    if not 1 <= len(palette) <= 256:
        raise ValueError(f"palette has {len(palette)} colours; a PNG has room for 1 to 256.")
    for colour in palette:
        if len(colour) != 3 or not all(0 <= level <= 255 for level in colour):
            raise ValueError(
                f"palette holds {colour!r:.80}; a colour has to be (red, green, blue) in [0, 255]."
            )
    chunk = b"PLTE" + b"".join(map(bytes, palette))
    table = (3 * len(palette)).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    highest = tf.reduce_max(tf.cast(mask, tf.int32))
    with refuse(
        highest >= len(palette),
        f"mask: class {{}} has no colour: the palette has {len(palette)}; give one for each class.",
        highest,
    ):
        grey = tf.io.encode_png(mask[..., None])
    indices = _retyped(grey, _GREY, _PALETTE)
    return tf.strings.join(
        [tf.strings.substr(indices, 0, _END), table, tf.strings.substr(indices, _END, tf.int32.max)]
    )


def colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """Colours that are easy to tell apart, those of Pascal VOC: black for class 0, then dark red.

    The lowest three bits of a class number are the highest bits of red, green and blue, the next
    three the bits below them, and so on. Source: `VOClabelcolormap.m` in the development kit of
    Everingham et al., "The Pascal Visual Object Classes Challenge 2012".

    Args:
        count: of classes, 1 to 256.

    Returns:
        (red, green, blue) in [0, 255] for each.

    Raises:
        ValueError: the count is out of its range.

    Example:

    >>> colours(4)
    ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    """
    if not 1 <= count <= 256:
        raise ValueError(f"count is {count}; a PNG has room for 1 to 256 colours.")

    def level(number: int, channel: int) -> int:
        return sum((number >> (3 * i + channel) & 1) << (7 - i) for i in range(3))

    return tuple((level(i, 0), level(i, 1), level(i, 2)) for i in range(count))


def _retyped(raw: tf.Tensor, old: int, new: int) -> tf.Tensor:
    """A PNG (string []) whose first chunk states another kind of colour.

    A CRC is linear: what changes in the checksum depends on nothing but what changes in the bytes.
    """
    before = b"IHDR" + bytes(9)
    change = zlib.crc32(before + bytes([old, 0, 0, 0])) ^ zlib.crc32(before + bytes([new, 0, 0, 0]))
    checksum = tf.io.decode_raw(
        tf.strings.substr(raw, _CHECKSUM, _END - _CHECKSUM), tf.uint8, fixed_length=4
    )
    checksum = tf.bitwise.bitwise_xor(checksum, tf.constant(list(change.to_bytes(4)), tf.uint8))
    return tf.strings.join(
        [
            tf.strings.substr(raw, 0, _KIND),
            bytes([new]),
            tf.strings.substr(raw, _KIND + 1, _CHECKSUM - _KIND - 1),
            tf.strings.reduce_join(tf.gather(_BYTES, tf.cast(checksum, tf.int32))),
            tf.strings.substr(raw, _END, tf.int32.max),
        ]
    )
