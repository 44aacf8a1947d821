"""What an exported model takes and gives: the signatures, and samples to try them on."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.answers import raw_values
from mmkeras.contracts.task import Task, pointed_into
from mmkeras.model import MultimodalModel


def flat(outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`{task: {output: tensor}}` as `{task_output: tensor}`, since a signature's dict is flat.

    Example:

    >>> flat({"mood": {"logits": 1}})
    {'mood_logits': 1}
    """
    return {
        f"{task}_{name}": tensor
        for task, tensors in outputs.items()
        for name, tensor in tensors.items()
    }


def tensor_specs(model: MultimodalModel, batch_size: int | None) -> dict[str, tf.TensorSpec]:
    """Those of the tensors of all fields, by name.

    Args:
        model: the model.
        batch_size: see `tensors_signature`.
    """
    return {
        name: tf.TensorSpec(
            (batch_size, *(spec.shape if batch_size else model.input[name].shape[1:])),
            spec.dtype,
            name=name,
        )
        for name, spec in model.fields.specs().items()
    }


def tensors_signature(
    model: MultimodalModel, batch_size: int | None, conclude: bool = True
) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """Preprocessed tensors to the model's outputs, as the tasks conclude them.

    Args:
        model: the model.
        batch_size: a number makes every shape static, at the modalities' full lengths; None leaves
            the batch and the ragged dimensions open.
        conclude: False gives the outputs as the heads give them.
    """
    specs = tensor_specs(model, batch_size)

    @tf.function(input_signature=[specs])
    def tensors(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = model(inputs, training=False)
        return concluded(model, outputs) if conclude else flat(outputs)

    return tensors


def concluded(
    model: MultimodalModel, outputs: Mapping[str, dict[str, tf.Tensor]]
) -> dict[str, tf.Tensor]:
    """The outputs as the tasks conclude them, `{task_name: tensor}`; see `Task.conclude`."""
    return flat({name: task.conclude(outputs[name]) for name, task in model.tasks.items()})


def raw_signature(
    model: MultimodalModel,
) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """Raw strings (texts, encoded pictures, WAV files; empty = absent) to readable answers."""
    specs = {field: tf.TensorSpec((None,), tf.string, name=field) for field in model.fields}

    @tf.function(input_signature=[specs])
    def raw(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return decoded(model, *answered(model, inputs))

    return raw


def answered(model: MultimodalModel, raw: Mapping[str, tf.Tensor]) -> tuple[Any, Any]:
    """The model's tensors of a batch of raw values (string [B] each), and its outputs for them."""
    tensors = model.fields.preprocess_batch(raw, origins=pointed_into(model.tasks))
    return tensors, model({name: tensors[name] for name in model.fields.specs()}, training=False)


def decoded(
    model: MultimodalModel, tensors: Mapping[str, Any], outputs: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """Readable answers, `{task_name: tensor}`, from what `answered` gives."""
    origins = model.fields.origins_in(tensors, pointed_into(model.tasks))
    return flat({name: task.decode(outputs[name], origins) for name, task in model.tasks.items()})


def drawn(model: MultimodalModel, *signatures: Mapping[str, Any]) -> set[str]:
    """The outputs of signatures that come from tasks whose answers are drawn."""
    return {name for name, task in _with_tasks(model, signatures) if not task.repeatable}


def approximate(model: MultimodalModel, *signatures: Mapping[str, Any]) -> set[str]:
    """The outputs of signatures that come from tasks whose answers are not exact."""
    return {name for name, task in _with_tasks(model, signatures) if not task.exact}


def _with_tasks(
    model: MultimodalModel, signatures: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, Task]]:
    """The outputs of signatures, each with its task."""
    for name in (name for outputs in signatures for name in outputs):
        # One task may be called as another begins.
        owner = max((task for task in model.tasks if name.startswith(f"{task}_")), key=len)
        yield name, model.tasks[owner]


def raw_samples(model: MultimodalModel, samples: Any = None) -> dict[str, np.ndarray]:
    """A batch of raw values to try a model on.

    Args:
        model: the model.
        samples: raw samples as `MultimodalModel.answer` takes them; the modalities' own if None.

    Returns:
        object [B] of bytes for each field. The last rows lack one field each, the last one all.

    Raises:
        ValueError: see `mmkeras.answers.raw_values`.
    """
    if samples is None:
        own = {field: modality.samples() for field, modality in model.fields.items()}
        size = max(len(values) for values in own.values())
        rows = [{field: own[field][i % len(own[field])] for field in own} for i in range(size)]
    else:
        given = raw_values(model.fields, samples)
        rows = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]
    rows += [rows[0] | {field: b""} for field in model.fields]
    rows.append(dict.fromkeys(model.fields, b""))
    return {field: np.array([row[field] for row in rows], object) for field in model.fields}
