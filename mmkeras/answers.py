"""From raw samples to what a person reads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.task import Task
from mmkeras.fields import Fields
from mmkeras.pipeline import pipeline
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
    complete = [{field: row.get(field) for field in fields} for row in rows]
    answers: list[dict[str, Any]] = []
    try:
        for batch in pipeline(Table(complete), fields, batch_size=batch_size):
            outputs = predict({name: tensor.numpy() for name, tensor in batch.items()})
            answers += decode(tasks, outputs)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(_first_line(error)) from error
    return answers[0] if one else answers


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


def _first_line(error: tf.errors.OpError) -> str:
    """The sentence of the error that was raised in Python, out of TensorFlow's wrapping."""
    return error.message.split("ValueError: ", 1)[-1].split("\n", 1)[0]
