"""`CharsMap`: the normalization that a SentencePiece model carries, as rules for strings."""

import base64
import binascii
import functools
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tokenizers

from mmkeras.tokenizers.chains import reached
from mmkeras.tokenizers.characters import (
    CODE_POINTS,
    Characters,
    CharacterTable,
    assigned,
    lower_bound,
    runs,
    shifted,
    spread,
    utf8_lengths,
)
from mmkeras.tokenizers.trie import Trie

# What the `tokenizers` package reads as one: a cluster of characters of fewer bytes.
_CLUSTER_BYTES = 6
_WHOLE, _FIRST, _SECOND = 1, 2, 4
_ALONE, _EXTENDS, _PREPENDED, _CONTROL, _RETURN, _NEWLINE = range(6)


class CharsMap:
    """Replaces strings by what rules say, from left to right, the longest that fits first.

    Source: the compiled rules of Kudo and Richardson, "SentencePiece" (arXiv:1808.06226), such as
    `nmt_nfkc`: a double-array trie of strings (Aoe, "An Efficient Digital Search Algorithm by Using
    a Double-Array Structure", 1989) and what each becomes.

    Args:
        rules: what each string becomes.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> charsmap = CharsMap({"Ａ": "A", "e\u0301": "é", "㍿": "株式会社"})
    >>> characters = charsmap(decode(tf.constant(["Ae\u0301㍿"])))
    >>> "".join(map(chr, characters.codes.numpy())), characters.origins.numpy().tolist()
    ('Aé株式会社', [0, 1, 3, 3, 3, 3])
    """

    def __init__(self, rules: Mapping[str, str]):
        self.rules = dict(rules)
        self._trie = Trie(self.rules)
        targets = self.rules.values()
        self._counts = np.array([*map(len, targets), 1], "int32")
        self._begins = (np.cumsum(self._counts) - self._counts).astype("int32")
        self._targets = np.array([*map(ord, "".join(targets)), 0], "int32")
        # Where strings may begin: at one of one character, or at the first two of a longer one.
        kinds = np.zeros(CODE_POINTS, "int64")
        for string in self.rules:
            if len(string) == 1:
                kinds[ord(string)] |= _WHOLE
            else:
                kinds[ord(string[0])] |= _FIRST
                kinds[ord(string[1])] |= _SECOND
        self._kinds = CharacterTable.of(kinds)

    @property
    def resources(self) -> list[Any]:
        """What an export has to track."""
        return [self._trie.table]

    def __call__(self, characters: Characters) -> Characters:
        """The characters that the rules make."""
        kinds = self._kinds(characters.codes)
        second = shifted(tf.bitwise.bitwise_and(kinds, _SECOND), -1, 0) > 0
        begins = tf.bitwise.bitwise_and(kinds, _FIRST) > 0
        begins = (tf.bitwise.bitwise_and(kinds, _WHOLE) > 0) | (begins & second)
        places = tf.cast(tf.where(begins)[:, 0], tf.int32)
        return Characters(
            *tf.cond(
                tf.size(places) > 0,
                lambda: self._replaced(characters, *self.replacements(characters, places)),
                lambda: characters,
            )
        )

    def replacements(
        self, characters: Characters, places: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What is replaced.

        Args:
            characters: of which texts.
            places: int32 [P], the characters with which a rule's string may begin, in their order.

        Returns:
            Where each string begins, in their order, how many characters it has, and the number of
            its rule: int32 [R] each. Strings do not overlap.
        """
        ends = tf.cast(characters.splits[1:], tf.int32)
        row = lower_bound(ends, places + 1)
        found = self._trie.matches(characters.codes, places, tf.gather(ends, row))
        lengths = tf.range(1, tf.shape(found)[0] + 1)[:, None]
        length = tf.reduce_max(tf.where(found >= 0, lengths, 0), axis=0)
        number = tf.range(tf.size(places))
        rule = tf.gather_nd(found, tf.stack([tf.maximum(length, 1) - 1, number], axis=1))
        some = tf.where(length > 0)[:, 0]
        places, length, rule = (tf.gather(x, some) for x in (places, length, rule))
        # The next string is the first one that does not begin within this one.
        following = tf.cast(lower_bound(places, places + length), tf.int32)
        kept = reached(tf.range(tf.size(places)) == 0, following)
        kept = tf.where(kept)[:, 0]
        places, length, rule = (tf.gather(x, kept) for x in (places, length, rule))
        return places, length, rule

    def _replaced(
        self, characters: Characters, starts: tf.Tensor, lengths: tf.Tensor, rules: tf.Tensor
    ) -> Characters:
        """The characters with strings replaced: see `replacements`."""
        place = tf.range(tf.size(characters.codes))
        string = tf.scatter_nd(starts[:, None], tf.ones_like(starts), tf.shape(place))
        string = tf.cumsum(string) - 1
        inside = string >= 0
        string = tf.maximum(string, 0)
        start, length = (tf.gather(tf.concat([x, [0]], axis=0), string) for x in (starts, lengths))
        inside &= place < start + length
        rule = tf.gather(tf.concat([rules, [0]], axis=0), string)
        rule = tf.where(inside, rule, len(self._counts) - 1)
        # A character of the target for each of the string, the rest in the place of the last one.
        number = tf.where(inside, place - start, 0)
        target = tf.gather(self._counts, rule)
        last = number == length - 1
        count = tf.where(last, tf.maximum(target - number, 0), tf.cast(number < target, tf.int32))
        count = tf.where(inside, count, 1)
        places, more = runs(count)
        taken, rule = characters.take(places), tf.gather(rule, places)
        at = tf.gather(self._begins, rule) + tf.gather(number, places) + more
        codes = tf.gather(self._targets, at)
        return taken._replace(codes=tf.where(tf.gather(inside, places), codes, taken.codes))


class ClusterCharsMap(CharsMap):
    """The rules of a `CharsMap` as `Precompiled` in the `tokenizers` package applies them.

    To single characters; and where a letter with its marks has fewer than 6 bytes, the shortest
    rule that fits its beginning is for all of it, so that a mark may get lost.

    Args:
        rules: what each string becomes.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> characters = ClusterCharsMap({"Ａ": "A"})(decode(tf.constant(["Ａ́"])))
    >>> "".join(map(chr, characters.codes.numpy()))
    'A'
    """

    def __init__(self, rules: Mapping[str, str]):
        super().__init__(
            {
                key: value
                for key, value in rules.items()
                if len(key) == 1 or len(key.encode()) < _CLUSTER_BYTES
            }
        )

    def replacements(
        self, characters: Characters, places: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `CharsMap.replacements`."""
        codes = characters.codes
        begins = _begins_cluster(codes, characters.row_starts())
        cluster = tf.cumsum(tf.cast(begins, tf.int32)) - 1
        starts = tf.cast(tf.where(begins)[:, 0], tf.int32)
        ends = tf.concat([starts[1:], [tf.size(codes)]], axis=0)
        sizes = tf.concat([[0], tf.cumsum(utf8_lengths(codes))], axis=0)
        small = tf.gather(sizes, ends) - tf.gather(sizes, starts) < _CLUSTER_BYTES
        ends = tf.where(small, ends, starts + 1)
        mine = tf.gather(cluster, places)
        start, end = tf.gather(starts, mine), tf.gather(ends, mine)
        end = tf.where(places == start, end, places + 1)
        found = self._trie.matches(codes, places, end)
        rule = tf.gather_nd(
            found,
            tf.stack(
                [tf.argmax(found >= 0, axis=0, output_type=tf.int32), tf.range(tf.size(places))],
                axis=1,
            ),
        )
        # What is replaced as a whole leaves nothing of the cluster.
        whole = tf.where((rule >= 0) & (places == start), end, 0)
        whole = tf.tensor_scatter_nd_max(tf.zeros_like(codes), start[:, None], whole)
        kept = (rule >= 0) & ((places == start) | (places >= tf.gather(whole, start)))
        kept = tf.where(kept)[:, 0]
        places, length, rule = (tf.gather(x, kept) for x in (places, end - places, rule))
        return places, length, rule


def _begins_cluster(codes: tf.Tensor, row_start: tf.Tensor) -> tf.Tensor:
    """bool [N]: where a character is no part of the cluster before it.

    Unicode Standard Annex 29, section 3.1.1, as far as it makes clusters of fewer than 6 bytes.
    """
    kind = _cluster_kinds()(codes)
    before = tf.where(row_start, _CONTROL, shifted(kind, 1, _CONTROL))
    joined = ((kind == _EXTENDS) & (before < _CONTROL)) | (
        (before == _PREPENDED) & (kind < _CONTROL)
    )
    return ~(joined | ((before == _RETURN) & (kind == _NEWLINE)))


@functools.cache
def _cluster_kinds() -> CharacterTable:
    """What each character is to a cluster, as the `tokenizers` package judges."""
    others = [c for c in assigned() if c not in "X\u2603"]

    def swallowed(before: str, behind: str) -> list[bool]:
        # "X" becomes "Y", and with it what is in one cluster with it.
        apart = "\u2603".join(before + c + behind for c in others)
        made = _only_x_to_y().normalize_str(apart).split("\u2603")
        whole = [(before + c + behind).replace("X", "Y") for c in others]
        return [a != b for a, b in zip(made, whole, strict=True)]

    kinds = {}
    extends, follows = swallowed("X", ""), swallowed("", "X\u0301")
    for c, extending, free in zip(others, extends, follows):
        if extending:
            kinds[c] = _EXTENDS
        elif not free:
            kinds[c] = _PREPENDED
        elif unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp"):
            kinds[c] = {"\r": _RETURN, "\n": _NEWLINE}.get(c, _CONTROL)
    return CharacterTable.of(spread([kinds.get(c, _ALONE) for c in assigned()]))


def _only_x_to_y() -> tokenizers.normalizers.Precompiled:
    """The one rule that "X" becomes "Y"."""
    child, leaf = 0x100 ^ ord("X"), 0x200
    units = np.zeros(0x400, "<u4")
    units[0] = 0x100 << 10
    units[child] = ord("X") | 1 << 8 | (child ^ leaf) << 10
    units[leaf] = 1 << 31
    trie = units.tobytes()
    return tokenizers.normalizers.Precompiled(len(trie).to_bytes(4, "little") + trie + b"Y\0")


@functools.cache
def rules(written: str) -> dict[str, str]:
    """The rules in `precompiled_charsmap`, written in base 64 as `tokenizer.json` has them.

    Raises:
        ValueError: that is no base 64, or there are no such rules in it.
    """
    try:
        blob = base64.b64decode(written, validate=True)
    except binascii.Error as error:
        raise ValueError(f"precompiled_charsmap is not base 64: {error}") from error
    size = int.from_bytes(blob[:4], "little")
    if len(blob) < 8 or not size or size % 4 or size + 4 > len(blob):
        raise ValueError(
            f"precompiled_charsmap: {len(blob)} bytes do not hold the trie of {size} bytes that "
            "their first four announce; the file is cut or something else."
        )
    strings = blob[4 + size :]
    try:
        entries = _entries(np.frombuffer(blob, "<u4", size // 4, 4).astype("int64"))
        return {
            key.decode(): strings[value : strings.index(b"\0", value)].decode()
            for key, value in entries
        }
    except (ValueError, IndexError) as error:
        raise ValueError(f"precompiled_charsmap is damaged: {error}") from error


def protected(rules: Mapping[str, str], symbols: Iterable[str]) -> dict[str, str]:
    """Rules that leave symbols as they are, whatever begins with one."""
    symbols = tuple(symbols)
    kept = {key: value for key, value in rules.items() if not key.startswith(symbols)}
    return kept | {symbol: symbol for symbol in symbols}


def _entries(units: np.ndarray) -> list[tuple[bytes, int]]:
    """All strings of a double-array trie (int64 [U]) with their values, level by level."""
    # A child is where its label leads from the offset of its parent, and carries that label.
    labels = units & 0x800000FF
    base = np.where((labels > 0) & (labels < 256), np.arange(len(units)) ^ labels, -1)
    by_base = np.argsort(base, kind="stable")
    base = base[by_base]
    entries = []
    nodes, keys = np.array([0]), [b""]
    while nodes.size:
        # Branches may share what follows, but not so much.
        if len(keys) > 16 * len(units) or len(keys[0]) > len(units):
            raise ValueError("the trie has a circle")
        unit = units[nodes]
        offset = nodes ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6))
        entries += [
            (keys[place], int(units[offset[place]] & 0x7FFFFFFF))
            for place in np.nonzero((unit >> 8) & 1)[0]
        ]
        first, last = (np.searchsorted(base, offset, side) for side in ("left", "right"))
        parent = np.repeat(np.arange(len(nodes)), last - first)
        begun = np.cumsum(last - first) - (last - first)
        nodes = by_base[np.arange(len(parent)) + (first - begun)[parent]]
        keys = [
            keys[place] + bytes([label])
            for place, label in zip(parent.tolist(), labels[nodes].tolist())
        ]
    return entries
