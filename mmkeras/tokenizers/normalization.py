"""Normalization: which characters a text is read as, each keeping its place in the original.

What becomes of one character is read once from the `tokenizers` package, so that both judge by
the same tables of Unicode, and becomes a table in the graph. What neighbours do to each other,
the order and the composition of combining marks, is the algorithm of Unicode Standard Annex 15.
"""

import functools
import unicodedata
from collections.abc import Collection
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
import tokenizers

from mmkeras.tokenizers.characters import (
    Characters,
    CharacterTable,
    assigned,
    each,
    lower_bound,
    matching,
    runs,
    shifted,
    spread,
)
from mmkeras.tokenizers.lookup import static_table

_BLANK = ord(" ")
# A character that becomes no or several ones is moved by this much and its place in their list.
_SEVERAL = 1 << 24


class Step(Protocol):
    """What is done to characters."""

    #: What an export has to track.
    resources: Any

    def __call__(self, characters: Characters) -> Characters:
        """The characters after it."""
        ...


class CharacterMap:
    """What each character becomes by itself: none, one or several characters.

    Args:
        normalizer: says so, as a rule that looks at one character at a time.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> lower = CharacterMap(tokenizers.normalizers.Lowercase())
    >>> characters = lower(decode(tf.constant(["AİB"])))
    >>> "".join(map(chr, characters.codes.numpy())), characters.origins.numpy().tolist()
    ('ai̇b', [0, 1, 1, 2])
    """

    #: What an export has to track: nothing.
    resources = ()

    def __init__(self, normalizer: tokenizers.normalizers.Normalizer):
        sources = assigned()
        targets = each(normalizer)
        several: dict[str, int] = {}
        moves = []
        for source, target in zip(sources, targets):
            if len(target) == 1:
                moves.append(ord(target) - ord(source))
            else:
                moves.append(_SEVERAL + several.setdefault(target, len(several)))
        self.table = CharacterTable.of(spread(moves))
        self.counts = np.array([*map(len, several), 0], "int32")
        self.begins = np.cumsum(self.counts) - self.counts
        # The one behind is read where nothing is written.
        self.targets = np.array([ord(c) for target in several for c in target] + [0], "int32")

    def __call__(self, characters: Characters) -> Characters:
        """What the characters become."""
        moves = self.table(characters.codes)
        return Characters(
            *tf.cond(
                tf.reduce_any(moves >= _SEVERAL),
                lambda: self._several(characters, moves),
                lambda: characters._replace(codes=characters.codes + moves),
            )
        )

    def _several(self, characters: Characters, moves: tf.Tensor) -> Characters:
        some = moves >= _SEVERAL
        entry = tf.where(some, moves - _SEVERAL, 0)
        counts = tf.where(some, tf.gather(self.counts, entry), 1)
        places, number = runs(counts)
        taken = characters.take(places)
        some = tf.gather(some, places)
        target = tf.gather(tf.cast(self.begins, tf.int32), tf.gather(entry, places)) + number
        target = tf.gather(self.targets, tf.where(some, target, 0))
        moved = taken.codes + tf.gather(moves, places)
        return taken._replace(codes=tf.where(some, target, moved))


class NormalForm:
    """One of Unicode's normal forms, NFC, NFD, NFKC or NFKD.

    Texts that hold nothing to decompose, to order or to compose are recognised at once.

    Args:
        name: the form.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> characters = NormalForm("NFC")(decode(tf.constant(["e\u0323\u0302"])))
    >>> "".join(map(chr, characters.codes.numpy()))
    'ệ'
    """

    def __init__(self, name: str):
        sources = assigned()
        #: What an export has to track.
        self.resources: list[Any] = []
        self.composes = name.endswith("C")
        decomposed = "NFKD" if "K" in name else "NFD"
        self.decompose = character_map(decomposed)
        classes, pairs = _classes(), _pairs()
        calm = np.array([s == t for s, t in zip(sources, each(_NORMALIZERS[name]()))])
        calm = spread(calm) * (classes == 0)
        self.classes = CharacterTable.of(classes)
        if self.composes:
            left, right, whole = pairs.T
            calm[right] = 0
            joins = np.zeros(len(classes), "int64")
            joins[right] = 1
            self.joins = CharacterTable.of(joins)
            self.pairs = static_table(left << 21 | right, whole, tf.int64, -1)
            self.resources.append(self.pairs)
        self.calm = CharacterTable.of(calm)

    def __call__(self, characters: Characters) -> Characters:
        """The characters in this form."""
        calm = tf.reduce_all(self.calm(characters.codes) > 0)
        return Characters(*tf.cond(calm, lambda: characters, lambda: self._normalized(characters)))

    def _normalized(self, characters: Characters) -> Characters:
        characters = ordered(self.decompose(characters), self.classes)
        return self._composed(characters) if self.composes else characters

    def _composed(self, characters: Characters) -> Characters:
        """Composes what belongs together, in all texts at once, a step for each mark in a row."""
        codes, classes = characters.codes, self.classes(characters.codes)
        begins = tf.where(characters.row_starts() | (classes == 0) & (self.joins(codes) == 0))[:, 0]
        ends = tf.concat([begins[1:], [tf.size(codes, tf.int64)]], axis=0)
        several = ends - begins > 1
        begins, ends = tf.boolean_mask(begins, several), tf.boolean_mask(ends, several)

        def step(place, ends, starter, last, codes, kept):
            # `last`: the class of what stands between the starter and this place; -1 for nothing.
            code, class_ = tf.gather(codes, place), tf.gather(classes, place)
            wide = tf.cast(tf.gather(codes, tf.maximum(starter, 0)), tf.int64)
            whole = self.pairs.lookup(tf.bitwise.left_shift(wide, 21) | tf.cast(code, tf.int64))
            near = (last < 0) | ((last > 0) & (last < class_))
            fits = (starter >= 0) & near & (whole >= 0)
            joined = tf.where(fits)[:, 0]
            codes = tf.tensor_scatter_nd_update(
                codes, tf.gather(starter, joined)[:, None], tf.gather(whole, joined)
            )
            kept = tf.tensor_scatter_nd_update(kept, place[:, None], ~fits)
            new = ~fits & (class_ == 0)
            starter = tf.where(new, place, starter)
            last = tf.where(fits, last, tf.where(new, -1, class_))
            more = tf.where(place + 1 < ends)[:, 0]
            state = (tf.gather(x, more) for x in (place + 1, ends, starter, last))
            return (*state, codes, kept)

        first = tf.gather(classes, begins)
        starter = tf.where(first == 0, begins, -1)
        last = tf.where(first == 0, -1, first)
        state = (begins + 1, ends, starter, last, codes, tf.ones_like(codes, tf.bool))
        *_, codes, kept = tf.while_loop(
            lambda place, *_: tf.size(place) > 0,
            step,
            state,
            shape_invariants=(tf.TensorShape([None]),) * len(state),
            parallel_iterations=1,
        )
        return characters._replace(codes=codes).take(tf.where(kept)[:, 0])


def ordered(characters: Characters, classes: CharacterTable) -> Characters:
    """Combining marks in a row, ordered by their classes."""
    class_ = classes(characters.codes)
    marks = tf.where(class_ > 0)[:, 0]
    begins = (marks != shifted(marks, 1, -2) + 1) | tf.gather(characters.row_starts(), marks)
    row = tf.cumsum(tf.cast(begins, tf.int32))
    order = tf.argsort(row * 256 + tf.gather(class_, marks), stable=True)
    # What a character was decomposed to keeps that character's place, wherever it moves.
    new = characters.origins != shifted(characters.origins, 1, -1)
    moved = marks[:, None], tf.gather(marks, order)
    codes = tf.tensor_scatter_nd_update(
        characters.codes, moved[0], tf.gather(characters.codes, moved[1])
    )
    places = tf.tensor_scatter_nd_update(new, moved[0], tf.gather(new, moved[1]))
    places = tf.maximum(tf.cumsum(tf.cast(places, tf.int32)) - 1, 0)
    origins = tf.gather(tf.boolean_mask(characters.origins, new), places)
    return characters._replace(codes=codes, origins=origins)


class Strip:
    """Removes white space at the ends of texts.

    Args:
        left: what is removed from the left, bool [0x110000].
        right: what is removed from the right.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> characters = step("strip_right")(decode(tf.constant([" a b \u3000"])))
    >>> "".join(map(chr, characters.codes.numpy()))
    ' a b'
    """

    #: What an export has to track: nothing.
    resources = ()

    def __init__(self, left: np.ndarray, right: np.ndarray):
        self.left, self.right = (CharacterTable.of(~x.astype(bool)) for x in (left, right))

    def __call__(self, characters: Characters) -> Characters:
        """The texts without white space at their ends."""
        codes, splits = characters.codes, characters.splits
        starts, ends = splits[:-1], splits[1:]
        firsts = tf.gather(codes, tf.boolean_mask(starts, ends > starts))
        lasts = tf.gather(codes, tf.boolean_mask(ends, ends > starts) - 1)
        calm = tf.reduce_all(self.left(firsts) > 0) & tf.reduce_all(self.right(lasts) > 0)
        return Characters(*tf.cond(calm, lambda: characters, lambda: self._stripped(characters)))

    def _stripped(self, characters: Characters) -> Characters:
        codes, splits = characters.codes, characters.splits
        size = splits[-1:]
        stays_left, stays_right = (
            tf.where(table(codes) > 0)[:, 0] for table in (self.left, self.right)
        )
        first = tf.gather(
            tf.concat([stays_left, size], axis=0), lower_bound(stays_left, splits[:-1])
        )
        last = tf.gather(
            tf.concat([[-1], stays_right], axis=0), lower_bound(stays_right, splits[1:])
        )
        rows = tf.raw_ops.RaggedRange(
            starts=first,
            limits=tf.maximum(tf.minimum(last + 1, splits[1:]), first),
            deltas=tf.constant(1, tf.int64),
        )
        places = rows.rt_dense_values
        return Characters(
            tf.gather(codes, places), rows.rt_nested_splits, tf.gather(characters.origins, places)
        )


class CollapseBlanks:
    """Makes one of several blanks in a row, in the place of the last one.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> characters = CollapseBlanks()(decode(tf.constant(["a   b"])))
    >>> "".join(map(chr, characters.codes.numpy())), characters.origins.numpy().tolist()
    ('a b', [0, 3, 4])
    """

    #: What an export has to track: nothing.
    resources = ()

    def __call__(self, characters: Characters) -> Characters:
        """The texts without blanks that another one follows."""
        blank = characters.codes == _BLANK
        several = blank & shifted(blank, -1, False)

        def collapsed() -> Characters:
            ends_row = shifted(characters.row_starts(), -1, True)
            return characters.take(tf.where(~several | ends_row)[:, 0])

        return Characters(*tf.cond(tf.reduce_any(several), collapsed, lambda: characters))


class Quotes:
    """Makes `"` of two backquotes or two apostrophes, in the place of the second one.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> characters = Quotes()(decode(tf.constant(["``a''b"])))
    >>> "".join(map(chr, characters.codes.numpy())), characters.origins.numpy().tolist()
    ('"a"b', [1, 2, 4, 5])
    """

    #: What an export has to track: nothing.
    resources = ()

    def __call__(self, characters: Characters) -> Characters:
        """The texts with such quotes."""
        codes = characters.codes
        quote = (codes == ord("`")) | (codes == ord("'"))
        first = characters.row_starts() | (codes != shifted(codes, 1, -1))
        several = quote & ~first

        def joined() -> Characters:
            place = tf.range(tf.size(codes))
            run = tf.gather(tf.where(first)[:, 0], tf.cumsum(tf.cast(first, tf.int32)) - 1)
            second = several & ((place - tf.cast(run, tf.int32)) % 2 == 1)
            changed = characters._replace(codes=tf.where(second, ord('"'), codes))
            return changed.take(tf.where(~shifted(second, -1, False))[:, 0])

        return Characters(*tf.cond(tf.reduce_any(several), joined, lambda: characters))


class ExtraBlanks:
    """Removes what SentencePiece's `remove_extra_whitespaces` does.

    Blanks at both ends, a `▁` at the right end as well, and of several blanks in a row all but one.
    """

    #: What an export has to track: nothing.
    resources = ()

    def __init__(self):
        left, right = np.zeros((2, 0x110000), bool)
        left[_BLANK] = right[_BLANK] = right[ord("▁")] = True
        self._steps = Strip(left, right), CollapseBlanks()

    def __call__(self, characters: Characters) -> Characters:
        """The texts without such blanks."""
        for one in self._steps:
            characters = one(characters)
        return characters


_NORMALIZERS = {
    "NFC": tokenizers.normalizers.NFC,
    "NFD": tokenizers.normalizers.NFD,
    "NFKC": tokenizers.normalizers.NFKC,
    "NFKD": tokenizers.normalizers.NFKD,
    "lowercase": tokenizers.normalizers.Lowercase,
    "nmt": tokenizers.normalizers.Nmt,
    "strip_accents": tokenizers.normalizers.StripAccents,
}
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
_OTHERS = {
    "strip_left": lambda: Strip(matching(r"\s"), np.zeros(0x110000)),
    "strip_right": lambda: Strip(np.zeros(0x110000), matching(r"\s")),
    "collapse_blanks": CollapseBlanks,
    "extra_blanks": ExtraBlanks,
    "quotes": Quotes,
}
#: The names of what `step` makes.
STEPS = (*_NORMALIZERS, *_OTHERS)


@functools.cache
def _classes() -> np.ndarray:
    """int64 [0x110000]: canonical combining classes, 0 for what the oracle does not reorder."""
    sources = assigned()
    classes = np.array([unicodedata.combining(c) for c in sources])
    # A mark younger than the tables of `tokenizers` stays where it is: does it move over one of
    # another class?
    marks = [c for c, class_ in zip(sources, classes) if class_]
    others = ["\u0345" if unicodedata.combining(c) < 240 else "\u0334" for c in marks]
    form = tokenizers.normalizers.NFD()
    for mark, other in zip(marks, others):
        pair = other + mark if other == "\u0345" else mark + other
        if form.normalize_str(pair) == pair and mark != "\u0345":
            classes[sources.index(mark)] = 0
    return spread(classes)


@functools.cache
def _pairs() -> np.ndarray:
    """int64 [P, 3]: pairs of characters that compose to one, and that one."""
    pairs = []
    for whole, again in zip(assigned(), each(tokenizers.normalizers.NFC())):
        if whole != again:
            continue  # never composed
        if "가" <= whole <= "힣":
            left, last = divmod(ord(whole) - 0xAC00, 28)
            first, vowel = divmod(left, 21)
            if last:
                pairs.append((0xAC00 + left * 28, 0x11A7 + last, ord(whole)))
            else:
                pairs.append((0x1100 + first, 0x1161 + vowel, ord(whole)))
            continue
        parts = unicodedata.decomposition(whole).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            left, right = (int(part, 16) for part in parts)
            pairs.append((left, right, ord(whole)))
    return np.array(pairs, "int64")


@functools.cache
def character_map(name: str) -> CharacterMap:
    """The map of a normalization that looks at one character at a time."""
    return CharacterMap(_NORMALIZERS[name]())


@functools.cache
def bert(lowercase: bool, strip_accents: bool) -> CharacterMap:
    """BERT's cleaning, without its blanks around ideographs."""
    return CharacterMap(
        tokenizers.normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=False,
            strip_accents=strip_accents,
            lowercase=lowercase,
        )
    )


@functools.cache
def step(name: str) -> Step:
    """A step of normalization by its name, one of `STEPS`."""
    if name in _OTHERS:
        return _OTHERS[name]()
    return NormalForm(name) if name in FORMS else character_map(name)


def check_steps(kind: str, steps: Collection[str], more: Collection[str] = ()) -> None:
    """Raises ValueError if there is no such step, nor are there `more` of that name."""
    known = [*STEPS, *more]
    unknown = [name for name in steps if name not in known]
    if unknown:
        raise ValueError(f"{kind}: normalization names {unknown}; the steps there are: {known}.")
