"""What an exported model takes and gives: the signatures, and samples to try them on."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

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


def tensors_signature(
    model: MultimodalModel, batch_size: int | None
) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """Preprocessed tensors to the model's outputs.

    Args:
        model: the model.
        batch_size: a number makes every shape static, at the modalities' full lengths; None leaves
            the batch and the ragged dimensions open.
    """
    specs = {
        name: tf.TensorSpec(
            (batch_size, *(spec.shape if batch_size else model.input[name].shape[1:])),
            spec.dtype,
            name=name,
        )
        for name, spec in model.fields.specs().items()
    }

    @tf.function(input_signature=[specs])
    def tensors(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return flat(model(inputs, training=False))

    return tensors


def raw_signature(
    model: MultimodalModel,
) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """Raw strings (texts, encoded pictures, WAV files; empty = absent) to readable answers."""
    specs = {field: tf.TensorSpec((None,), tf.string, name=field) for field in model.fields}

    @tf.function(input_signature=[specs])
    def raw(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = model(model.fields.preprocess_batch(inputs), training=False)
        return flat({name: task.decode(outputs[name]) for name, task in model.tasks.items()})

    return raw


def raw_samples(model: MultimodalModel, samples: Any = None) -> dict[str, np.ndarray]:
    """A batch of raw values to try a model on.

    Args:
        model: the model.
        samples: raw samples as `MultimodalModel.answer` takes them, with bytes or arrays instead
            of paths; the modalities' own if None.

    Returns:
        object [B] of bytes for each field. The last rows lack one field each, the last one all.
    """
    if samples is None:
        own = {field: modality.samples() for field, modality in model.fields.items()}
        size = max(len(values) for values in own.values())
        rows = [{field: own[field][i % len(own[field])] for field in own} for i in range(size)]
    else:
        rows = [
            {f: modality.encode(row.get(f)) for f, modality in model.fields.items()}
            for row in samples
        ]
    rows += [rows[0] | {field: b""} for field in model.fields]
    rows.append(dict.fromkeys(model.fields, b""))
    return {field: np.array([row[field] for row in rows], object) for field in model.fields}
