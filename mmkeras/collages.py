"""Collages: drawings with transparency, turned and scaled, on backgrounds that nothing is drawn on.

What the embedded datasets compose their scenes of.
"""

import math

import numpy as np
import tensorflow as tf

#: A pixel is a drawing's own where it covers at least half of it.
OPAQUE = 128
_VIEW = 72.0  # The side of OpenMoji's drawings, in their own units.


def background(chance: np.random.Generator, side: int) -> np.ndarray:
    """A colour or a passage between two, with soft waves and a little noise.

    Args:
        chance: what decides.
        side: pixels along the picture, H = W.

    Returns:
        float [H, W, 3], levels that may lie a little outside of [0, 255].

    Example:

    >>> background(np.random.default_rng(0), 16).shape
    (16, 16, 3)
    """
    first, second = chance.uniform(30, 256, (2, 3))
    if chance.random() < 0.3:
        second = first
    y, x = np.mgrid[:side, :side] / side - 0.5

    def along(angle: float) -> np.ndarray:
        return x * math.cos(angle) + y * math.sin(angle)

    angles = chance.uniform(0, 2 * math.pi, 3)
    share = along(angles[0])[..., None] + 0.5
    waves = sum(
        chance.uniform(0, 8) * np.sin(2 * math.pi * chance.uniform(1, 8) * along(angle))
        for angle in angles[1:]
    )
    noise = chance.normal(0, chance.uniform(0, 2), (side, side))
    return (1 - share) * first + share * second + (waves + noise)[..., None]


def drawing(svg: str, preview: bytes, size: float, angle_deg: float, flipped: bool) -> np.ndarray:
    """A drawing of OpenMoji whose longer side takes `size` pixels, then turned about its middle.

    Args:
        svg: the drawing.
        preview: a PNG of it with transparency, which tells where in it something is drawn.
        size: pixels of the longer side of what is drawn.
        angle_deg: degrees, clockwise.
        flipped: whether left and right are swapped.

    Returns:
        uint8 [S, S, 4], S even.
    """
    import resvg_py

    alpha = read(preview)[..., 3]
    left, top, right, bottom = (_VIEW / len(alpha) * edge for edge in extent(alpha))
    scale = size / max(right - left, bottom - top)
    # Turned by any angle, what is drawn stays within its diagonal.
    side = 2 * math.ceil(scale * math.hypot(right - left, bottom - top) / 2 + 1)
    turn = (
        f"translate({side / 2} {side / 2}) rotate({angle_deg:.3f}) "
        f"scale({'-' if flipped else ''}{scale:.4f} {scale:.4f}) "
        f"translate({-(left + right) / 2:.3f} {-(top + bottom) / 2:.3f})"
    )
    sized = svg.replace("<svg ", f'<svg width="{_VIEW}" height="{_VIEW}" ', 1)
    page = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">'
        f'<g transform="{turn}">{sized}</g></svg>'
    )
    return read(bytes(resvg_py.svg_to_bytes(svg_string=page, width=side, height=side)))


def placed(drawing: np.ndarray, side: int, top: int, left: int) -> np.ndarray:
    """A drawing on an empty page, cut off where it goes beyond the page.

    Args:
        drawing: uint8 [S, S, 4].
        side: pixels along the page, H = W.
        top, left: where its upper left corner comes, in pixels; may be negative.

    Returns:
        uint8 [H, W, 4].

    Example:

    >>> placed(np.ones((4, 4, 4), "uint8"), 8, top=-2, left=6)[..., 3].sum()
    np.uint64(4)
    """
    page = np.zeros((side, side, 4), np.uint8)
    y, x = max(top, 0), max(left, 0)
    part = drawing[y - top : side - top, x - left : side - left]
    page[y : y + part.shape[0], x : x + part.shape[1]] = part
    return page


def covered(picture: np.ndarray, page: np.ndarray) -> np.ndarray:
    """What is seen where a page with transparency lies on a picture.

    Args:
        picture: float [H, W, 3], levels in [0, 255].
        page: uint8 [H, W, 4].

    Returns:
        float [H, W, 3].

    Example:

    >>> covered(np.zeros((1, 1, 3)), np.full((1, 1, 4), 255, "uint8")).ravel().tolist()
    [255.0, 255.0, 255.0]
    """
    alpha = page[..., 3:] / 255
    return picture * (1 - alpha) + page[..., :3] * alpha


def finished(picture: np.ndarray) -> np.ndarray:
    """Levels, float [H, W, 3], as a picture has them: uint8 [H, W, 3]."""
    return np.rint(picture).clip(0, 255).astype(np.uint8)


def extent(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of what is opaque, in pixels.

    Args:
        alpha: uint8 [H, W], opacity; something is opaque.

    Example:

    >>> extent(np.pad(np.full((2, 3), 255), ((1, 0), (4, 0))))
    (4, 1, 7, 3)
    """
    rows, columns = (np.flatnonzero((alpha >= OPAQUE).any(axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def read(png: bytes) -> np.ndarray:
    """A PNG file as uint8 [H, W, 4]."""
    return tf.io.decode_png(png, channels=4).numpy()


def written(pixels: np.ndarray) -> bytes:
    """uint8 [H, W, C] as a PNG file."""
    return tf.io.encode_png(pixels, compression=3).numpy()
