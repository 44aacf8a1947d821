"""Picture files: those of a folder by their stems, and the size that a file's header tells."""

import struct
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

#: The endings of files that can be read.
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp")


def pictures_in(folder: str | Path, endings: Collection[str] = ENDINGS) -> dict[str, str]:
    """The file names of a folder's pictures by their stems, in the order of the alphabet.

    Args:
        folder: where they are; folders within it are not looked into.
        endings: of the wanted files; capitals are taken as small letters.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: two pictures have one stem; the message names them.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.JPG", "a.png", "notes.txt"):
    ...     (folder / name).touch()
    >>> pictures_in(folder)
    {'a': 'a.png', 'b': 'b.JPG'}
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; name the one that holds the pictures.")
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        # Hidden files are what an operating system left beside a picture of the same name.
        if path.suffix.lower() not in endings or path.name.startswith("."):
            continue
        if path.stem in found:
            raise ValueError(
                f"{folder}: {found[path.stem]} and {path.name} have one stem, so that it is not "
                "known which is meant; remove or rename one."
            )
        found[path.stem] = path.name
    return found


def picture_size(path: str | Path) -> tuple[int, int]:
    """Width and height of a picture in pixels, from its header; turned upright by its EXIF data.

    Args:
        path: a JPEG, PNG, GIF or BMP file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is none of these, or its header is damaged.

    Example:

    >>> import tempfile, tensorflow as tf
    >>> path = Path(tempfile.mkdtemp()) / "wide.png"
    >>> _ = path.write_bytes(tf.io.encode_png(tf.zeros((2, 3, 3), tf.uint8)).numpy())
    >>> picture_size(path)
    (3, 2)
    """
    with open(path, "rb") as file:
        head = file.read(26)
        try:
            if head.startswith(b"\x89PNG"):
                return struct.unpack_from(">II", head, 16)
            if head.startswith(b"GIF8"):
                return struct.unpack_from("<HH", head, 6)
            if head.startswith(b"BM"):
                width, height = struct.unpack_from("<ii", head, 18)
                return width, abs(height)  # Negative if the topmost row stands first.
            if head.startswith(b"\xff\xd8"):
                file.seek(2)
                return _jpeg_size(file)
        except struct.error as error:
            raise ValueError(f"{path} is cut short or damaged; save the picture again.") from error
    raise ValueError(f"{path} is no JPEG, PNG, GIF or BMP; convert it to one of these.")


def _jpeg_size(file: BinaryIO) -> tuple[int, int]:
    """Walks the segments up to the frame header. See ITU-T T.81, B.1 and B.2.2."""
    turned = False
    while True:
        mark, kind = struct.unpack(">BB", file.read(2))
        while kind == 0xFF:  # Any number of these may stand before a marker.
            (kind,) = file.read(1) or b"\0"
        if mark != 0xFF or kind == 0xD9:
            raise struct.error("no segment begins here")
        if kind == 0x01 or 0xD0 <= kind <= 0xD8:  # Markers without a segment.
            continue
        (length,) = struct.unpack(">H", file.read(2))
        # Frame headers, but for three other segments among their numbers.
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">xHH", file.read(5))
            return (height, width) if turned else (width, height)
        content = file.read(max(length - 2, 0))
        if kind == 0xE1 and content.startswith(b"Exif\0\0"):
            turned = 5 <= _orientation(content[6:]) <= 8


def _orientation(tiff: bytes) -> int:
    """The EXIF orientation; 1, upright, where none is stated. See TIFF 6.0, section 2."""
    order = "<" if tiff.startswith(b"II") else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for i in range(count):
            tag, value = struct.unpack_from(order + "H6xH", tiff, directory + 2 + 12 * i)
            if tag == 0x0112:
                return value
    except struct.error:  # Malformed data is ignored, as `Image` does.
        pass
    return 1


def agreed_size(
    told: tuple[float, float] | None, path: str | Path
) -> tuple[tuple[float, float], str]:
    """Width and height of a picture whose annotations may tell them, and how these are wrong.

    Args:
        told: width and height as the annotations have them, or None.
        path: of the picture; if it cannot be read, what was told counts: reading it tells more.

    Returns:
        The size, that of the picture where the two differ; and what to say then, else `""`.

    Raises:
        OSError, ValueError: nothing was told, and the picture cannot be read.
    """
    try:
        real = picture_size(path)
    except (OSError, ValueError):
        if told is None:
            raise
        return told, ""
    if told is None or tuple(told) == real:
        return real, ""
    written, seen = (f"{width:g} x {height:g}" for width, height in (told, real))
    return real, f"says {written} pixels, but the picture has {seen}, upright"
