"""`TFDS`: samples of a prepared TensorFlow dataset."""

import difflib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from mmkeras.contracts.source import Encode, Source


class TFDS(Source):
    """One split of a TFDS dataset: any builder, builder name or prepared directory.

    Every feature becomes the raw value that modalities and tasks read: texts stay as they are,
    pictures stay encoded, audio becomes a WAV file, a class label its name, a number its digits, a
    sequence of names or numbers the same joined by `|`. Nested features are named `outer/inner`.

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

    def __init__(
        self, builder: Any, split: str = "train", data_dir: str | Path | None = None
    ):
        self._builder = _builder(builder, data_dir)
        self._split = split
        if not self._builder.is_prepared():
            raise ValueError(
                f"{self._builder.info.full_name} is not prepared in {self._builder.data_dir}; call "
                "download_and_prepare() on its builder first."
            )
        try:
            self._size = self._builder.info.splits[split].num_examples
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"{self._builder.info.full_name} has no split {split!r}; it has "
                f"{sorted(self._builder.info.splits)}."
            ) from error
        self._features = _flatten(self._builder.info.features)
        self._raw: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(self._features)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"TFDS({self._builder.info.full_name}, {self._split!r}, {self._size} samples)"

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`; features are converted in graph, so that no `Encode` is called.

        Raises:
            KeyError: a wanted feature does not exist.
            ValueError: a feature is of a kind that has no raw value.
        """
        del files  # Contents are in the dataset.
        import tensorflow_datasets as tfds

        for column in columns:
            if column not in self._features:
                near = difflib.get_close_matches(column, self.columns, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                raise KeyError(
                    f"{self!r} has no feature {column!r}; it has {list(self.columns)}{hint}"
                )
        convert = {column: _converter(column, self._features[column]) for column in columns}
        skip = {
            column: tfds.decode.SkipDecoding()
            for column in columns
            if isinstance(self._features[column], tfds.features.Image)
        }
        data = self._builder.as_dataset(
            split=self._split,
            decoders=tfds.decode.PartialDecoding(_nested(columns, True), _nested(skip, None)),
            shuffle_files=False,
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )

        def convert_all(sample: Any) -> dict[str, tf.Tensor]:
            return {column: convert[column](_pick(sample, column)) for column in columns}

        return data.map(convert_all, num_parallel_calls=tf.data.AUTOTUNE).enumerate()

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """The row itself: contents are already in it."""
        return row

    def locate(self, index: int) -> str:
        """`emoji/test, sample 17`."""
        return f"{self._builder.info.full_name} {self._split}, sample {index + 1}"

    def cell(self, index: int, column: str) -> str:
        """The feature's kind; its content is not for reading."""
        return type(self._features[column]).__name__


def _builder(builder: Any, data_dir: str | Path | None) -> Any:
    import tensorflow_datasets as tfds

    if not isinstance(builder, str | Path):
        return builder
    directory = Path(builder)
    if (directory / "dataset_info.json").exists():
        return tfds.builder_from_directory(str(directory))
    if directory.is_dir():
        raise ValueError(
            f"{directory} holds no dataset_info.json; pass the directory of one version of a "
            "prepared dataset, such as my_dataset/1.0.0."
        )
    try:
        return tfds.builder(
            str(builder), data_dir=None if data_dir is None else str(data_dir), try_gcs=False
        )
    except tfds.core.registered.DatasetNotFoundError as error:
        near = difflib.get_close_matches(str(builder), tfds.list_builders(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"TFDS knows no dataset {str(builder)!r} and there is no such directory.{hint}"
        ) from error


def _flatten(features: Any, prefix: str = "") -> dict[str, Any]:
    import tensorflow_datasets as tfds

    flat: dict[str, Any] = {}
    for name, feature in features.items():
        if isinstance(feature, tfds.features.FeaturesDict):
            flat |= _flatten(feature, f"{prefix}{name}/")
        else:
            flat[prefix + name] = feature
    return flat


def _nested(columns: Any, value: Any) -> dict[str, Any]:
    """`{"a/b": ...}` as `{"a": {"b": ...}}`, holding `value`, or the mapping's own values."""
    nested: dict[str, Any] = {}
    for column in columns:
        *path, last = column.split("/")
        level = nested
        for name in path:
            level = level.setdefault(name, {})
        level[last] = columns[column] if value is None else value
    return nested


def _pick(sample: Any, column: str) -> Any:
    for name in column.split("/"):
        sample = sample[name]
    return sample


def _converter(column: str, feature: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """From a feature's tensor to its raw value, string []."""
    import tensorflow_datasets as tfds

    kinds = tfds.features
    if isinstance(feature, kinds.Image | kinds.Text):
        return tf.identity
    if isinstance(feature, kinds.ClassLabel):
        names = feature.names
        # -1 is how TFDS writes that a label is not known, as in a test split.
        return lambda label: tf.gather(tf.constant([*names, ""]), label % (len(names) + 1))
    if isinstance(feature, kinds.Audio):
        if not feature.sample_rate:
            raise ValueError(f"feature {column!r} is audio without a sample_rate; give it one.")
        return lambda sound: _wav(sound, feature.sample_rate)
    if isinstance(feature, kinds.Sequence):
        inner = feature.feature
        if isinstance(inner, kinds.ClassLabel | kinds.Text | kinds.Scalar):
            one = _converter(column, inner)
            return lambda items: tf.strings.reduce_join(
                tf.map_fn(one, items, fn_output_signature=tf.string), separator="|"
            )
    if isinstance(feature, kinds.Tensor | kinds.Scalar) and feature.shape in ((), (None,)):
        if feature.shape == (None,):
            return lambda items: tf.strings.reduce_join(_digits(items), separator="|")
        return _digits
    raise ValueError(
        f"feature {column!r} is {feature!r}, which has no raw form; use text, an image, audio, a "
        "label, a number or a sequence of these."
    )


def _digits(number: tf.Tensor) -> tf.Tensor:
    if number.dtype == tf.string:
        return number
    if number.dtype.is_floating:
        # 17 significant digits give every float64 back.
        text = tf.strings.as_string(tf.cast(number, tf.float64), precision=17, shortest=False)
        return tf.where(tf.math.is_nan(number), "", text)
    return tf.strings.as_string(number)


def _wav(sound: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """int or float [S] or [S, C] to the bytes of a WAV file of 16 bits."""
    if sound.dtype.is_integer:
        # TFDS keeps 16-bit samples as integers of any width.
        sound = tf.cast(sound, tf.float32) / 32768.0
    sound = sound[:, None] if sound.shape.rank == 1 else sound
    return tf.audio.encode_wav(tf.cast(sound, tf.float32), sample_rate)
