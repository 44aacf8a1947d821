"""What spoils raw values, more and more: typing errors, blur, noise; and a source so spoiled."""

import functools
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from mmkeras.contracts import Modality, Source
from mmkeras.contracts.source import Encode
from mmkeras.modalities import Audio, Image, Text, Words
from mmkeras.sound import wav

#: From a raw value, string [], a severity, float32 [] in [0, 1], and a seed, int32 [2], to a raw
#: value, string []. Severity 0 leaves every byte, and so does an absent value.
Corruption = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

#: The share of the letters that are mistyped at severity 1.
_TYPOS = 0.3
#: The deviation of a picture's noise at severity 1, as a share of the range of levels.
_NOISE = 0.4
#: The deviation of the Gaussian blur at severity 1, as a share of the longer side.
_BLUR = 0.06
#: What darkness takes of the levels at severity 1.
_DARKNESS = 0.9
#: The signal-to-noise ratio of a recording as severity begins, in decibels; 0 at severity 1.
_SNR_DB = 30.0


def corruptions(modality: Modality) -> dict[str, Corruption]:
    """What there is for a field, by name.

    Every field has `absence`: it is missing from a share of the samples, the severity. Texts
    have `typos`, pictures `noise`, `blur` and `darkness`, recordings `noise`.

    Source: Hendrycks & Dietterich 2019, "Benchmarking Neural Network Robustness to Common
    Corruptions and Perturbations", for pictures; Belinkov & Bisk 2018, "Synthetic and Natural Noise
    Both Break Neural Machine Translation", for texts.

    Example:

    >>> list(corruptions(Image()))
    ['noise', 'blur', 'darkness', 'absence']
    """
    found: dict[str, Corruption] = {}
    if isinstance(modality, Text | Words):
        found["typos"] = typos
    elif isinstance(modality, Image):
        for name, change in {"noise": _noisy, "blur": _blurred, "darkness": _darkened}.items():
            found[name] = functools.partial(_picture, modality, change)
    elif isinstance(modality, Audio):
        found["noise"] = functools.partial(_noisy_sound, modality)
    return found | {"absence": absence}


class Change(NamedTuple):
    """One way to spoil a source.

    Attributes:
        field: which is spoiled.
        corruption: by what, a name that `corruptions` gives; empty where nothing is.
        severity: how much, in [0, 1].
    """

    field: str
    corruption: str
    severity: float


class Corrupted(Source):
    """The samples of a source, each as often as there are ways to spoil it, one after the other.

    A sample is spoiled by the same chance at every severity, so that severities can be compared.

    Args:
        source: the source.
        fields: the modalities of the fields that are spoiled, or more.
        changes: the ways.
        seed: of what is random.

    Raises:
        ValueError: there is no change, a field has no such corruption, or a severity is not in
            [0, 1].

    Example:

    >>> from mmkeras.sources import Table
    >>> source = Table([{"text": "a friendly dog"}])
    >>> ways = [Change("text", "typos", 0.0), Change("text", "absence", 1.0)]
    >>> spoiled = Corrupted(source, {"text": Text.tiny()}, ways)
    >>> [text.numpy() for text in spoiled.column("text", str.encode)]
    [b'a friendly dog', b'']
    """

    def __init__(
        self,
        source: Source,
        fields: Mapping[str, Modality],
        changes: Sequence[Change],
        seed: int = 0,
    ):
        if not changes:
            raise ValueError("changes is empty; name one at least.")
        self.source, self.changes, self.seed = source, [Change(*way) for way in changes], seed
        self._ways: dict[str, dict[str, Corruption]] = {}
        for way in self.changes:
            if not 0 <= way.severity <= 1:
                raise ValueError(f"a severity is in [0, 1]; got {way.severity} of {way}.")
            if not way.corruption:
                continue
            known = corruptions(fields[way.field]) if way.field in fields else {}
            if way.corruption not in known:
                raise ValueError(
                    f"field {way.field!r} has no corruption {way.corruption!r}; it has "
                    f"{list(known)}."
                )
            self._ways.setdefault(way.field, {})[way.corruption] = known[way.corruption]

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return self.source.columns

    def __len__(self) -> int:
        return len(self.source) * len(self.changes)

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`."""
        count = len(self.changes)

        def every_way(index: tf.Tensor, row: Any) -> tf.data.Dataset:
            def spoiled(change: tf.Tensor) -> Any:
                # No column has an empty name.
                told = {"index": index, "change": change, "row": row}
                return index * count + change, {"": told}

            return tf.data.Dataset.range(count).map(spoiled)

        return self.source.rows(columns, files).flat_map(every_way)

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """See `Source.load`."""
        index, change = row[""]["index"], row[""]["change"]
        raw = dict(self.source.load(row[""]["row"]))
        for field, ways in self._ways.items():
            if field in raw:
                raw[field] = self._spoiled(field, ways, raw[field], index, change)
        return raw

    def locate(self, index: int) -> str:
        """See `Source.locate`."""
        return self.source.locate(index // len(self.changes))

    def cell(self, index: int, column: str) -> str:
        """See `Source.cell`."""
        return self.source.cell(index // len(self.changes), column)

    def _spoiled(
        self,
        field: str,
        ways: Mapping[str, Corruption],
        raw: tf.Tensor,
        index: tf.Tensor,
        change: tf.Tensor,
    ) -> tf.Tensor:
        names = list(ways)
        kinds = [
            1 + names.index(way.corruption) if way.field == field and way.corruption else 0
            for way in self.changes
        ]
        severity = tf.constant([way.severity for way in self.changes], tf.float32)[change]

        def by(name: str) -> Callable[[], tf.Tensor]:
            own = zlib.crc32(f"{field} {name}".encode()) & 0x7FFF_FFFF
            seed = tf.random.experimental.stateless_fold_in(tf.constant([self.seed, own]), index)
            return lambda: ways[name](raw, severity, seed)

        branches = [lambda: tf.identity(raw), *(by(name) for name in names)]
        return tf.ensure_shape(tf.switch_case(tf.constant(kinds)[change], branches), [])


def _unless_nothing(
    raw: tf.Tensor, severity: tf.Tensor, changed: Callable[[], tf.Tensor]
) -> tf.Tensor:
    """What was changed, or the raw value as it is at severity 0 and where it is absent."""
    there = tf.logical_and(severity > 0, raw != "")
    return tf.cond(there, changed, lambda: tf.identity(raw))


def absence(raw: tf.Tensor, severity: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The empty value, with the severity as its chance; see `Corruption`.

    Example:

    >>> absence(tf.constant("a cat"), tf.constant(1.0), tf.constant([0, 1])).numpy()
    b''
    """
    return tf.where(tf.random.stateless_uniform([], seed) < severity, "", raw)


def typos(raw: tf.Tensor, severity: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A text with letters swapped with the next, left out or doubled; see `Corruption`.

    At severity 1, three of ten letters are hit. There is no swap where the next letter is hit as
    well, or is none. No text is left empty.

    Example:

    >>> typos(tf.constant("a friendly dog"), tf.constant(1.0), tf.constant([0, 1])).numpy()
    b' frindly dg'
    """

    def mistyped() -> tf.Tensor:
        signs = tf.strings.unicode_split(raw, "UTF-8")
        letter = tf.strings.regex_full_match(signs, r"\pL")
        chance = tf.random.stateless_uniform([tf.size(signs), 2], seed)
        hit = letter & (chance[:, 0] < _TYPOS * severity)
        kind = tf.cast(3 * chance[:, 1], tf.int32)
        free = tf.concat([(letter & ~hit)[1:], [False]], axis=0)
        swapped = hit & (kind == 0) & free
        moved = tf.concat([[False], swapped[:-1]], axis=0)
        after = tf.concat([signs[1:], [""]], axis=0)
        before = tf.concat([[""], signs[:-1]], axis=0)
        made = tf.where(swapped, after, tf.where(moved, before, signs))
        made = tf.where(hit & (kind == 1), "", made)
        made = tf.where(hit & (kind == 2), made + made, made)
        text = tf.strings.reduce_join(made)
        return tf.where(text == "", raw, text)

    return _unless_nothing(raw, severity, mistyped)


def _picture(
    modality: Image,
    change: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor],
    raw: tf.Tensor,
    severity: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """A picture as the field sees it, its levels changed, as a PNG."""

    def changed() -> tf.Tensor:
        levels = change(tf.cast(modality.upright(raw), tf.float32), severity, seed)
        return tf.io.encode_png(tf.cast(tf.round(tf.clip_by_value(levels, 0, 255)), tf.uint8))

    return _unless_nothing(raw, severity, changed)


def _noisy(levels: tf.Tensor, severity: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    noise = tf.random.stateless_normal(tf.shape(levels), seed)
    return levels + 255 * _NOISE * severity * noise


def _darkened(levels: tf.Tensor, severity: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    del seed
    return levels * (1 - _DARKNESS * severity)


def _blurred(levels: tf.Tensor, severity: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """By a Gaussian, of which the part beyond the picture does not count."""
    del seed
    size = tf.shape(levels)
    deviation = _BLUR * severity * tf.cast(tf.reduce_max(size[:2]), tf.float32)
    reach = tf.cast(tf.math.ceil(3 * deviation), tf.int32)
    places = tf.cast(tf.range(-reach, reach + 1), tf.float32)
    kernel = tf.exp(-0.5 * (places / deviation) ** 2)
    planes = tf.transpose(levels, [2, 0, 1])[..., None]
    for shape in ([-1, 1, 1, 1], [1, -1, 1, 1]):
        along = tf.reshape(kernel, shape)
        weight = tf.nn.conv2d(tf.ones_like(planes[:1]), along, 1, "SAME")
        planes = tf.nn.conv2d(planes, along, 1, "SAME") / weight
    return tf.transpose(planes[..., 0], [1, 2, 0])


def _noisy_sound(
    modality: Audio, raw: tf.Tensor, severity: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """White noise at a signal-to-noise ratio; a recording of silence stays silent."""

    def noisy() -> tf.Tensor:
        waveform, rate = wav.decode(modality.convert(raw[None])[0])

        def mixed() -> tf.Tensor:
            power = tf.reduce_mean(waveform**2) / 10 ** (_SNR_DB * (1 - severity) / 10)
            noise = tf.sqrt(power) * tf.random.stateless_normal(tf.shape(waveform), seed)
            # Quieter where it would be clipped, so that the ratio stays.
            loudest = tf.maximum(tf.reduce_max(tf.abs(waveform + noise)), 1.0)
            return tf.audio.encode_wav((waveform + noise)[:, None] / loudest, rate)

        return tf.cond(tf.size(waveform) > 0, mixed, lambda: tf.identity(raw))

    return _unless_nothing(raw, severity, noisy)
