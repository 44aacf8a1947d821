"""`TFDS`: samples of a prepared TensorFlow dataset."""

import contextlib
import difflib
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from mmkeras.contracts.source import Encode, Source


class TFDS(Source):
    """One split of a TFDS dataset: any builder, builder name or prepared directory.

    Every feature becomes the raw value that modalities and tasks read:

    * a text stays as it is, and a picture stays encoded;
    * sound becomes a WAV file of 16 bits. Integers of 32 and 64 bits, in which TFDS keeps what it
      read from files, have to hold samples of 16 bits, and floats have to be in [-1, 1];
    * a class label becomes its name, and the label -1 (unknown) is absent;
    * a number becomes its digits, from which it can be had back exactly; a truth value becomes
      `True` or `False`; NaN is absent;
    * a sequence of labels or texts becomes these joined by `|`, one of numbers by spaces. An empty
      one is absent.

    Features within features are named `outer/inner`. Nothing is downloaded.

    Args:
        builder: a builder, the name of a registered one, or the directory of a prepared dataset
            (the one that holds `dataset_info.json`).
        split: such as `"train"` or `"train[:80%]"`.
        data_dir: where a dataset given by name was prepared; TFDS' own default if None.

    Raises:
        ValueError: the builder or the split is unknown, or the dataset is not prepared; the
            message names the remedy.

    Example:

    >>> TFDS("no_such_dataset", "train")
    Traceback (most recent call last):
    ...
    ValueError: TFDS knows no dataset 'no_such_dataset'...
    """

    def __init__(self, builder: Any, split: str, *, data_dir: str | Path | None = None):
        self._builder = _builder(builder, data_dir)
        self._split = split
        name = self._builder.info.full_name
        if not self._builder.is_prepared():
            raise ValueError(
                f"{name} is not prepared in {self._builder.data_dir}; call download_and_prepare() "
                "on its builder first, or pass the data_dir in which it is."
            )
        try:
            self._size = self._builder.info.splits[split].num_examples
        except (KeyError, ValueError, AssertionError) as error:
            raise ValueError(
                f"{name} has no split {split!r}; it has {list(self._builder.info.splits)}, of "
                "which a part is written as 'train[:80%]'."
            ) from error
        self._features = _flatten(self._builder.info.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(self._features)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"TFDS({self._builder.info.full_name}, {self._split!r}, {self._size} samples)"

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`; only the wanted features are decoded.

        Features are converted in the graph, so that no `Encode` is called.

        Raises:
            KeyError: a wanted feature does not exist.
            ValueError: a feature is of a kind that has no raw value.
        """
        del files  # Contents are in the dataset.
        import tensorflow_datasets as tfds

        wanted = {column: self._feature(column) for column in columns}
        converters = {column: _converter(column, leaf.kind) for column, leaf in wanted.items()}
        pictures = [leaf for leaf in wanted.values() if isinstance(leaf.kind, tfds.features.Image)]
        decoding = tfds.decode.PartialDecoding(
            _nested((leaf.path for leaf in wanted.values()), True),
            _nested((leaf.path for leaf in pictures), tfds.decode.SkipDecoding()),
        )
        with _without_own_warnings():
            data = self._builder.as_dataset(
                split=self._split,
                decoders=decoding,
                shuffle_files=False,
                # One file after the other: the order is that of the split.
                read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
            )

        def convert(sample: Any) -> dict[str, dict[str, tf.Tensor]]:
            row = {}
            for column, leaf in wanted.items():
                value = sample
                for name in leaf.path:
                    value = value[name]
                row[column] = converters[column](value)
            return row

        return data.map(convert, num_parallel_calls=tf.data.AUTOTUNE).enumerate()

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """See `Source.load`; contents are in the row already.

        Raises:
            tf.errors.InvalidArgumentError: sound goes beyond 16 bits, or beyond [-1, 1].
        """

        def content(column: str, raw: tf.Tensor, fits: tf.Tensor | None = None) -> tf.Tensor:
            if fits is None:
                return raw
            reason = f"{column}: {_TOO_LOUD}"
            with tf.control_dependencies([tf.debugging.Assert(fits, [reason])]):
                return tf.identity(raw)

        return {column: content(column, **value) for column, value in row.items()}

    def locate(self, index: int) -> str:
        """`emoji/test, sample 17`, counted from 1."""
        return f"{self._builder.name}/{self._split}, sample {index + 1}"

    def cell(self, index: int, column: str) -> str:
        """The feature's kind, such as `Image`: its content is not for reading."""
        del index
        return type(self._features[column].kind).__name__

    def _feature(self, column: str) -> "_Leaf":
        if column not in self._features:
            near = difflib.get_close_matches(column, self.columns, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise KeyError(
                f"{self!r} has no feature {column!r}; it has {list(self.columns)}.{hint}"
            )
        return self._features[column]


_TOO_LOUD = (
    "samples go beyond 16 bits (integers) or [-1, 1] (floats), so that their full scale is not "
    "known; write the dataset with one of these"
)


class _Leaf(NamedTuple):
    """A feature that holds no others.

    Attributes:
        path: the names that lead to it; a name may itself hold a slash.
        kind: the `tfds.features.FeatureConnector`.
    """

    path: tuple[str, ...]
    kind: Any


def _builder(builder: Any, data_dir: str | Path | None) -> Any:
    import tensorflow_datasets as tfds

    if not isinstance(builder, str | os.PathLike):
        return builder
    directory, name = Path(builder), str(builder)
    if (directory / "dataset_info.json").exists():
        return tfds.builder_from_directory(str(directory))
    if re.match(r"\w+:(?!\d)", name):
        raise ValueError(
            f"TFDS would look for {name!r} in the network; make its builder with tfds.builder and "
            "pass that."
        )
    try:
        where = None if data_dir is None else str(data_dir)
        return tfds.builder(name, data_dir=where, try_gcs=False)
    except (ValueError, AssertionError) as error:
        known = tfds.list_builders(with_community_datasets=False)
        wanted = name.split("/")[0].split(":")[0]
        if wanted in known:
            raise ValueError(f"TFDS cannot make {name!r}: {error}") from error
        if directory.is_dir():
            raise ValueError(
                f"{directory} holds no dataset_info.json; pass the directory of one version of a "
                "prepared dataset, such as my_dataset/1.0.0."
            ) from error
        near = difflib.get_close_matches(wanted, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"TFDS knows no dataset {name!r}, and there is no such directory.{hint} Import the "
            "module that defines the builder, or pass the builder itself."
        ) from error


def _flatten(features: Any, path: tuple[str, ...] = ()) -> dict[str, _Leaf]:
    import tensorflow_datasets as tfds

    flat: dict[str, _Leaf] = {}
    for name, feature in features.items():
        if isinstance(feature, tfds.features.FeaturesDict):
            flat |= _flatten(feature, (*path, name))
        else:
            flat["/".join((*path, name))] = _Leaf((*path, name), feature)
    return flat


def _nested(paths: Any, value: Any) -> dict[str, Any]:
    """`{"a": {"b": value}}` for a path `("a", "b")`."""
    nested: dict[str, Any] = {}
    for *outer, last in paths:
        level = nested
        for name in outer:
            level = level.setdefault(name, {})
        level[last] = value
    return nested


@contextlib.contextmanager
def _without_own_warnings() -> Iterator[None]:
    """TFDS warns of what is deprecated in TFDS, of which it makes use itself."""

    def is_another(record: logging.LogRecord) -> bool:
        return "FeatureConnector.dtype" not in record.getMessage()

    logger = logging.getLogger("absl")
    logger.addFilter(is_another)
    try:
        yield
    finally:
        logger.removeFilter(is_another)


def _converter(column: str, feature: Any) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """From a feature's tensor to `raw`, string []; for sound also `fits`, bool []."""
    import tensorflow_datasets as tfds

    kinds = tfds.features
    if isinstance(feature, kinds.Audio):
        if not feature.sample_rate:
            raise ValueError(
                f"feature {column!r} is sound without a sample rate; write the dataset with "
                "Audio(sample_rate=...)."
            )
        return lambda sound: _wav(sound, feature.sample_rate)
    if isinstance(feature, kinds.Image):
        # TFDS writes the bytes of floats as if they were the channels of a PNG file.
        convert = tf.identity if feature.tf_dtype.is_integer else None
    elif isinstance(feature, kinds.Sequence):
        one, separator = _text(feature.feature), "|"
        if isinstance(feature.feature, kinds.ClassLabel):
            joint = [name for name in feature.feature.names if separator in name]
            if joint:
                raise ValueError(
                    f"feature {column!r} joins labels by {separator!r}, which is in {joint}; "
                    "rename these."
                )
        elif _is_number(feature.feature):
            separator = " "
        convert = one and (lambda items: tf.strings.reduce_join(one(items), separator=separator))
    elif isinstance(feature, kinds.Tensor) and len(feature.shape) == 1 and _is_number(feature):
        convert = lambda items: tf.strings.reduce_join(_digits(items), separator=" ")  # noqa: E731
    else:
        convert = _text(feature)
    if convert is None:
        raise ValueError(
            f"feature {column!r} is {' '.join(repr(feature).split())}, which has no raw value; use "
            "a text, a picture of integers, sound, a label, a number or a sequence of texts, "
            "labels or numbers."
        )
    return lambda value: {"raw": convert(value)}


def _is_number(feature: Any) -> bool:
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.ClassLabel):
        return False
    return isinstance(feature, tfds.features.Tensor) and feature.tf_dtype != tf.string


def _text(feature: Any) -> Callable[[tf.Tensor], tf.Tensor] | None:
    """From scalars of any shape to strings of that shape; None if the feature is no scalar."""
    import tensorflow_datasets as tfds

    if not isinstance(feature, tfds.features.Tensor) or feature.shape != ():
        return None
    if isinstance(feature, tfds.features.ClassLabel) and feature.num_classes is not None:
        # -1 is how TFDS writes that a label is not known, as in a test split.
        return lambda label: tf.gather([*feature.names, ""], label % (feature.num_classes + 1))
    return _digits


def _digits(value: tf.Tensor) -> tf.Tensor:
    """Numbers as text without loss; texts as they are."""
    if value.dtype == tf.string:
        return value
    if value.dtype == tf.bool:
        return tf.where(value, "True", "False")
    if not value.dtype.is_floating:
        return tf.strings.as_string(value)
    # So many significant digits give every float64, and every shorter float, back.
    precision = 17 if value.dtype == tf.float64 else 9
    value = value if precision == 17 else tf.cast(value, tf.float32)
    text = tf.strings.as_string(value, precision=precision, shortest=True)
    return tf.where(tf.math.is_nan(value), "", text)


def _wav(sound: tf.Tensor, sample_rate: int) -> dict[str, tf.Tensor]:
    """Samples [S] or [S, C] to the bytes of a WAV file of 16 bits, and whether they fit into it."""
    if sound.dtype == tf.uint8:
        scaled = (tf.cast(sound, tf.float32) - 128) / 128
    elif sound.dtype == tf.int8:
        scaled = tf.cast(sound, tf.float32) / 128
    elif sound.dtype.is_integer:
        scaled = tf.cast(sound, tf.float32) / 32768
    else:
        scaled = tf.cast(sound, tf.float32)
    scaled = scaled[:, None] if scaled.shape.rank == 1 else scaled
    return {
        "raw": tf.audio.encode_wav(scaled, sample_rate),
        "fits": tf.reduce_all((scaled >= -1) & (scaled <= 1)),
    }
