"""`litert`: tensors in, outputs out, for a device."""

import dataclasses
from pathlib import Path
from typing import Any

import tensorflow as tf

from mmkeras.export.conversion import checked_path, converted, drafted
from mmkeras.export.precision import in_full_precision
from mmkeras.export.signatures import (
    approximate,
    concluded,
    drawn,
    raw_samples,
    tensors_signature,
)
from mmkeras.export.verify import ExportError, Verification, verify
from mmkeras.model import MultimodalModel

SIGNATURE = "tensors"


def litert(
    model: MultimodalModel,
    path: str | Path,
    samples: Any = None,
    overwrite: bool = False,
    tolerance: float = 1e-4,
) -> Verification:
    """Writes a LiteRT (TFLite) file, runs it in ai-edge-litert and compares.

    Its one signature, `tensors`, takes one sample: the tensors of `model.fields.specs()` with a
    leading 1, every shape static; audio is a waveform, since the spectrogram is part of the model.
    It uses built-in operations alone: no Flex, no custom one, no lookup table. A model of narrower
    floats is written in float32.

    Nothing stands at `path` until all of it is written and verified.

    Args:
        model: the model.
        path: `.../<name>.tflite`.
        samples: raw samples for the comparison; the modalities' own if None.
        overwrite: replaces what stands at `path`.
        tolerance: the largest difference allowed between exported model and model.

    Returns:
        What was measured.

    Raises:
        ValueError: the path does not end in `.tflite`.
        FileExistsError: something stands at `path`, and `overwrite` is False.
        ExportError: an answer is drawn, or the model does not convert to built-in operations,
            does not run or answers differently.
        ImportError: the `export` extra is not installed.
    """
    path = checked_path(path, overwrite)
    for name, task in model.tasks.items():
        if task.draws:
            raise ExportError(
                f"the answers of task {name!r} are drawn, and LiteRT has no random numbers for "
                f"that; choose another search before, as in model.set_task({name!r}, "
                "search=mmkeras.decoding.Greedy())."
            )
    model = in_full_precision(model)
    raw = raw_samples(model, samples)
    tensors = model.fields.preprocess_batch({f: tf.constant(v) for f, v in raw.items()})
    expected = concluded(model, model(tensors, training=False))
    with drafted(path) as draft:
        draft.write_bytes(converted(model, {SIGNATURE: tensors_signature(model, batch_size=1)}))
        seen = verify(
            draft,
            "litert",
            inputs={SIGNATURE: {name: tensor.numpy() for name, tensor in tensors.items()}},
            expected={SIGNATURE: {name: tensor.numpy() for name, tensor in expected.items()}},
            tolerance=tolerance,
            approximate=approximate(model, expected),
            drawn=drawn(model, expected),
        )
    return dataclasses.replace(seen, path=path)
