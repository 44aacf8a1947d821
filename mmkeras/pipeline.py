"""`pipeline`: a source of raw samples becomes batches of tensors, in `tf.data`."""

import math
import re
import warnings
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.mix import WHOLE, Mix, Mixture
from mmkeras.contracts.modality import Modality
from mmkeras.contracts.source import Encode, Source
from mmkeras.contracts.task import Task, hint_name, hints_of, pointed_into
from mmkeras.diagnosis import Unencodable, diagnose, reason_of
from mmkeras.fields import Fields

#: Tensors preprocessed together: enough of them to be fast, few enough for 16 such batches at work.
_BYTES_AT_ONCE = 1 << 22


#: Samples among which those to be mixed are found.
_MIXED_AT_ONCE = 32


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
    mix: Mix | None = None,
    seed: int = 0,
    deterministic: bool = True,
    drop_remainder: bool = False,
    pad: str = "longest",
    buckets: Mapping[str, Sequence[int]] | None = None,
    max_batch_length: int | None = None,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    origins: Collection[str] | None = None,
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
        mix: makes one sample of several, such as `mmkeras.mixes.CutMix()`; for training a model of
            one field, a picture.
        seed: of shuffling, augmentation and mixing; each epoch draws anew from it.
        deterministic: the same order of samples in every run. False is faster.
        drop_remainder: leaves out the last batch if it is not full, so that all shapes are static.
        pad: `"longest"` cuts padding behind the longest sample of each batch; `"max"` keeps the
            modality's full length, so that all shapes are static (XLA, TPU).
        buckets: `{field: boundaries}` batches together samples whose length, in that field (tokens
            of a text, samples of a waveform), lies between the same two boundaries.
        max_batch_length: with `buckets`, how long the samples of a batch may be together, padding
            among it, such as 60 seconds times the sample rate: batches of long samples are of
            fewer. `batch_size` bounds those of short ones.
        only: the fields to use; the others are absent from every sample.
        without: fields and tasks that are absent from every sample, such as those that the source
            has no column for.
        origins: without tasks, the fields whose origins (see `Modality.origins`) come along, for
            answers that point into them; None gives inputs alone.
        cache: True keeps the preprocessed tensors in memory after the first epoch, a path in files
            beginning with that path, for later runs too: delete them when the data changes. A run
            killed in its first epoch leaves a lock file there, which has to be deleted as well.
        on_error: what to do about a bad sample (a missing file, a broken picture, an unknown
            label): `"raise"` stops with an error, `"skip"` leaves it out, counts, and gives a
            `SkippedSamples` warning at the end of the epoch.
        max_bad: the share of bad samples above which `"skip"` stops as well.

    Returns:
        A dataset of (inputs, targets, weights), dicts keyed by `{field}_{tensor}` and by task;
        a weight is 1 where the sample has a label, else 0. Without tasks, of inputs alone, or
        with `origins` of (inputs, `{field: {name: tensor}}`).

    Raises:
        ValueError: an argument is not one of its choices, or the source is empty.
        KeyError: the source lacks a column; the message lists those it has.
        tf.errors.InvalidArgumentError: on iteration, a bad sample; the message names file, row,
            field, value and reason (`mmkeras.diagnosis.reason_of` gives these alone).

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
    if not 0 <= max_bad <= 1:
        raise ValueError(f"max_bad must be a share in [0, 1], such as 0.1; got {max_bad}.")
    if mix is not None and not isinstance(mix, Mix):
        raise ValueError(f"mix must be a Mix, such as mmkeras.mixes.CutMix(); got {mix!r}.")
    if max_batch_length is not None and not buckets:
        raise ValueError(
            "max_batch_length needs buckets, such as buckets={'voice': [16000, 32000]}."
        )
    if len(source) == 0:
        raise ValueError(f"{source!r} has no samples.")
    fields = fields if isinstance(fields, Fields) else Fields(fields)
    tasks = tasks or {}
    without = _left_out(fields, tasks, without)
    used = [field for field in _used(fields, only) if field not in without]
    if not used:
        raise ValueError(f"without must leave at least one of the fields {_used(fields, only)}.")
    asked = [task for task in tasks if task not in without]
    pointed = sorted({*(origins or ()), *pointed_into(tasks)})
    reader = _Reader(source, fields, used, tasks, asked, pointed, on_error, max_bad)

    data = reader.rows()
    if shuffle and not cache:
        data = _shuffled(data, shuffle, len(source), seed)
    data = reader.samples(data, deterministic)
    if cache:
        data = _cached(data, cache)
        if shuffle:
            data = _shuffled(data, shuffle, len(source), seed)
    data = _finished(data, fields, tasks, augment, seed, deterministic)
    if mix is not None:
        data = _mixed(data, fields, tasks, mix, seed)
    if buckets:
        sizes = _bucket_sizes(fields, buckets, batch_size, max_batch_length, pad)
        data = _bucketed(data, buckets, sizes, drop_remainder)
    else:
        data = data.batch(batch_size, drop_remainder=drop_remainder)

    def finish(x: Any, y: Any, w: Any, lengths: Any) -> Any:
        inputs = {name: x[name] for name in fields.specs()}
        inputs = fields.trim(inputs, lengths) if pad == "longest" else inputs
        if tasks:
            for name, task in tasks.items():
                told = {hint: x[hint_name(name, hint)] for hint in task.hints()}
                inputs |= hints_of(name, task.trim(told))
            return inputs, y, w
        return inputs if origins is None else (inputs, fields.origins_in(x, origins))

    return data.map(
        finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic
    ).prefetch(tf.data.AUTOTUNE)


def _used(fields: Fields, only: Collection[str] | None) -> list[str]:
    if only is None:
        return list(fields)
    only = [only] if isinstance(only, str) else only
    unknown = sorted(set(only) - set(fields))
    if unknown:
        raise ValueError(f"only names unknown fields {unknown}; the fields are {list(fields)}.")
    if not only:
        raise ValueError(f"only must name at least one field, of {list(fields)}.")
    return [field for field in fields if field in only]


def _left_out(
    fields: Fields, tasks: Mapping[str, Task], without: Collection[str]
) -> Collection[str]:
    without = [without] if isinstance(without, str) else without
    unknown = sorted(set(without) - {*fields, *tasks})
    if unknown:
        raise ValueError(
            f"without names {unknown}; there are the fields {list(fields)} and the tasks "
            f"{list(tasks)}."
        )
    return without


def _cached(data: tf.data.Dataset, cache: bool | str) -> tf.data.Dataset:
    if cache is True:
        return data.cache()
    Path(cache).parent.mkdir(parents=True, exist_ok=True)
    return data.cache(str(cache))


def _shuffled(data: tf.data.Dataset, shuffle: bool | int, size: int, seed: int) -> tf.data.Dataset:
    buffer = min(size, 10_000) if shuffle is True else int(shuffle)
    return data.shuffle(buffer, seed=seed, reshuffle_each_iteration=True)


def _finished(
    data: tf.data.Dataset,
    fields: Fields,
    tasks: Mapping[str, Task],
    augment: bool,
    seed: int,
    deterministic: bool,
) -> tf.data.Dataset:
    """Samples, augmented on request, as the tasks prepare them; and their lengths as a 4th part."""
    draws = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)

    def finish(sample: Any, draw: tf.Tensor) -> Any:
        x, y, w = sample
        draw = tf.bitcast(draw, tf.int32)
        x = fields.augment(x, draw) if augment else x
        inputs, y = fields.split(x), dict(y)
        for i, (name, task) in enumerate(tasks.items()):
            own = tf.random.experimental.stateless_fold_in(draw, i)
            inputs, y[name] = task.prepare(inputs, y[name], own)
        x = fields.join(inputs)
        lengths = fields.lengths(x)
        for name, task in tasks.items():
            x |= hints_of(name, task.hint(y[name]))
        return x, y, w, lengths

    return tf.data.Dataset.zip(data, draws).map(
        finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic
    )


def _mixed(
    data: tf.data.Dataset, fields: Fields, tasks: Mapping[str, Task], mix: Mix, seed: int
) -> tf.data.Dataset:
    """Each sample mixed with those behind it, with the mix's chance; else as it is."""
    pixels = [name for name in fields.specs() if name.endswith("_pixels")]
    if len(fields) != 1 or len(pixels) != 1:
        raise ValueError(
            f"mix needs a model of one field, a picture; the fields are {list(fields)}."
        )
    (name,) = pixels
    present = name.removesuffix("pixels") + "present"
    draws = tf.data.Dataset.random(seed=seed + 1, rerandomize_each_iteration=True)
    alone = Mixture(
        tf.one_hot(0, mix.samples),
        tf.constant([WHOLE] * mix.samples),
        tf.constant([WHOLE] + [(0.0, 0.0, 0.0, 0.0)] * (mix.samples - 1)),
        False,
    )

    def mixed(group: Any, draw: tf.Tensor) -> tf.data.Dataset:
        x, y, w, lengths = group
        size = tf.shape(x[name])[0]

        def one(i: tf.Tensor) -> Any:
            i = tf.cast(i, tf.int32)
            which = (i + tf.range(mix.samples)) % size
            own = tf.random.experimental.stateless_fold_in(tf.bitcast(draw, tf.int32), i)
            seeds = tf.random.experimental.stateless_split(own, 2)
            # A sample without a label, or without a picture, has nothing to mix.
            there = tf.gather(x[present], which)
            there = tf.stack([there, *(tf.gather(w[t], which) > 0 for t in w)])
            hit = tf.random.stateless_uniform([], seeds[0]) < mix.chance
            hit &= tf.reduce_all(there)
            picture, mixture = mix.mix(tf.gather(x[name], which), seeds[1])
            parts = (tf.where(hit, a, b) for a, b in zip(mixture[:3], alone[:3]))
            mixture = Mixture(*parts, blended=mixture.blended)
            inputs = {key: value[i] for key, value in x.items()}
            inputs[name] = tf.where(hit, picture, inputs[name])
            targets = {t: task.mix(tf.gather(y[t], which), mixture) for t, task in tasks.items()}
            weights = {t: w[t][i] for t in w}
            return inputs, targets, weights, {key: value[i] for key, value in lengths.items()}

        places = tf.data.Dataset.range(tf.cast(size, tf.int64))
        return places.map(one, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    groups = tf.data.Dataset.zip(data.batch(_MIXED_AT_ONCE), draws)
    made = groups.flat_map(mixed)
    size = data.cardinality()
    return made.apply(tf.data.experimental.assert_cardinality(size)) if size > 0 else made


def _bucket_sizes(
    fields: Fields,
    buckets: Mapping[str, Sequence[int]],
    batch_size: int,
    max_batch_length: int | None,
    pad: str,
) -> list[int]:
    """How many samples make a batch, for every bucket."""
    if len(buckets) > 1:
        raise ValueError(f"buckets takes one field; got {sorted(buckets)}.")
    ((field, boundaries),) = buckets.items()
    whole = {name: m.specs()[m.ragged].shape[0] for name, m in fields.items() if m.ragged}
    if field not in whole:
        raise ValueError(
            f"buckets needs a field of varying length, one of {sorted(whole)}; got {field!r}."
        )
    if max_batch_length is None:
        return [batch_size] * (len(boundaries) + 1)
    if max_batch_length < whole[field]:
        raise ValueError(
            f"max_batch_length must be at least {whole[field]}, the length of the longest sample "
            f"that {field!r} may hold; got {max_batch_length}."
        )
    # A sample is shorter than the boundary that ends its bucket; none is cut below one place.
    longest = [min(max(boundary - 1, 1), whole[field]) for boundary in boundaries]
    longest = [whole[field]] * len(longest) if pad == "max" else longest
    return [min(batch_size, max_batch_length // most) for most in [*longest, whole[field]]]


def _bucketed(
    data: tf.data.Dataset,
    buckets: Mapping[str, Sequence[int]],
    sizes: Sequence[int],
    drop_remainder: bool,
) -> tf.data.Dataset:
    ((field, boundaries),) = buckets.items()
    return data.bucket_by_sequence_length(
        lambda x, y, w, lengths: lengths[field],
        bucket_boundaries=list(boundaries),
        bucket_batch_sizes=list(sizes),
        drop_remainder=drop_remainder,
    )


class _Reader:
    """From rows to samples, with every bad sample named and dealt with as the policy says.

    The datasets' functions hold it. What is called from a graph holds it weakly: TensorFlow keeps
    graphs for ever, and with them all rows would stay in memory. A dataset that is made inside of
    another's function has nobody else to hold it, and its rows are in that graph anyway.
    """

    def __init__(
        self,
        source: Source,
        fields: Fields,
        used: Collection[str],
        tasks: Mapping[str, Task],
        asked: Collection[str],
        origins: Collection[str],
        on_error: str,
        max_bad: float,
    ):
        self.source = source
        self.fields = fields
        self.used = used
        self.tasks = tasks
        self.asked = asked
        self.labels = [name for name in asked if tasks[name].labelled]
        self.origins = origins
        self.specs = fields.specs() | fields.origins(origins)
        self.on_error = on_error
        self.max_bad = max_bad
        self.bad: dict[int, str] = {}
        self.unencodable = False
        self.here = (lambda: self) if tf.inside_function() else weakref.ref(self)

    def rows(self) -> tf.data.Dataset:
        columns = {field: self.fields[field].encode for field in self.used}
        columns |= {task: self.tasks[task].encode for task in self.labels}
        if self.on_error == "skip":
            columns = {column: self._forgiving(encode) for column, encode in columns.items()}
        files = [field for field in self.used if self.fields[field].is_file]
        files += [task for task in self.labels if self.tasks[task].is_file]
        return self.source.rows(columns, files)

    def _forgiving(self, encode: Encode) -> Encode:
        """`encode`, but a cell that cannot be encoded becomes a raw value that says why."""

        def forgiving(cell: Any) -> bytes:
            try:
                return encode(cell)
            except (TypeError, ValueError) as error:
                self.unencodable = True
                return Unencodable.because(error)

        return forgiving

    def samples(self, rows: tf.data.Dataset, deterministic: bool) -> tf.data.Dataset:
        """(inputs, targets, weights) of every good row.

        Many rows are tried at once, which is several times faster than one by one; only where one
        of them is bad, each is tried alone.
        """
        batches = rows.batch(_rows_at_once(self.fields))
        # Traced once, though it is used twice.
        spec: Any = batches.element_spec
        samples = tf.function(self._samples, input_signature=[spec[1]], autograph=False)

        def attempt(rows: Any, otherwise: tf.data.Dataset) -> tf.data.Dataset:
            # A graph cannot catch an error, but a dataset can ignore one; what follows it is taken.
            tried = tf.data.Dataset.from_tensors(rows).map(samples).ignore_errors()
            return tried.concatenate(otherwise).take(1)

        def together(indices: tf.Tensor, rows: Any) -> tf.data.Dataset:
            singles = tf.data.Dataset.from_tensor_slices((indices, rows)).batch(1)
            return attempt(rows, singles.flat_map(alone).unbatch().batch(len(self.source)))

        def alone(indices: tf.Tensor, rows: Any) -> tf.data.Dataset:
            row = tf.nest.map_structure(lambda cells: cells[0], rows)
            return attempt(rows, self._nothing(lambda: self._judge(indices[0], row)))

        data = batches.interleave(
            together,
            cycle_length=16,
            block_length=1,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=deterministic,
        )
        if self.on_error == "skip":
            return data.concatenate(self._nothing(self._sum_up)).unbatch()
        return data.unbatch().apply(tf.data.experimental.assert_cardinality(len(self.source)))

    def _samples(self, rows: Any) -> Any:
        """(inputs, targets, weights) of a batch of rows."""

        columns = [*self.used, *self.labels]
        signature = {column: tf.TensorSpec([], tf.string) for column in columns}
        raw = tf.map_fn(self.source.load, rows, fn_output_signature=signature)
        if self.unencodable:
            bad = tf.stack([Unencodable.test(raw[column]) for column in columns])
            tf.debugging.Assert(tf.logical_not(tf.reduce_any(bad)), ["unencodable"])
        x = self._preprocessed({field: raw[field] for field in self.used})
        labels = self._labels_of(raw)
        y = self._all_targets(labels, x) if self.tasks else {}
        weights = {name: self._weight(name, labels[name], raw) for name in self.tasks}
        return x, y, weights

    def _labels_of(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The raw labels of a batch, by task; one that points into what is absent is none."""
        nothing = tf.fill([tf.shape(next(iter(raw.values())))[0]], "")
        labels = {}
        for name, task in self.tasks.items():
            labels[name] = raw[name] if name in self.labels else nothing
            for field in task.points_into:
                labels[name] = tf.where(self._present(field, raw), labels[name], "")
        return labels

    def _present(self, field: str, raw: dict[str, tf.Tensor]) -> tf.Tensor:
        """bool [B]: which samples of a batch have a field; none has one that is not used."""
        if field in self.used:
            return raw[field] != ""
        return tf.fill(tf.shape(next(iter(raw.values()))), False)

    def _all_targets(self, labels: dict[str, tf.Tensor], x: dict[str, tf.Tensor]) -> dict[str, Any]:
        """The targets of a batch."""
        origins = {name: x[name] for name in self.fields.origins(self.origins)}
        return tf.map_fn(
            lambda sample: {
                name: task.target(sample[0][name], self.fields.origins_in(sample[1], self.origins))
                for name, task in self.tasks.items()
            },
            (labels, origins),
            fn_output_signature=self._targets(),
        )

    def _weight(self, name: str, labels: tf.Tensor, raw: dict[str, tf.Tensor]) -> tf.Tensor:
        """float32 [B]: 1 where a sample has what the task asks about, and its label."""
        task = self.tasks[name]
        if task.labelled or name not in self.asked:
            return tf.cast(labels != "", tf.float32)
        needed = [self._present(field, raw) for field in task.points_into or self.used]
        return tf.cast(tf.reduce_any(tf.stack(needed), axis=0), tf.float32)

    def _preprocessed(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = self.fields.preprocess_batch(self.fields.convert(raw), origins=self.origins)
        return {
            name: tf.ensure_shape(x[name], [None, *spec.shape]) for name, spec in self.specs.items()
        }

    def _targets(self) -> Any:
        """Shape and dtype of one sample's targets."""
        with tf.init_scope():
            specs = self.fields.origins(self.origins)
            flat = {n: tf.zeros(spec.shape, spec.dtype) for n, spec in specs.items()}
            origins = self.fields.origins_in(flat, self.origins)
            targets = {
                name: task.target(tf.constant(""), origins) for name, task in self.tasks.items()
            }
        return tf.nest.map_structure(tf.TensorSpec.from_tensor, targets)

    def _nothing(self, call: Callable[[], tf.Tensor]) -> tf.data.Dataset:
        """A dataset of no element, of the form that `_samples` makes, that calls a function."""

        def stand_in(_: tf.Tensor) -> Any:
            x = {n: tf.zeros([1, *spec.shape], spec.dtype) for n, spec in self.specs.items()}
            y = tf.nest.map_structure(
                lambda spec: tf.zeros([1, *spec.shape], spec.dtype), self._targets()
            )
            return x, y, {name: tf.zeros([1]) for name in self.tasks}

        return tf.data.Dataset.from_tensors(0).filter(lambda _: call()).map(stand_in)

    def _judge(self, index: tf.Tensor, row: Any) -> tf.Tensor:
        """bool [], False; for bad samples alone, in Python."""
        here = self.here

        def judge(index: np.ndarray, *flat: np.ndarray) -> str:
            reader = here()
            if reader is None:
                return (
                    f"row {int(index) + 1} is bad; keep the dataset as long as what is made of it, "
                    "to be told why."
                )
            cells = [tf.constant(cell) for cell in flat]
            return reader._verdict(int(index), tf.nest.pack_sequence_as(row, cells))

        return _in_python(judge, index, *tf.nest.flatten(row))

    def _verdict(self, index: int, row: Any) -> str:
        """What stops the epoch because of a bad sample; empty where it is left out."""
        message = self._diagnose(index, row)
        if self.on_error == "raise":
            return (
                f"{message} Correct or remove this sample, or pass on_error='skip' to leave "
                "bad samples out."
            )
        self.bad[index] = message
        size = len(self.source)
        if len(self.bad) <= math.floor(self.max_bad * size):
            return ""
        return (
            f"{len(self.bad)} of {size} samples are bad so far, which is more than "
            f"max_bad={self.max_bad:g} allows; correct them or raise max_bad. The last: {message}"
        )

    def _sum_up(self) -> tf.Tensor:
        """bool [], False; at the end of an epoch in which bad samples are skipped, in Python."""
        here = self.here

        def sum_up() -> str:
            reader = here()
            return "" if reader is None else reader._summary()

        return _in_python(sum_up)

    def _summary(self) -> str:
        """Warns of what was left out in the epoch; what stops it, if nothing was left."""
        if not self.bad:
            return ""
        size, examples = len(self.source), "\n".join(list(self.bad.values())[:5])
        count = len(self.bad)
        self.bad.clear()
        if count == size:
            return f"all {size} samples of {self.source!r} are bad; the first of them: {examples}"
        warnings.warn(
            f"{count} of {size} samples of {self.source!r} were skipped because they are bad; "
            f"the first of them:\n{examples}",
            SkippedSamples,
            stacklevel=2,
        )
        return ""

    def _diagnose(self, index: int, row: Any) -> str:
        def target(task: Task) -> Callable[[tf.Tensor], Any]:
            def step(raw: tf.Tensor) -> Any:
                if not task.points_into:
                    return task.target(raw)
                sample = self.source.load(row)
                if not all(field in sample and sample[field] != "" for field in task.points_into):
                    return None
                flat = self._preprocessed({field: sample[field][None] for field in self.used})
                flat = {name: value[0] for name, value in flat.items()}
                return task.target(raw, self.fields.origins_in(flat, self.origins))

            return step

        steps = {field: self.fields.step(field) for field in self.used}
        steps |= {name: target(self.tasks[name]) for name in self.labels}
        if message := diagnose(self.source, index, row, steps):
            return message
        place = self.source.locate(index)
        try:
            self._samples(tf.nest.map_structure(lambda cell: cell[None], row))
        except tf.errors.OpError as error:
            return f"{place}: {reason_of(error)}"
        return f"{place}: failed once and then passed; was a file being written?"


def _rows_at_once(fields: Fields) -> int:
    """How many samples' tensors take `_BYTES_AT_ONCE`, 64 at most."""
    specs = fields.specs().values()
    size = sum(math.prod(spec.shape) * tf.as_dtype(spec.dtype).size for spec in specs)
    return min(max(_BYTES_AT_ONCE // size, 1), 64)


def _in_python(function: Callable[..., str], *tensors: tf.Tensor) -> tf.Tensor:
    """bool [], False; fails with what the function returns, if it returns something.

    An error raised in Python would come with a traceback of TensorFlow's inner workings.
    """
    message = tf.numpy_function(
        tf.autograph.experimental.do_not_convert(
            lambda *arrays: np.array(_printable(function(*arrays)).encode(errors="replace"), object)
        ),
        tensors,
        tf.string,
        stateful=True,
    )
    message = tf.ensure_shape(message, [])
    with tf.control_dependencies([tf.debugging.Assert(message == "", [message])]):
        return tf.constant(False)


def _printable(message: str) -> str:
    """Typographic quotation marks, because TensorFlow puts a backslash before the others.

    They are told one by one, because a text that was shortened has lost its last one, and an
    apostrophe has no other.
    """
    message = re.sub(r"\\(['\"])", r"\1", message)
    for mark, opening, closing in (("'", "‘", "’"), ('"', "“", "”")):
        # One opens behind a blank or a bracket, as in (b'x'), and behind another before a word.
        begins = rf"(?<![^\s(\[{{=:]){mark}|(?<=[\s(\[{{]b){mark}|(?<=['\"‘“]){mark}(?=\w)"
        message = re.sub(begins, opening, message).replace(mark, closing)
    return message
