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
    one = isinstance(samples, Mapping)
    rows = [samples] if one else list(samples)
    for number, row in enumerate(rows, start=1):
        unknown = sorted(set(row) - set(fields))
        if unknown:
            raise ValueError(
                f"sample {number} names unknown fields {unknown}; the fields are {list(fields)}."
            )
    if not rows:
        return []
    table = Table([{field: row.get(field) for field in fields} for row in rows])
    encoders = {field: modality.encode for field, modality in fields.items()}
    cells = list(table.rows(encoders, [f for f, modality in fields.items() if modality.is_file]))
    answers: list[dict[str, Any]] = []
    pointed = pointed_into(tasks)
    told = _told(tasks, hints or {})
    for start in range(0, len(cells), batch_size):
        tensors = _tensors(fields, table, cells[start : start + batch_size], pointed)
        inputs = {name: tensors[name].numpy() for name in fields.specs()}
        size = len(next(iter(inputs.values())))
        inputs |= {name: np.stack([value] * size) for name, value in told.items()}
        outputs = predict(inputs)
        answers += decode(tasks, outputs, fields.origins_in(tensors, pointed))
    return answers[0] if one else answers


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
            told[hint_name(name, hint)] = array
    return told


def _tensors(
    fields: Fields, table: Table, cells: list[tuple[Any, Any]], origins: Sequence[str]
) -> dict[str, tf.Tensor]:
    try:
        raw = [table.load(row) for _, row in cells]
        stacked = {field: tf.stack([values[field] for values in raw]) for field in fields}
        return fields.graph(origins)(fields.convert(stacked))
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
