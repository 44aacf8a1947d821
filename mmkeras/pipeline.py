"""`pipeline`: a source of raw samples becomes batches of tensors, in `tf.data`."""

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.modality import Modality
from mmkeras.contracts.source import Source
from mmkeras.contracts.task import Task
from mmkeras.fields import Fields


class SkippedSamples(UserWarning):
    """Says at the end of an epoch how many samples were left out because they are bad, and why."""


def pipeline(
    source: Source,
    fields: Mapping[str, Modality],
    tasks: Mapping[str, Task] | None = None,
    *,
    batch_size: int = 32,
    shuffle: bool | int = False,
    augment: bool = False,
    seed: int = 0,
    deterministic: bool = True,
    drop_remainder: bool = False,
    pad: str = "longest",
    buckets: Mapping[str, Sequence[int]] | None = None,
    only: Collection[str] | None = None,
    cache: bool | str = False,
    on_error: str = "raise",
    max_bad: float = 0.1,
) -> tf.data.Dataset:
    """Reads, preprocesses, shuffles, augments and batches the samples of a source.

    Everything that runs for a good sample is a TensorFlow graph, in parallel and ahead of the
    model. Only a bad sample is looked at in Python, to say which file, row and field it is.

    Args:
        source: where the samples come from; its columns are named as the fields and tasks are.
        fields: the inputs, `{name: modality}`.
        tasks: what is to be learned, `{name: task}`; None gives inputs without targets.
        batch_size: samples in a batch.
        shuffle: True draws from a buffer of up to 10,000 rows, a number from one of that size. A
            row of a table is small: its files are read after the shuffle.
        augment: applies every modality's random changes; for training.
        seed: of shuffling and augmentation; each epoch draws anew from it.
        deterministic: the same order of samples in every run. False is faster.
        drop_remainder: leaves out the last batch if it is not full, so that all shapes are static.
        pad: `"longest"` cuts padding behind the longest sample of each batch; `"max"` keeps the
            modality's full length, so that all shapes are static (XLA, TPU).
        buckets: `{field: boundaries}` batches together samples whose length, in that field (tokens
            of a text, samples of a waveform), lies between the same two boundaries.
        only: the fields to use; the others are absent from every sample.
        cache: True keeps the preprocessed tensors in memory after the first epoch, a path in files
            beginning with that path.
        on_error: what to do about a bad sample (a missing file, a broken picture, an unknown
            label): `"raise"` stops with an error, `"skip"` leaves it out, counts, and gives a
            `SkippedSamples` warning at the end of the epoch.
        max_bad: the share of bad samples above which `"skip"` stops as well.

    Returns:
        A dataset of (inputs, targets, weights), dicts keyed by `{field}_{tensor}` and by task;
        a weight is 1 where the sample has a label, else 0. Without tasks, of inputs alone.

    Raises:
        ValueError: an argument is not one of its choices, or the source is empty.
        KeyError: the source lacks a column; the message lists those it has.
        tf.errors.InvalidArgumentError: on iteration, a bad sample; the message names file, row,
            field, value and reason.

    Example:

    >>> from mmkeras.modalities import Text
    >>> from mmkeras.sources import Table
    >>> from mmkeras.tasks import Classification
    >>> rows = Table([{"review": "a cat", "mood": "good"}, {"review": "dogs"}])
    >>> fields, tasks = {"review": Text.tiny()}, {"mood": Classification(["good", "bad"])}
    >>> inputs, targets, weights = next(iter(pipeline(rows, fields, tasks, batch_size=2)))
    >>> inputs["review_token_ids"].shape.as_list(), weights["mood"].numpy().tolist()
    ([2, 3], [1.0, 0.0])
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be 'raise' or 'skip'; got {on_error!r}.")
    if pad not in ("longest", "max"):
        raise ValueError(f"pad must be 'longest' or 'max'; got {pad!r}.")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}.")
    if len(source) == 0:
        raise ValueError(f"{source!r} has no samples.")
    fields = fields if isinstance(fields, Fields) else Fields(fields)
    used = _used(fields, only)
    reader = _Reader(source, fields, used, tasks or {}, on_error, max_bad)

    data = reader.rows()
    if shuffle and not cache:
        data = _shuffled(data, shuffle, len(source), seed)
    data = reader.samples(data, deterministic)
    if cache:
        data = data.cache(cache if isinstance(cache, str) else "")
        if shuffle:
            data = _shuffled(data, shuffle, len(source), seed)
    if augment:
        data = _augmented(data, fields, seed, deterministic)
    data = data.map(
        lambda x, y, w: (x, y, w, fields.lengths(x)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=deterministic,
    )
    data = _batched(data, batch_size, buckets, drop_remainder)

    def finish(x: Any, y: Any, w: Any, lengths: Any) -> Any:
        x = fields.trim(x, lengths) if pad == "longest" else x
        return (x, y, w) if tasks else x

    return data.map(
        finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic
    ).prefetch(tf.data.AUTOTUNE)


def _used(fields: Fields, only: Collection[str] | None) -> list[str]:
    if only is None:
        return list(fields)
    unknown = sorted(set(only) - set(fields))
    if unknown:
        raise ValueError(f"only names unknown fields {unknown}; the fields are {list(fields)}.")
    return [field for field in fields if field in only]


def _shuffled(data: tf.data.Dataset, shuffle: bool | int, size: int, seed: int) -> tf.data.Dataset:
    buffer = min(size, 10_000) if shuffle is True else int(shuffle)
    return data.shuffle(buffer, seed=seed, reshuffle_each_iteration=True)


def _augmented(
    data: tf.data.Dataset, fields: Fields, seed: int, deterministic: bool
) -> tf.data.Dataset:
    draws = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)

    def augment(sample: Any, draw: tf.Tensor) -> Any:
        x, y, w = sample
        return fields.augment(x, tf.bitcast(draw, tf.int32)), y, w

    return tf.data.Dataset.zip(data, draws).map(
        augment, num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic
    )


def _batched(
    data: tf.data.Dataset,
    batch_size: int,
    buckets: Mapping[str, Sequence[int]] | None,
    drop_remainder: bool,
) -> tf.data.Dataset:
    if not buckets:
        return data.batch(batch_size, drop_remainder=drop_remainder)
    if len(buckets) > 1:
        raise ValueError(f"buckets takes one field; got {sorted(buckets)}.")
    ((field, boundaries),) = buckets.items()
    known = sorted(data.element_spec[3])
    if field not in known:
        raise ValueError(f"buckets needs a field of varying length, one of {known}; got {field!r}.")
    return data.bucket_by_sequence_length(
        lambda x, y, w, lengths: lengths[field],
        bucket_boundaries=list(boundaries),
        bucket_batch_sizes=[batch_size] * (len(boundaries) + 1),
        drop_remainder=drop_remainder,
    )


class _Reader:
    """From rows to samples, with every bad sample named and dealt with as the policy says."""

    def __init__(
        self,
        source: Source,
        fields: Fields,
        used: Collection[str],
        tasks: Mapping[str, Task],
        on_error: str,
        max_bad: float,
    ):
        self.source = source
        self.fields = fields
        self.used = used
        self.tasks = tasks
        self.on_error = on_error
        self.limit = math.floor(max_bad * len(source))
        self.bad: dict[int, str] = {}

    def rows(self) -> tf.data.Dataset:
        columns = {field: self.fields[field].encode for field in self.used}
        columns |= {task: self.tasks[task].encode for task in self.tasks}
        files = [field for field in self.used if self.fields[field].is_file]
        return self.source.rows(columns, files)

    def samples(self, rows: tf.data.Dataset, deterministic: bool) -> tf.data.Dataset:
        """(inputs, targets, weights) of every good row."""

        def attempt(index: tf.Tensor, row: Any) -> tf.data.Dataset:
            # A graph cannot catch an error, but a dataset can ignore one: the good sample comes
            # first where there is one, else the stand-in that is marked bad.
            one = tf.data.Dataset.from_tensors(row)
            good = one.map(lambda row: (True, self._sample(row))).ignore_errors()
            bad = one.map(lambda row: (self._bad(index, row), self._stand_in()))
            return good.concatenate(bad).take(1)

        data = rows.interleave(
            attempt,
            cycle_length=16,
            block_length=1,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=deterministic,
        )
        if self.on_error == "skip":
            end = tf.data.Dataset.range(1).map(lambda _: (self._end(), self._stand_in()))
            data = data.concatenate(end)
        data = data.filter(lambda good, _: good).map(lambda _, sample: sample)
        if self.on_error == "raise":
            data = data.apply(tf.data.experimental.assert_cardinality(len(self.source)))
        return data

    def _sample(self, row: Any) -> Any:
        raw = self.source.load(row)
        x = self.fields.preprocess({field: raw[field] for field in self.used})
        y = {name: task.target(raw[name]) for name, task in self.tasks.items()}
        w = {name: tf.cast(raw[name] != "", tf.float32) for name in self.tasks}
        x = {name: tf.ensure_shape(x[name], spec.shape) for name, spec in self.fields.specs().items()}
        return x, y, w

    def _stand_in(self) -> Any:
        x = self.fields.preprocess({})
        y = {name: task.target(tf.constant("")) for name, task in self.tasks.items()}
        return x, y, {name: tf.constant(0.0) for name in self.tasks}

    def _bad(self, index: tf.Tensor, row: Any) -> tf.Tensor:
        """bool [], False; in Python, since it runs for bad samples alone."""

        def judge(index: np.ndarray, *flat: np.ndarray) -> np.ndarray:
            cells = [tf.constant(cell) for cell in flat]
            message = self._diagnose(int(index), tf.nest.pack_sequence_as(row, cells))
            if self.on_error == "raise":
                raise ValueError(
                    f"{message} Correct or remove this sample, or pass on_error='skip' to leave "
                    "bad samples out."
                )
            self.bad[int(index)] = message
            if len(self.bad) > self.limit:
                raise ValueError(
                    f"{len(self.bad)} of {len(self.source)} samples are bad, more than max_bad "
                    f"allows; the last: {message}"
                )
            return np.False_

        good = tf.numpy_function(judge, [index, *tf.nest.flatten(row)], tf.bool, stateful=True)
        return tf.ensure_shape(good, [])

    def _diagnose(self, index: int, row: Any) -> str:
        """Runs the steps one by one, field by field, to see which one fails and why."""
        place = self.source.locate(index)
        try:
            raw = self.source.load(row)
        except tf.errors.OpError as error:
            return f"{place}: cannot be read: {_reason(error)}"
        steps = {field: self.fields[field].preprocess for field in self.used}
        steps |= {name: task.target for name, task in self.tasks.items()}
        for column, step in steps.items():
            try:
                step(raw[column])
            except tf.errors.OpError as error:
                value = self.source.cell(index, column)
                return f"{place}, field {column!r} ({value}): {_reason(error)}"
        return f"{place}: failed once and then passed; was a file being written?"

    def _end(self) -> tf.Tensor:
        """bool [], False; gives the warning at the end of an epoch."""

        def report() -> np.ndarray:
            if self.bad:
                examples = "\n".join(list(self.bad.values())[:5])
                warnings.warn(
                    f"{len(self.bad)} of {len(self.source)} samples of {self.source!r} were "
                    f"skipped because they are bad; the first of them:\n{examples}",
                    SkippedSamples,
                    stacklevel=2,
                )
                self.bad.clear()
            return np.False_

        return tf.ensure_shape(tf.numpy_function(report, [], tf.bool, stateful=True), [])


def _reason(error: tf.errors.OpError) -> str:
    """The sentence of a TensorFlow error that says what is wrong, without its op names."""
    text = error.message.split("[Op:")[0]
    for wrapper in ("{{function_node", "assertion failed:"):
        if wrapper in text:
            text = text.split("}}", 1)[-1] if wrapper[0] == "{" else text.split(wrapper, 1)[1]
    text = text.strip().strip("[]").strip()
    return " ".join(text.split()) + ("" if text.endswith((".", "!", "?")) else ".")
