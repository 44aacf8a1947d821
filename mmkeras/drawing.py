"""Pictures for people: objects and masks over what they were found in, sounds, many in a sheet.

A small picture is enlarged by a whole factor, so that what is written on it can be read. The font,
DejaVu Sans, has the letters of most alphabets, not those of Chinese, Japanese and Korean.
"""

import colorsys
import itertools
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Colour = tuple[int, int, int]

#: The longer side of a drawing has at least so many pixels, and the shorter one.
_LONG, _SHORT = 320, 80
#: A spectrogram is at least so high, in pixels.
_SPECTROGRAM = 160
#: The height of letters that can still be read.
_LEGIBLE = 12
#: The size of letters where a text is all there is.
_WRITTEN = 16

#: What speaks for an answer, what against it, and how little of a picture shows through at most.
_FOR, _AGAINST = np.array([227.0, 26.0, 28.0]), np.array([31.0, 120.0, 180.0])
_MOST_OPAQUE = 0.7


def draw_objects(
    picture: np.ndarray,
    objects: Sequence[Mapping[str, Any]],
    classes: Sequence[str] = (),
) -> np.ndarray:
    """Boxes with their labels and scores over a picture.

    The labels of the surest objects are placed first and lie on top. A label wider than
    its box and half the picture is shortened.

    Args:
        picture: uint8 [h, w, 3].
        objects: dicts with `box`, (x1, y1, x2, y2) in pixels of the picture, `label`, and perhaps
            `score`. What lies outside of the picture is not drawn.
        classes: what labels there are; each gets a colour by its place, the one that `draw_mask`
            gives it. The colour of another label follows from its letters.

    Returns:
        uint8 [n h, n w, 3], where n is 1 if the picture is large enough.

    Raises:
        ImportError: Pillow or matplotlib, which brings it and the font, is not installed.
        ValueError: the picture has another shape or type.

    Example:

    >>> cat = {"box": [10, 10, 200, 150], "label": "cat", "score": 0.93}
    >>> draw_objects(np.zeros((300, 400, 3), "uint8"), [cat], ["cat", "dog"]).shape
    (300, 400, 3)
    """
    picture, factor = _enlarged(picture)
    if not objects:
        return picture
    canvas, draw = _canvas(picture)
    height, width = picture.shape[:2]
    font = _font(_text_size(height, width))
    line = max(2, min(round(max(height, width) / 250), min(height, width) // 40))
    surest_last = sorted(objects, key=lambda item: item.get("score", 1.0))
    seen = [
        (item, box)
        for item in surest_last
        if (box := _clipped(np.asarray(item["box"]) * factor, height, width))
    ]
    for item, box in seen:
        _frame(draw, box, _label_colour(item["label"], classes), line)

    strips: list[tuple[str, tuple[int, ...], Colour]] = []
    for item, box in reversed(seen):
        score = f" {item['score']:.2f}" if "score" in item else ""
        room = max(width // 2, box[2] - box[0]) - 2 * line
        text = _shortened(item["label"], score, font, room)
        sides = (round(font.getlength(text)) + 2 * line, sum(font.getmetrics()))
        strip = _placed(sides, box, [taken for _, taken, _ in strips], height, width)
        strips.append((text, strip, _label_colour(item["label"], classes)))
    for text, (x1, y1, x2, y2), colour in reversed(strips):
        draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill=colour)
        draw.text((x1 + line, y1), text, fill=_readable_on(colour), font=font)
    return np.array(canvas)


def draw_mask(
    picture: np.ndarray,
    mask: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Colour | None] | None = None,
    opacity: float = 0.5,
) -> np.ndarray:
    """A mask over a picture: painted areas with their contours, and a legend below.

    Args:
        picture: uint8 [h, w, 3].
        mask: uint8 [h, w], class numbers. Numbers that no class has, such as 255 where nobody knows
            the class, are not painted.
        classes: their names.
        palette: a colour for each class, such as `mmkeras.class_map.colours` gives; a class with
            None is not painted. By default class 0, mostly the background, is not, and the others
            have the colours that `draw_objects` gives them.
        opacity: of the colours, from 0 to 1. Contours are opaque, with a thin black or white line
            within them.

    Returns:
        uint8 [n h + legend, n w, 3], where n is 1 if the picture is large enough. The legend names
        what is painted; where nothing is, there is none.

    Raises:
        ImportError: Pillow or matplotlib, which brings it and the font, is not installed.
        ValueError: the picture or the mask has another shape or type, or the palette has no entry
            for a class.

    Example:

    >>> mask = np.zeros((300, 400), "uint8")
    >>> mask[50:200, 100:300] = 1
    >>> picture = np.zeros((300, 400, 3), "uint8")
    >>> drawn = draw_mask(picture, mask, ["background", "cat"])
    >>> drawn.shape[1:], drawn[100, 200].tolist() != [0, 0, 0]
    ((400, 3), True)
    """
    if mask.shape != picture.shape[:2] or mask.dtype != np.uint8:
        raise ValueError(
            f"the mask has shape {mask.shape} and dtype {mask.dtype}; it has to be uint8 of the "
            f"picture's height and width, {picture.shape[:2]}."
        )
    if palette is None:
        palette = [None, *(_colour(i) for i in range(1, len(classes)))]
    if len(palette) < len(classes):
        raise ValueError(
            f"the palette has {len(palette)} entries for {len(classes)} classes; it needs one each."
        )
    picture, factor = _enlarged(picture)
    mask = mask.repeat(factor, 0).repeat(factor, 1)
    painted = [
        (number, colour)
        for number, colour in enumerate(palette[: len(classes)])
        if colour is not None and (mask == number).any()
    ]
    if not painted:
        return picture
    line = max(1, round(max(mask.shape) / 320))
    result = picture.astype("float32")
    for number, colour in painted:
        area = mask == number
        result[area] += opacity * (np.array(colour) - result[area])
        within = _eroded(area, line)
        result[area & ~within] = colour
        result[within & ~_eroded(within, 1)] = _readable_on(colour)
    below = _legend([(classes[number], colour) for number, colour in painted], *mask.shape)
    return np.concatenate([result.round().astype("uint8"), below])


def sheet(
    pictures: Sequence[np.ndarray], columns: int, captions: Sequence[str] | None = None
) -> np.ndarray:
    """Pictures in rows on white, each with its caption below.

    Args:
        pictures: uint8 [h, w, 3] each; they may differ in size, and are shown as they are.
        columns: how many stand in a row.
        captions: a text for each; lines too long for the column are broken between words.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ImportError: Pillow or matplotlib, which brings it and the font, is not installed.
        ValueError: there is no picture, one of another shape or type, fewer than one column, or not
            a caption for each.

    Example:

    >>> grey = np.full((100, 150, 3), 128, "uint8")
    >>> sheet([grey] * 3, columns=2).shape
    (224, 324, 3)
    """
    if not pictures or columns < 1:
        raise ValueError(
            f"there are {len(pictures)} pictures for {columns} columns; a sheet needs one at least."
        )
    if captions is not None and len(captions) != len(pictures):
        raise ValueError(f"there are {len(captions)} captions of {len(pictures)} pictures.")
    for picture in pictures:
        _check(picture)
    widest = max(picture.shape[1] for picture in pictures)
    font = _font(max(_LEGIBLE, round(widest / 40)))
    texts = [_broken(caption, font, widest) for caption in captions or [""] * len(pictures)]
    gap, line = 8, sum(font.getmetrics())
    rows = range(0, len(pictures), columns)
    pictured = [max(p.shape[0] for p in pictures[i : i + columns]) for i in rows]
    written = [line * max(len(text) for text in texts[i : i + columns]) for i in rows]
    tops = np.cumsum([gap, *(h + w + gap for h, w in zip(pictured, written))])
    shown = min(columns, len(pictures))
    canvas, draw = _canvas(np.full((tops[-1], gap + shown * (widest + gap), 3), 255, "uint8"))
    from PIL import Image

    for i, (picture, lines) in enumerate(zip(pictures, texts)):
        row, column = divmod(i, columns)
        left = gap + column * (widest + gap)
        height, width = picture.shape[:2]
        corner = (left + (widest - width) // 2, int(tops[row]) + pictured[row] - height)
        canvas.paste(Image.fromarray(picture), corner)
        for j, text in enumerate(lines):
            place = (left + widest / 2, tops[row] + pictured[row] + j * line)
            draw.text(place, text, fill=(0, 0, 0), font=font, anchor="ma")
    return np.array(canvas)


def draw_heat(
    picture: np.ndarray, scores: np.ndarray, view: tuple[float, float, float, float]
) -> np.ndarray:
    """Scores of the cells of a grid over a picture, which shows through as grey.

    What speaks for something is red and what speaks against it is blue, the more opaque the more it
    does; the cell of the largest score, whatever its sign, is the most opaque.

    Args:
        picture: uint8 [h, w, 3].
        scores: float [rows, columns].
        view: what of the picture the grid covers, (x1, y1, x2, y2) in its pixels; it may reach
            beyond.

    Returns:
        uint8 [h, w, 3].

    Example:

    >>> made = draw_heat(np.full((4, 4, 3), 200, "uint8"), np.array([[1.0, 0.0]]), (0, 0, 4, 4))
    >>> made[0, 0].tolist(), made[0, 3].tolist()
    ([219, 78, 80], [200, 200, 200])
    """
    _check(picture)
    height, width, _ = picture.shape
    rows, columns = scores.shape
    x1, y1, x2, y2 = view
    down = np.floor((np.arange(height) + 0.5 - y1) / max(y2 - y1, 1e-6) * rows).astype(int)
    across = np.floor((np.arange(width) + 0.5 - x1) / max(x2 - x1, 1e-6) * columns).astype(int)
    seen = ((down >= 0) & (down < rows))[:, None] & ((across >= 0) & (across < columns))[None]
    cells = scores[np.clip(down, 0, rows - 1)][:, np.clip(across, 0, columns - 1)] * seen
    largest = np.abs(scores).max()
    strength = np.abs(cells)[..., None] / (largest or 1.0) * _MOST_OPAQUE
    colour = np.where(cells[..., None] > 0, _FOR, _AGAINST)
    grey = picture.astype("float64").mean(axis=-1, keepdims=True)
    return np.round(grey * (1 - strength) + colour * strength).astype("uint8")


def draw_words(text: str, spans: Sequence[tuple[int, int, float]], width: int = 480) -> np.ndarray:
    """A text on white, its parts on the colours of their scores.

    What speaks for something is on red and what speaks against it on blue; see `draw_heat`.

    Args:
        text: the text.
        spans: (start, end, score) of parts of it, in characters.
        width: of the drawing, in pixels; lines are broken between words.

    Returns:
        uint8 [h, width, 3].

    Raises:
        ImportError: Pillow or matplotlib, which brings it and the font, is not installed.

    Example:

    >>> draw_words("a good dog", [(2, 6, 1.0), (7, 10, -0.5)]).shape
    (35, 480, 3)
    """
    scores = np.zeros(len(text))
    for start, end, score in spans:
        scores[start:end] = score
    font, gap = _font(_WRITTEN), 8
    high, space, line = sum(font.getmetrics()), font.getlength(" "), sum(font.getmetrics()) + 4
    x, y = float(gap), gap
    placed = []
    for word in re.finditer(r"\S+", text):
        room = width - 2 * gap
        if x > gap and x + font.getlength(word[0]) > width - gap:
            x, y = float(gap), y + line
        # Its pieces of one score each.
        for score, part in itertools.groupby(range(*word.span()), key=scores.__getitem__):
            piece = _shortened("".join(text[i] for i in part), "", font, room)
            if x > gap and x + font.getlength(piece) > width - gap:
                x, y = float(gap), y + line
            placed.append((x, y, piece, score))
            x += font.getlength(piece)
        x += space
    canvas, draw = _canvas(np.full((y + high + gap, width, 3), 255, "uint8"))
    largest = np.abs(scores).max(initial=0.0) or 1.0
    for x, y, piece, score in placed:
        strength = abs(score) / largest * _MOST_OPAQUE
        colour = np.round(255 * (1 - strength) + (_FOR if score > 0 else _AGAINST) * strength)
        ground = tuple(colour.astype(int).tolist())
        draw.rectangle((x, y, x + font.getlength(piece) - 1, y + high - 1), fill=ground)
        draw.text((x, y), piece, fill=_readable_on(ground), font=font)
    return np.array(canvas)


def draw_spectrograms(spectrograms: Mapping[str, np.ndarray], range_db: float = 80.0) -> np.ndarray:
    """Spectrograms beside each other, each with its name below: time to the right, pitch upwards.

    The loudest of all is white in each of them, and what is `range_db` below is black; between,
    brightness grows with loudness, whatever the colour.

    Args:
        spectrograms: names and float [F, M], log mel energies (natural logarithm), as
            `LogMelSpectrogram` gives them.
        range_db: what is shown below the loudest, in decibels.

    Returns:
        uint8 [h, w, 3].

    Raises:
        ImportError: Pillow or matplotlib, which brings it and the font, is not installed.
        ValueError: there is no spectrogram, or one of another shape or with numbers that are not
            finite; or the range is not positive.

    Example:

    >>> tone = np.full((100, 80), -13.8)
    >>> tone[:, 20] = 5.0
    >>> draw_spectrograms({"synthesised": tone, "reference": tone[:70]}).shape
    (191, 424, 3)
    """
    if not range_db > 0:
        raise ValueError(f"range_db must be positive, such as 80; got {range_db}.")
    for name, values in spectrograms.items():
        if values.ndim != 2 or not values.size or not np.isfinite(values).all():
            raise ValueError(
                f"the spectrogram {name!r} must be finite float [F, M], and not empty; got shape "
                f"{values.shape}."
            )
    loudest = max((values.max() for values in spectrograms.values()), default=0.0)
    pictures = [draw_spectrogram(values, loudest, range_db) for values in spectrograms.values()]
    return sheet(pictures, max(1, len(pictures)), list(spectrograms))


def draw_spectrogram(
    values: np.ndarray, loudest: float | None = None, range_db: float = 80.0
) -> np.ndarray:
    """One spectrogram: time to the right, pitch upwards, two pixels for a frame.

    Args:
        values: float [F, M], log mel energies (natural logarithm).
        loudest: what is white; None: the largest value.
        range_db: what is shown below, in decibels.

    Returns:
        uint8 [h, 2 F, 3].

    Example:

    >>> draw_spectrogram(np.zeros((10, 80))).shape
    (160, 20, 3)
    """
    loudest = values.max() if loudest is None else loudest
    below_db = 10 / np.log(10) * (loudest - values.T[::-1].astype("float64"))
    picture = _cubehelix(np.clip(1 - below_db / range_db, 0, 1))
    tall = -(-_SPECTROGRAM // len(picture))
    return picture.repeat(tall, 0).repeat(2, 1)


def _cubehelix(levels: np.ndarray) -> np.ndarray:
    """From 0 to 1, to uint8 [..., 3]: from black through all hues to white, ever brighter.

    Source: Green 2011, "A colour scheme for the display of astronomical intensity images".
    """
    angle = 2 * np.pi * (0.5 / 3 - 1.5 * levels)
    amplitude = levels * (1 - levels) / 2
    turned = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * amplitude[..., None]
    mixed = turned @ np.array([[-0.14861, -0.29227, 1.97294], [1.78277, -0.90649, 0.0]])
    return np.round(255 * np.clip(levels[..., None] + mixed, 0, 1)).astype("uint8")


def _check(picture: np.ndarray) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ValueError(
            f"the picture has shape {picture.shape} and dtype {picture.dtype}; it has to be uint8 "
            "[h, w, 3], and not empty."
        )


def _enlarged(picture: np.ndarray) -> tuple[np.ndarray, int]:
    _check(picture)
    shorter, longer = sorted(picture.shape[:2])
    factor = max(1, -(-_LONG // longer), -(-_SHORT // shorter))
    return picture.repeat(factor, 0).repeat(factor, 1), factor


def _canvas(picture: np.ndarray) -> tuple[Any, Any]:
    """An image of Pillow, and what draws on it."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ImportError(
            'drawing needs Pillow; install it with pip install "mmkeras[demo]".'
        ) from error
    canvas = Image.fromarray(picture)
    return canvas, ImageDraw.Draw(canvas)


def _font(size: int) -> Any:
    try:
        import matplotlib
        from PIL import ImageFont
    except ImportError as error:
        raise ImportError(
            "drawing needs Pillow and matplotlib's font; install them with pip install \"mmkeras"
            '[demo]".'
        ) from error
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def _text_size(height: int, width: int) -> int:
    shorter, longer = sorted((height, width))
    return max(_LEGIBLE, min(round(longer / 40), shorter // 6))


def _colour(place: int) -> Colour:
    """Neighbours in number are far apart in hue: each is a golden section of the circle further."""
    saturation, value = ((0.9, 1.0), (0.55, 1.0), (0.9, 0.7))[place // 8 % 3]
    levels = colorsys.hsv_to_rgb(place * 0.618034 % 1, saturation, value)
    red, green, blue = (round(255 * level) for level in levels)
    return red, green, blue


def _label_colour(label: str, classes: Sequence[str]) -> Colour:
    return _colour(classes.index(label) if label in classes else zlib.crc32(label.encode()))


def _readable_on(colour: Colour) -> Colour:
    """Black or white, by the luma of ITU-R BT.601."""
    bright = np.dot(colour, [0.299, 0.587, 0.114]) > 140
    return (0, 0, 0) if bright else (255, 255, 255)


def _clipped(box: np.ndarray, height: int, width: int) -> tuple[int, int, int, int] | None:
    """The part of a box within the picture, in whole pixels; None if there is none."""
    x1, x2 = np.clip(np.round(box[::2]), 0, width).astype(int).tolist()
    y1, y2 = np.clip(np.round(box[1::2]), 0, height).astype(int).tolist()
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def _frame(draw: Any, box: tuple[int, int, int, int], colour: Colour, line: int) -> None:
    """A line within the box, and a thin one of the opposite brightness within that."""
    x1, y1, x2, y2 = box
    for inset, shade, thick in ((line, _readable_on(colour), 1), (0, colour, line)):
        inner = (x1 + inset, y1 + inset, x2 - 1 - inset, y2 - 1 - inset)
        if inner[2] >= inner[0] and inner[3] >= inner[1]:
            draw.rectangle(inner, outline=shade, width=thick)


def _shortened(text: str, end: str, font: Any, width: int) -> str:
    if font.getlength(text + end) <= width:
        return text + end
    cuts = (f"{text[:kept].rstrip()}…{end}" for kept in range(len(text) - 1, -1, -1))
    return next((cut for cut in cuts if font.getlength(cut) <= width), f"…{end}")


def _broken(text: str, font: Any, width: int) -> list[str]:
    """A text in lines of at most this width."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(_shortened(word, "", font, width))
    return lines


def _placed(
    sides: tuple[int, int],
    box: tuple[int, int, int, int],
    taken: Sequence[tuple[int, ...]],
    height: int,
    width: int,
) -> tuple[int, ...]:
    """Where the strip with a label goes, within the picture: where it hides least of others."""
    wide, high = sides
    x1, y1, x2, y2 = box
    places = [
        (x, y)
        for y in (y1 - high, y1, y2, y2 - high, (y1 + y2 - high) // 2)
        for x in (x1, x2 - wide)
    ]
    best, least = (0, 0, wide, high), None
    for x, y in places:
        left = max(0, min(x, width - wide))
        top = max(0, min(y, height - high))
        strip = (left, top, left + wide, top + high)
        # A place outside of the picture is moved in, which may take the label away from its box.
        hidden = sum(_overlap(strip, other) for other in taken) + abs(top - y) * wide // 4
        if least is None or hidden < least:
            best, least = strip, hidden
    return best


def _overlap(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def _eroded(area: np.ndarray, times: int) -> np.ndarray:
    """Without the pixels at its border; the picture's border is none."""
    for _ in range(times):
        padded = np.pad(area, 1, mode="edge")
        area = area & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return area


def _legend(entries: Sequence[tuple[str, Colour]], height: int, width: int) -> np.ndarray:
    """Names beside their colours, in lines as wide as the picture."""
    font = _font(_text_size(height, width))
    line = sum(font.getmetrics())
    gap, side = line // 4, font.getmetrics()[0]
    places, x, y = [], gap, gap
    for name, colour in entries:
        name = _shortened(name, "", font, width - side - 3 * gap)
        wide = side + gap + round(font.getlength(name))
        if x > gap and x + wide + gap > width:
            x, y = gap, y + line
        places.append((x, y, name, colour))
        x += wide + 3 * gap
    canvas, draw = _canvas(np.full((y + line + gap, width, 3), 255, "uint8"))
    for x, y, name, colour in places:
        draw.rectangle((x, y, x + side - 1, y + side - 1), fill=colour, outline=(0, 0, 0))
        draw.text((x + side + gap, y), name, fill=(0, 0, 0), font=font)
    return np.array(canvas)
