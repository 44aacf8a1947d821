"""`CharsMap`: the normalization that a SentencePiece model carries, as rules for strings."""

import base64
import functools

import numpy as np
import tensorflow as tf

from mmkeras.tokenizers.characters import Characters, CharacterTable
from mmkeras.tokenizers.trie import Trie


class CharsMap:
    """Replaces, from left to right, the longest string that a rule is about by what the rule says.

    Source: the compiled rules of Kudo and Richardson, "SentencePiece" (arXiv:1808.06226), such as
    `nmt_nfkc`: a double-array trie of strings (Aoe, "An Efficient Digital Search Algorithm by Using
    a Double-Array Structure", 1989) and what each becomes.

    Args:
        rules: what each string becomes.

    Example:

    >>> from mmkeras.tokenizers.characters import decode
    >>> charsmap = CharsMap({"Ａ": "A", "e\u0301": "é", "㍿": "株式会社"})
    >>> characters = charsmap(decode(tf.constant(["Ae\u0301㍿"]), "strict"))
    >>> "".join(map(chr, characters.codes.numpy())), characters.origins.numpy().tolist()
    ('Aé株式会社', [0, 1, 3, 3, 3, 3])
    """

    def __init__(self, rules: dict[str, str]):
        self._trie = Trie((string, place) for place, string in enumerate(rules))
        self._counts = np.array([*map(len, rules.values()), 1], "int32")
        self._begins = (np.cumsum(self._counts) - self._counts).astype("int32")
        self._targets = np.array([*map(ord, "".join(rules.values())), 0], "int32")
        # No string of a rule is of such characters only: each has one that stands by itself, or
        # one that is not its first.
        touched = np.zeros(0x110000, "int64")
        for string in rules:
            touched[[ord(character) for character in string[1:] or string]] = 1
        self._touched = CharacterTable.of(touched)

    @property
    def resources(self) -> list[tf.lookup.StaticHashTable]:
        """What an export has to track."""
        return [self._trie.table]

    def __call__(self, characters: Characters) -> Characters:
        """The characters that the rules make."""
        touched = tf.reduce_any(self._touched(characters.codes) > 0)
        return Characters(*tf.cond(touched, lambda: self._replaced(characters), lambda: characters))

    def _replaced(self, characters: Characters) -> Characters:
        size = tf.size(characters.codes)
        counts = tf.cast(characters.splits[1:] - characters.splits[:-1], tf.int32)
        ends = tf.repeat(tf.cast(characters.splits[1:], tf.int32), counts)
        found = self._trie.matches(characters.codes, ends)
        lengths = tf.range(1, tf.shape(found)[1] + 1)
        length = tf.reduce_max(tf.where(found >= 0, lengths, 0), axis=1)
        place = tf.range(size)
        reached = _reached(place + tf.maximum(length, 1))
        rule = tf.gather_nd(found, tf.stack([place, tf.maximum(length, 1) - 1], axis=1))
        rule = tf.where(length > 0, rule, len(self._counts) - 1)
        count = tf.where(reached, tf.gather(self._counts, rule), 0)
        places = tf.repeat(tf.range(tf.cast(size, tf.int64)), count)
        number = tf.range(tf.size(places)) - tf.gather(tf.cumsum(count) - count, places)
        taken, rule = characters.take(places), tf.gather(rule, places)
        target = tf.gather(self._targets, tf.gather(self._begins, rule) + number)
        return taken._replace(codes=tf.where(rule < len(self._counts) - 1, target, taken.codes))

    @classmethod
    def of_bytes(cls, blob: bytes) -> "CharsMap":
        """The rules that a SentencePiece model holds as `precompiled_charsmap`.

        Raises:
            ValueError: the bytes are no such rules.
        """
        size = int.from_bytes(blob[:4], "little")
        if len(blob) < 8 or size % 4 or size + 4 > len(blob):
            raise ValueError(
                f"precompiled_charsmap: {len(blob)} bytes do not hold the trie of {size} bytes "
                "that their first four announce; the file is cut or something else."
            )
        units = np.frombuffer(blob, "<u4", size // 4, 4).astype("int64")
        strings = blob[4 + size :]
        return cls(
            {
                key.decode(): strings[value : strings.index(b"\0", value)].decode()
                for key, value in _entries(units)
            }
        )


@functools.cache
def charsmap(written: str) -> CharsMap:
    """The rules in `precompiled_charsmap`, written in base 64 as `tokenizer.json` has them."""
    return CharsMap.of_bytes(base64.b64decode(written))


def _reached(following: tf.Tensor) -> tf.Tensor:
    """bool [N]: the places that going from 0 to `following` (int32 [N]) again and again reaches."""
    size = tf.size(following)

    def step(reached, jump):
        ahead = tf.gather(jump, tf.where(reached)[:, 0])
        reached = tf.tensor_scatter_nd_update(reached, ahead[:, None], tf.ones_like(ahead, tf.bool))
        # Twice as far in the next step.
        return reached, tf.gather(jump, jump)

    # The place behind the last one follows itself.
    reached = tf.concat([[True], tf.zeros([size], tf.bool)], axis=0)
    jump = tf.concat([following, [size]], axis=0)
    alone = tf.reduce_all(following == tf.range(1, size + 1))
    reached, _ = tf.while_loop(
        lambda reached, jump: ~(alone | reached[-1]), step, (reached, jump), parallel_iterations=1
    )
    return (reached | alone)[:-1]


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
