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
from mmkeras.objects import NO_OBJECT


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
      one is absent;
    * a sequence of `{"bbox": ..., "label": ...}`, as detection datasets have it, becomes the
      objects of the picture: see `mmkeras.objects`. Its boxes turn from shares into pixels by the
      size of the picture as it is stored, which is the feature `image` or the only picture there
      is. Objects marked by `is_crowd` or `is_difficult` are crowds, an `area` is kept, and a box
      without area is left out. An empty sequence says that there is no object.

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
        leaves = list(wanted.values())
        boxed = [column for column, leaf in wanted.items() if _has_boxes(leaf.kind)]
        boxed_picture = self._picture(boxed[0]) if boxed else None
        if boxed_picture:
            leaves.append(boxed_picture)
        pictures = [leaf for leaf in leaves if isinstance(leaf.kind, tfds.features.Image)]
        decoding = tfds.decode.PartialDecoding(
            _nested((leaf.path for leaf in leaves), True),
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
                value = _at(sample, leaf.path)
                if boxed_picture and column in boxed:
                    size = _picture_size(_at(sample, boxed_picture.path), boxed_picture.kind.shape)
                    value = value | {"bbox": _in_pixels(value["bbox"], size)}
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

    def _picture(self, column: str) -> "_Leaf":
        """The picture that the boxes of a column lie in."""
        import tensorflow_datasets as tfds

        pictures = {
            name: leaf
            for name, leaf in self._features.items()
            if isinstance(leaf.kind, tfds.features.Image)
        }
        if "image" not in pictures and len(pictures) != 1:
            raise ValueError(
                f"feature {column!r} has boxes, which become pixels by the size of their picture; "
                f"it has to be a feature 'image', or the only one, but there are {list(pictures)}."
            )
        return pictures.get("image") or next(iter(pictures.values()))

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


def _at(sample: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        sample = sample[name]
    return sample


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
    elif _has_boxes(feature):
        convert = lambda objects: _objects(objects, feature.feature)  # noqa: E731
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
            "a text, a picture of integers, sound, a label, a number, a sequence of texts, labels "
            "or numbers, or one of bbox (shares: ymin, xmin, ymax, xmax) and label."
        )
    return lambda value: {"raw": convert(value)}


def _has_boxes(feature: Any) -> bool:
    """Whether a feature tells the objects of a picture."""
    import tensorflow_datasets as tfds

    kinds = tfds.features
    if not isinstance(feature, kinds.Sequence):
        return False
    if not isinstance(feature.feature, kinds.FeaturesDict):
        return False
    parts = dict(feature.feature.items())
    return (
        isinstance(parts.get("bbox"), kinds.BBoxFeature)
        and getattr(parts["bbox"].bbox_format, "name", None) == "REL_YXYX"
        and isinstance(parts.get("label"), kinds.ClassLabel | kinds.Text)
    )


def _picture_size(raw: tf.Tensor, shape: tuple[int | None, ...]) -> tf.Tensor:
    """int32 [2]: height and width of an encoded picture, from its header where that is simple."""
    if None not in shape[:2]:
        return tf.constant(shape[:2])
    start = tf.strings.substr(raw, 0, 2)
    return tf.case(
        [
            (start == b"\xff\xd8", lambda: tf.io.extract_jpeg_shape(raw)[:2]),
            (
                start == b"\x89P",
                lambda: tf.io.decode_raw(
                    tf.strings.substr(raw, 16, 8), tf.int32, little_endian=False
                )[::-1],
            ),
        ],
        default=lambda: tf.shape(tf.io.decode_image(raw, expand_animations=False))[:2],
    )


def _in_pixels(boxes: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """ymin, xmin, ymax, xmax as shares to x1, y1, x2, y2 in pixels: float32 [N, 4]."""
    pixels = boxes * tf.cast(tf.tile(size, [2]), tf.float32)
    return tf.gather(pixels, [1, 0, 3, 2], axis=1)


def _objects(objects: Mapping[str, tf.Tensor], features: Mapping[str, Any]) -> tf.Tensor:
    """string []: objects, their boxes in pixels, as `mmkeras.objects` writes them."""
    boxes = objects["bbox"]
    sides = boxes[:, 2:] - boxes[:, :2]
    area = tf.cast(objects["area"], tf.float32) if "area" in objects else tf.reduce_prod(sides, 1)
    crowd = tf.zeros(tf.shape(area), tf.bool)
    for mark in ("is_crowd", "is_difficult"):
        if mark in objects:
            crowd |= tf.cast(objects[mark], tf.bool)
    name_of = _text(features["label"]) or _digits
    columns = [_digits(boxes[:, i]) for i in range(4)]
    columns += [_digits(area), tf.strings.as_string(tf.cast(crowd, tf.int32))]
    columns.append(name_of(objects["label"]))
    lines = tf.boolean_mask(tf.strings.join(columns, " "), tf.reduce_all(sides > 0, 1))
    text = tf.strings.reduce_join(lines, separator="\n")
    return tf.where(tf.size(lines) == 0, NO_OBJECT, text)


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
