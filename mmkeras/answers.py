"""From raw samples to what a person reads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.task import Task
from mmkeras.diagnosis import diagnose, reason_of
from mmkeras.fields import Fields
from mmkeras.sources import Table


def answer(
    fields: Fields,
    tasks: Mapping[str, Task],
    predict: Callable[[dict[str, np.ndarray]], Mapping[str, Any]],
    samples: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    batch_size: int = 32,
) -> Any:
    """Preprocesses, predicts and decodes; see `MultimodalModel.answer`.

    Args:
        fields: the model's fields.
        tasks: the model's tasks.
        predict: from a batch of inputs to the model's outputs.
        samples: one raw sample or several.
        batch_size: samples in one forward pass.

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
    for start in range(0, len(cells), batch_size):
        inputs = _inputs(fields, table, cells[start : start + batch_size])
        answers += decode(tasks, predict(inputs))
    return answers[0] if one else answers


def _inputs(fields: Fields, table: Table, cells: list[tuple[Any, Any]]) -> dict[str, np.ndarray]:
    try:
        raw = [table.load(row) for _, row in cells]
        stacked = {field: tf.stack([values[field] for values in raw]) for field in fields}
        return {name: tensor.numpy() for name, tensor in fields.traced(stacked).items()}
    except tf.errors.OpError as error:
        steps = {field: modality.preprocess for field, modality in fields.items()}
        messages = (diagnose(table, int(index), row, steps) for index, row in cells)
        raise ValueError(next(filter(None, messages), reason_of(error))) from error


def decode(tasks: Mapping[str, Task], outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A model's outputs for a batch as one dict `{task: {name: value}}` for each sample."""
    columns: dict[str, list[dict[str, Any]]] = {}
    for name, task in tasks.items():
        tensors = {key: tf.convert_to_tensor(value) for key, value in outputs[name].items()}
        decoded = {key: value.numpy() for key, value in task.decode(tensors).items()}
        size = len(next(iter(decoded.values())))
        columns[name] = [
            task.read({key: _plain(value[i]) for key, value in decoded.items()})
            for i in range(size)
        ]
    size = len(next(iter(columns.values())))
    return [{name: column[i] for name, column in columns.items()} for i in range(size)]


def _plain(value: Any) -> Any:
    """A NumPy value as a person's Python: text, number or list."""
    if isinstance(value, bytes):
        return value.decode()
    return value.tolist() if hasattr(value, "tolist") else value
