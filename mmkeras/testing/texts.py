"""Texts in many scripts, to try tokenizers with: words, emoji, and what nobody should write."""

import random
import string

#: Code points of the letters (and what stands among them) of 24 scripts.
SCRIPTS = {
    "Latin": range(0x41, 0x250),
    "Greek": range(0x370, 0x400),
    "Cyrillic": range(0x400, 0x530),
    "Armenian": range(0x531, 0x590),
    "Hebrew": range(0x591, 0x5F5),
    "Arabic": range(0x600, 0x700),
    "Devanagari": range(0x900, 0x980),
    "Bengali": range(0x980, 0xA00),
    "Gurmukhi": range(0xA00, 0xA80),
    "Tamil": range(0xB80, 0xC00),
    "Telugu": range(0xC00, 0xC80),
    "Malayalam": range(0xD00, 0xD80),
    "Thai": range(0xE00, 0xE80),
    "Lao": range(0xE80, 0xF00),
    "Tibetan": range(0xF00, 0x1000),
    "Myanmar": range(0x1000, 0x10A0),
    "Georgian": range(0x10A0, 0x1100),
    "Jamo": range(0x1100, 0x1200),
    "Ethiopic": range(0x1200, 0x1380),
    "Khmer": range(0x1780, 0x1800),
    "Kana": range(0x3040, 0x3100),
    "Han": range(0x4E00, 0x5000),
    "Hangul": range(0xAC00, 0xAC80),
    "Gothic": range(0x10330, 0x10350),
}
#: Code points that need care: controls, spaces, combining marks, compatibility forms, flags.
TROUBLE = (
    range(0x21),
    range(0x7F, 0xA1),
    range(0x300, 0x370),
    range(0x2000, 0x2070),
    range(0xFB00, 0xFB50),
    range(0xFE00, 0xFE10),
    range(0xFF00, 0xFFF0),
    range(0x1D400, 0x1D440),
    range(0x1F1E6, 0x1F200),
)


def many_scripts(count: int, seed: int = 0) -> list[str]:
    """Lines of text: names of emoji in 14 languages, made-up words in 24 scripts, and trouble.

    Args:
        count: how many lines.
        seed: other lines for another seed.

    Example:

    >>> lines = many_scripts(100)
    >>> len(lines), lines == many_scripts(100), lines == many_scripts(100, seed=1)
    (100, True, False)
    """
    import emoji  # part of the extra [demo]

    draw = random.Random(seed)
    emoji.config.load_language()
    languages = [name for name in emoji.LANGUAGES if name != "alias"]
    pictures = list(emoji.EMOJI_DATA)
    names = {
        language: [
            entry[language].strip(":").replace("_", " ")
            for entry in emoji.EMOJI_DATA.values()
            if language in entry
        ]
        for language in languages
    }
    blocks = [*SCRIPTS.values(), *TROUBLE]

    def name_list() -> str:
        known = names[draw.choice(languages)]
        return draw.choice([" ", ", ", "  ", "\n", " - "]).join(
            draw.choices(known, k=draw.randint(1, 6))
        )

    def made_up() -> str:
        return " ".join(
            "".join(chr(draw.choice(block)) for _ in range(draw.randint(1, 8)))
            for block in draw.choices(blocks, k=draw.randint(1, 6))
        )

    def mixed() -> str:
        characters = [*string.printable, *"'''''", *"áßİΣσ猫한", *draw.choices(pictures, k=3)]
        return "".join(draw.choices(characters, k=draw.randint(0, 40)))

    def anything() -> str:
        codes = [draw.randrange(0x110000) for _ in range(draw.randint(0, 20))]
        return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)

    def sequence() -> str:
        return "".join(draw.choices(pictures, k=draw.randint(1, 8)))

    kinds = (name_list, made_up, mixed, sequence, anything)
    lines = [draw.choices(kinds, (50, 25, 10, 10, 5))[0]() for _ in range(count)]
    return [
        line.title() + draw.choice(["'s", "'LL", " they're", "!!!", "   "])
        if draw.random() < 0.1
        else line
        for line in lines
    ]
