"""`emoji_sentences`: English sentences with the names of emoji and flags marked, a TFDS dataset.

For named-entity recognition. Nothing is downloaded: the names come from the package `emoji` of the
`demo` extra, the sentences from the templates below.
"""

import dataclasses
import importlib.metadata
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mmkeras.families import Families, drawn, split_families
from mmkeras.prepared import prepared

#: Emoji whose English names are one meaning each, in any sentence; flags are added by their codes.
#: Left out: what is both animal and dish (chicken, crab), verb and noun (fly, seal), or no thing
#: that a sentence can speak of (cat face), or that holds a number (two-hump camel).
_EMOJI = {
    "ANIMAL": (
        "🐒🦍🦧🐕🦮🐩🐺🦊🦝🐈🦁🐅🐆🐎🫏🫎🦓🦌🦬🐂🐃🐄🐖🐗🐏🐑🐐🐪🦙🦒🐘🦏🦛🐁🐀🐹🐇🦫🦔🦇🐻🐨🐼"
        "🦥🦦🦨🦘🦡🐓🐤🐧🦅🦢🦉🦩🦚🦜🪿🐸🐊🐢🦎🐍🐋🐬🐠🐡🦈🐙🪼🐌🦋🐜🐝🪲🐞🪳🦂🦟🪱"
    ),
    "CLOTHING": "👒👓🕶👔👕👖👗👘👙👞👟👠👡👢🎩🎓👑🥻🥼🥽🥾🥿🦺🧢🧣🧤🧥🧦🩰🩲🩳🩴🪖⛑🎽🥋🥊⛸",
    "FOOD": (
        "🌮🌯🌰🌶🌽🍄🍅🍆🍇🍈🍉🍊🍋🍌🍍🍎🍏🍐🍑🍒🍓🍔🍕🍘🍙🍚🍛🍝🍞🍟🍠🍡🍢🍣🍤🍦🍧🍨🍩🍪🍫🍬🍭"
        "🍮🍰🌭🍿🎂🥐🥑🥒🥓🥔🥕🥖🥗🥙🥚🥜🥝🥞🥟🥠🥥🥦🥧🥨🥪🥫🥭🥮🥯🧀🧁🧄🧅🧆🧇🧈🫐🫑🫒🫓🫔🫕🫘🫚🫛"
    ),
    "PLACE": "🏟🏡🏠🏚🏢🏣🏤🏥🏦🏨🏪🏫🏬🏭🏯🏰🏛🏞🎡🎢🎪🛝🕌🕍⛪⛲🛖🛣🚉🚏♨",
    "TOOL": (
        "🔨🔧🪛🪓🪚🪜🪝🗜🧰🧲✂🧹🪣🧽🪠🪥🪒🔦🕯🖊🖋✏🖍🖌📎📌📏📐🧷🪡🎣🔪🥄🥢🔬🔭🧪🩺💉🧯🔩🧮🧭⏱"
        "🔋🔌💡📷📹💻🖨🔑⏰⚖🌡🪏"
    ),
    "VEHICLE": "🏍🏎🚂🚃🚄🚅🚆🚇🚋🚌🚎🚐🚑🚒🚓🚕🚗🚙🚚🚛🚜🚝🚞🚡🚠🚢🚤🚲🚁🛥🛩🛳🛴🛵🛶🛺🛻⛴⛵✈",
}
TYPES = ("ANIMAL", "CLOTHING", "COUNTRY", "FOOD", "PLACE", "TOOL", "VEHICLE")

#: Flags of no one's country, and names that sentences do not use so: "Hong Kong SAR China".
_NO_COUNTRY = re.compile(
    r"\(|SAR|Antarctic|European Union|United Nations|Outlying|South Georgia|Ascension &|Ocean"
)
#: "in the Bahamas"; the article is no part of the name.
_WITH_THE = re.compile(
    r"(Islands|Lands|Republic|Territories|Netherlands|Bahamas|Comoros|Gambia|Maldives|Philippines"
    r"|Seychelles|Kingdom|States|Emirates)$|^Isle of"
)
#: Names that take no "a": what is many (but a bus or a compass is one), or cannot be counted.
_WITHOUT_A = re.compile(
    r"([^osu]s|\b((flat)?bread|rice|spaghetti|oden|dango|sushi|shrimp|ice|cream|candy|custard"
    r"|popcorn|broccoli|bacon|salad|food|garlic|butter|ginger root))$"
)
_WITH_AN = re.compile(r"(?!ewe)[aeiou]")  # As spoken: "a ewe".
#: Words that do not make two names kin: particles, and what only tells things apart. A "green
#: salad" is no kind of "green apple", as a "red apple" is.
_LITTLE_WORDS = {
    *("of", "with", "and", "s", "t", "da", "el", "island", "new", "north", "republic", "south"),
    *("st", "united", "french", "fire", "green", "high", "hot", "ice", "japanese", "man"),
    *("motor", "mountain", "running", "safety", "woman"),
}

_FILLERS = {
    "PERSON": (
        *("Maria", "José", "Zoë", "Ahmed", "Yuki", "Olga", "Peter", "Léa", "Kofi", "Ingrid"),
        *("Mr Brown", "Ms Nguyễn", "Dr Silva", "Anna", "Mehmet", "Björn", "Chiara", "Sam"),
        *("Mrs O’Neill", "Wei", "Fatima", "Lukas", "Priya", "Tom"),
    ),
    "DAY": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "MONTH": (
        *("January", "February", "March", "April", "May", "June", "July"),
        *("August", "September", "October", "November", "December"),
    ),
    "NUMBER": ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "11", "12"),
}

#: `{TYPE}` is a name, `{a TYPE}` one with its article, where it takes one. A small letter at the
#: start becomes a capital, most of the time.
TEMPLATES = (
    # Countries.
    "after landing in {COUNTRY}, {PERSON} slept for {NUMBER} hours.",
    "{PERSON} moved from {COUNTRY} to {COUNTRY} last {MONTH}.",
    "the ministers of {COUNTRY}, {COUNTRY} and {COUNTRY} signed a treaty.",
    "have you ever travelled across {COUNTRY}?",
    "{COUNTRY} won the final against {COUNTRY}!",
    "{COUNTRY} exported more than {COUNTRY} did in {MONTH}.",
    "the team from {COUNTRY} lost again, {PERSON} said on {DAY}.",
    "according to {PERSON}, prices in {COUNTRY} rose by {NUMBER} percent.",
    "{PERSON} (born in {COUNTRY}) speaks {NUMBER} languages.",
    "voters in {COUNTRY} will choose a new president in {MONTH}.",
    "{PERSON} lived in {COUNTRY} for {NUMBER} years, then in {COUNTRY}.",
    # Animals.
    "{PERSON} saw {a ANIMAL} and {a ANIMAL} near the river.",
    "the {ANIMAL} chased the {ANIMAL} across the field.",
    "a vet looked after the wounded {ANIMAL} for {NUMBER} days.",
    "{a ANIMAL} slept in the grass while {a ANIMAL} watched it.",
    "the {ANIMAL}’s babies were hungry, so {PERSON} fed them.",
    "is that {a ANIMAL} or {a ANIMAL}?",
    "don't wake the {ANIMAL}!",
    "{PERSON} photographed a young {ANIMAL} in {COUNTRY}.",
    "in {COUNTRY}, the wild {ANIMAL} is protected by law.",
    "on {DAY} the {ANIMAL} escaped from its cage.",
    "the {ANIMAL} followed {PERSON} into the forest.",
    # Food.
    "{PERSON} ate {a FOOD} and {a FOOD} for breakfast.",
    "for dinner we cooked {a FOOD} with {a FOOD}.",
    "the chef from {COUNTRY} served {a FOOD}, which tasted wonderful.",
    "who ate my {FOOD}?",
    "{PERSON} is hungry; could you bring {a FOOD}?",
    "this recipe from {COUNTRY} needs {a FOOD}, {a FOOD} and {a FOOD}.",
    "the {FOOD} tasted better than the {FOOD}.",
    "{a FOOD} and {a FOOD}: that was the whole menu on {DAY}.",
    "{PERSON} fed {a FOOD} to the {ANIMAL}.",
    "the waiter brought the {FOOD}, but {PERSON} had ordered {a FOOD}.",
    # Places.
    "we met in front of the {PLACE} at {NUMBER} o'clock.",
    "{PERSON} walked from the {PLACE} to the {PLACE} in {NUMBER} minutes.",
    "turn left behind the {PLACE}, then go straight ahead.",
    "the oldest {PLACE} in {COUNTRY} was built {NUMBER} centuries ago.",
    "the police closed the {PLACE} on {DAY}.",
    "is there {a PLACE} near here?",
    "{PERSON} stood at the entrance of the {PLACE}.",
    "they are building {a PLACE} next to the {PLACE}.",
    "{PERSON} parked the {VEHICLE} behind the {PLACE}.",
    "at the {PLACE}, {PERSON} ate {a FOOD}.",
    # Vehicles.
    "{PERSON} repaired the {VEHICLE} with {a TOOL}.",
    "{PERSON} took {a VEHICLE} from {COUNTRY} to {COUNTRY}.",
    "the {VEHICLE} broke down on the way to the {PLACE}.",
    "{NUMBER} passengers got off the {VEHICLE}.",
    "the {VEHICLE} was faster than the {VEHICLE}.",
    "{a VEHICLE} crashed into {a VEHICLE} on {DAY}; nobody was hurt.",
    "we travelled by {VEHICLE} and by {VEHICLE}.",
    "the {VEHICLE} left {NUMBER} minutes late.",
    "{a ANIMAL} jumped out of the {VEHICLE}!",
    # Clothing.
    "{PERSON} wore {a CLOTHING} and {a CLOTHING} to the party.",
    "the {CLOTHING} did not match the {CLOTHING}.",
    "{PERSON} put on {a CLOTHING} before leaving.",
    "the tailor mended my {CLOTHING} on {DAY}.",
    "{PERSON} took off the {CLOTHING} and went to sleep.",
    "dressed in {a CLOTHING}, {PERSON} looked like somebody else.",
    "the {CLOTHING} came in {NUMBER} colours.",
    "my {CLOTHING} got wet in the rain.",
    "{PERSON} forgot the {CLOTHING} at the {PLACE}.",
    # Tools.
    "{PERSON} borrowed {a TOOL} and {a TOOL} from a neighbour.",
    "hand me the {TOOL}, please.",
    "the workers used {a TOOL} to finish the job.",
    '"without {a TOOL} this cannot be done," {PERSON} said.',
    "the {TOOL} lay on the workbench beside the {TOOL}.",
    "{PERSON} dropped the {TOOL} on the floor.",
    "you will need {a TOOL} for this task.",
    "{PERSON} left the {TOOL} in the {VEHICLE}.",
    # Nothing to find.
    "nobody answered until {DAY}.",
    "it rained for {NUMBER} days in {MONTH}.",
    "{PERSON} will call {PERSON} on {DAY}.",
    "are you sure, {PERSON}? It is {NUMBER} o'clock!",
    "the meeting starts at {NUMBER} o'clock on {DAY}.",
    "{PERSON} and {PERSON} have known each other for {NUMBER} years.",
    "{PERSON} laughed, but {PERSON} did not.",
    "the concert on {DAY} was too loud for {PERSON}.",
)
#: Those of the split `test_templates`: the same words, more or less, put differently.
HELD_OUT_TEMPLATES = (
    "{PERSON} spent {NUMBER} weeks in {COUNTRY} before returning to {COUNTRY}.",
    "the president of {COUNTRY} visited {COUNTRY} in {MONTH}.",
    "{COUNTRY} lost to {COUNTRY} on {DAY}.",
    "{PERSON} (from {COUNTRY}) lived in {COUNTRY} until {MONTH}.",
    "a hungry {ANIMAL} followed the {ANIMAL} into the river.",
    "{PERSON} watched {a ANIMAL} in the forest of {COUNTRY}.",
    "the wounded {ANIMAL} slept for {NUMBER} hours.",
    "we ordered {a FOOD}, and {PERSON} ate {a FOOD}.",
    "{PERSON} served {a FOOD} with {a FOOD} for breakfast.",
    "the chef tasted the {FOOD}, then the {FOOD}.",
    "{PERSON} walked to the {PLACE} on {DAY}.",
    "they met near the entrance of {a PLACE} in {COUNTRY}.",
    "the {PLACE} next to the {PLACE} was closed for {NUMBER} days.",
    "{PERSON} got off {a VEHICLE} in front of the {PLACE}.",
    "the {VEHICLE} crashed on the way to {COUNTRY}.",
    "{PERSON} travelled across {COUNTRY} by {VEHICLE}.",
    "{PERSON} wore {a CLOTHING} on {DAY}.",
    "before the party, {PERSON} put on {a CLOTHING} and {a CLOTHING}.",
    "the tailor looked at my wet {CLOTHING}.",
    "the workers dropped {a TOOL} and {a TOOL}.",
    "{PERSON} finished the job with {a TOOL} from the workbench.",
    "could you hand {PERSON} the {TOOL}?",
    "it was {NUMBER} o'clock when {PERSON} called.",
    "{PERSON} answered {PERSON} in {MONTH}.",
    "on {DAY} nobody laughed at {PERSON}.",
)
SIZES = {"train": 8_000, "validation": 1_000, "test": 1_000, "test_templates": 1_000}
_EMPTY_SHARE = 0.15  # Of sentences without a name.
_CAPITAL_SHARE = 0.85  # Of sentences that start with a capital where a small letter could stand.


class EmojiSentences(tfds.core.GeneratorBasedBuilder):
    """English sentences in which the names of countries, animals, dishes and so on are marked.

    No name of one split occurs in another, nor does another kind of the same thing ("North Korea",
    "South Korea"; "castle", "Japanese castle"). `test` has new names in the sentences of training,
    so that it measures whether a name is known by what stands around it; `test_templates` has the
    same new names in sentences of another build.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "7 types, 580 names, 101 templates."}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "English sentences, made from templates and the names of emoji and flags, with "
                f"the place of every name and its type: {', '.join(TYPES)}. Names: Unicode CLDR, "
                "from the package emoji."
            ),
            homepage="https://cldr.unicode.org",
            license="Names: Unicode License v3, https://www.unicode.org/license.txt",
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(doc="One to three sentences."),
                    "entities": tfds.features.Text(
                        doc=(
                            "start:end:TYPE of every name, in order, between blanks; the places "
                            "are counted in characters (code points), the end exclusive. One "
                            "blank where there is no name."
                        )
                    ),
                }
            ),
            supervised_keys=("text", "entities"),
            # Filled when the dataset is made: the package the names came from.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        del dl_manager  # Nothing is downloaded.
        names = _split(_names())
        self.info.metadata.update({"emoji": importlib.metadata.version("emoji")})
        seen: set[str] = set()
        return {split: self._generate_examples(split, names, seen) for split in SIZES}

    def _generate_examples(
        self, split: str, names: "dict[str, dict[str, list[str]]]", seen: set[str]
    ) -> Iterator[tuple[int, dict[str, str]]]:
        templates = HELD_OUT_TEMPLATES if split == "test_templates" else TEMPLATES
        writer = _Writer(templates, names[split.removesuffix("_templates")], split)
        number = 0
        while number < SIZES[split]:
            text, entities = writer.write()
            if text in seen:  # Here or in another split.
                continue
            seen.add(text)
            yield number, {"text": text, "entities": entities}
            number += 1


def prepare(data_dir: str | Path | None = None, progress: bool = True) -> tfds.core.DatasetBuilder:
    """The prepared dataset, made on the first call (seconds) and reused afterwards.

    See `mmkeras.prepared`.

    Args:
        data_dir: where to keep it; by default the environment variable `MMKERAS_CACHE`, else
            `~/.cache/mmkeras`.
        progress: whether to show progress bars, on stderr.

    Returns:
        The builder, ready for `as_dataset` and `mmkeras.sources.TFDS`.

    Raises:
        ImportError: the package `emoji` of the `demo` extra is missing.
    """
    return prepared(EmojiSentences, data_dir, progress=progress)


def _names() -> dict[str, list[str]]:
    """The names of every type."""
    try:
        import emoji
    except ImportError as error:
        raise ImportError(
            f"the emoji_sentences dataset needs {error.name}; install it with "
            'pip install "mmkeras[demo]".'
        ) from error

    def name(character: str) -> str:
        # Some emoji are followed by a sign that asks for the drawing in colour.
        known = emoji.EMOJI_DATA.get(character) or emoji.EMOJI_DATA[character + "\ufe0f"]
        return known["en"].strip(":").replace("_", " ")

    flags = [flag for flag in emoji.EMOJI_DATA if re.fullmatch("[\U0001f1e6-\U0001f1ff]{2}", flag)]
    names = {kind: [name(character) for character in some] for kind, some in _EMOJI.items()}
    names["COUNTRY"] = [name(flag) for flag in flags if not _NO_COUNTRY.search(name(flag))]
    return {kind: sorted(set(names[kind])) for kind in TYPES}


def _split(names: Mapping[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    """Names that share a word of meaning into one split, each type in the same shares."""
    kin = Families()
    pairs = [(kind, name) for kind in names for name in names[kind]]
    for _, name in pairs:
        for word in re.findall(r"\w+", name.lower()):
            if word.removesuffix("s") not in _LITTLE_WORDS:
                kin.join(f"name {name}", f"word {word.removesuffix('s')}")
    where = split_families([kin.find(f"name {n}") for _, n in pairs], [kind for kind, _ in pairs])
    return {
        split: {
            kind: [n for (k, n), s in zip(pairs, where, strict=True) if (k, s) == (kind, split)]
            for kind in names
        }
        for split in ("train", "validation", "test")
    }


@dataclasses.dataclass
class _Writer:
    """Writes sentences for one split."""

    templates: tuple[str, ...]
    names: Mapping[str, list[str]]
    seed: str

    def __post_init__(self):
        self._chance = np.random.default_rng(int(drawn(self.seed)[:8], 16))
        self._rest: dict[str, list[str]] = {}
        self._full = [t for t in self.templates if any(f"{kind}}}" in t for kind in TYPES)]
        self._empty = [t for t in self.templates if t not in self._full]

    def write(self) -> tuple[str, str]:
        """A text of one to three sentences and its entities."""
        text, entities = "", []
        for _ in range(self._chance.choice([1, 2, 3], p=[0.65, 0.25, 0.1])):
            text += " " if text else ""
            sentence, found = self._sentence()
            entities += [f"{len(text) + a}:{len(text) + b}:{kind}" for a, b, kind in found]
            text += sentence
        return text, " ".join(entities) or " "

    def _sentence(self) -> tuple[str, list[tuple[int, int, str]]]:
        kind_of = self._empty if self._chance.random() < _EMPTY_SHARE else self._full
        template = kind_of[self._chance.integers(len(kind_of))]
        text, entities, used = "", [], set()
        for i, piece in enumerate(re.split(r"\{(.+?)\}", template)):
            if i % 2 == 0:
                text += piece
                continue
            article, kind = piece.rpartition(" ")[::2]
            name = self._next(kind, used)
            if article and not _WITHOUT_A.search(name):
                text += "an " if _WITH_AN.match(name) else "a "
            elif kind == "COUNTRY" and _WITH_THE.search(name):
                text += "the "
            if kind in self.names:
                entities.append((len(text), len(text) + len(name), kind))
            text += name
        if self._chance.random() < _CAPITAL_SHARE:
            text = re.sub(r"\w", lambda first: first[0].upper(), text, count=1)
        return text, entities

    def _next(self, kind: str, used: set[str]) -> str:
        """A name not yet in the sentence; all have their turn before one has its second."""
        if kind not in self.names:
            choice = [filler for filler in _FILLERS[kind] if filler not in used]
            name = choice[self._chance.integers(len(choice))]
        else:
            rest = self._rest.setdefault(kind, [])
            if not set(rest) - used:
                rest += [str(name) for name in self._chance.permutation(self.names[kind])]
            name = next(name for name in rest if name not in used)
            rest.remove(name)
        used.add(name)
        return name
