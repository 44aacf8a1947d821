"""From raw samples to what a person reads."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.task import NO_ORIGINS, Task, Tensors, hint_name, pointed_into
from mmkeras.diagnosis import diagnose, reason_of
from mmkeras.fields import Fields
from mmkeras.modalities import Image
from mmkeras.sources import Table


def answer(
    fields: Fields,
    tasks: Mapping[str, Task],
    predict: Callable[[dict[str, np.ndarray]], Mapping[str, Any]],
    samples: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    batch_size: int = 32,
    hints: Mapping[str, Mapping[str, Any]] | None = None,
) -> Any:
    """Preprocesses, predicts and decodes; see `MultimodalModel.answer`.

    Args:
        fields: the model's fields.
        tasks: the model's tasks.
        predict: from a batch of inputs to the model's outputs.
        samples: one raw sample or several.
        batch_size: samples in one forward pass.
        hints: see `MultimodalModel.answer`.

    Raises:
        ValueError: see `MultimodalModel.answer`.
    """
    table, cells = _rows(fields, samples)
    answers: list[dict[str, Any]] = []
    pointed = pointed_into(tasks)
    told = _told(tasks, hints or {})
    for start in range(0, len(cells), batch_size):
        some = cells[start : start + batch_size]
        tensors = _read(fields, table, some, fields.graph(pointed))
        inputs = {name: tensors[name].numpy() for name in fields.specs()}
        size = len(next(iter(inputs.values())))
        inputs |= {name: np.stack([value] * size) for name, value in told.items()}
        outputs = predict(inputs)
        answers += decode(tasks, outputs, fields.origins_in(tensors, pointed))
    return answers[0] if isinstance(samples, Mapping) else answers


def raw_values(
    fields: Fields, samples: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """Samples as an exported model takes them, files read and converted.

    Args:
        fields: the model's fields.
        samples: one raw sample or several, as `MultimodalModel.answer` takes them.

    Returns:
        `{field: object [B]}` of bytes, empty where absent.

    Raises:
        ValueError: see `MultimodalModel.answer`; or there is no sample.

    Example:

    >>> from mmkeras.modalities import Text
    >>> raw_values(Fields({"text": Text.tiny()}), [{"text": "a cat"}, {}])
    {'text': array([b'a cat', b''], dtype=object)}
    """
    table, cells = _rows(fields, samples)
    if not cells:
        raise ValueError("samples is empty; give at least one.")
    return {field: raw.numpy() for field, raw in _read(fields, table, cells, dict).items()}


#: A row's index, and the row.
_Cell = tuple[Any, Any]


def _rows(
    fields: Fields, samples: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> tuple[Table, list[_Cell]]:
    """The samples as a table, and its rows: files are named, not read."""
    rows = [samples] if isinstance(samples, Mapping) else list(samples)
    for number, row in enumerate(rows, start=1):
        unknown = sorted(set(row) - set(fields))
        if unknown:
            raise ValueError(
                f"sample {number} names unknown fields {unknown}; the fields are {list(fields)}."
            )
    table = Table([{field: row.get(field) for field in fields} for row in rows])
    if not rows:
        return table, []
    encoders = {field: modality.encode for field, modality in fields.items()}
    files = [field for field, modality in fields.items() if modality.is_file]
    return table, list(table.rows(encoders, files))


def _told(
    tasks: Mapping[str, Task], hints: Mapping[str, Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """The hints as a model's inputs, of one sample."""
    told = {}
    for name, given in hints.items():
        if name not in tasks:
            raise ValueError(f"hints are for task {name!r}; the tasks are {list(tasks)}.")
        specs = tasks[name].hints()
        for hint, value in given.items():
            if hint not in specs:
                raise ValueError(f"task {name!r} has no hint {hint!r}; it has {list(specs)}.")
            array = np.asarray(value, specs[hint].dtype)
            if not tf.TensorShape(specs[hint].shape).is_compatible_with(array.shape):
                raise ValueError(
                    f"hint {hint!r} of task {name!r} must have the shape {specs[hint].shape}; got "
                    f"{array.shape}."
                )
            tasks[name].check_hint(hint, array)
            told[hint_name(name, hint)] = array
    return told


def _read(
    fields: Fields,
    table: Table,
    cells: list[_Cell],
    make: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]],
) -> dict[str, tf.Tensor]:
    """What is made of rows' raw values, string [B] by field; a bad one is named."""
    try:
        raw = [table.load(row) for _, row in cells]
        stacked = {field: tf.stack([values[field] for values in raw]) for field in fields}
        return make(fields.convert(stacked))
    except tf.errors.OpError as error:
        steps = {field: fields.step(field) for field in fields}
        messages = (diagnose(table, int(index), row, steps) for index, row in cells)
        raise ValueError(next(filter(None, messages), reason_of(error))) from error


def decode(
    tasks: Mapping[str, Task], outputs: Mapping[str, Any], origins: Tensors = NO_ORIGINS
) -> list[dict[str, Any]]:
    """A model's outputs for a batch as one dict `{task: {name: value}}` for each sample.

    Args:
        tasks: the model's tasks.
        outputs: `{task: {output: array [B, ...]}}`.
        origins: of the fields that the tasks point into, with a leading B.

    Raises:
        ValueError: a task points into a field whose origins are missing.
    """
    columns: dict[str, list[dict[str, Any]]] = {}
    for name, task in tasks.items():
        missing = sorted(set(task.points_into) - set(origins))
        if missing:
            raise ValueError(
                f"task {name!r} points into {missing}, whose origins are not given: use "
                "model.answer, or a pipeline with origins=True."
            )
        tensors = {key: tf.convert_to_tensor(value) for key, value in outputs[name].items()}
        columns[name] = read(task, task.decode(tensors, origins))
    size = len(next(iter(columns.values())))
    return [{name: column[i] for name, column in columns.items()} for i in range(size)]


def read(task: Task, decoded: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a task decoded, `{name: tensor [B, ...]}`, as Python values of each sample."""
    arrays = {key: np.asarray(value) for key, value in decoded.items()}
    size = len(next(iter(arrays.values())))
    return [
        task.read({key: _plain(value[i]) for key, value in arrays.items()}) for i in range(size)
    ]


def drawn(
    fields: Fields, tasks: Mapping[str, Task], sample: Mapping[str, Any], answer: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """A sample's answer as pictures, `{task: uint8 [h, w, 3]}`; see `MultimodalModel.draw`.

    Args:
        fields: the model's fields.
        tasks: the model's tasks.
        sample: one raw sample.
        answer: `{task: ...}`, of that sample.
    """
    made = {}
    for name, task in tasks.items():
        for field in task.points_into:
            modality, value = fields[field], sample.get(field)
            if not isinstance(modality, Image):
                continue
            if isinstance(value, str | os.PathLike):
                value = Path(value).read_bytes() if value else None
            raw = modality.encode(value)
            picture = task.draw(modality.picture(raw), answer[name]) if raw else None
            if picture is not None:
                made[name] = picture
    return made


def _plain(value: Any) -> Any:
    """A NumPy value as a person's Python: text, number or list; bytes that are no text stay."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return _plain(value.tolist()) if hasattr(value, "tolist") else value
